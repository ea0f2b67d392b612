//! Radius histograms: for every source neuron, how many of its edges lie at each radius.
//!
//! A histogram is all that one hop needs of the weights: N_i(r) is its running sum. It is
//! counted in parallel over source neurons; counts are integers, so the order does not matter.

use half::{bf16, f16};
use rayon::prelude::*;

use super::parameters::Method;
use super::radius::RadiusTable;

/// Neurons that one task counts: their counters (150 radii each) stay in the first-level cache.
const TILE: usize = 64;

/// A weight tensor's values, row-major, in the type in which they are stored.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit floats.
    F64(&'a [f64]),
    /// IEEE half precision; widened exactly.
    F16(&'a [f16]),
    /// bfloat16; widened exactly.
    Bf16(&'a [bf16]),
}

impl Values<'_> {
    /// The values from the `start`-th on; none of them when there are fewer.
    pub fn from(self, start: usize) -> Self {
        match self {
            Self::F32(v) => Self::F32(v.get(start..).unwrap_or_default()),
            Self::F64(v) => Self::F64(v.get(start..).unwrap_or_default()),
            Self::F16(v) => Self::F16(v.get(start..).unwrap_or_default()),
            Self::Bf16(v) => Self::Bf16(v.get(start..).unwrap_or_default()),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::F16(v) => v.len(),
            Self::Bf16(v) => v.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where in a row-major tensor the edges stand: the edge from source s to target t, tap k, is
/// element `t * target_stride + s * source_stride + k`.
///
/// PyTorch's `[out, in, taps..]` has `source_stride = taps`, `target_stride = in * taps`;
/// `[in, out]` (Conv1D) has `source_stride = out`, `target_stride = 1`, `taps = 1`.
///
/// With g > 1 groups (a grouped convolution, `[out, in/g, taps..]`) sources and target rows fall
/// into g equal runs, and edges stand between a source and the targets of its own run only: s in
/// the formula is then the source's place within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeLayout {
    /// Number of source neurons.
    pub sources: usize,
    /// Number of target rows.
    pub targets: usize,
    /// Edges between one source and one target row (kernel taps of a convolution).
    pub taps: usize,
    /// Distance in elements between two sources.
    pub source_stride: usize,
    /// Distance in elements between two targets.
    pub target_stride: usize,
    /// Groups, of which sources and targets are multiples; 1 joins every source to every target.
    pub groups: usize,
}

impl EdgeLayout {
    /// Row-major `[targets, sources, taps]`.
    pub fn out_in(targets: usize, sources: usize, taps: usize) -> Self {
        let target_stride = sources * taps;
        Self { sources, targets, taps, source_stride: taps, target_stride, groups: 1 }
    }

    /// Row-major `[targets, sources / groups, taps]`: a grouped convolution.
    pub fn grouped(targets: usize, sources: usize, taps: usize, groups: usize) -> Self {
        let within = sources.checked_div(groups).unwrap_or(0);
        Self { sources, groups, ..Self::out_in(targets, within, taps) }
    }

    /// Row-major `[sources, targets]`.
    pub fn in_out(sources: usize, targets: usize) -> Self {
        let source_stride = targets;
        Self { sources, targets, taps: 1, source_stride, target_stride: 1, groups: 1 }
    }

    /// Edges that leave one source neuron.
    pub fn edges_per_source(&self) -> usize {
        self.targets / self.groups * self.taps
    }

    /// Whether sources and targets fall into equal groups.
    fn divides(&self) -> bool {
        let multiple = |n: usize| n.checked_rem(self.groups) == Some(0);
        multiple(self.sources) && multiple(self.targets)
    }

    /// One group by itself.
    fn group(self) -> Self {
        let (sources, targets) = (self.sources / self.groups, self.targets / self.groups);
        Self { sources, targets, groups: 1, ..self }
    }

    /// Elements at the start of a tensor of this layout that hold all its edges.
    fn reach(&self) -> usize {
        if self.sources * self.edges_per_source() == 0 {
            return 0;
        }
        (self.sources / self.groups - 1) * self.source_stride
            + (self.targets - 1) * self.target_stride
            + self.taps
    }
}

/// A weight tensor with the layout of its edges.
#[derive(Clone, Copy, Debug)]
pub struct EdgeMatrix<'a> {
    values: Values<'a>,
    layout: EdgeLayout,
}

impl<'a> EdgeMatrix<'a> {
    /// Joins values and layout; `None` when the layout reaches beyond the values or its groups do
    /// not divide it.
    pub fn new(values: Values<'a>, layout: EdgeLayout) -> Option<Self> {
        (layout.divides() && layout.reach() <= values.len()).then_some(Self { values, layout })
    }

    /// The values, those that are no edges included.
    pub fn values(&self) -> Values<'a> {
        self.values
    }

    /// The layout.
    pub fn layout(&self) -> EdgeLayout {
        self.layout
    }

    /// The sources `first..last`, group by group.
    fn parts(&self, first: usize, last: usize) -> impl Iterator<Item = Part<'a>> {
        let Self { values, layout } = *self;
        let one = layout.group();
        let groups = match last {
            _ if first >= last || layout.taps == 0 => 0..0,
            _ => first / one.sources..(last - 1) / one.sources + 1,
        };
        groups.map(move |group| {
            let start = group * one.sources;
            let (from, to) = (first.max(start), last.min(start + one.sources));
            Part {
                values: values.from(group * one.targets * one.target_stride),
                layout: one,
                sources: from - start..to - start,
                rows: from - first..to - first,
            }
        })
    }
}

