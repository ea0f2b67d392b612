//! Counts a neuron layer: everything that one pass over its weights yields.

use std::cell::Cell;

use multiversion::multiversion;
use rayon::prelude::*;

use super::count::{Counting, width};
use super::edges::EdgeMatrix;
use super::kernel::DrawnShare;
use super::packed::{Large, PackedHistogram, PackedPart};
use super::radius_table::RadiusTable;

/// The destination of the counts of a neuron layer; previous contents are replaced.
#[derive(Debug)]
pub struct LayerRows<'a> {
    /// The neurons' counters.
    pub counts: &'a mut PackedHistogram,
    /// Σ of each neuron's kept distances; empty when they are not wanted.
    pub distances: &'a mut [f64],
    /// The same edges with rescaled weights.
    pub rescaled: Option<Rescaled<'a>>,
    /// The edges between drawn neurons.
    pub samples: Vec<Drawn<'a>>,
}

/// The edges of a neuron layer with rescaled weights.
#[derive(Debug)]
pub struct Rescaled<'a> {
    /// A rescaled table for each matrix.
    pub tables: &'a [RadiusTable],
    /// Receives the counters, for as many neurons as [`LayerRows::counts`] has.
    pub counts: &'a mut PackedHistogram,
}

/// The edges between drawn neurons of a layer and drawn target rows.
#[derive(Debug)]
pub struct Drawn<'a> {
    /// The neurons, ascending, each once.
    pub sources: &'a [usize],
    /// For each matrix, the target rows, ascending, each once.
    pub targets: Vec<&'a [usize]>,
    /// Receives the counters of the drawn neurons.
    pub counts: &'a mut PackedHistogram,
}

/// Results of counting a neuron layer, other than its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Weights that are infinite or NaN; they are counted as left out.
    pub not_finite: u64,
    /// For each matrix, how many of its weights fall in each slot.
    pub pools: Vec<Vec<u64>>,
    /// The same of its rescaled weights; empty where they are not wanted.
    pub rescaled_pools: Vec<Vec<u64>>,
}

/// Counts all edges of the matrices, which share their source neurons, like [`super::count_edges`],
/// and everything else that one pass over the weights yields.
///
/// # Panics
/// When there are not as many distance sums as neurons, a matrix has no rescaled table or no drawn
/// targets, a sample has not as many counters as sources or does not draw from the layer, each neuron and
/// target once and in order, or a histogram is of another method.
pub fn count_layer(
    table: &RadiusTable,
    matrices: &[EdgeMatrix<'_>],
    rows: LayerRows<'_>,
) -> Counted {
    let LayerRows { counts, distances, rescaled, samples } = rows;
    let neurons = counts.neurons();
    assert!(distances.is_empty() || distances.len() == neurons, "one distance sum for each neuron");
    let width = width(table, neurons);
    let parts = neurons.div_ceil(width);
    let ends: Vec<usize> = (1..=parts).map(|k| neurons.min(k * width)).collect();
    let mut tasks: Vec<Task<'_>> = chunks(distances, width, parts)
        .into_iter()
        .enumerate()
        .map(|(k, distances)| Task { first: k * width, distances, parts: Vec::new() })
        .collect();
    // The same neurons of each histogram are one task's: of the layer, rescaled, and of samples.
    let (tables, matched) = rescaled.map(|r| (r.tables, r.counts)).unzip();
    let mut histograms = vec![(counts, ends.clone())];
    if let Some(matched) = matched {
        matched.reset(neurons);
        histograms.push((matched, ends.clone()));
    }
    let mut draws = Vec::with_capacity(samples.len());
    for Drawn { sources, targets, counts } in samples {
        let drawn = |end: &usize| sources.partition_point(|source| source < end);
        let ends = ends.iter().map(drawn).collect();
        assert_eq!(counts.neurons(), sources.len(), "a row for each drawn neuron");
        assert!(is_draw(sources, neurons), "drawn neurons in order, each once");
        for (targets, matrix) in targets.iter().zip(matrices) {
            assert!(is_draw(targets, matrix.layout.targets), "drawn targets in order, each once");
        }
        histograms.push((counts, ends));
        draws.push(Draw { sources, targets });
    }
    for (histogram, ends) in &mut histograms {
        assert_eq!(histogram.slots(), table.method().slots(), "counters of another method");
        let parts = histogram.split(ends);
        tasks.iter_mut().zip(parts).for_each(|(task, part)| task.parts.push(part));
    }
    let layer = Layer { table, matrices, tables, draws };
    let tasks: Vec<_> = tasks.into_par_iter().map(|task| layer.count(task)).collect();
    let mut counted = Counted::default();
    let mut large = vec![Vec::new(); histograms.len()];
    for (of_task, packed) in tasks {
        counted.add(of_task);
        large.iter_mut().zip(packed).for_each(|(all, part)| all.extend(part));
    }
    histograms
        .into_iter()
        .zip(large)
        .for_each(|((histogram, _), large)| histogram.set_large(large));
    counted
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.not_finite += other.not_finite;
        add_pools(&mut self.pools, &other.pools);
        add_pools(&mut self.rescaled_pools, &other.rescaled_pools);
    }
}

