//! From histograms of several hops to spectra.

use rayon::prelude::*;

use super::error::EstimateError;
use super::plan::HopsPlan;
use super::snapshot::{HopCounts, HopsSnapshot};
use crate::analysis::fault::Fault;
use crate::mfa::{BoxMasses, Degenerate, Fractal, Histogram, Published, Spectrum, Stable};

/// The spectra of one number of hops.
#[derive(Clone, Debug)]
pub struct HopMeasurement {
    /// The number of hops, 2 or more.
    pub hops: usize,
    /// Published estimator, one spectrum for each sample.
    pub published: Result<Vec<Spectrum>, Fault>,
    /// Stable estimator, one value for each sample.
    pub stable: Result<Vec<Fractal>, Fault>,
    /// Published estimator on estimated distances; none without an estimate.
    pub estimated: Option<Result<Vec<Spectrum>, Fault>>,
    /// How far those distances are from the exact ones.
    pub error: EstimateError,
}

/// Both estimators with their tables, for all snapshots of one plan.
#[derive(Clone, Debug)]
pub struct HopEstimators {
    published: Published,
    stable: Stable,
}

impl HopEstimators {
    /// Makes the tables that the plan's samples need.
    pub fn new(plan: &HopsPlan) -> Self {
        let mut published = Published::new(&plan.method);
        let mut stable = Stable::new(&plan.method);
        published.reach(plan.largest_mass());
        stable.reach(plan.largest_mass());
        Self { published, stable }
    }

    /// The spectra of a snapshot of this plan, by number of hops. Runs in the caller's rayon pool.
    pub fn measure(&self, plan: &HopsPlan, snapshot: &HopsSnapshot) -> Vec<HopMeasurement> {
        let fault = Fault::NonFinite { weights: snapshot.not_finite, tensors: String::new() };
        let of_hop = |(hops, counts): (usize, &HopCounts)| {
            let estimated = counts.estimated.as_ref();
            if snapshot.not_finite > 0 {
                return HopMeasurement {
                    hops,
                    published: Err(fault.clone()),
                    stable: Err(fault.clone()),
                    estimated: estimated.map(|_| Err(fault.clone())),
                    error: EstimateError::default(),
                };
            }
            let published = |masses: &BoxMasses<'_>| self.published.estimate(masses);
            let stable = |masses: &BoxMasses<'_>| Ok(self.stable.estimate(masses)?.fractal);
            HopMeasurement {
                hops,
                published: each_sample(plan, &counts.exact, published),
                stable: each_sample(plan, &counts.exact, stable),
                estimated: estimated.map(|e| each_sample(plan, &e.samples, published)),
                error: estimated.map(|e| e.errors.error()).unwrap_or_default(),
            }
        };
        plan.each().zip(&snapshot.counts).map(of_hop).collect()
    }
}

fn each_sample<T: Send>(
    plan: &HopsPlan,
    samples: &[Histogram],
    estimate: impl Fn(&BoxMasses<'_>) -> Result<T, Degenerate> + Sync,
) -> Result<Vec<T>, Fault> {
    let one = |(k, histogram)| {
        let masses = BoxMasses::new(&plan.method, histogram);
        let place =
            || if samples.len() > 1 { format!("sample {k}") } else { "the one sample".into() };
        let fault = |why| Fault::Degenerate { place: place(), why };
        masses.and_then(|masses| estimate(&masses)).map_err(fault)
    };
    // Collected before it is searched, so that the first fault is the same on any threads.
    samples.par_iter().enumerate().map(one).collect::<Vec<_>>().into_iter().collect()
}
