//! Counts all edges of a range of neurons.
//!
//! In parallel over source neurons; counts are integers, so the order does not matter.

use rayon::prelude::*;

use super::edges::{EdgeMatrix, Part};
use super::kernel::DrawnShare;
use super::radius_table::RadiusTable;
use super::sampled::count_sampled_edges;
use super::tile::Tile;
use crate::mfa::Values;

/// The fewest neurons that one task counts.
const TILE: usize = 192;

/// The most neurons that one task counts: as many as a kernel handles at once (half as many if the
/// weights are also counted rescaled), a multiple of [`TILE`].
const WIDEST: usize = 2048usize.next_multiple_of(TILE);

/// Counts all edges of the matrices, which share their source neurons, into those neurons' rows
/// (as [`crate::mfa::Histogram::rows_mut`] gives them), and replaces what the rows held. Returns the number of
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
        matrices.iter().map(|matrix| part.add(matrix, None, Vec::new())).sum::<u64>()
    };
    parts.map(count).sum()
}

/// How many of a layer's `neurons` one task counts. A kernel reads longer runs of memory if it
/// counts more neurons. Other code counts into all rows in turn, and these must fit the cache.
pub(super) fn width(table: &RadiusTable, neurons: usize) -> usize {
    let share = neurons.div_ceil(rayon::current_num_threads());
    if table.has_kernel() { share.next_multiple_of(TILE).clamp(TILE, WIDEST) } else { TILE }
}

/// A range of neurons to count.
pub(super) struct Counting<'a> {
    pub table: &'a RadiusTable,
    /// The number of the first one.
    pub first: usize,
    pub rows: &'a mut [u32],
    /// Σ of their kept distances, if wanted.
    pub distances: &'a mut [f64],
}

impl Counting<'_> {
    /// Counts a matrix: its edges, the same edges with rescaled weights, and the edges between
    /// drawn neurons, each into rows of their own. Returns the number of weights that are not
    /// finite.
    pub fn add(
        &mut self,
        matrix: &EdgeMatrix<'_>,
        mut rescaled: Option<(&RadiusTable, &mut [u32])>,
        mut drawn: Vec<DrawnShare<'_>>,
    ) -> u64 {
        let (table, slots) = (self.table, self.table.method().slots());
        let last = (self.first + self.rows.len() / slots).min(matrix.layout.sources);
        let mut not_finite = 0;
        for Part { values, layout, sources, rows } in matrix.parts(self.first, last) {
            let tile = Tile { table, slots, first: sources.start, last: sources.end, layout };
            let cells = rows.start * slots..rows.end * slots;
            let counts = &mut self.rows[cells.clone()];
            let distances = self.distances.get_mut(rows).unwrap_or_default();
            // Without groups there is one part; with groups, the drawn neurons of several parts
            // follow each other.
            let drawn =
                if matrix.layout.groups > 1 { Vec::new() } else { std::mem::take(&mut drawn) };
            let matched = rescaled.as_mut().map(|(table, rows)| (*table, &mut rows[cells]));
            not_finite += match values {
                Values::F32(v) => tile.count_all(v, counts, distances, matched, drawn),
                Values::F64(v) => tile.count_all(v, counts, distances, matched, drawn),
                Values::F16(v) => tile.count_all(v, counts, distances, matched, drawn),
                Values::Bf16(v) => tile.count_all(v, counts, distances, matched, drawn),
            };
        }
        for DrawnShare { sources, targets, rows } in drawn {
            count_sampled_edges(table, matrix, sources, targets, rows);
        }
        not_finite
    }
}

#[cfg(test)]
mod tests;
