//! How far the sampled estimate is from the exact distances.

use serde::{Deserialize, Serialize};

/// How far the estimate is from the exact distance, over the pairs of a source and a target whose
/// exact distance is in range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EstimateError {
    /// Mean of estimate/exact - 1, over the pairs that have an estimate; none without one.
    pub mean: Option<f64>,
    /// Its maximum.
    pub max: Option<f64>,
    /// Share of all pairs in range whose estimate is within a sixteenth of a radius step of the
    /// exact distance, 0 to 1; none without a pair.
    pub exact_share: Option<f64>,
}

/// Sums over pairs of a source and a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ErrorTally {
    pairs: u64, // exact distance in range
    found: u64, // of these, with an estimate
    exact: u64, // of these, with the exact one within the tolerance
    sum: f64,   // of estimate/exact - 1
    max: f64,   // -∞ without an estimate
}

impl Default for ErrorTally {
    fn default() -> Self {
        Self { pairs: 0, found: 0, exact: 0, sum: 0.0, max: f64::NEG_INFINITY }
    }
}

impl ErrorTally {
    pub(super) fn compare(&mut self, exact: f64, estimate: f64, tolerance: f64) {
        self.pairs += 1;
        self.exact += u64::from((estimate - exact).abs() <= tolerance);
        if estimate.is_finite() {
            let error = estimate / exact - 1.0;
            self.found += 1;
            self.sum += error;
            self.max = self.max.max(error);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.found += other.found;
        self.exact += other.exact;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub(super) fn error(&self) -> EstimateError {
        let found = (self.found > 0).then_some(self.found as f64);
        EstimateError {
            mean: found.map(|found| self.sum / found),
            max: found.map(|_| self.max),
            exact_share: (self.pairs > 0).then(|| self.exact as f64 / self.pairs as f64),
        }
    }
}
