//! Snapshots: the radius histograms of the weights at one step.

use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::hops::HopsSnapshot;
use super::matrix_spectrum::MatrixSpectrum;
use super::plan::{Plan, SourceLayer};
use super::unchanged::{CountedFrom, Measured};
use crate::counting::PackedHistogram;

/// Radius histograms of the whole network and of each sample: counts, not weights.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) layers: Vec<LayerSnapshot>, // in the order of the plan
    /// How many weights of each tensor fall in each slot, in the order of the plan; of the whole.
    pub(super) pools: Vec<Vec<u64>>,
    /// The same of the weights rescaled to their spread at step 0; empty where that is not done.
    pub(super) matched_pools: Vec<Vec<u64>>,
    /// The standard deviation of each tensor, in the order of the plan; NaN where there is none.
    pub(super) deviations: Vec<f64>,
    pub(super) hops: Option<HopsSnapshot>,
}

/// A snapshot of a layer that edges leave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LayerSnapshot {
    /// All its neurons; none if the complete network is not needed.
    pub(super) whole: PackedHistogram,
    /// The same with its matrices rescaled to their spread at step 0; no neurons where the control is
    /// not computed.
    pub(super) matched: PackedHistogram,
    /// The drawn neurons of each sample.
    pub(super) samples: Vec<PackedHistogram>,
    /// Σ of the kept distances of each neuron of the whole; empty when not wanted.
    pub(super) distances: Vec<f64>,
    /// Σ of the squared weights of each neuron of the whole; empty without the stable estimator.
    pub(super) squares: Vec<f64>,
    /// The kept entries of each tensor; empty without the stable estimator.
    pub(super) entries: Vec<Vec<f64>>,
    /// The spectrum of each tensor; empty unless asked for.
    pub(super) spectra: Vec<MatrixSpectrum>,
    pub(super) from: CountedFrom,
    pub(super) not_finite: u64,
    #[serde(skip)]
    pub(super) reused: bool,
    #[serde(skip)]
    pub(super) measured: Measured,
}

impl LayerSnapshot {
    pub(super) fn new(plan: &Plan, layer: &SourceLayer) -> Self {
        let histogram = |neurons| PackedHistogram::new(&plan.method, neurons);
        let neurons = if plan.needs_whole() { layer.whole.len() } else { 0 };
        let mut matched = histogram(if plan.controls.norm_matched { neurons } else { 0 });
        matched.reset(0);
        Self {
            whole: histogram(neurons),
            matched,
            samples: layer.drawn.iter().map(|drawn| histogram(drawn.len())).collect(),
            distances: vec![0.0; if plan.details() { neurons } else { 0 }],
            squares: vec![0.0; if plan.stable() { neurons } else { 0 }],
            entries: vec![Vec::new(); if plan.stable() { layer.tensors.len() } else { 0 }],
            spectra: Vec::new(),
            from: CountedFrom::default(),
            not_finite: 0,
            reused: false,
            measured: Measured::new(layer.drawn.len()),
        }
    }

    /// How much there is of everything that the plan alone decides.
    pub(super) fn sizes(&self) -> Vec<usize> {
        let neurons = std::iter::once(&self.whole).chain(&self.samples);
        let sums = [self.distances.len(), self.squares.len(), self.entries.len()];
        neurons.map(PackedHistogram::neurons).chain(sums).collect()
    }
}

impl Snapshot {
    /// Memory for the snapshots of a plan; it is reused from step to step.
    pub fn new(plan: &Plan) -> Self {
        let tensors = plan.tensors().count();
        Self {
            layers: plan.sources.iter().map(|layer| LayerSnapshot::new(plan, layer)).collect(),
            pools: vec![Vec::new(); tensors],
            matched_pools: vec![Vec::new(); tensors],
            deviations: vec![f64::NAN; tensors],
            hops: plan.hops().map(HopsSnapshot::new),
        }
    }

    /// A hash of each tensor (XXH3 of the bytes that were read), in the order of [`Plan::tensors`].
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        self.layers.iter().flat_map(|layer| layer.from.hashes().iter().copied())
    }

    /// The kept entries of each tensor; none without the stable estimator.
    pub(super) fn entries(&self, plan: &Plan) -> Entries {
        let entries = self.layers.iter().flat_map(|layer| &layer.entries);
        plan.tensors().cloned().zip(entries.cloned()).collect()
    }

    /// Weights that are infinite or NaN.
    pub fn not_finite(&self) -> u64 {
        self.layers.iter().map(|layer| layer.not_finite).sum()
    }

    /// The layers that such weights leave, by number.
    pub(super) fn layers_not_finite(&self) -> impl Iterator<Item = usize> {
        let layers = self.layers.iter().enumerate();
        layers.filter(|(_, layer)| layer.not_finite > 0).map(|(k, _)| k)
    }

    /// Neuron layers that were not counted again, because all weights that leave them are unchanged
    /// since the last count.
    pub fn unchanged_layers(&self) -> usize {
        self.layers.iter().filter(|layer| layer.reused).count()
    }
}

/// NaN is equal to NaN.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Equal if the counts are equal; earlier contents of the memory do not matter.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.layers == other.layers
            && self.pools == other.pools
            && self.matched_pools == other.matched_pools
            && bits(&self.deviations) == bits(&other.deviations)
            && self.hops == other.hops
    }
}

impl PartialEq for LayerSnapshot {
    fn eq(&self, other: &Self) -> bool {
        self.whole == other.whole
            && self.matched == other.matched
            && self.samples == other.samples
            && self.distances == other.distances
            && bits(&self.squares) == bits(&other.squares)
            && self.spectra == other.spectra
            && self.entries.iter().map(|of| bits(of)).eq(other.entries.iter().map(|of| bits(of)))
            && self.not_finite == other.not_finite
    }
}
