//! Counting the bins of one source.

use super::bins::Bin;
use super::chunk::{CHUNK, PLACES, SLOTS};
use super::stairs::Stairs;
use super::vectors::Vectors;

/// Sets of counters that take the bins in turn, so that equal radii need not wait for each other.
const TURNS: usize = 4;

/// Most bins that are put between two calls of [`Tally::finish`].
pub(super) const STRETCH: usize = 4096;

/// Most bins that are put between two calls of [`Tally::drain`], so that no counter is full.
pub(super) const RUN: usize = 32 * STRETCH;

/// Bins by which counting is behind, the chunk that is put next left aside. What was written so
/// recently would have to be read from the queue of the core's stores, in which the increments
/// stand too.
const BEHIND: usize = 2 * CHUNK;

/// Room for all that a stretch puts, for as many as counting is behind, and for a last chunk.
const WAITING: usize = STRETCH + BEHIND + CHUNK;

/// Counters of one source, and bins that wait for them. How many are 0 does not matter: the counter
/// of 0 gets what is missing to the number of edges.
#[repr(align(64))]
pub(super) struct Tally<B> {
    counters: [[u16; PLACES]; TURNS],
    waiting: [B; WAITING], // from `counted` on; zeros from `filled` on to the end of the last chunk
    counted: usize,        // at least a chunk less than `filled`
    filled: usize,
    eights: usize, // times 8 bins: what is counted for each chunk
}

impl<B: Bin> Tally<B> {
    pub fn new() -> Self {
        let counters = [[0; PLACES]; TURNS];
        Self { counters, waiting: [B::default(); WAITING], counted: 0, filled: BEHIND, eights: 8 }
    }

    /// Counts about as many bins as a chunk holds, and puts a chunk behind those that wait.
    #[inline(always)]
    pub fn count_and_put<V: Vectors>(&mut self, vectors: V, parts: [V::Part; 4]) {
        let chunk = B::join(vectors, parts);
        for eight in self.waiting[self.counted..][..8 * self.eights].as_chunks::<8>().0 {
            count_eight(&mut self.counters, eight);
        }
        self.counted += 8 * self.eights;
        // Where fewer were put than counted there are zeros, which stand behind every chunk.
        self.filled = self.filled.max(self.counted + BEHIND - CHUNK);
        let to = &mut self.waiting[self.filled..].as_chunks_mut::<CHUNK>().0[0];
        self.filled += match self.eights {
            8 => {
                B::store(vectors, chunk, to);
                CHUNK
            }
            _ => B::compress(vectors, chunk, to),
        };
    }

    /// Counts all that wait.
    #[inline(always)]
    pub fn finish(&mut self) {
        self.waiting[self.filled..][..8].fill(B::default());
        let length = (self.filled - self.counted).next_multiple_of(8);
        for eight in self.waiting[self.counted..][..length].as_chunks::<8>().0 {
            count_eight(&mut self.counters, eight);
        }
        self.waiting[..BEHIND].fill(B::default());
        (self.counted, self.filled) = (0, BEHIND);
    }

    /// Adds the counts, of `edges` in all, to the row of the source and to that of its rescaled weights, and
    /// starts anew.
    #[inline(always)]
    pub fn drain<V: Vectors>(
        &mut self,
        stairs: &Stairs,
        row: &mut [u32],
        rescaled: &mut [u32],
        edges: usize,
    ) {
        let [a, b, c, d] = &mut self.counters;
        let mut all = [0; 2 * SLOTS];
        let (all, mut kept) = (&mut all[..B::COUNTERS], 0);
        for ((((all, a), b), c), d) in all.iter_mut().zip(&*a).zip(&*b).zip(&*c).zip(&*d) {
            *all = u32::from(*a) + u32::from(*b) + u32::from(*c) + u32::from(*d);
            kept += *all;
        }
        [a, b, c, d].into_iter().for_each(|set| set[..B::COUNTERS].fill(0));
        kept -= all[0];
        all[0] = edges as u32 - kept;
        B::add(stairs, all, row, rescaled);
        // The next source is likely to keep as many.
        let eighths = 8 * kept as usize / edges.max(1);
        self.eights = if eighths < B::compressed::<V>() { eighths.max(1) } else { 8 };
    }
}

#[inline(always)]
fn count_eight<B: Bin>(counters: &mut [[u16; PLACES]; TURNS], bins: &[B; 8]) {
    let bins = B::eight(bins);
    for k in 0..8 {
        let counter = &mut counters[k % TURNS][B::place(bins, k)];
        *counter = counter.wrapping_add(1);
    }
}
