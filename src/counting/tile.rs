//! Counts a task's share of a matrix: with a kernel if one serves it, otherwise weight by weight
//! with the table of radii.

use super::edges::EdgeLayout;
use super::kernel::{CHUNK, Counters, DrawnShare, Share};
use super::radius_table::RadiusTable;
use super::sampled::sampled;
use super::weight::Weight;

/// A task's share of a matrix: the sources `first..last`.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub table: &'a RadiusTable,
    pub slots: usize,
    pub first: usize,
    pub last: usize,
    pub layout: EdgeLayout,
}

impl Tile<'_> {
    /// Counts everything asked for of a matrix without groups, or of one group. Distances are not
    /// summed if their slice is empty.
    pub fn count_all<W: Weight>(
        &self,
        weights: &[W],
        counts: &mut [u32],
        distances: &mut [f64],
        matched: Option<(&RadiusTable, &mut [u32])>,
        mut drawn: Vec<DrawnShare<'_>>,
    ) -> u64 {
        let Self { table, first, last, layout, .. } = *self;
        let served = matched
            .as_ref()
            .is_none_or(|(other, _)| other.method() == table.method() && other.factor().is_some());
        if let Some(kernel) = table.kernel_for(&layout, last - first).filter(|_| served) {
            let share = Share { weights, layout, first, last };
            let distances = (!distances.is_empty()).then_some(distances);
            let rescaled =
                matched.and_then(|(table, rows)| table.factor().map(|factor| (factor, rows)));
            if !kernel.counts_drawn(&layout) {
                add_drawn(table, weights, layout, std::mem::take(&mut drawn));
            }
            return kernel.count(share, Counters { counts, distances, rescaled, drawn });
        }
        add_drawn(table, weights, layout, drawn);
        if !distances.is_empty() {
            self.add_distances(weights, distances);
        }
        if let Some((table, rows)) = matched {
            Tile { table, ..*self }.count(weights, rows);
        }
        self.count(weights, counts)
    }

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

    /// Adds the kept distances of each source, in the order of the kernels, so that every machine
    /// gets the same bits: by position in chunks of 64 if the edges of a source lie side by side,
    /// otherwise by tap.
    fn add_distances<W: Weight>(&self, weights: &[W], sums: &mut [f64]) {
        let EdgeLayout { targets, taps, source_stride, target_stride, .. } = self.layout;
        let method = self.table.method();
        let (parameters, transfer) = (method.parameters(), method.parameters().transfer);
        let kept = |weight: W| {
            let d = transfer.distance(weight.wide());
            if d > parameters.min_distance && d <= parameters.max_distance { d } else { 0.0 }
        };
        let sources = self.last - self.first;
        if target_stride == taps {
            for (k, sum) in sums[..sources].iter_mut().enumerate() {
                let edges = &weights[(self.first + k) * source_stride..][..targets * taps];
                let mut partial_sums = [0.0; CHUNK];
                for (k, weight) in edges.iter().enumerate() {
                    partial_sums[k % CHUNK] += kept(*weight);
                }
                *sum += partial_sums.iter().sum::<f64>();
            }
            return;
        }
        let mut partial_sums = vec![0.0; sources * taps];
        for target in 0..targets {
            for (k, partial_sums) in partial_sums.chunks_exact_mut(taps).enumerate() {
                let start = target * target_stride + (self.first + k) * source_stride;
                for (partial_sum, weight) in
                    partial_sums.iter_mut().zip(&weights[start..start + taps])
                {
                    *partial_sum += kept(*weight);
                }
            }
        }
        for (sum, partial_sums) in sums.iter_mut().zip(partial_sums.chunks_exact(taps)) {
            *sum += partial_sums.iter().sum::<f64>();
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

fn add_drawn<W: Weight>(
    table: &RadiusTable,
    weights: &[W],
    layout: EdgeLayout,
    drawn: Vec<DrawnShare<'_>>,
) {
    for DrawnShare { sources, targets, rows } in drawn {
        sampled(table, weights, layout, sources, targets, rows);
    }
}