/// A run of sources within one group of a matrix, as a matrix of its own.
struct Part<'a> {
    values: Values<'a>,
    layout: EdgeLayout,
    sources: std::ops::Range<usize>, // within the group
    rows: std::ops::Range<usize>,    // within the run that was asked for
}

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
            for &distance in distances.as_ref() {
                row[method.slot_of_distance(distance)] += 1;
            }
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

/// Counts all edges of the matrices, which share their source neurons, into those neurons' rows
/// (as [`Histogram::rows_mut`] gives them), and replaces what the rows held. Returns the number of
/// weights that are not finite; they are counted as left out.
///
/// Rows beyond a matrix's sources count none of its edges; sources beyond the rows are left alone.
pub fn count_edges(table: &RadiusTable, matrices: &[EdgeMatrix<'_>], rows: &mut [u32]) -> u64 {
    count_layer(table, matrices, LayerRows { counts: rows, distances: &mut [], matched: None })
        .not_finite
}

/// Where the edges of a neuron layer are counted; what was there is replaced.
#[derive(Debug)]
pub struct LayerRows<'a> {
    /// The neurons' rows, as [`Histogram::rows_mut`] gives them.
    pub counts: &'a mut [u32],
    /// Σ of each neuron's kept distances; empty when they are not wanted.
    pub distances: &'a mut [f64],
    /// Rows for the same edges with rescaled weights, and a rescaled table for each matrix.
    pub matched: Option<(&'a [RadiusTable], &'a mut [u32])>,
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
    let slots = table.method().slots();
    let LayerRows { counts, distances, matched } = rows;
    let neurons = counts.len() / slots;
    let (rescaled, matched) =
        matched.map_or((&[][..], &mut [][..]), |(tables, rows)| (tables, rows));
    assert!(distances.is_empty() || distances.len() == neurons, "one distance sum for each neuron");
    assert!(matched.is_empty() || matched.len() == counts.len(), "one matched row for each neuron");
    // Chunks of nothing for what is not wanted.
    let parts = neurons.div_ceil(TILE);
    let distances = chunks(distances, TILE, parts);
    let matched = chunks(matched, TILE * slots, parts);
    counts
        .par_chunks_mut(TILE * slots)
        .zip(distances)
        .zip(matched)
        .enumerate()
        .map(|(tile, ((counts, distances), matched))| {
            let first = tile * TILE;
            // Here, not for all rows before: so they are in the cache when they are counted into.
            counts.fill(0);
            distances.fill(0.0);
            matched.fill(0);
            let mut counted = Counted::default();
            let mut before = vec![0u64; slots];
            for (k, matrix) in matrices.iter().enumerate() {
                let last = (first + counts.len() / slots).min(matrix.layout.sources);
                for Part { values, layout, sources, rows } in matrix.parts(first, last) {
                    let (first, last) = (sources.start, sources.end);
                    let tile = Tile { table, slots, first, last, layout };
                    let cells = rows.start * slots..rows.end * slots;
                    let counts = &mut counts[cells.clone()];
                    counted.not_finite += match values {
                        Values::F32(v) => tile.count(v, counts),
                        Values::F64(v) => tile.count(v, counts),
                        Values::F16(v) => tile.count(v, counts),
                        Values::Bf16(v) => tile.count(v, counts),
                    };
                    if let Some(distances) = distances.get_mut(rows) {
                        match values {
                            Values::F32(v) => tile.add_distances(v, distances),
                            Values::F64(v) => tile.add_distances(v, distances),
                            Values::F16(v) => tile.add_distances(v, distances),
                            Values::Bf16(v) => tile.add_distances(v, distances),
                        }
                    }
                    if let Some(matched) = matched.get_mut(cells) {
                        let tile = Tile { table: &rescaled[k], ..tile };
                        match values {
                            Values::F32(v) => tile.count(v, matched),
                            Values::F64(v) => tile.count(v, matched),
                            Values::F16(v) => tile.count(v, matched),
                            Values::Bf16(v) => tile.count(v, matched),
                        };
                    }
                }
                let mut all = vec![0u64; slots];
                for row in counts.chunks_exact(slots) {
                    all.iter_mut().zip(row).for_each(|(all, &count)| *all += u64::from(count));
                }
                counted.pools.push(all.iter().zip(&before).map(|(now, then)| now - then).collect());
                before = all;
            }
            counted
        })
        .reduce(Counted::default, Counted::add)
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

/// A task's share of a matrix: the sources `first..last`.
#[derive(Clone, Copy)]
struct Tile<'a> {
    table: &'a RadiusTable,
    slots: usize,
    first: usize,
    last: usize,
    layout: EdgeLayout,
}

