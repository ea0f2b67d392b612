//! Snapshots: radius histograms of the distances over several hops.

use super::error::{ErrorTally, EstimateError};
use super::plan::HopsPlan;
use crate::mfa::Histogram;

/// Histograms for each number of hops and each sample: counts, not weights.
#[derive(Clone, Debug, PartialEq)]
pub struct HopsSnapshot {
    pub(super) counts: Vec<HopCounts>, // of 2, 3, .. hops
    pub(super) not_finite: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct HopCounts {
    pub(super) exact: Vec<Histogram>, // by sample
    pub(super) estimated: Option<EstimatedCounts>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct EstimatedCounts {
    pub(super) samples: Vec<Histogram>,
    pub(super) errors: ErrorTally,
}

impl HopsSnapshot {
    /// Memory for the snapshots of a plan; it is reused from step to step.
    pub fn new(plan: &HopsPlan) -> Self {
        let samples = || -> Vec<Histogram> {
            plan.sample_neurons.iter().map(|&n| Histogram::new(&plan.method, n)).collect()
        };
        let estimated = || EstimatedCounts { samples: samples(), errors: ErrorTally::default() };
        let counts = plan.each().map(|_| HopCounts {
            exact: samples(),
            estimated: plan.hops.budget.map(|_| estimated()),
        });
        Self { counts: counts.collect(), not_finite: 0 }
    }

    /// Weights that are infinite or NaN, in the layers that paths pass.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }

    /// The histogram of the exact distances: a row for each drawn neuron of each layer from which
    /// a path of two hops or more leaves, in the order of the network's layers.
    pub fn exact(&self, hops: usize, sample: usize) -> Option<&Histogram> {
        self.of(hops)?.exact.get(sample)
    }

    /// The histogram of the estimated distances, of the same rows; none without an estimate.
    pub fn estimated(&self, hops: usize, sample: usize) -> Option<&Histogram> {
        self.of(hops)?.estimated.as_ref()?.samples.get(sample)
    }

    /// How far the estimate is from the exact distances, over all samples; none without one.
    pub fn error(&self, hops: usize) -> Option<EstimateError> {
        Some(self.of(hops)?.estimated.as_ref()?.errors.error())
    }

    fn of(&self, hops: usize) -> Option<&HopCounts> {
        self.counts.get(hops.checked_sub(2)?)
    }

    pub(super) fn clear(&mut self) {
        self.not_finite = 0;
        for HopCounts { exact, estimated } in &mut self.counts {
            let estimated = estimated.iter_mut().flat_map(|estimated| {
                estimated.errors = ErrorTally::default();
                &mut estimated.samples
            });
            for histogram in exact.iter_mut().chain(estimated) {
                let neurons = histogram.neurons();
                histogram.rows_mut(0..neurons).fill(0);
            }
        }
    }
}
