//! The values that later steps are compared with, over several hops.

use serde::{Deserialize, Serialize};

use super::measure::HopMeasurement;
use super::plan::HopsPlan;
use crate::analysis::samples::{fractals, mean_fractal};
use crate::mfa::Fractal;

/// The measurement of the baseline step at one number of hops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HopBaseline {
    /// The number of hops.
    pub hops: usize,
    /// Published estimator, one for each sample; empty when it had no value.
    pub samples: Vec<Fractal>,
    /// Stable estimator, mean over the samples; none when it had no value.
    pub stable: Option<Fractal>,
    /// Published estimator on estimated distances; empty without an estimate or a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimated: Vec<Fractal>,
}

impl HopBaseline {
    /// The baseline that a measurement makes.
    pub fn new(measurement: &HopMeasurement) -> Self {
        let stable = measurement.stable.as_ref().ok();
        let estimated = measurement.estimated.as_ref().and_then(|e| e.as_ref().ok());
        Self {
            hops: measurement.hops,
            samples: measurement.published.as_ref().map(|s| fractals(s)).unwrap_or_default(),
            stable: stable.and_then(|samples| mean_fractal(samples)),
            estimated: estimated.map(|s| fractals(s)).unwrap_or_default(),
        }
    }
}

impl HopsPlan {
    /// In words: which of the values that this plan computes are missing from a baseline.
    pub fn lacking(&self, baseline: &[HopBaseline]) -> Option<String> {
        self.each().find_map(|hops| {
            let Some(start) = baseline.iter().find(|start| start.hops == hops) else {
                return Some(format!("over {hops} hops"));
            };
            let estimated = self.hops.budget.is_some();
            let lacking = match start {
                _ if start.samples.is_empty() => "of the published estimator",
                _ if start.stable.is_none() => "of the stable estimator",
                _ if estimated && start.estimated.is_empty() => "of estimated distances",
                _ => return None,
            };
            Some(format!("{lacking} over {hops} hops"))
        })
    }
}
