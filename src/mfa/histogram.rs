//! Radius histograms: for every source neuron, how many of its edges lie at each radius.
//!
//! A histogram is all that one hop needs of the weights: N_i(r) is its running sum. It is
//! counted in parallel over source neurons; counts are integers, so the order does not matter.

use std::cell::Cell;

use multiversion::multiversion;
use rayon::prelude::*;

use super::edges::{EdgeLayout, EdgeMatrix, Part, Values};
use super::kernel::{Counters, Kernel, Share};
use super::parameters::Method;
use super::radius::RadiusTable;
use super::tile::{Tile, Weight};

/// Neurons whose rescaled rows are lent at once: from multiples of it on, however many threads count,
/// since sums over parts of a layer depend on where they begin.
const TILE: usize = 192;

/// The most neurons that one task counts: as many as a kernel takes at once, in whole tiles.
const WIDEST: usize = 2048usize.next_multiple_of(TILE);

/// Weights that are gathered at once.
const GATHERED: usize = 1 << 14;

/// Edges per source neuron and radius. Row i holds [`Method::slots`] counters of neuron i.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    slots: usize,
    counts: Vec<u32>, // neurons × slots
}

impl Histogram {
    /// An empty histogram of `neurons` source neurons.
    pub fn new(method: &Method, neurons: usize) -> Self {
        let slots = method.slots();
        Self { slots, counts: vec![0; neurons * slots] }
    }

    /// The histogram of a network given as one list of distances per source neuron.
    pub fn from_distances<D: AsRef<[f64]>>(method: &Method, distances: &[D]) -> Self {
        let mut histogram = Self::new(method, distances.len());
        for (row, distances) in histogram.counts.chunks_exact_mut(method.slots()).zip(distances) {
            count_distances(method, distances.as_ref(), row);
        }
        histogram
    }

    /// Number of source neurons.
    pub fn neurons(&self) -> usize {
        self.counts.len() / self.slots
    }

    /// Counters per neuron.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The counters of one neuron.
    ///
    /// # Panics
    /// When `neuron` is not below [`Self::neurons`].
    pub fn row(&self, neuron: usize) -> &[u32] {
        &self.counts[neuron * self.slots..(neuron + 1) * self.slots]
    }

    /// The counters of a range of neurons, one row after the other.
    ///
    /// # Panics
    /// When the range reaches beyond [`Self::neurons`].
    pub fn rows(&self, neurons: std::ops::Range<usize>) -> &[u32] {
        &self.counts[neurons.start * self.slots..neurons.end * self.slots]
    }

    /// The counters of a range of neurons, to be counted into.
    ///
    /// # Panics
    /// When the range reaches beyond [`Self::neurons`].
    pub fn rows_mut(&mut self, neurons: std::ops::Range<usize>) -> &mut [u32] {
        &mut self.counts[neurons.start * self.slots..neurons.end * self.slots]
    }
}

/// Adds one neuron's distances to its counters.
///
/// # Panics
/// When `row` has fewer than [`Method::slots`] counters.
pub fn count_distances(method: &Method, distances: &[f64], row: &mut [u32]) {
    for &distance in distances {
        row[method.slot_of_distance(distance)] += 1;
    }
}

/// Counts all edges of the matrices, which share their source neurons, into those neurons' rows
/// (as [`Histogram::rows_mut`] gives them), and replaces what the rows held. Returns the number of
/// weights that are not finite; they are counted as left out.
///
/// Rows beyond a matrix's sources count none of its edges; sources beyond the rows are left alone.
pub fn count_edges(table: &RadiusTable, matrices: &[EdgeMatrix<'_>], rows: &mut [u32]) -> u64 {
    let rows = LayerRows { counts: rows, distances: &mut [], rescaled: None };
    count_tiles(table, matrices, rows, false).not_finite
}

/// Where the edges of a neuron layer are counted; what was there is replaced.
pub struct LayerRows<'a> {
    /// The neurons' rows, as [`Histogram::rows_mut`] gives them.
    pub counts: &'a mut [u32],
    /// Σ of each neuron's kept distances; empty when they are not wanted.
    pub distances: &'a mut [f64],
    /// What is made of the same edges with rescaled weights.
    pub rescaled: Option<Rescaled<'a>>,
}

