//! Snapshots: the radius histograms of the weights at one step.
//!
//! A layer is done with before the next is begun: the spread of its matrices, the edges of all its
//! neurons and those of the samples. So its weights come from memory once, and from the cache after
//! that.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::hops::HopsSnapshot;
use super::layer_count::{LayerJob, Read};
use super::plan::{Plan, SourceLayer, TensorPlan};
use super::unchanged::{CountedFrom, Kept, Measured};
use crate::mfa::{Histogram, PowerSums};
use crate::network::Orientation;
use crate::source::{Block, Source, SourceError};

/// Tensors copied out of a device are counted when they reach this many bytes together, so that
/// a snapshot never holds a second copy of a model.
const BATCH_BYTES: usize = 256 << 20;

/// Radius histograms of the whole network and of each sample: counts, not weights.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) whole: Option<Histogram>,
    pub(super) samples: Vec<Histogram>,
    /// The stable estimator's sums of each layer, its matrices rescaled to their spread at step 0;
    /// none of a layer without kept neurons, and where the control is not computed.
    pub(super) matched: Vec<Option<PowerSums>>,
    /// Σ of the kept distances of each neuron of the whole network; empty when not wanted.
    pub(super) distances: Vec<f64>,
    /// How many weights of each tensor fall in each slot, in the order of the plan; of the whole.
    pub(super) pools: Vec<Vec<u64>>,
    /// The standard deviation of each tensor, in the order of the plan; NaN where there is none.
    pub(super) deviations: Vec<f64>,
    pub(super) hops: Option<HopsSnapshot>,
    pub(super) layers: Vec<LayerState>, // in the order of the plan
}

/// What a snapshot knows of a layer besides its counts.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerState {
    pub(super) from: CountedFrom,
    pub(super) not_finite: u64,
    pub(super) reused: bool,
    pub(super) measured: Measured,
}

impl LayerState {
    fn new(samples: usize) -> Self {
        let measured = Measured { samples: vec![Kept::default(); samples], ..Measured::default() };
        Self { measured, ..Self::default() }
    }

    /// Forgets what was measured: the layer is counted anew.
    pub(super) fn forget(&mut self) {
        *self =
            Self { from: std::mem::take(&mut self.from), ..Self::new(self.measured.samples.len()) };
    }
}

impl Snapshot {
    /// Memory for the snapshots of a plan; to be used again from step to step.
    pub fn new(plan: &Plan) -> Self {
        let histogram = |neurons: usize| Histogram::new(&plan.method, neurons);
        let tensors = plan.tensors().count();
        Self {
            whole: plan.needs_whole().then(|| histogram(plan.whole_neurons)),
            samples: plan.sample_neurons.iter().map(|&n| histogram(n)).collect(),
            matched: vec![None; plan.sources.len()],
            distances: match plan.details() && plan.needs_whole() {
                true => vec![0.0; plan.whole_neurons],
                false => Vec::new(),
            },
            pools: vec![Vec::new(); tensors],
            deviations: vec![f64::NAN; tensors],
            hops: plan.hops().map(HopsSnapshot::new),
            layers: vec![LayerState::new(plan.sample_neurons.len()); plan.sources.len()],
        }
    }

    /// Weights that are infinite or NaN.
    pub fn not_finite(&self) -> u64 {
        self.layers.iter().map(|layer| layer.not_finite).sum()
    }

    /// Neuron layers that were not counted again, since all weights that leave them are those from
    /// which this memory was counted before.
    pub fn unchanged_layers(&self) -> usize {
        self.layers.iter().filter(|layer| layer.reused).count()
    }
}

/// Equal counts; what the memory was counted from before does not matter.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        let bits = |deviations: &[f64]| deviations.iter().map(|d| d.to_bits()).collect::<Vec<_>>();
        self.whole == other.whole
            && self.samples == other.samples
            && self.matched == other.matched
            && self.distances == other.distances
            && self.pools == other.pools
            && bits(&self.deviations) == bits(&other.deviations)
            && self.hops == other.hops
            && self.not_finite() == other.not_finite()
    }
}

