//! When training should stop: a rule on any logged or computed quantity.
//!
//! One [`QuantityRule`] has the parameters and the meaning that are known from Lightning's
//! `EarlyStopping`. At an analysed step with value x, where b is the best value so far (+∞ in
//! mode min, −∞ in mode max, before the first) and ≻ is "better than", strictly, in the mode:
//!
//! 1. x is not finite, without `ignore_not_finite`: stop;
//! 2. x ≻ `stopping_threshold`: stop, the aim is reached;
//! 3. `divergence_threshold` ≻ x: stop, the run is lost;
//! 4. x − `min_delta` ≻ b in mode max, x + `min_delta` ≻ b in mode min: b becomes x, the count of
//!    waited steps becomes 0;
//! 5. otherwise one more step was waited: stop if there are now `patience` or more.
//!
//! The first case that holds decides; cases 1 to 3 leave b and the count alone. With
//! `ignore_not_finite` a NaN is better than nothing, so it falls through to case 5.
//!
//! **Rows that are not judged.** Steps before `start_from_step` do not exist for the rule. Where
//! the quantity is absent (a metric that is logged now and then, a dropped row) the step is not
//! counted and the last verdict stands. A quantity that has no value *because* weights or inputs
//! were not finite counts as not finite, as absent with `ignore_not_finite`.
//!
//! **Combinations.** Every quantity of a rule is judged anew at each row, so that a patience rule
//! whose quantity improves again takes its verdict back, and so does a threshold that is left
//! again. `a.and(b)` says stop at the first row at which the standing verdicts of both sides say
//! so; `a.or(b)` when either does. The verdict of the rule as a whole is final: from then on the
//! state does not change, and holds the numbers that led to it.

mod check;
mod number;
mod reason;
mod rule;
mod state;
#[cfg(test)]
mod tests;

pub use check::StopRuleError;
pub use rule::{Mode, QuantityRule, StopRule};
pub use state::{RuleState, Stop, Value};
