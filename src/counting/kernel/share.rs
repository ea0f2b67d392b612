//! A task's share of a matrix, and the destination of its counts.

use super::chunk::{Ask, CHUNK, QUARTER};
use super::vectors::Stored;
use crate::counting::edges::EdgeLayout;

/// Sources `first..last` of a weight matrix.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a, W> {
    pub weights: &'a [W],
    pub layout: EdgeLayout,
    pub first: usize,
    pub last: usize,
}

/// The destination of the counts of a share. Each part has one entry, or one row of the method's
/// slots, for each source.
#[derive(Debug)]
pub struct Counters<'a> {
    pub counts: &'a mut [u32],
    /// Σ of the kept distances, if wanted.
    pub distances: Option<&'a mut [f64]>,
    /// The factor of the rescaled weights and their counts, if wanted.
    pub rescaled: Option<(f32, &'a mut [u32])>,
    /// The edges between drawn neurons, where [`super::Kernel::counts_drawn`].
    pub drawn: Vec<DrawnShare<'a>>,
}

/// The drawn sources of a share, in one sample.
#[derive(Debug)]
pub struct DrawnShare<'a> {
    /// Ascending.
    pub sources: &'a [usize],
    /// Drawn target rows, ascending.
    pub targets: &'a [usize],
    /// A row for each of the sources.
    pub rows: &'a mut [u32],
}

/// A share and the destination of its counts; `rescaled` and `distances` are used where they were
/// asked for.
///
/// Nothing here may own memory: if there is something to drop, loops compile to code of half the
/// speed.
pub struct Pass<'a, W> {
    pub ask: Ask,
    pub share: Share<'a, W>,
    pub counts: &'a mut [u32],
    pub rescaled: &'a mut [u32],
    pub distances: &'a mut [f64],
}

/// A chunk and the sums of its positions, quarter by quarter.
#[inline(always)]
pub fn quarter<'a, W, const K: usize>(
    chunk: &'a [W; CHUNK],
    sums: &'a mut [f64; CHUNK],
) -> (&'a [W; QUARTER], &'a mut [f64; QUARTER]) {
    const { assert!(K < CHUNK / QUARTER, "a chunk has four quarters") };
    (&chunk.as_chunks().0[K], &mut sums.as_chunks_mut().0[K])
}

/// Not inlined: it is hardly ever called.
#[cold]
#[inline(never)]
pub fn not_finite<W: Stored>(weights: &[W]) -> u64 {
    weights.iter().map(|weight| u64::from(!weight.finite())).sum()
}

/// A last chunk of fewer weights, filled up with zeros, which are left out.
#[inline(always)]
pub fn padded<W: Stored>(weights: &[W]) -> [W; CHUNK] {
    let mut chunk = [W::default(); CHUNK];
    chunk[..weights.len()].copy_from_slice(weights);
    chunk
}
