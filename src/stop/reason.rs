//! Why training should stop, in words.

use super::number::{plain, rounded};
use super::rule::{Mode, QuantityRule, analysed_steps};
use super::state::{Best, Stop};

impl QuantityRule {
    /// `value` is `None` where there is none because weights or inputs are not finite.
    pub(super) fn not_finite(&self, value: Option<f64>, best: Option<Best>) -> String {
        let name = &self.monitor;
        let what = match value {
            Some(x) => format!("{name} is {x}, not finite"),
            None => format!("{name} has no value: weights or inputs are not finite"),
        };
        match best {
            Some(best) => format!("{what}; its best was {best}"),
            None => what,
        }
    }

    pub(super) fn aim_reached(&self, value: f64, threshold: f64) -> String {
        let side = match self.mode {
            Mode::Min => "below",
            Mode::Max => "above",
        };
        self.beyond(value, side, "stopping threshold", threshold)
    }

    pub(super) fn diverged(&self, value: f64, threshold: f64) -> String {
        let side = match self.mode {
            Mode::Min => "above",
            Mode::Max => "below",
        };
        self.beyond(value, side, "divergence threshold", threshold)
    }

    // Every digit: rounded, a value just beyond its threshold would look like the threshold.
    fn beyond(&self, value: f64, side: &str, which: &str, threshold: f64) -> String {
        let (name, value, threshold) = (&self.monitor, plain(value), plain(threshold));
        format!("{name} = {value} is {side} the {which} {threshold}")
    }

    pub(super) fn patience_over(&self, last: f64, wait: u64, best: Option<Best>) -> String {
        let (name, waited, last) = (&self.monitor, analysed_steps(wait), rounded(last));
        let Some(best) = best else {
            return format!("{name} never improved in {waited} (last {last})");
        };
        let by = match self.min_delta {
            0.0 => String::new(),
            delta => format!(" by more than {}", plain(delta)),
        };
        format!("{name} did not improve{by} on its best {best} in {waited} (last {last})")
    }
}

impl Stop {
    /// The reason as reported at the row of `step`, which may be later than the measurement.
    pub(super) fn reported_at(&self, step: u64) -> String {
        match self.measured_step {
            measured if measured == step => self.reason.clone(),
            measured => format!("{}, measured at step {measured}", self.reason),
        }
    }
}

impl std::fmt::Display for Best {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (step {})", rounded(self.value), self.step)
    }
}
