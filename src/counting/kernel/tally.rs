//! Counting the bins of one source.

use super::chunk::{CHUNK, INDEX_RANGE, SLOTS, add, eight, slot};
use super::vectors::Vectors;

/// Sets of counters that take the bins in turn, so that equal radii need not wait for each other.
const TURNS: usize = 4;

/// Most bins that are put between two calls of [`Tally::finish`].
pub(super) const STRETCH: usize = 4096;

/// Most bins that are put between two calls of [`Tally::drain`], so that no counter is full.
pub(super) const RUN: usize = 32 * STRETCH;

/// How many bins counting lags behind, without the chunk that is put next. Bins written more
/// recently would have to be read from the core's store queue, which also holds the increments.
const BEHIND: usize = 2 * CHUNK;

/// Capacity for the bins of a stretch, and for those by which counting lags behind.
const WAITING: usize = STRETCH + BEHIND;

/// Counters of one source, and bins that wait for them. How many are 0 does not matter: the counter
/// of 0 gets what is missing to the number of edges.
#[repr(align(64))]
pub(super) struct Tally {
    counters: [[u16; INDEX_RANGE]; TURNS],
    waiting: [u8; WAITING], // `BEHIND` of them, from `counted` on
    counted: usize,
}

impl Tally {
    pub fn new() -> Self {
        Self { counters: [[0; INDEX_RANGE]; TURNS], waiting: [0; WAITING], counted: 0 }
    }

    /// Counts as many bins as a chunk holds, and appends a chunk to those that wait.
    #[inline(always)]
    pub fn count_and_put<V: Vectors>(&mut self, vectors: V, parts: [V::Part; 4]) {
        let chunk = vectors.join(parts);
        self.count::<CHUNK>();
        vectors
            .store(chunk, &mut self.waiting[self.counted + BEHIND - CHUNK..].as_chunks_mut().0[0]);
    }

    /// Counts all that wait.
    #[inline(always)]
    pub fn finish(&mut self) {
        self.count::<BEHIND>();
        self.waiting[..BEHIND].fill(0);
        self.counted = 0;
    }

    #[inline(always)]
    fn count<const BINS: usize>(&mut self) {
        for slots in self.waiting[self.counted..][..BINS].as_chunks::<8>().0 {
            let eight = eight(slots);
            for k in 0..8 {
                let counter = &mut self.counters[k % TURNS][slot(eight, k)];
                *counter = counter.wrapping_add(1);
            }
        }
        self.counted += BINS;
    }

    /// Adds the counts, of `edges` edges, to the row of the source, and resets them.
    #[inline(always)]
    pub fn drain(&mut self, row: &mut [u32], edges: usize) {
        let [a, b, c, d] = &mut self.counters;
        let (mut all, mut kept) = ([0; SLOTS], 0);
        for ((((all, a), b), c), d) in all.iter_mut().zip(&*a).zip(&*b).zip(&*c).zip(&*d) {
            *all = u32::from(*a) + u32::from(*b) + u32::from(*c) + u32::from(*d);
            kept += *all;
        }
        [a, b, c, d].into_iter().for_each(|set| set[..SLOTS].fill(0));
        kept -= all[0];
        all[0] = edges as u32 - kept;
        add(&all, row);
    }
}
