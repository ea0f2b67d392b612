//! Snapshots: the radius histograms of the weights at one step.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::plan::{Plan, SourceLayer, TensorPlan};
use crate::mfa::{EdgeLayout, EdgeMatrix, Histogram, count_edges, count_sampled_edges};
use crate::network::Orientation;
use crate::source::{Block, Source, SourceError, Tensor};

/// Tensors copied out of a device are counted when they reach this many bytes together, so that
/// a snapshot never holds a second copy of a model.
const BATCH_BYTES: usize = 256 << 20;

/// Radius histograms of the whole network and of each sample: counts, not weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub(super) whole: Option<Histogram>,
    pub(super) samples: Vec<Histogram>,
    pub(super) not_finite: u64,
}

impl Snapshot {
    /// Memory for the snapshots of a plan; to be used again from step to step.
    pub fn new(plan: &Plan) -> Self {
        let histogram = |neurons: usize| Histogram::new(&plan.method, neurons);
        Self {
            whole: plan.needs_whole().then(|| histogram(plan.whole_neurons)),
            samples: plan.sample_neurons.iter().map(|&n| histogram(n)).collect(),
            not_finite: 0,
        }
    }

    /// Weights that are infinite or NaN.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }
}

/// A tensor as it was read for one snapshot.
enum Read<'a> {
    All(Tensor<'a>),
    Drawn(Tensor<'a>), // the drawn blocks of each sample, one after the other
}

impl Plan {
    /// Counts the edges of all neurons, as the weights are now. The source is called on this
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
        snapshot.not_finite = 0;
        let (mut first, mut bytes) = (0, 0);
        let mut read = Vec::new();
        for (k, layer) in self.sources.iter().enumerate() {
            for tensor in &layer.tensors {
                let tensor = self.read(source, layer, tensor)?;
                let (Read::All(values) | Read::Drawn(values)) = &tensor;
                bytes += values.owned_bytes();
                read.push(tensor);
            }
            if bytes >= BATCH_BYTES || k + 1 == self.sources.len() {
                let layers = &self.sources[first..=k];
                snapshot.not_finite += pool.install(|| self.count(layers, &read, snapshot))?;
                (first, bytes) = (k + 1, 0);
                read.clear();
            }
        }
        Ok(())
    }

    fn read<'s>(
        &self,
        source: &'s dyn Source,
        layer: &SourceLayer,
        tensor: &TensorPlan,
    ) -> Result<Read<'s>, SourceError> {
        let name = &tensor.connection.parameter;
        if !self.needs_whole() {
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
        layers: &[SourceLayer],
        read: &[Read<'_>],
        snapshot: &mut Snapshot,
    ) -> Result<u64, SourceError> {
        let mut rest = read;
        let mut jobs = Vec::with_capacity(layers.len());
        for layer in layers {
            let (tensors, others) = rest.split_at(layer.tensors.len());
            jobs.push((layer, tensors));
            rest = others;
        }
        let mut not_finite = None;
        if let Some(whole) = &mut snapshot.whole {
            let rows = split_rows(whole, layers.iter().map(|layer| layer.whole.clone()));
            let counted = jobs.par_iter().zip(rows).map(|((layer, tensors), rows)| {
                let all = layer.tensors.iter().zip(*tensors);
                let matrices: Vec<_> =
                    all.map(|(t, read)| matrix(t, read)).collect::<Result<_, _>>()?;
                Ok(count_edges(&self.table, &matrices, rows))
            });
            not_finite = Some(counted.sum::<Result<u64, SourceError>>()?);
        }
        let samples = snapshot.samples.par_iter_mut().enumerate().map(|(s, histogram)| {
            let count = |&(layer, tensors)| self.count_sample(layer, tensors, s, histogram);
            jobs.iter().map(count).sum::<Result<u64, SourceError>>()
        });
        let in_samples = samples.sum::<Result<u64, SourceError>>()?;
        Ok(not_finite.unwrap_or(in_samples))
    }

    fn count_sample(
        &self,
        layer: &SourceLayer,
        tensors: &[Read<'_>],
        sample: usize,
        histogram: &mut Histogram,
    ) -> Result<u64, SourceError> {
        let drawn = &layer.drawn[sample];
        let rows = histogram.rows_mut(drawn.rows.clone());
        rows.fill(0);
        let mut not_finite = 0;
        for (tensor, read) in layer.tensors.iter().zip(tensors) {
            let targets = &tensor.targets[sample];
            not_finite += match read {
                Read::All(_) => {
                    let matrix = matrix(tensor, read)?;
                    count_sampled_edges(&self.table, &matrix, &drawn.neurons, targets, rows)
                }
                Read::Drawn(values) => {
                    let (from, to) = (drawn.neurons.len(), targets.len());
                    let block = drawn_block(layer, tensor, values, sample, from, to)?;
                    let all = |n| (0..n).collect::<Vec<usize>>();
                    count_sampled_edges(&self.table, &block, &all(from), &all(to), rows)
                }
            };
        }
        Ok(not_finite)
    }
}

/// The edges of one sample among the gathered blocks of a tensor.
fn drawn_block<'a>(
    layer: &SourceLayer,
    tensor: &TensorPlan,
    values: &'a Tensor<'_>,
    sample: usize,
    sources: usize,
    targets: usize,
) -> Result<EdgeMatrix<'a>, SourceError> {
    let taps = tensor.layout.taps;
    let earlier = layer.drawn[..sample].iter().zip(&tensor.targets);
    let start = earlier.map(|(d, t)| d.neurons.len() * t.len() * taps).sum();
    let layout = match tensor.connection.orientation {
        Orientation::OutIn => EdgeLayout::out_in(targets, sources, taps),
        Orientation::InOut => EdgeLayout::in_out(sources, targets),
    };
    EdgeMatrix::new(values.values().from(start), layout).ok_or_else(|| changed(tensor, values))
}

fn matrix<'a>(tensor: &TensorPlan, read: &'a Read<'_>) -> Result<EdgeMatrix<'a>, SourceError> {
    let (Read::All(values) | Read::Drawn(values)) = read;
    let whole = values.values().len() == tensor.connection.weights();
    let matrix = if whole { EdgeMatrix::new(values.values(), tensor.layout) } else { None };
    matrix.ok_or_else(|| changed(tensor, values))
}

fn changed(tensor: &TensorPlan, values: &Tensor<'_>) -> SourceError {
    let connection = &tensor.connection;
    SourceError::Shape {
        name: connection.parameter.clone(),
        place: "the source of the weights".to_owned(),
        found: vec![values.values().len()],
        expected: vec![connection.outputs, connection.inputs, connection.taps],
    }
}

/// The rows of consecutive ranges, each lent apart.
fn split_rows(
    histogram: &mut Histogram,
    ranges: impl Iterator<Item = Range<usize>> + Clone,
) -> Vec<&mut [u32]> {
    let slots = histogram.slots();
    let first = ranges.clone().next().map_or(0, |range| range.start);
    let last = ranges.clone().last().map_or(0, |range| range.end);
    let mut rest = histogram.rows_mut(first..last);
    let mut parts = Vec::new();
    for range in ranges {
        let (part, others) = rest.split_at_mut(range.len() * slots);
        parts.push(part);
        rest = others;
    }
    parts
}
