//! Both estimators, and the sums that they use.

use std::sync::Arc;

use rayon::prelude::*;

use super::hops::HopEstimators;
use super::plan::Plan;
use super::snapshot::{LayerSnapshot, Snapshot};
use super::unchanged::LayerSums;
use crate::counting::PackedHistogram;
use crate::mfa::{
    BoxMasses, Degenerate, Dimensions, Fractal, PowerSums, Published, Spectrum, Stable,
};
use crate::source::Source;

/// Layers that are summed in parallel; their sums are in memory at the same time.
pub(super) const SIDE_BY_SIDE: usize = 16;

/// Both estimators with their tables, for all snapshots of one plan.
#[derive(Clone)]
pub struct Estimators {
    pub(super) published: Published,
    pub(super) stable: Stable,
    pub(super) dimensions: Option<Dimensions>,
    pub(super) start: Option<Arc<dyn Source + Sync>>,
    pub(super) hops: Option<HopEstimators>,
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
        let largest = match plan.needs_whole() {
            true => plan.largest_whole_mass(),
            false => plan.largest_sample_mass(),
        };
        let dimensions = plan.details().then(|| Dimensions::new(plan.method(), largest));
        let hops = plan.hops().map(HopEstimators::new);
        Self { published, stable, dimensions, start: None, hops }
    }

    /// Sets the weights of step 0, for the rescaled start.
    pub fn start_from(&mut self, weights: Arc<dyn Source + Sync>) {
        self.start = Some(weights);
    }

    /// The sums of a layer of the complete network.
    pub(super) fn layer(&self, plan: &Plan, masses: &BoxMasses<'_>) -> LayerSums {
        match (plan.published_on_whole(), plan.stable()) {
            (true, true) => {
                let (published, stable) = self.stable.sums_of_both(&self.published, masses);
                LayerSums { published: Some(published), stable: Some(stable) }
            }
            (published, stable) => LayerSums {
                published: published.then(|| self.published.sums(masses)),
                stable: stable.then(|| self.stable.sums(masses)),
            },
        }
    }

    pub(super) fn stable_fractal(&self, sums: &PowerSums) -> Result<Fractal, Degenerate> {
        self.stable.spectrum(sums).map(|spectrum| spectrum.fractal)
    }

    /// The published estimator on the sums of a network's parts, added in their order.
    pub(super) fn published_of(
        &self,
        plan: &Plan,
        parts: impl Iterator<Item = Option<PowerSums>>,
    ) -> Result<Spectrum, Degenerate> {
        self.published.spectrum(&added(plan, parts)?)
    }

    /// The stable estimator on the sums of a network's parts, added in their order.
    pub(super) fn stable_of(
        &self,
        plan: &Plan,
        parts: impl Iterator<Item = Option<PowerSums>>,
    ) -> Result<Fractal, Degenerate> {
        self.stable_fractal(&added(plan, parts)?)
    }
}

/// The sums of all parts that have kept neurons.
fn added(
    plan: &Plan,
    parts: impl Iterator<Item = Option<PowerSums>>,
) -> Result<PowerSums, Degenerate> {
    let add = |mut all: PowerSums, part: PowerSums| {
        all.add(&part);
        all
    };
    let min_edges = plan.method().parameters().min_edges;
    parts.flatten().reduce(add).ok_or(Degenerate::NoNeurons { min_edges })
}

/// Applies a function to the kept neurons of a histogram; none without any.
pub(super) fn sums_of<T>(
    plan: &Plan,
    histogram: &PackedHistogram,
    make: impl FnOnce(&BoxMasses<'_>) -> T,
) -> Option<T> {
    PackedHistogram::lend([histogram], |rows| {
        BoxMasses::of_rows(plan.method(), rows).ok().map(|masses| make(&masses))
    })
}

/// Applies a function to each layer, some of them in parallel, and takes the results in the order
/// of the layers.
pub(super) fn for_each_layer<T: Send>(
    snapshot: &Snapshot,
    make: impl Fn(&LayerSnapshot) -> T + Sync,
    mut take: impl FnMut(usize, T),
) {
    for (chunk, layers) in snapshot.layers.chunks(SIDE_BY_SIDE).enumerate() {
        let made: Vec<T> = layers.par_iter().map(&make).collect();
        let first = chunk * SIDE_BY_SIDE;
        made.into_iter().enumerate().for_each(|(k, made)| take(first + k, made));
    }
}
