//! Computes distances from weights.
//!
//! ```text
//! d(i, j) = min over the edges e from i to j of f(w_e)
//! ```
//!
//! f is the [`Transfer`] function, in f64 from the stored weight. A NaN weight is not an edge here;
//! [`Values::not_finite`] counts NaN and infinite weights.

use std::ops::Range;

use super::edges::{EdgeLayout, EdgeMatrix};
use crate::mfa::{Distances, Transfer, Values};

/// Source neurons that one task reads: their share of a target row is one or more cache lines.
const TILE: usize = 64;

/// Targets that are read before they are written: the distances of one cache line.
const LINE: usize = 8;

/// The edges of some targets, and the column of the matrix that they shorten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Target row of the weight tensor.
    pub target: usize,
    /// The column; of the first tap, where each tap has its own.
    pub column: usize,
}

impl Distances {
    /// Shortens distances by the edges to the given targets, which share their source neurons
    /// (rows) with this matrix. With `taps_apart` each tap of a target has a separate column,
    /// otherwise the nearest tap counts. Runs in the caller's rayon pool.
    ///
    /// # Panics
    /// When a target, a column or a source lies outside its matrix.
    pub fn shorten_by(
        &mut self,
        matrix: &EdgeMatrix<'_>,
        transfer: Transfer,
        targets: &[Column],
        taps_apart: bool,
    ) {
        match matrix.values() {
            Values::F32(v) => self.read(v, matrix, transfer, targets, taps_apart),
            Values::F64(v) => self.read(v, matrix, transfer, targets, taps_apart),
            Values::F16(v) => self.read(v, matrix, transfer, targets, taps_apart),
            Values::Bf16(v) => self.read(v, matrix, transfer, targets, taps_apart),
        }
    }

    fn read<W: Copy + Sync + Into<f64>>(
        &mut self,
        weights: &[W],
        matrix: &EdgeMatrix<'_>,
        transfer: Transfer,
        targets: &[Column],
        taps_apart: bool,
    ) {
        let (layout, columns) = (matrix.layout(), self.columns());
        assert_eq!(layout.sources, self.rows(), "a row for each source neuron");
        let apart = taps_apart && layout.taps > 1;
        self.fill_tiles(TILE, |first, rows| {
            let edges = TileEdges { weights, layout, transfer, first };
            if apart {
                for &Column { target, column } in targets {
                    for k in edges.sources(target, rows.len() / columns) {
                        let row = &mut rows[k * columns + column..];
                        for (place, distance) in row.iter_mut().zip(edges.taps(target, k)) {
                            shorten_to(place, distance);
                        }
                    }
                }
                return;
            }
            // Read along the sources, written along the targets: a cache line at a time.
            let mut near = [[f64::INFINITY; TILE]; LINE];
            for targets in targets.chunks(LINE) {
                for (near, at) in near.iter_mut().zip(targets) {
                    near.fill(f64::INFINITY);
                    for k in edges.sources(at.target, rows.len() / columns) {
                        edges.taps(at.target, k).for_each(|d| shorten_to(&mut near[k], d));
                    }
                }
                for (k, row) in rows.chunks_exact_mut(columns).enumerate() {
                    for (near, at) in near.iter().zip(targets) {
                        shorten_to(&mut row[at.column], near[k]);
                    }
                }
            }
        });
    }
}

#[inline(always)]
fn shorten_to(place: &mut f64, distance: f64) {
    *place = if distance < *place { distance } else { *place };
}

/// The edges of the sources that one task reads.
struct TileEdges<'a, W> {
    weights: &'a [W],
    layout: EdgeLayout,
    transfer: Transfer,
    first: usize, // source
}