/// Takes the rows of some consecutive neurons, given the number of the first.
pub type TakeRows<'a> = &'a (dyn Fn(usize, &[u32]) + Sync);

/// The edges of a neuron layer with rescaled weights. Their rows are lent as they are counted, some
/// neurons at a time and in any order, and kept nowhere. Where one call's neurons begin and end is
/// the same on any number of threads.
#[derive(Clone, Copy)]
pub struct Rescaled<'a> {
    /// A rescaled table for each matrix.
    pub tables: &'a [RadiusTable],
    /// Takes the rows of [`Self::tables`].
    pub take: TakeRows<'a>,
}

/// What counting a neuron layer found besides its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Weights that are infinite or NaN; they are counted as left out.
    pub not_finite: u64,
    /// For each matrix, how many of its weights fall in each slot.
    pub pools: Vec<Vec<u64>>,
}

impl Counted {
    fn add(mut self, other: Self) -> Self {
        self.not_finite += other.not_finite;
        if self.pools.is_empty() {
            return Self { not_finite: self.not_finite, ..other };
        }
        for (pool, other) in self.pools.iter_mut().zip(&other.pools) {
            pool.iter_mut().zip(other).for_each(|(count, other)| *count += other);
        }
        self
    }
}

/// Counts all edges of the matrices, which share their source neurons, like [`count_edges`], with
/// all else that one pass over the weights gives.
///
/// # Panics
/// When the rows are not those of equally many neurons, or a matrix has no rescaled table.
pub fn count_layer(
    table: &RadiusTable,
    matrices: &[EdgeMatrix<'_>],
    rows: LayerRows<'_>,
) -> Counted {
    count_tiles(table, matrices, rows, true)
}

fn count_tiles(
    table: &RadiusTable,
    matrices: &[EdgeMatrix<'_>],
    rows: LayerRows<'_>,
    pools: bool,
) -> Counted {
    let slots = table.method().slots();
    let LayerRows { counts, distances, rescaled } = rows;
    let neurons = counts.len() / slots;
    assert!(distances.is_empty() || distances.len() == neurons, "one distance sum for each neuron");
    // To other code every row is a place of its own that is counted into: no more than may be.
    let (width, widest) = if table.has_kernel() { (width(neurons), WIDEST) } else { (TILE, TILE) };
    // Chunks of nothing for what is not wanted.
    let parts = neurons.div_ceil(width);
    let distances = chunks(distances, width, parts);
    counts
        .par_chunks_mut(width * slots)
        .zip(distances)
        .enumerate()
        .map(|(part, (counts, distances))| {
            let first = part * width;
            // Here, not for all rows before: they are still in a cache when they are counted into.
            counts.fill(0);
            distances.fill(0.0);
            let mut rescaled_rows = RESCALED.take();
            rescaled_rows.clear();
            if rescaled.is_some() {
                rescaled_rows.reserve_exact(widest * slots);
                rescaled_rows.resize(counts.len(), 0);
            }
            let mut counted = Counted::default();
            let mut before = vec![0u64; slots];
            for (k, matrix) in matrices.iter().enumerate() {
                let last = (first + counts.len() / slots).min(matrix.layout.sources);
                for Part { values, layout, sources, rows } in matrix.parts(first, last) {
                    let (first, last) = (sources.start, sources.end);
                    let tile = Tile { table, slots, first, last, layout };
                    let cells = rows.start * slots..rows.end * slots;
                    let counts = &mut counts[cells.clone()];
                    let distances = distances.get_mut(rows).unwrap_or_default();
                    let matched = rescaled
                        .zip(rescaled_rows.get_mut(cells))
                        .map(|(rescaled, rows)| (&rescaled.tables[k], rows));
                    counted.not_finite += match values {
                        Values::F32(v) => tile.count_all(v, counts, distances, matched),
                        Values::F64(v) => tile.count_all(v, counts, distances, matched),
                        Values::F16(v) => tile.count_all(v, counts, distances, matched),
                        Values::Bf16(v) => tile.count_all(v, counts, distances, matched),
                    };
                }
                if !pools {
                    continue;
                }
                let mut all = vec![0u64; slots];
                add_up(counts, &mut all);
                counted.pools.push(all.iter().zip(&before).map(|(now, then)| now - then).collect());
                before = all;
            }
            if let Some(rescaled) = rescaled {
                for (k, rows) in rescaled_rows.chunks(TILE * slots).enumerate() {
                    (rescaled.take)(first + k * TILE, rows);
                }
            }
            RESCALED.set(rescaled_rows);
            counted
        })
        .reduce(Counted::default, Counted::add)
}

/// Neurons that one task with a kernel counts of a layer of so many: the more, the longer the runs of
/// memory that it reads.
fn width(neurons: usize) -> usize {
    let share = neurons.div_ceil(rayon::current_num_threads());
    share.next_multiple_of(TILE).clamp(TILE, WIDEST)
}

thread_local! {
    /// Rows of rescaled weights, which a thread fills again and again: 1.3 MB, or those of one tile
    /// where no kernel counts.
    static RESCALED: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
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

/// Adds the edges between drawn sources and drawn target rows of their group only. Row k of `rows` is the
/// neuron `sources[k]`. Returns the number of drawn weights that are not finite.
///
/// # Panics
/// When a drawn index lies outside the matrix.
pub fn count_sampled_edges(
    table: &RadiusTable,
    matrix: &EdgeMatrix<'_>,
    sources: &[usize],
    targets: &[usize],
    rows: &mut [u32],
) -> u64 {
    match matrix.values {
        Values::F32(v) => sampled(table, v, matrix.layout, sources, targets, rows),
        Values::F64(v) => sampled(table, v, matrix.layout, sources, targets, rows),
        Values::F16(v) => sampled(table, v, matrix.layout, sources, targets, rows),
        Values::Bf16(v) => sampled(table, v, matrix.layout, sources, targets, rows),
    }
}

fn sampled<W: Weight>(
    table: &RadiusTable,
    weights: &[W],
    layout: EdgeLayout,
    sources: &[usize],
    targets: &[usize],
    rows: &mut [u32],
) -> u64 {
    let gathered = EdgeLayout::out_in(targets.len(), sources.len(), layout.taps);
    if let Some(kernel) = table.kernel_for(&gathered, sources.len()).filter(|_| layout.groups == 1)
    {
        let slots = table.method().slots();
        return gather(&kernel, slots, weights, layout, (sources, targets), rows);
    }
    let mut not_finite = 0;
    let group = layout.group();
    for &target in targets {
        for (row, &source) in rows.chunks_exact_mut(table.method().slots()).zip(sources) {
            if layout.groups > 1 && source / group.sources != target / group.targets {
                continue;
            }
            let source = if layout.groups > 1 { source % group.sources } else { source };
            let first = target * layout.target_stride + source * layout.source_stride;
            for weight in &weights[first..first + layout.taps] {
                row[weight.slot(table)] += 1;
                not_finite += u64::from(!weight.finite());
            }
        }
    }
    not_finite
}

/// Gathers the drawn edges, some targets at a time, into a matrix of their own.
fn gather<W: Weight>(
    kernel: &Kernel,
    slots: usize,
    weights: &[W],
    layout: EdgeLayout,
    (sources, targets): (&[usize], &[usize]),
    rows: &mut [u32],
) -> u64 {
    let taps = layout.taps;
    let places: Vec<usize> = sources.iter().map(|s| s * layout.source_stride).collect();
    let mut gathered = Vec::new();
    let mut not_finite = 0;
    for targets in targets.chunks((GATHERED / (sources.len() * taps).max(1)).max(1)) {
        gathered.clear();
        for &target in targets {
            let row = weights.get(target * layout.target_stride..).unwrap_or_default();
            match taps {
                // A call to copy four bytes costs more than the bytes.
                1 => gathered.extend(places.iter().map(|place| row[*place])),
                _ => places.iter().for_each(|at| gathered.extend_from_slice(&row[*at..][..taps])),
            }
        }
        let layout = EdgeLayout::out_in(targets.len(), sources.len(), taps);
        if !gathered.is_empty() {
            let share = Share { weights: &gathered, layout, first: 0, last: sources.len() };
            let counts = &mut rows[..sources.len() * slots];
            let into = Counters { slots, counts, distances: None, rescaled: None };
            not_finite += kernel.count(share, into);
        }
    }
    not_finite
}

#[cfg(test)]
mod tests;
