//! Counts one neuron layer: everything that a snapshot needs from the weights that leave it.

use std::cell::Cell;

use rayon::prelude::*;

use super::entries::Entries;
use super::matrix_spectrum::MatrixSpectrum;
use super::plan::{Plan, SourceLayer, TensorPlan};
use super::snapshot::LayerSnapshot;
use super::unchanged::Measured;
use super::whole::read_whole;
use crate::counting::{
    Drawn, EdgeLayout, EdgeMatrix, LayerRows, PackedHistogram, RadiusTable, Rescaled, count_edges,
    count_layer, count_sampled_edges, sums_of_squares,
};
use crate::mfa::Values;
use crate::network::Orientation;
use crate::source::{Block, Source, SourceError, Tensor};

/// A tensor as it was read for one snapshot.
pub(super) enum Read<'a> {
    All(Tensor<'a>),
    Drawn(Tensor<'a>), // the drawn blocks of each sample, one after the other
}

impl<'a> Read<'a> {
    /// Reads a tensor: its drawn blocks where they are enough and the source has them, otherwise all.
    pub(super) fn of(
        plan: &Plan,
        source: &'a dyn Source,
        layer: &SourceLayer,
        tensor: &TensorPlan,
    ) -> Result<Self, SourceError> {
        let name = &tensor.connection.parameter;
        if !plan.needs_whole() && tensor.can_be_gathered() {
            let drawn = layer.drawn.iter().zip(&tensor.targets);
            let blocks: Vec<Block<'_>> = drawn
                .map(|(sources, targets)| match tensor.connection.orientation {
                    Orientation::OutIn => Block { rows: targets, columns: sources },
                    Orientation::InOut => Block { rows: sources, columns: targets },
                })
                .collect();
            if let Some(drawn) = source.gather(name, &blocks)? {
                return Ok(Read::Drawn(drawn));
            }
        }
        read_whole(source, &tensor.connection).map(Read::All)
    }

    pub(super) fn values(&self) -> &Tensor<'a> {
        let (Self::All(values) | Self::Drawn(values)) = self;
        values
    }
}

/// A layer, its tensors, and the part of a snapshot for its counts.
pub(super) struct LayerJob<'a> {
    pub(super) plan: &'a Plan,
    pub(super) layer: &'a SourceLayer,
    pub(super) number: usize, // of its first tensor
    pub(super) read: &'a [Read<'a>],
    pub(super) pools: &'a mut [Vec<u64>],
    pub(super) matched_pools: &'a mut [Vec<u64>],
    pub(super) deviations: &'a mut [f64],
    pub(super) counts: &'a mut LayerSnapshot,
}

impl LayerJob<'_> {
    /// Counts the layer, unless its counts are up to date.
    pub(super) fn count(mut self) -> Result<(), SourceError> {
        let values: Vec<Values<'_>> = self.read.iter().map(|read| read.values().values()).collect();
        let start = self.plan.start_deviations.as_deref();
        let start = start.map(|all| &all[self.number..self.number + values.len()]);
        self.counts.reused = self.counts.from.matches(&values, start);
        if self.counts.reused {
            return Ok(());
        }
        let (plan, layer, read) = (self.plan, self.layer, self.read);
        self.counts.measured = Measured::new(layer.drawn.len());
        self.counts.not_finite = if plan.needs_whole() {
            self.count_whole(start)?
        } else {
            let samples = self.counts.samples.par_iter_mut().enumerate();
            let count = |(s, counts)| count_sample(plan, layer, read, s, counts);
            samples.map(count).sum::<Result<u64, SourceError>>()?
        };
        self.counts.from.done();
        Ok(())
    }

    /// Counts the edges of all neurons and those of the samples; returns the number of weights that
    /// are not finite.
    fn count_whole(&mut self, start: Option<&[f64]>) -> Result<u64, SourceError> {
        let all = self.layer.tensors.iter().zip(self.read);
        let matrices =
            all.map(|(tensor, read)| matrix(tensor, read)).collect::<Result<Vec<_>, _>>()?;
        if self.plan.controls.need_deviations() {
            for (deviation, matrix) in self.deviations.iter_mut().zip(&matrices) {
                *deviation = matrix.values().standard_deviation().unwrap_or(f64::NAN);
            }
        }
        if self.plan.stable() {
            sums_of_squares(&matrices, &mut self.counts.squares);
        }
        let positions = self.layer.tensors.iter().filter_map(|tensor| tensor.entries.as_ref());
        for ((positions, matrix), kept) in positions.zip(&matrices).zip(&mut self.counts.entries) {
            positions.pick(matrix.values(), kept);
        }
        if self.plan.matrix_spectra {
            let tensors = self.layer.tensors.par_iter().zip(&matrices);
            let of = |(tensor, matrix): (&TensorPlan, &EdgeMatrix<'_>)| {
                MatrixSpectrum::of(matrix.values(), tensor.first_axis())
            };
            self.counts.spectra = tensors.map(of).collect();
        }
        let tables = start.and_then(|start| self.rescaled(start));
        let LayerSnapshot { whole, matched, distances, samples, .. } = &mut *self.counts;
        matched.reset(0);
        let rescaled = tables.as_deref().map(|tables| Rescaled { tables, counts: matched });
        let (layer, samples) = (self.layer, samples.iter_mut().zip(&self.layer.drawn).enumerate());
        let samples = samples.map(|(s, (counts, sources))| {
            let targets = layer.tensors.iter().map(|tensor| &tensor.targets[s][..]).collect();
            Drawn { sources, targets, counts }
        });
        let samples = samples.collect();
        let rows = LayerRows { counts: whole, distances, rescaled, samples };
        let counted = count_layer(&self.plan.table, &matrices, rows);
        self.pools.iter_mut().zip(counted.pools).for_each(|(pool, counted)| *pool = counted);
        let mut matched = counted.rescaled_pools.into_iter();
        let pools = self.matched_pools.iter_mut();
        pools.for_each(|pool| *pool = matched.next().unwrap_or_default());
        Ok(counted.not_finite)
    }

    /// Tables that rescale each tensor to its deviation at step 0; none if they were not asked for.
    /// A tensor that cannot be rescaled is counted as if none of its weights were in range.
    fn rescaled(&self, start: &[f64]) -> Option<Vec<RadiusTable>> {
        if !self.plan.controls.norm_matched {
            return None;
        }
        let method = &self.plan.method;
        let table = |(start, now): (&f64, &f64)| {
            RadiusTable::rescaled(method, start / now)
                .unwrap_or_else(|| RadiusTable::of_none(method))
        };
        Some(start.iter().zip(&*self.deviations).map(table).collect())
    }
}