fn add_pools(all: &mut Vec<Vec<u64>>, others: &[Vec<u64>]) {
    all.resize_with(others.len(), || vec![0; others[0].len()]);
    for (pool, other) in all.iter_mut().zip(others) {
        pool.iter_mut().zip(other).for_each(|(count, other)| *count += other);
    }
}

/// Whether these are some of the numbers below `all`, ascending, each once.
fn is_draw(drawn: &[usize], all: usize) -> bool {
    drawn.is_sorted_by(|one, next| one < next) && drawn.last().is_none_or(|last| *last < all)
}

/// What is counted of a layer.
struct Layer<'a> {
    table: &'a RadiusTable,
    matrices: &'a [EdgeMatrix<'a>],
    tables: Option<&'a [RadiusTable]>,
    draws: Vec<Draw<'a>>,
}

/// A sample's neurons and, for each matrix, its target rows.
struct Draw<'a> {
    sources: &'a [usize],
    targets: Vec<&'a [usize]>,
}

/// Some consecutive neurons of a layer, and the destination of their counts.
struct Task<'a> {
    first: usize,
    distances: &'a mut [f64],
    parts: Vec<PackedPart<'a>>, // of the layer, then of its rescaled weights if wanted, then of samples
}

impl Layer<'_> {
    /// Counts; returns, for each part, the counts that are too large to be packed.
    fn count(&self, task: Task<'_>) -> (Counted, Vec<Vec<Large>>) {
        let Task { first, distances, parts } = task;
        let slots = self.table.method().slots();
        let mut scratch = SCRATCH.take();
        let length = parts.iter().map(PackedPart::neurons).sum::<usize>() * slots;
        scratch.clear();
        scratch.reserve_exact(length);
        scratch.resize(length, 0);
        let mut rest = scratch.as_mut_slice();
        let mut rows_of = |part: &PackedPart<'_>| {
            rest.split_off_mut(..part.neurons() * slots).unwrap_or_default()
        };
        let mut rows: Vec<&mut [u32]> = parts.iter().map(&mut rows_of).collect();
        let counted = self.count_rows(first, distances, &parts, &mut rows);
        let packed = parts.into_iter().zip(&rows).map(|(part, rows)| part.pack(rows)).collect();
        SCRATCH.set(scratch);
        (counted, packed)
    }

    /// Counts into the rows of each part.
    fn count_rows(
        &self,
        first: usize,
        distances: &mut [f64],
        parts: &[PackedPart<'_>],
        rows: &mut [&mut [u32]],
    ) -> Counted {
        let slots = self.table.method().slots();
        let [rows, others @ ..] = rows else { return Counted::default() };
        let (rescaled, drawn) = others.split_at_mut(usize::from(self.tables.is_some()));
        let drawn_parts = &parts[1 + rescaled.len()..];
        distances.fill(0.0);
        let mut counting = Counting { table: self.table, first, rows, distances };
        let mut counted = Counted::default();
        let (mut before, mut rescaled_before) = (vec![0u64; slots], vec![0u64; slots]);
        for (k, matrix) in self.matrices.iter().enumerate() {
            let tables = self.tables.map(|tables| &tables[k]);
            let into = tables.zip(rescaled.first_mut().map(|rows| &mut **rows));
            let share = |((draw, part), rows)| {
                let (draw, part, rows): (&Draw<'_>, &PackedPart<'_>, &mut &mut [u32]) =
                    (draw, part, rows);
                let sources = &draw.sources[part.first..][..part.neurons()];
                DrawnShare { sources, targets: draw.targets[k], rows }
            };
            let shares = self.draws.iter().zip(drawn_parts).zip(&mut *drawn).map(share);
            counted.not_finite += counting.add(matrix, into, shares.collect());
            counted.pools.push(added_since(&mut before, counting.rows));
            if let Some(rows) = rescaled.first() {
                counted.rescaled_pools.push(added_since(&mut rescaled_before, rows));
            }
        }
        counted
    }
}

thread_local! {
    /// Rows that a thread counts into before they are packed: of a task's neurons, twice where they are
    /// rescaled, and of those drawn. With a kernel up to 3 MB, and 604 bytes a drawn neuron.
    static SCRATCH: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}

/// What the sum of all rows has gained over `before`, which becomes that sum.
fn added_since(before: &mut Vec<u64>, rows: &[u32]) -> Vec<u64> {
    let mut all = vec![0u64; before.len()];
    add_up(rows, &mut all);
    let before = std::mem::replace(before, all.clone());
    all.iter().zip(&before).map(|(now, then)| now - then).collect()
}

/// Adds each of the rows to `all`.
#[multiversion(targets = "simd")]
fn add_up(rows: &[u32], all: &mut [u64]) {
    for row in rows.chunks_exact(all.len()) {
        all.iter_mut().zip(row).for_each(|(all, &count)| *all += u64::from(count));
    }
}

/// `parts` chunks of a slice, all empty when it is.
fn chunks<T: Send>(slice: &mut [T], size: usize, parts: usize) -> Vec<&mut [T]> {
    let mut chunks: Vec<&mut [T]> = slice.chunks_mut(size).collect();
    chunks.resize_with(parts, Default::default);
    chunks
}