impl Plan {
    /// Counts the edges of all neurons, as the weights are now; of layers that have not changed
    /// since this memory was counted from them, the counts stand. The source is called on this
    /// thread, the counting runs in the pool.
    ///
    /// # Errors
    /// [`SourceError`] when a tensor cannot be read or has changed its shape; `snapshot` is then
    /// of no use.
    pub fn snapshot(
        &self,
        source: &dyn Source,
        pool: &ThreadPool,
        snapshot: &mut Snapshot,
    ) -> Result<(), SourceError> {
        let (mut first, mut bytes) = (0, 0);
        let mut read = Vec::new();
        for (k, layer) in self.sources.iter().enumerate() {
            for tensor in &layer.tensors {
                let tensor = self.read(source, layer, tensor)?;
                bytes += tensor.values().owned_bytes();
                read.push(tensor);
            }
            if bytes >= BATCH_BYTES || k + 1 == self.sources.len() {
                pool.install(|| self.count(first..k + 1, &read, snapshot))?;
                (first, bytes) = (k + 1, 0);
                read.clear();
            }
        }
        drop(read);
        match (self.hops(), &mut snapshot.hops) {
            (Some(plan), Some(snapshot)) => plan.count(source, pool, snapshot),
            _ => Ok(()),
        }
    }

    fn read<'s>(
        &self,
        source: &'s dyn Source,
        layer: &SourceLayer,
        tensor: &TensorPlan,
    ) -> Result<Read<'s>, SourceError> {
        let name = &tensor.connection.parameter;
        if !self.needs_whole() && tensor.can_be_gathered() {
            let drawn = layer.drawn.iter().zip(&tensor.targets);
            let blocks: Vec<Block<'_>> = drawn
                .map(|(sources, targets)| match tensor.connection.orientation {
                    Orientation::OutIn => Block { rows: targets, columns: &sources.neurons },
                    Orientation::InOut => Block { rows: &sources.neurons, columns: targets },
                })
                .collect();
            if let Some(drawn) = source.gather(name, &blocks)? {
                return Ok(Read::Drawn(drawn));
            }
        }
        source.tensor(name).map(Read::All)
    }

    /// Counts some consecutive layers, whose tensors have been read in order.
    fn count(
        &self,
        layers: Range<usize>,
        read: &[Read<'_>],
        snapshot: &mut Snapshot,
    ) -> Result<(), SourceError> {
        let slots = self.method.slots();
        let first_tensor: usize =
            self.sources[..layers.start].iter().map(|l| l.tensors.len()).sum();
        let tensors = first_tensor..first_tensor + read.len();
        let sources = &self.sources[layers.clone()];
        let neurons = span(sources.iter().map(|layer| layer.whole.clone()));
        let mut whole = lend(snapshot.whole.as_mut(), neurons.clone());
        let mut distances = snapshot.distances.get_mut(neurons).unwrap_or_default();
        let (mut pools, mut deviations) =
            (&mut snapshot.pools[tensors.clone()], &mut snapshot.deviations[tensors]);
        let samples = snapshot.samples.iter_mut().enumerate();
        let mut samples: Vec<&mut [u32]> = samples
            .map(|(s, rows)| rows.rows_mut(span(sources.iter().map(|l| l.drawn[s].rows.clone()))))
            .collect();
        let (mut read, mut number) = (read, first_tensor);
        let mut jobs = Vec::with_capacity(sources.len());
        let matched = &mut snapshot.matched[layers.clone()];
        let states = snapshot.layers[layers].iter_mut().zip(matched);
        for (layer, (state, matched)) in sources.iter().zip(states) {
            let (neurons, n) = (layer.whole.len(), layer.tensors.len());
            let drawn = samples.iter_mut().zip(&layer.drawn);
            jobs.push(LayerJob {
                plan: self,
                layer,
                number,
                read: read.split_off(..n).unwrap_or_default(),
                counts: take(&mut whole, neurons * slots),
                matched,
                distances: take(&mut distances, neurons),
                pools: take(&mut pools, n),
                deviations: take(&mut deviations, n),
                samples: drawn.map(|(rows, d)| take(rows, d.rows.len() * slots)).collect(),
                state,
            });
            number += n;
        }
        jobs.into_par_iter().try_for_each(LayerJob::count)
    }
}

/// The rows of some neurons; none of a histogram that is not wanted.
fn lend(histogram: Option<&mut Histogram>, neurons: Range<usize>) -> &mut [u32] {
    histogram.map(|histogram| histogram.rows_mut(neurons)).unwrap_or_default()
}

/// The first `n` of what is left, or nothing where nothing is.
fn take<'a, T>(rest: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    rest.split_off_mut(..n.min(rest.len())).unwrap_or_default()
}

/// From the first of consecutive ranges to the last.
fn span(mut ranges: impl Iterator<Item = Range<usize>>) -> Range<usize> {
    let first = ranges.next().unwrap_or_default();
    first.start..ranges.last().map_or(first.end, |last| last.end)
}