impl Plan {
    /// The entries of a source's tensors that a snapshot keeps; none without the stable estimator.
    ///
    /// # Errors
    /// [`SourceError`] when a tensor cannot be read or has changed its shape.
    pub fn entries(&self, source: &dyn Source) -> Result<Entries, SourceError> {
        let tensors = self.sources.iter().flat_map(|layer| &layer.tensors);
        let kept = tensors.filter_map(|tensor| Some((tensor, tensor.entries.as_ref()?)));
        let entries = kept.map(|(tensor, positions)| {
            let (mut kept, connection) = (Vec::new(), &tensor.connection);
            let read = Read::All(read_whole(source, connection)?);
            positions.pick(matrix(tensor, &read)?.values(), &mut kept);
            Ok((connection.parameter.clone(), kept))
        });
        entries.collect()
    }
}

/// The rows of a layer in another source, each matrix multiplied by its factor.
pub(super) fn count_rescaled(
    plan: &Plan,
    layer: &SourceLayer,
    source: &dyn Source,
    factors: &[f64],
) -> Result<Vec<u32>, String> {
    let mut rows = vec![0; layer.whole.len() * plan.method.slots()];
    let mut one = vec![0; rows.len()];
    for (tensor, &factor) in layer.tensors.iter().zip(factors) {
        let name = &tensor.connection.parameter;
        let read = Read::All(read_whole(source, &tensor.connection).map_err(|e| e.to_string())?);
        let matrix = matrix(tensor, &read).map_err(|e| e.to_string())?;
        let table = RadiusTable::rescaled(&plan.method, factor)
            .ok_or_else(|| format!("{name} cannot be rescaled by {factor}"))?;
        count_edges(&table, &[matrix], &mut one);
        rows.iter_mut().zip(&one).for_each(|(all, one)| *all += one);
    }
    Ok(rows)
}

/// Counts the edges between the drawn neurons of a sample; returns the number of their weights that
/// are not finite.
fn count_sample(
    plan: &Plan,
    layer: &SourceLayer,
    tensors: &[Read<'_>],
    sample: usize,
    counts: &mut PackedHistogram,
) -> Result<u64, SourceError> {
    let drawn = &layer.drawn[sample];
    let mut rows = ROWS.take();
    rows.clear();
    rows.resize(drawn.len() * plan.method.slots(), 0);
    let mut not_finite = 0;
    for (tensor, read) in layer.tensors.iter().zip(tensors) {
        let targets = &tensor.targets[sample];
        not_finite += match read {
            Read::All(_) => {
                let matrix = matrix(tensor, read)?;
                count_sampled_edges(&plan.table, &matrix, drawn, targets, &mut rows)
            }
            Read::Drawn(values) => {
                let (from, to) = (drawn.len(), targets.len());
                let block = drawn_block(layer, tensor, values, sample, from, to)?;
                let all = |n| (0..n).collect::<Vec<usize>>();
                count_sampled_edges(&plan.table, &block, &all(from), &all(to), &mut rows)
            }
        };
    }
    counts.pack(&rows);
    ROWS.set(rows);
    Ok(not_finite)
}

thread_local! {
    /// Rows that a thread counts samples into before they are packed.
    static ROWS: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
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
    let start = earlier.map(|(d, t)| d.len() * t.len() * taps).sum();
    let layout = match tensor.connection.orientation {
        Orientation::OutIn => EdgeLayout::out_in(targets, sources, taps),
        Orientation::InOut => EdgeLayout::transposed(sources, targets, taps),
    };
    EdgeMatrix::new(values.values().from(start), layout).ok_or_else(|| changed(tensor, values))
}

fn matrix<'a>(tensor: &TensorPlan, read: &'a Read<'_>) -> Result<EdgeMatrix<'a>, SourceError> {
    let values = read.values();
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
