//! Which training steps are analysed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Which training steps are analysed; step 0, the baseline, always is.
///
/// ```
/// use neuromfa::Schedule;
///
/// let published = Schedule::every(1000).with_powers_until(512);
/// let first: Vec<u64> = (0..=2000).filter(|&step| published.is_due(step)).collect();
/// assert_eq!(first, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Powers of two are due up to here; 0 for none.
    powers_until: u64,
    /// Above `powers_until`, multiples of this are due; 0 for none.
    every: u64,
    /// Further steps that are due, ascending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Vec<u64>>,
}

impl Schedule {
    /// Steps 0, n, 2n, ...
    pub fn every(n: u64) -> Self {
        Self { powers_until: 0, every: n, at: None }
    }

    /// These steps only, in any order.
    pub fn at(steps: impl IntoIterator<Item = u64>) -> Self {
        let mut at: Vec<u64> = steps.into_iter().collect();
        at.sort_unstable();
        at.dedup();
        Self { powers_until: 0, every: 0, at: Some(at) }
    }

    /// Up to step `until`, the powers of two instead: 1, 2, 4, ... The published schedule is
    /// `Schedule::every(1000).with_powers_until(512)`.
    #[must_use]
    pub fn with_powers_until(mut self, until: u64) -> Self {
        self.powers_until = until;
        self
    }

    /// Whether `step` is analysed.
    pub fn is_due(&self, step: u64) -> bool {
        self.is_regular(step) || self.listed().binary_search(&step).is_ok()
    }

    fn listed(&self) -> &[u64] {
        self.at.as_deref().unwrap_or_default()
    }

    /// Whether `step` is analysed, the list aside.
    fn is_regular(&self, step: u64) -> bool {
        if step <= self.powers_until {
            step == 0 || step.is_power_of_two()
        } else {
            step.is_multiple_of(self.every)
        }
    }

    /// How many steps after step 0 are due up to `step`.
    pub(super) fn number_of(&self, step: u64) -> u64 {
        let powers = step.min(self.powers_until).checked_ilog2().map_or(0, |k| u64::from(k) + 1);
        let multiples = |upto: u64| upto.checked_div(self.every).unwrap_or(0);
        let listed = self.listed().iter().filter(|&&at| at <= step && !self.is_regular(at));
        powers
            + multiples(step).saturating_sub(multiples(self.powers_until))
            + listed.count() as u64
    }

    /// Refuses a schedule that is never due after step 0.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.every {
            0 if self.listed().iter().any(|&step| step > 0) => Ok(()),
            0 if self.at.is_some() => Err(Error::NoSteps),
            0 => Err(Error::EveryZero),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(exponent) = self.powers_until.checked_ilog2() {
            write!(f, "powers of two up to step {}, then ", 1_u64 << exponent)?;
        }
        match self.every {
            0 => write!(f, "steps {:?}", self.listed()),
            1 => write!(f, "every step"),
            n => write!(f, "every {n} steps"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn due_up_to(schedule: Schedule, last: u64) -> Vec<u64> {
        (0..=last).filter(|&step| schedule.is_due(step)).collect()
    }

    #[test]
    fn every_n_starts_at_zero() {
        assert_eq!(due_up_to(Schedule::every(3), 10), [0, 3, 6, 9]);
        assert_eq!(due_up_to(Schedule::every(1), 3), [0, 1, 2, 3]);
    }

    #[test]
    fn powers_stop_at_until_and_multiples_start_above_it() {
        let due = |until, n, last| due_up_to(Schedule::every(n).with_powers_until(until), last);
        assert_eq!(due(8, 5, 20), [0, 1, 2, 4, 8, 10, 15, 20]);
        assert_eq!(due(11, 4, 16), [0, 1, 2, 4, 8, 12, 16]);
        assert_eq!(due(1, 3, 6), [0, 1, 3, 6]);
        assert_eq!(due(10, 10, 30), [0, 1, 2, 4, 8, 20, 30]);
    }

    #[test]
    fn zero_is_refused_and_harmless() {
        let schedule = Schedule::every(0);
        let message = schedule.check().unwrap_err().to_string();
        assert!(message.contains("every 0 steps") && message.contains("1 or more"));
        assert_eq!(due_up_to(schedule, 10), [0]);
        assert!(Schedule::every(1).check().is_ok());
    }

    #[test]
    fn reads_as_a_sentence_and_survives_json() {
        let published = Schedule::every(1000).with_powers_until(600);
        assert_eq!(published.to_string(), "powers of two up to step 512, then every 1000 steps");
        assert_eq!(Schedule::every(100).to_string(), "every 100 steps");
        assert_eq!(Schedule::every(1).to_string(), "every step");
        let json = serde_json::to_string(&published).unwrap();
        assert_eq!(json, r#"{"powers_until":600,"every":1000}"#);
        assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), published);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: RngSeed::Fixed(10),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn due_steps_are_counted(until in 0_u64..70, n in 1_u64..40, step in 0_u64..200) {
            let schedule = Schedule::every(n).with_powers_until(until);
            let number = (1..=step).filter(|&earlier| schedule.is_due(earlier)).count();
            prop_assert_eq!(schedule.number_of(step), number as u64);
        }
    }
}
