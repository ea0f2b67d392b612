//! From histograms to spectra.

use rayon::prelude::*;

use super::plan::Plan;
use super::snapshot::Snapshot;
use crate::mfa::{BoxMasses, Degenerate, Fractal, Published, Spectrum, Stable};

/// Why a snapshot gave no spectrum.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Some weights are infinite or NaN.
    #[error("{weights} weights are not finite")]
    NonFinite {
        /// How many.
        weights: u64,
    },
    /// The network, or one of its samples, is degenerate.
    #[error("{place}: {why}")]
    Degenerate {
        /// The whole network or the sample's number.
        place: String,
        /// What is missing.
        why: Degenerate,
    },
}

/// The spectra of one snapshot.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Published estimator: one spectrum for each sample, or one for the whole network.
    pub published: Result<Vec<Spectrum>, Fault>,
    /// Stable estimator on the whole network; none when the plan leaves it out.
    pub stable: Option<Result<Fractal, Fault>>,
}

/// Both estimators, with their tables of powers, for the snapshots of one plan.
#[derive(Clone, Debug)]
pub struct Estimators {
    published: Published,
    stable: Stable,
}

impl Estimators {
    /// Makes the tables that the plan's networks need.
    pub fn new(plan: &Plan) -> Self {
        let mut published = Published::new(plan.method());
        let mut stable = Stable::new(plan.method());
        if plan.published_on_whole() {
            published.reach(plan.largest_whole_mass());
        } else {
            published.reach(plan.largest_sample_mass());
        }
        if plan.stable() {
            stable.reach(plan.largest_whole_mass());
        }
        Self { published, stable }
    }

    /// The spectra of a snapshot of this plan. Runs in the caller's rayon pool.
    pub fn measure(&self, plan: &Plan, snapshot: &Snapshot) -> Measurement {
        if snapshot.not_finite > 0 {
            let fault = Fault::NonFinite { weights: snapshot.not_finite };
            return Measurement {
                published: Err(fault.clone()),
                stable: plan.stable().then_some(Err(fault)),
            };
        }
        let method = plan.method();
        let whole = snapshot.whole.as_ref().map(|histogram| BoxMasses::new(method, histogram));
        let on_whole = |why| fault("the whole network", why);
        let published = match whole.as_ref().filter(|_| plan.published_on_whole()) {
            Some(masses) => {
                let masses = masses.as_ref().map_err(|why| *why);
                let spectrum = masses.and_then(|masses| self.published.estimate(masses));
                spectrum.map(|s| vec![s]).map_err(on_whole)
            }
            None => {
                let samples = snapshot.samples.par_iter().enumerate();
                let one = |(k, histogram)| {
                    BoxMasses::new(method, histogram)
                        .and_then(|masses| self.published.estimate(&masses))
                        .map_err(|why| fault(&format!("sample {k}"), why))
                };
                samples.map(one).collect::<Vec<_>>().into_iter().collect()
            }
        };
        let stable = whole.filter(|_| plan.stable()).map(|masses| {
            let spectrum = masses.and_then(|masses| self.stable.estimate(&masses));
            spectrum.map(|s| s.fractal).map_err(on_whole)
        });
        Measurement { published, stable }
    }
}

fn fault(place: &str, why: Degenerate) -> Fault {
    Fault::Degenerate { place: place.to_owned(), why }
}
