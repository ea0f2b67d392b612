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
//! The first case that holds decides; cases 1 to 3 leave b and the count unchanged. With
//! `ignore_not_finite`, a NaN counts as no improvement, so it falls through to case 5.
//!
//! **Rows that are not judged.** The rule ignores steps before `start_from_step`. If the quantity
//! is absent (a metric that is logged now and then, a dropped row), the step is not counted and the
//! last verdict is kept. A quantity that has no value *because* weights or inputs were not finite
//! counts as not finite, or as absent with `ignore_not_finite`.
//!
//! **Combinations.** Every quantity of a rule is judged again at each row. A patience rule
//! withdraws its verdict if its quantity improves again, and so does a threshold rule if the value
//! crosses back. `a.and(b)` stops at the first row at which the current verdicts of both sides are
//! to stop; `a.or(b)` when either is. The verdict of the complete rule is final: the state no
//! longer changes, and holds the numbers that led to it.

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
