//! The state of a stop rule.
//!
//! The state is a pure function of the rule and the observations: replaying the rows of a recorded
//! run gives the state of the run when it wrote them, however often it was interrupted.

use serde::{Deserialize, Serialize};

use super::number;
use super::rule::{QuantityRule, StopRule};

/// A quantity at an analysed step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Measured or logged; may be NaN or infinite.
    Is(f64),
    /// Has no value because weights or inputs were not finite.
    NotFinite,
    /// Was not measured or not logged at this step.
    Absent,
}

/// The verdict that training should stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stop {
    /// Why, in words and with the numbers.
    pub reason: String,
    /// The step whose measurement led to it; training has usually continued for some steps since.
    pub measured_step: u64,
}

/// The state of a [`StopRule`] over a run.
///
/// ```
/// use neuromfa::{RuleState, StopRule, Value};
///
/// let rule = StopRule::on("E").max().patience(2).into();
/// let mut state = RuleState::new(&rule);
/// let mut stop = None;
/// for (step, e) in [(0, 0.1), (100, 0.4), (200, 0.3), (300, 0.2)] {
///     stop = state.observe(&rule, step, &|_| Value::Is(e));
/// }
/// let stop = stop.unwrap();
/// assert_eq!(stop.measured_step, 300);
/// assert_eq!(
///     stop.reason,
///     "E did not improve on its best 0.4 (step 100) in 2 analysed steps (last 0.2)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    stop: Option<Stop>,
    /// One for each rule on a single quantity, from left to right.
    quantities: Vec<QuantityState>,
}

/// The state of the rule on one quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuantityState {
    /// The quantity.
    pub monitor: String,
    /// The best value so far; `None` before the first.
    pub best: Option<Best>,
    /// Analysed steps since then that had the quantity.
    pub wait: u64,
    /// The verdict at the last row that had the quantity; `None` means to continue.
    pub verdict: Option<Stop>,
}

/// The best value of a quantity so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Best {
    /// Never NaN; infinite only with `ignore_not_finite`, and then "inf" or "-inf" in JSON.
    #[serde(with = "number")]
    pub value: f64,
    /// The step at which it was measured.
    pub step: u64,
}

impl RuleState {
    /// The state before the first observation.
    pub fn new(rule: &StopRule) -> Self {
        let quantities = rule.leaves().into_iter().map(QuantityState::new).collect();
        Self { stop: None, quantities }
    }

    /// Judges one analysed step and returns the verdict, which is final once there is one.
    ///
    /// `rule` is the rule that the state was made for; steps come in order. `value` gives the
    /// quantity of a name at this step.
    pub fn observe(
        &mut self,
        rule: &StopRule,
        step: u64,
        value: &dyn Fn(&str) -> Value,
    ) -> Option<Stop> {
        if self.stop.is_none() {
            for (state, rule) in self.quantities.iter_mut().zip(rule.leaves()) {
                state.observe(rule, step, value);
            }
            let mut states = self.quantities.iter();
            self.stop =
                verdict(rule, &mut states, step).map(|reason| Stop { reason, measured_step: step });
        }
        self.stop.clone()
    }

    /// The weights were set back to those of an earlier step: patience starts again, and the best
    /// value stays what has to be improved on. A verdict to stop stays, too.
    pub(crate) fn rolled_back(&mut self) {
        if self.stop.is_none() {
            self.quantities.iter_mut().for_each(|state| (state.wait, state.verdict) = (0, None));
        }
    }

    /// The verdict, if training should stop.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// The states of the rules on single quantities, in the order in which the rule names them.
    #[doc(hidden)]
    pub fn quantities(&self) -> &[QuantityState] {
        &self.quantities
    }
}

/// The reason to stop, if the current verdicts amount to one. Takes one state for each leaf of
/// `rule`; for an `or` whose sides agree, the reason is that of the left one.
fn verdict(
    rule: &StopRule,
    states: &mut std::slice::Iter<'_, QuantityState>,
    step: u64,
) -> Option<String> {
    match rule {
        StopRule::On(_) => Some(states.next()?.verdict.as_ref()?.reported_at(step)),
        StopRule::And(a, b) => {
            let (a, b) = (verdict(a, states, step), verdict(b, states, step));
            Some(format!("{}; and {}", a?, b?))
        }
        StopRule::Or(a, b) => {
            let (a, b) = (verdict(a, states, step), verdict(b, states, step));
            a.or(b)
        }
    }
}

impl QuantityState {
    fn new(rule: &QuantityRule) -> Self {
        Self { monitor: rule.monitor.clone(), best: None, wait: 0, verdict: None }
    }

    fn observe(&mut self, rule: &QuantityRule, step: u64, value: &dyn Fn(&str) -> Value) {
        if step < rule.start_from_step {
            return;
        }
        let reason = match value(&rule.monitor) {
            Value::Is(x) => self.judge(rule, x, step),
            Value::NotFinite if rule.check_finite => Some(rule.not_finite(None, self.best)),
            Value::NotFinite | Value::Absent => return,
        };
        self.verdict = reason.map(|reason| Stop { reason, measured_step: step });
    }

    /// The five cases of the module's documentation.
    fn judge(&mut self, rule: &QuantityRule, x: f64, step: u64) -> Option<String> {
        let mode = rule.mode;
        let best = self.best.map_or(mode.worst(), |best| best.value);
        if rule.check_finite && !x.is_finite() {
            return Some(rule.not_finite(Some(x), self.best));
        }
        if let Some(aim) = rule.stopping_threshold.filter(|&aim| mode.better(x, aim)) {
            return Some(rule.aim_reached(x, aim));
        }
        if let Some(limit) = rule.divergence_threshold.filter(|&l| mode.better(l, x)) {
            return Some(rule.diverged(x, limit));
        }
        if mode.better(mode.handicapped(x, rule.min_delta), best) {
            self.best = Some(Best { value: x, step });
            self.wait = 0;
            return None;
        }
        self.wait += 1;
        (self.wait >= rule.patience).then(|| rule.patience_over(x, self.wait, self.best))
    }
}
