//! Radius histograms: for every source neuron, how many of its edges lie at each radius.
//!
//! A histogram is all that one hop needs of the weights: N_i(r) is its running sum. It is
//! counted in parallel over source neurons; counts are integers, so the order does not matter.

use multiversion::multiversion;
use rayon::prelude::*;

use super::edges::{EdgeLayout, EdgeMatrix, Part, Values};
use super::kernel::{Counters, Kernel, Share};
use super::parameters::Method;
use super::radius::RadiusTable;
use super::tile::{Tile, Weight};

/// Neurons that one task counts.
const TILE: usize = 128;

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
/// neurons at a time and in any order, and kept nowhere.
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
    // Chunks of nothing for what is not wanted.
    let parts = neurons.div_ceil(TILE);
    let distances = chunks(distances, TILE, parts);
    counts
        .par_chunks_mut(TILE * slots)
        .zip(distances)
        .enumerate()
        .map_init(Vec::new, |rescaled_rows, (tile, (counts, distances))| {
            let first = tile * TILE;
            // Here, not for all rows before: so they are in the cache when they are counted into.
            counts.fill(0);
            distances.fill(0.0);
            rescaled_rows.clear();
            rescaled_rows.resize(if rescaled.is_some() { counts.len() } else { 0 }, 0);
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
                (rescaled.take)(first, rescaled_rows);
            }
            counted
        })
        .reduce(Counted::default, Counted::add)
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
    let at = |source, target| target * layout.target_stride + source * layout.source_stride;
    let mut gathered = Vec::new();
    let mut not_finite = 0;
    for targets in targets.chunks((GATHERED / (sources.len() * taps).max(1)).max(1)) {
        gathered.clear();
        for &target in targets {
            for &source in sources {
                match taps {
                    // A call to copy four bytes costs more than the bytes.
                    1 => gathered.push(weights[at(source, target)]),
                    _ => gathered.extend_from_slice(&weights[at(source, target)..][..taps]),
                }
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
mod tests {
    use super::*;
    use half::{bf16, f16};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Weights with every oddity: tiny, large, zero, infinite, NaN.
    fn weights(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let odd = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0, -1.0, 1e-40];
        (0..n)
            .map(
                |k| {
                    if k % 97 == 5 {
                        odd[k / 97 % odd.len()]
                    } else {
                        rng.random_range(-0.2..0.2f32)
                    }
                },
            )
            .collect()
    }

    /// The definition, edge by edge.
    fn plain(method: &Method, weights: &[f32], layout: EdgeLayout) -> Histogram {
        let mut histogram = Histogram::new(method, layout.sources);
        let (n, m) = (layout.sources / layout.groups, layout.targets / layout.groups);
        for s in 0..layout.sources {
            for t in (0..layout.targets).filter(|t| t / m == s / n) {
                for k in 0..layout.taps {
                    let w = weights[t * layout.target_stride + s % n * layout.source_stride + k];
                    let slot = method.slot_of_weight(f64::from(w));
                    histogram.rows_mut(s..s + 1)[slot] += 1;
                }
            }
        }
        histogram
    }

    const LAYOUTS: [fn() -> EdgeLayout; 7] = [
        || EdgeLayout::grouped(70, 140, 9, 10),
        || EdgeLayout::grouped(260, 130, 4, 130),
        || EdgeLayout::grouped(6, 198, 1, 2),
        || EdgeLayout::out_in(70, 130, 1),
        || EdgeLayout::out_in(9, 65, 9),
        || EdgeLayout::in_out(130, 70),
        || EdgeLayout {
            sources: 30,
            targets: 20,
            taps: 2,
            source_stride: 50,
            target_stride: 2,
            groups: 1,
        },
    ];

    #[test]
    fn every_layout_counts_as_the_definition() {
        let method = Method::default();
        let table = RadiusTable::new(&method);
        for layout in LAYOUTS.map(|l| l()) {
            let w = weights(layout.reach(), 1);
            let matrix = EdgeMatrix::new(Values::F32(&w), layout).unwrap();
            let mut histogram = Histogram::new(&method, layout.sources);
            let all = 0..layout.sources;
            count_edges(&table, &[matrix], histogram.rows_mut(all));
            assert_eq!(histogram, plain(&method, &w, layout), "{layout:?}");
        }
    }

    #[test]
    fn non_finite_weights_are_counted() {
        let method = Method::default();
        let table = RadiusTable::new(&method);
        let w = weights(70 * 130, 2);
        let expected = w.iter().filter(|w| !w.is_finite()).count() as u64;
        let matrix = EdgeMatrix::new(Values::F32(&w), EdgeLayout::out_in(70, 130, 1)).unwrap();
        let mut histogram = Histogram::new(&method, 130);
        assert_eq!(count_edges(&table, &[matrix], histogram.rows_mut(0..130)), expected);
        assert!(expected > 10);
    }

    #[test]
    fn every_type_counts_as_its_value_in_f64() {
        let method = Method::default();
        let table = RadiusTable::new(&method);
        let layout = EdgeLayout::out_in(40, 30, 1);
        let w = weights(1200, 3);
        let halves: Vec<f16> = w.iter().map(|&w| f16::from_f32(w)).collect();
        let brains: Vec<bf16> = w.iter().map(|&w| bf16::from_f32(w)).collect();
        let doubles: Vec<f64> = w.iter().map(|&w| f64::from(w) * 1.000_000_1).collect();
        let cases = [
            (Values::F16(&halves), halves.iter().map(|w| w.to_f64()).collect::<Vec<_>>()),
            (Values::Bf16(&brains), brains.iter().map(|w| w.to_f64()).collect()),
            (Values::F64(&doubles), doubles.clone()),
        ];
        for (values, exact) in cases {
            let mut fast = Histogram::new(&method, 30);
            let matrix = EdgeMatrix::new(values, layout).unwrap();
            count_edges(&table, &[matrix], fast.rows_mut(0..30));
            let distances: Vec<Vec<f64>> =
                (0..30).map(|s| (0..40).map(|t| 1.0 / exact[t * 30 + s].abs()).collect()).collect();
            assert_eq!(fast, Histogram::from_distances(&method, &distances));
        }
    }

    #[test]
    fn a_sample_counts_the_drawn_edges_only() {
        let method = Method::default();
        let table = RadiusTable::new(&method);
        let (sources, targets) = ([7, 3, 60], [0, 5, 4, 3]);
        for layout in LAYOUTS.map(|l| l()).into_iter().filter(|l| l.sources > 60) {
            let w = weights(layout.reach(), 4);
            let matrix = EdgeMatrix::new(Values::F32(&w), layout).unwrap();
            let mut histogram = Histogram::new(&method, 3);
            count_sampled_edges(&table, &matrix, &sources, &targets, histogram.rows_mut(0..3));
            for (k, s) in sources.iter().enumerate() {
                let mut row = vec![0; method.slots()];
                let (n, m) = (layout.sources / layout.groups, layout.targets / layout.groups);
                for t in targets.into_iter().filter(|t| t / m == s / n) {
                    for tap in 0..layout.taps {
                        let w = w[t * layout.target_stride + s % n * layout.source_stride + tap];
                        row[method.slot_of_weight(f64::from(w))] += 1;
                    }
                }
                assert_eq!(histogram.row(k), row);
            }
        }
    }

    #[test]
    fn a_layout_beyond_the_values_is_refused() {
        let w = [0.0; 11];
        assert!(EdgeMatrix::new(Values::F32(&w), EdgeLayout::out_in(3, 4, 1)).is_none());
        for (targets, sources, groups) in [(4, 6, 4), (4, 6, 3), (1, 1, 0), (6, 4, 2)] {
            let layout = EdgeLayout::grouped(targets, sources, 1, groups);
            assert!(EdgeMatrix::new(Values::F32(&w), layout).is_none(), "{layout:?}");
        }
        assert!(EdgeMatrix::new(Values::F32(&w), EdgeLayout::grouped(4, 4, 1, 2)).is_some());
    }

    #[test]
    fn a_layout_without_edges_counts_nothing() {
        let method = Method::default();
        let table = RadiusTable::new(&method);
        let empty = [
            EdgeLayout::out_in(0, 4, 1),
            EdgeLayout::out_in(4, 0, 1),
            EdgeLayout::out_in(4, 4, 0),
            EdgeLayout::in_out(4, 0),
            EdgeLayout::in_out(0, 4),
        ];
        for layout in empty {
            let matrix = EdgeMatrix::new(Values::F32(&[]), layout).unwrap();
            let mut histogram = Histogram::new(&method, 4);
            assert_eq!(count_edges(&table, &[matrix], histogram.rows_mut(0..4)), 0);
            let (sources, targets) = (0..layout.sources, 0..layout.targets);
            let (sources, targets): (Vec<_>, Vec<_>) = (sources.collect(), targets.collect());
            let rows = histogram.rows_mut(0..layout.sources);
            assert_eq!(count_sampled_edges(&table, &matrix, &sources, &targets, rows), 0);
            assert_eq!(histogram, Histogram::new(&method, 4), "{layout:?}");
        }
    }
}
