//! Which stop rules are refused, and why.

use super::number::plain;
use super::rule::{Mode, QuantityRule, StopRule};

/// A stop rule that is certainly a mistake.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StopRuleError {
    /// The rule is on no quantity.
    #[error(
        "stop rule: the name of the quantity is empty; \
         name a computed quantity such as \"E\" or one that the loop logs, such as \"loss\""
    )]
    EmptyName,
    /// The name differs from a computed quantity in upper and lower case alone.
    #[error(
        "stop rule on \"{monitor}\": upper and lower case count; the computed quantity is \
         \"{computed}\" (if the loop logs a \"{monitor}\" of its own, log it under another name)"
    )]
    WrongCase {
        /// The name in the rule.
        monitor: String,
        /// The computed quantity that it resembles.
        computed: String,
    },
    /// The patience is 0.
    #[error(
        "stop rule on \"{monitor}\": patience is 0 analysed steps, must be 1 or more; \
         with 1 training stops at the first analysed step without improvement"
    )]
    PatienceZero {
        /// The quantity of the rule.
        monitor: String,
    },
    /// The improvement asked for is negative or not a number.
    #[error(
        "stop rule on \"{monitor}\": min_delta is {}, must be a finite number, 0 or more; \
         whether lower or higher is better is chosen with min() and max(), not with its sign",
        plain(*.value)
    )]
    MinDelta {
        /// The quantity of the rule.
        monitor: String,
        /// The refused value.
        value: f64,
    },
    /// A threshold is not a number.
    #[error(
        "stop rule on \"{monitor}\": {parameter} is {}, must be a finite number; \
         leave it out for no threshold",
        plain(*.value)
    )]
    Threshold {
        /// The quantity of the rule.
        monitor: String,
        /// `stopping_threshold` or `divergence_threshold`.
        parameter: &'static str,
        /// The refused value.
        value: f64,
    },
    /// Every value is beyond one of the two thresholds.
    #[error(
        "stop rule on \"{monitor}\": in mode {mode} the stopping_threshold {} and the \
         divergence_threshold {} would stop training at once; the stopping threshold must be the \
         {better} of the two: exchange them, or say {other}()",
        plain(*.stopping), plain(*.divergence)
    )]
    ThresholdsCross {
        /// The quantity of the rule.
        monitor: String,
        /// The mode of the rule.
        mode: &'static str,
        /// What the stopping threshold must be, "lower" or "higher".
        better: &'static str,
        /// The mode in which the thresholds would make sense.
        other: &'static str,
        /// The stopping threshold.
        stopping: f64,
        /// The divergence threshold.
        divergence: f64,
    },
}

impl StopRule {
    /// Rejects parameters out of range. `computed` are the names that every analysed row has; any
    /// other name may be one that the loop logs (see [`quantities`](Self::quantities)).
    pub(crate) fn check(&self, computed: &[&str]) -> Result<(), StopRuleError> {
        self.leaves().into_iter().try_for_each(|rule| rule.check(computed))
    }
}

impl QuantityRule {
    fn check(&self, computed: &[&str]) -> Result<(), StopRuleError> {
        let monitor = || self.monitor.clone();
        if self.monitor.trim().is_empty() {
            return Err(StopRuleError::EmptyName);
        }
        if !computed.contains(&self.monitor.as_str())
            && let Some(near) =
                computed.iter().find(|name| name.eq_ignore_ascii_case(&self.monitor))
        {
            return Err(StopRuleError::WrongCase {
                monitor: monitor(),
                computed: (*near).to_owned(),
            });
        }
        if self.patience == 0 {
            return Err(StopRuleError::PatienceZero { monitor: monitor() });
        }
        if !self.min_delta.is_finite() || self.min_delta < 0.0 {
            return Err(StopRuleError::MinDelta { monitor: monitor(), value: self.min_delta });
        }
        self.check_thresholds()
    }

    fn check_thresholds(&self) -> Result<(), StopRuleError> {
        let thresholds = [
            ("stopping_threshold", self.stopping_threshold),
            ("divergence_threshold", self.divergence_threshold),
        ];
        for (parameter, threshold) in thresholds {
            if let Some(value) = threshold.filter(|value| !value.is_finite()) {
                return Err(StopRuleError::Threshold {
                    monitor: self.monitor.clone(),
                    parameter,
                    value,
                });
            }
        }
        let (Some(stopping), Some(divergence)) =
            (self.stopping_threshold, self.divergence_threshold)
        else {
            return Ok(());
        };
        if self.mode.better(stopping, divergence) {
            return Ok(());
        }
        let (mode, better, other) = match self.mode {
            Mode::Min => ("min", "lower", "max"),
            Mode::Max => ("max", "higher", "min"),
        };
        Err(StopRuleError::ThresholdsCross {
            monitor: self.monitor.clone(),
            mode,
            better,
            other,
            stopping,
            divergence,
        })
    }
}