impl Tile<'_> {
    fn count<W: Weight>(&self, weights: &[W], rows: &mut [u32]) -> u64 {
        let EdgeLayout { targets, taps, source_stride, target_stride, .. } = self.layout;
        let mut not_finite = 0u64;
        if source_stride == taps {
            // The tile's sources lie side by side: one run of weights for each target.
            let run = (self.last - self.first) * taps;
            for target in 0..targets {
                let start = target * target_stride + self.first * taps;
                let edges = &weights[start..start + run];
                let rows = rows.chunks_exact_mut(self.slots);
                if taps == 1 {
                    for (weight, row) in edges.iter().zip(rows) {
                        row[weight.slot(self.table)] += 1;
                        not_finite += u64::from(!weight.finite());
                    }
                } else {
                    for (edges, row) in edges.chunks_exact(taps).zip(rows) {
                        not_finite += self.count_run(edges, row);
                    }
                }
            }
        } else {
            for (source, row) in (self.first..self.last).zip(rows.chunks_exact_mut(self.slots)) {
                let start = source * source_stride;
                if target_stride == taps {
                    not_finite += self.count_run(&weights[start..start + targets * taps], row);
                } else {
                    for target in 0..targets {
                        let start = start + target * target_stride;
                        not_finite += self.count_run(&weights[start..start + taps], row);
                    }
                }
            }
        }
        not_finite
    }

    /// Adds the kept distances of each source, in the order of its targets.
    fn add_distances<W: Weight>(&self, weights: &[W], sums: &mut [f64]) {
        let EdgeLayout { targets, taps, source_stride, target_stride, .. } = self.layout;
        let method = self.table.method();
        let (parameters, transfer) = (method.parameters(), method.parameters().transfer);
        let kept = |weight: W| {
            let d = transfer.distance(weight.wide());
            if d > parameters.min_distance && d <= parameters.max_distance { d } else { 0.0 }
        };
        for target in 0..targets {
            let start = target * target_stride + self.first * source_stride;
            for (k, sum) in sums.iter_mut().take(self.last - self.first).enumerate() {
                let start = start + k * source_stride;
                weights[start..start + taps].iter().for_each(|&weight| *sum += kept(weight));
            }
        }
    }

    #[inline(always)]
    fn count_run<W: Weight>(&self, edges: &[W], row: &mut [u32]) -> u64 {
        let mut not_finite = 0;
        for weight in edges {
            row[weight.slot(self.table)] += 1;
            not_finite += u64::from(!weight.finite());
        }
        not_finite
    }
}

/// What the counting loops need of a stored weight.
trait Weight: Copy + Sync {
    fn slot(self, table: &RadiusTable) -> usize;
    fn finite(self) -> bool;
    fn wide(self) -> f64;
}

impl Weight for f32 {
    #[inline(always)]
    fn slot(self, table: &RadiusTable) -> usize {
        table.slot_of_bits(self.to_bits() & 0x7fff_ffff)
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.is_finite()
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Weight for f64 {
    #[inline(always)]
    fn slot(self, table: &RadiusTable) -> usize {
        table.slot_of_wide(self)
    }
    #[inline(always)]
    fn finite(self) -> bool {
        self.is_finite()
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

macro_rules! widened {
    ($half:ty) => {
        impl Weight for $half {
            #[inline(always)]
            fn slot(self, table: &RadiusTable) -> usize {
                f32::from(self).slot(table)
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }
        }
    };
}
widened!(f16);
widened!(bf16);

#[cfg(test)]
mod tests {
    use super::*;
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
