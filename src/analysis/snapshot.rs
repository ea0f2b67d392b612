//! Snapshots: the radius histograms of the weights at one step.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::hops::HopsSnapshot;
use super::plan::{Plan, SourceLayer, TensorPlan};
use crate::mfa::{
    Counted, EdgeLayout, EdgeMatrix, Histogram, LayerRows, RadiusTable, count_edges, count_layer,
    count_sampled_edges,
};
use crate::network::Orientation;
use crate::source::{Block, Source, SourceError, Tensor};

/// Tensors copied out of a device are counted when they reach this many bytes together, so that
/// a snapshot never holds a second copy of a model.
const BATCH_BYTES: usize = 256 << 20;

/// Radius histograms of the whole network and of each sample: counts, not weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub(super) whole: Option<Histogram>,
    pub(super) samples: Vec<Histogram>,
    /// The whole network, its matrices rescaled to their spread at step 0.
    pub(super) matched: Option<Histogram>,
    /// Σ of the kept distances of each neuron of the whole network; empty when not wanted.
    pub(super) distances: Vec<f64>,
    /// How many weights of each tensor fall in each slot, in the order of the plan; of the whole.
    pub(super) pools: Vec<Vec<u64>>,
    /// The standard deviation of each tensor, in the order of the plan; NaN where there is none.
    pub(super) deviations: Vec<f64>,
    pub(super) not_finite: u64,
    pub(super) hops: Option<HopsSnapshot>,
}

impl Snapshot {
    /// Memory for the snapshots of a plan; to be used again from step to step.
    pub fn new(plan: &Plan) -> Self {
        let histogram = |neurons: usize| Histogram::new(&plan.method, neurons);
        Self {
            whole: plan.needs_whole().then(|| histogram(plan.whole_neurons)),
            samples: plan.sample_neurons.iter().map(|&n| histogram(n)).collect(),
            matched: plan.controls.norm_matched.then(|| histogram(plan.whole_neurons)),
            distances: match plan.details() && plan.needs_whole() {
                true => vec![0.0; plan.whole_neurons],
                false => Vec::new(),
            },
            pools: Vec::new(),
            deviations: Vec::new(),
            not_finite: 0,
            hops: plan.hops().map(HopsSnapshot::new),
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
        snapshot.pools.clear();
        snapshot.deviations.clear();
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
        let not_finite = match self.needs_whole() {
            true => Some(self.count_whole(&jobs, snapshot)?),
            false => None,
        };
        let samples = snapshot.samples.par_iter_mut().enumerate().map(|(s, histogram)| {
            let count = |&(layer, tensors)| self.count_sample(layer, tensors, s, histogram);
            jobs.iter().map(count).sum::<Result<u64, SourceError>>()
        });
        let in_samples = samples.sum::<Result<u64, SourceError>>()?;
        Ok(not_finite.unwrap_or(in_samples))
    }

    /// Counts the edges of all neurons of some consecutive layers.
    fn count_whole(
        &self,
        jobs: &[(&SourceLayer, &[Read<'_>])],
        snapshot: &mut Snapshot,
    ) -> Result<u64, SourceError> {
        let Snapshot { whole: Some(whole), matched, distances, pools, deviations, .. } = snapshot
        else {
            return Ok(0);
        };
        let mut layers = Vec::with_capacity(jobs.len());
        for (layer, tensors) in jobs {
            let all = layer.tensors.iter().zip(*tensors);
            layers.push(all.map(|(t, read)| matrix(t, read)).collect::<Result<Vec<_>, _>>()?);
        }
        let first_tensor = deviations.len();
        if self.controls.need_deviations() {
            let all: Vec<_> = layers.iter().flatten().collect();
            let of = |m: &&EdgeMatrix<'_>| m.values().standard_deviation().unwrap_or(f64::NAN);
            deviations.par_extend(all.par_iter().map(of));
        }
        let rescaled = self.rescaled(&deviations[first_tensor..], first_tensor);
        let ranges = jobs.iter().map(|(layer, _)| layer.whole.clone());
        let counts = split_rows(whole, ranges.clone());
        let matched = matched.as_mut().filter(|_| rescaled.is_some());
        let mut matched = matched.map(|all| split_rows(all, ranges.clone()).into_iter());
        let mut tables = rescaled.as_deref().unwrap_or_default();
        let mut distances = match distances.is_empty() {
            true => &mut [][..],
            false => &mut distances[span(ranges.clone())],
        };
        let mut work = Vec::with_capacity(jobs.len());
        for ((matrices, counts), range) in layers.iter().zip(counts).zip(ranges) {
            let (sums, rest) = distances.split_at_mut(range.len().min(distances.len()));
            distances = rest;
            let (own, rest) = tables.split_at(matrices.len().min(tables.len()));
            tables = rest;
            let matched = matched.as_mut().and_then(Iterator::next).map(|rows| (own, rows));
            work.push((matrices, LayerRows { counts, distances: sums, matched }));
        }
        let counted: Vec<Counted> = work
            .into_par_iter()
            .map(|(matrices, rows)| count_layer(&self.table, matrices, rows))
            .collect();
        let not_finite = counted.iter().map(|counted| counted.not_finite).sum();
        pools.extend(counted.into_iter().flat_map(|counted| counted.pools));
        Ok(not_finite)
    }

    /// The rows of a layer in another source, each matrix multiplied by its factor.
    pub(super) fn count_rescaled(
        &self,
        layer: &SourceLayer,
        source: &dyn Source,
        factors: &[f64],
    ) -> Result<Vec<u32>, String> {
        let mut rows = vec![0; layer.whole.len() * self.method.slots()];
        let mut one = vec![0; rows.len()];
        for (tensor, &factor) in layer.tensors.iter().zip(factors) {
            let name = &tensor.connection.parameter;
            let read = Read::All(source.tensor(name).map_err(|e| e.to_string())?);
            let matrix = matrix(tensor, &read).map_err(|e| e.to_string())?;
            let table = RadiusTable::rescaled(&self.method, factor)
                .ok_or_else(|| format!("{name} cannot be rescaled by {factor}"))?;
            count_edges(&table, &[matrix], &mut one);
            rows.iter_mut().zip(&one).for_each(|(all, one)| *all += one);
        }
        Ok(rows)
    }

    /// Tables that rescale each of some consecutive tensors to its deviation at step 0; none when
    /// that is not wanted, or one of the tensors has none.
    fn rescaled(&self, now: &[f64], first: usize) -> Option<Vec<RadiusTable>> {
        let start = self.start_deviations.as_ref().filter(|_| self.controls.norm_matched)?;
        let table = |(start, now): (&f64, &f64)| RadiusTable::rescaled(&self.method, start / now);
        start[first..].par_iter().zip(now).map(table).collect()
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
        expected: vec![connection.outputs, connection.inputs / connection.groups, connection.taps],
    }
}

/// The rows of consecutive ranges, each lent apart.
fn split_rows(
    histogram: &mut Histogram,
    ranges: impl Iterator<Item = Range<usize>> + Clone,
) -> Vec<&mut [u32]> {
    let slots = histogram.slots();
    let mut rest = histogram.rows_mut(span(ranges.clone()));
    let mut parts = Vec::new();
    for range in ranges {
        let (part, others) = rest.split_at_mut(range.len() * slots);
        parts.push(part);
        rest = others;
    }
    parts
}

/// From the first of consecutive ranges to the last.
fn span(mut ranges: impl Iterator<Item = Range<usize>>) -> Range<usize> {
    let first = ranges.next().unwrap_or_default();
    first.start..ranges.last().map_or(first.end, |last| last.end)
}