impl<W: Copy + Into<f64>> TileEdges<'_, W> {
    /// Those of the next `sources` sources that have edges to `target`: the sources of its group.
    #[inline(always)]
    fn sources(&self, target: usize, sources: usize) -> Range<usize> {
        let group = target / (self.layout.targets / self.layout.groups);
        let within = self.layout.sources / self.layout.groups;
        let of = |source: usize| source.saturating_sub(self.first).min(sources);
        of(group * within)..of((group + 1) * within)
    }

    /// The distances of the edges to a target, tap by tap.
    #[inline(always)]
    fn taps(&self, target: usize, k: usize) -> impl Iterator<Item = f64> {
        let EdgeLayout { sources, groups, taps, source_stride, target_stride, .. } = self.layout;
        // The index of the source within its group.
        let source = match groups {
            1 => self.first + k,
            _ => (self.first + k) % (sources / groups),
        };
        let start = target * target_stride + source * source_stride;
        let edges = &self.weights[start..start + taps];
        edges.iter().map(|&weight| self.transfer.distance(weight.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn columns(targets: &[(usize, usize)]) -> Vec<Column> {
        targets.iter().map(|&(target, column)| Column { target, column }).collect()
    }

    #[test]
    fn by_hand_with_parallel_edges_and_zeros() {
        // [out 3, in 2]; the third output shares the column of the first.
        let weights = [0.5f32, 0.0, 0.25, -0.125, 1.0, f32::NAN];
        let layout = EdgeLayout::out_in(3, 2, 1);
        let matrix = EdgeMatrix::new(Values::F32(&weights), layout).unwrap();
        let mut d = Distances::none(2, 2, Vec::new());
        d.shorten_by(&matrix, Transfer::Inverse, &columns(&[(0, 0), (1, 1), (2, 0)]), false);
        assert_eq!((d.row(0), d.row(1)), (&[1.0, 4.0][..], &[INF, 8.0][..]));
        assert_eq!(d.least(), [1.0, 8.0]);
        assert_eq!(Values::F32(&weights).not_finite(), 1);
    }

    #[test]
    fn taps_together_and_apart() {
        // [out 1, in 2, taps 2]
        let weights = [0.5f64, 0.25, 0.125, -1.0];
        let layout = EdgeLayout::out_in(1, 2, 2);
        let matrix = EdgeMatrix::new(Values::F64(&weights), layout).unwrap();
        let read = |width, apart| {
            let mut d = Distances::none(2, width, Vec::new());
            d.shorten_by(&matrix, Transfer::Inverse, &columns(&[(0, 0)]), apart);
            [d.row(0).to_vec(), d.row(1).to_vec()]
        };
        assert_eq!(read(1, false), [[2.0], [1.0]]);
        assert_eq!(read(2, true), [[2.0, 4.0], [8.0, 1.0]]);
    }

    #[test]
    fn groups_meet_their_own_targets_only() {
        // [out 4, in 4 / 2]: sources 0, 1 with targets 0, 1; sources 2, 3 with targets 2, 3.
        let weights = [0.5f32, 0.25, 0.125, 1.0, 0.1, 0.2, 0.0, 0.05];
        let layout = EdgeLayout::grouped(4, 4, 1, 2);
        let matrix = EdgeMatrix::new(Values::F32(&weights), layout).unwrap();
        let mut d = Distances::none(4, 4, Vec::new());
        let all = columns(&[(0, 0), (1, 1), (2, 2), (3, 3)]);
        d.shorten_by(&matrix, Transfer::Inverse, &all, true);
        let f = |w: f32| 1.0 / f64::from(w);
        assert_eq!((d.row(0), d.row(1)), (&[2.0, 8.0, INF, INF][..], &[4.0, 1.0, INF, INF][..]));
        assert_eq!(d.row(2), [INF, INF, f(0.1), INF]);
        assert_eq!(d.row(3), [INF, INF, f(0.2), f(0.05)]);
    }

    #[test]
    fn both_orientations_and_more_sources_than_a_tile() {
        let weight = |s: usize, t: usize| ((s * 7 + t * 13) % 31) as f32 / 16.0;
        let (sources, targets) = (TILE + 5, 9);
        let in_out: Vec<f32> =
            (0..sources * targets).map(|k| weight(k / targets, k % targets)).collect();
        let out_in: Vec<f32> =
            (0..sources * targets).map(|k| weight(k % sources, k / sources)).collect();
        let all = columns(&(0..targets).map(|t| (t, t)).collect::<Vec<_>>());
        let read = |weights: &[f32], layout| {
            let matrix = EdgeMatrix::new(Values::F32(weights), layout).unwrap();
            let mut d = Distances::none(sources, targets, vec![0.0; 3]);
            d.shorten_by(&matrix, Transfer::Coth, &all, false);
            d
        };
        let one = read(&in_out, EdgeLayout::in_out(sources, targets));
        assert_eq!(one, read(&out_in, EdgeLayout::out_in(targets, sources, 1)));
        let (s, t) = (TILE + 3, 4);
        assert_eq!(one.row(s)[t], Transfer::Coth.distance(weight(s, t).into()));
    }
}
