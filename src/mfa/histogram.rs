//! Radius histograms: for every source neuron, how many of its edges lie at each radius.
//!
//! A histogram is all that one hop needs of the weights: N_i(r) is its running sum. It is
//! counted in parallel over source neurons; counts are integers, so the order does not matter.

use std::cell::Cell;

use multiversion::multiversion;
use rayon::prelude::*;

use super::edges::{EdgeLayout, EdgeMatrix, Part, Values};
use super::kernel::{Counters, Kernel, Share};
use super::packed::{PackedHistogram, PackedPart};
use super::parameters::Method;
use super::radius::RadiusTable;
use super::tile::{Tile, Weight};

/// Neurons that a task counts at least.
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
    let slots = table.method().slots();
    let width = width(table, rows.len() / slots);
    let parts = rows.par_chunks_mut(width * slots).enumerate();
    let count = |(part, rows): (usize, &mut [u32])| {
        rows.fill(0);
        let mut part = Counting { table, first: part * width, rows, distances: &mut [] };
        matrices.iter().map(|matrix| part.add(matrix, None)).sum::<u64>()
    };
    parts.map(count).sum()
}

/// Where the edges of a neuron layer are counted; what was there is replaced.
pub struct LayerRows<'a> {
    /// The neurons' counters.
    pub counts: &'a mut PackedHistogram,
    /// Σ of each neuron's kept distances; empty when they are not wanted.
    pub distances: &'a mut [f64],
    /// The same edges with rescaled weights.
    pub rescaled: Option<Rescaled<'a>>,
}

/// The edges of a neuron layer with rescaled weights.
pub struct Rescaled<'a> {
    /// A rescaled table for each matrix.
    pub tables: &'a [RadiusTable],
    /// Takes the counters, for as many neurons as there are of [`LayerRows::counts`].
    pub counts: &'a mut PackedHistogram,
}

/// What counting a neuron layer found besides its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Weights that are infinite or NaN; they are counted as left out.
    pub not_finite: u64,
    /// For each matrix, how many of its weights fall in each slot.
    pub pools: Vec<Vec<u64>>,
}

/// Counts all edges of the matrices, which share their source neurons, like [`count_edges`], with
/// all else that one pass over the weights gives.
///
/// # Panics
/// When there are not as many distance sums as neurons, or a matrix has no rescaled table.
pub fn count_layer(
    table: &RadiusTable,
    matrices: &[EdgeMatrix<'_>],
    rows: LayerRows<'_>,
) -> Counted {
    let slots = table.method().slots();
    let LayerRows { counts, distances, rescaled } = rows;
    let neurons = counts.neurons();
    assert!(distances.is_empty() || distances.len() == neurons, "one distance sum for each neuron");
    let width = width(table, neurons);
    let parts = neurons.div_ceil(width);
    let (tables, mut matched) = rescaled.map(|r| (r.tables, r.counts)).unzip();
    if let Some(matched) = &mut matched {
        matched.reset(neurons);
    }
    let mut others = Vec::new();
    if let Some(matched) = &mut matched {
        others.extend(matched.parts(width).into_iter().map(Some));
    }
    others.resize_with(parts, || None);
    let distances = chunks(distances, width, parts);
    let count =
        |((part, distances), other): ((PackedPart<'_>, &mut [f64]), Option<PackedPart<'_>>)| {
            let [mut rows, mut rescaled] = SCRATCH.take();
            let length = part.neurons() * slots;
            fresh(&mut rows, length);
            fresh(&mut rescaled, if other.is_some() { length } else { 0 });
            distances.fill(0.0);
            let mut counted = Counted::default();
            let mut before = vec![0u64; slots];
            let mut counting = Counting { table, first: part.first, rows: &mut rows, distances };
            for (k, matrix) in matrices.iter().enumerate() {
                let other = tables.map(|tables| (&tables[k], &mut rescaled[..]));
                counted.not_finite += counting.add(matrix, other);
                let mut all = vec![0u64; slots];
                add_up(counting.rows, &mut all);
                counted.pools.push(all.iter().zip(&before).map(|(now, then)| now - then).collect());
                before = all;
            }
            let large = part.pack(&rows);
            let others = other.map(|other| other.pack(&rescaled)).unwrap_or_default();
            SCRATCH.set([rows, rescaled]);
            (counted, large, others)
        };
    let all = counts.parts(width).into_par_iter().zip(distances).zip(others).map(count);
    let mut counted = Counted::default();
    let (mut large, mut of_rescaled) = (Vec::new(), Vec::new());
    for (part, of_part, others) in all.collect::<Vec<_>>() {
        counted.add(part);
        large.push(of_part);
        of_rescaled.push(others);
    }
    counts.set_large(large);
    if let Some(matched) = matched {
        matched.set_large(of_rescaled);
    }
    counted
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.not_finite += other.not_finite;
        self.pools.resize_with(other.pools.len(), || vec![0; other.pools[0].len()]);
        for (pool, other) in self.pools.iter_mut().zip(&other.pools) {
            pool.iter_mut().zip(other).for_each(|(count, other)| *count += other);
        }
    }
}

/// Neurons that one task counts of a layer of so many: with a kernel the more, the longer the runs of
/// memory that it reads; to other code every row is a place of its own that is counted into, and no more
/// of them may be than a cache holds.
fn width(table: &RadiusTable, neurons: usize) -> usize {
    let share = neurons.div_ceil(rayon::current_num_threads());
    if table.has_kernel() { share.next_multiple_of(TILE).clamp(TILE, WIDEST) } else { TILE }
}

/// The counting of some neurons, from `first` on.
struct Counting<'a> {
    table: &'a RadiusTable,
    first: usize,
    rows: &'a mut [u32],
    distances: &'a mut [f64],
}

impl Counting<'_> {
    /// Adds a matrix's edges, those of its rescaled weights to rows of their own; gives how many
    /// weights are not finite.
    fn add(
        &mut self,
        matrix: &EdgeMatrix<'_>,
        mut rescaled: Option<(&RadiusTable, &mut [u32])>,
    ) -> u64 {
        let (table, slots) = (self.table, self.table.method().slots());
        let last = (self.first + self.rows.len() / slots).min(matrix.layout.sources);
        let mut not_finite = 0;
        for Part { values, layout, sources, rows } in matrix.parts(self.first, last) {
            let tile = Tile { table, slots, first: sources.start, last: sources.end, layout };
            let cells = rows.start * slots..rows.end * slots;
            let counts = &mut self.rows[cells.clone()];
            let distances = self.distances.get_mut(rows).unwrap_or_default();
            let matched = rescaled.as_mut().map(|(table, rows)| (*table, &mut rows[cells]));
            not_finite += match values {
                Values::F32(v) => tile.count_all(v, counts, distances, matched),
                Values::F64(v) => tile.count_all(v, counts, distances, matched),
                Values::F16(v) => tile.count_all(v, counts, distances, matched),
                Values::Bf16(v) => tile.count_all(v, counts, distances, matched),
            };
        }
        not_finite
    }
}

thread_local! {
    /// Rows that a thread counts into before they are packed, of rescaled weights second: up to 1.3 MB
    /// each.
    static SCRATCH: Cell<[Vec<u32>; 2]> = const { Cell::new([Vec::new(), Vec::new()]) };
}

/// Makes them so many zeros.
fn fresh(rows: &mut Vec<u32>, length: usize) {
    rows.clear();
    rows.reserve_exact(length);
    rows.resize(length, 0);
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
