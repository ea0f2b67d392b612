//! Counting the slots of one source.

use super::{CHUNK, Vectors};

/// Sets of counters that take the slots in turn, so that equal radii need not wait for each other.
const TURNS: usize = 4;

/// Most slots that are put between two calls of [`Tally::finish`].
pub(super) const STRETCH: usize = 4096;

/// Most slots that are put between two calls of [`Tally::drain`], so that no counter is full.
pub(super) const RUN: usize = 32 * STRETCH;

/// Slots by which counting is behind, the chunk that is put next left aside. What was written so
/// recently would have to be read from the queue of the core's stores, in which the increments
/// stand too.
const BEHIND: usize = 2 * CHUNK;

/// Room for all that a stretch puts, for as many as counting is behind, and for a last chunk.
const WAITING: usize = STRETCH + BEHIND + CHUNK;

/// Counters of one source, and slots that wait for them. How many are in slot 0 does not matter:
/// it gets what is missing to the number of edges.
#[repr(align(64))]
pub(super) struct Tally {
    counters: [[u16; 256]; TURNS],
    waiting: [u8; WAITING], // from `counted` on; zeros from `filled` on to the end of the last chunk
    counted: usize,         // at least a chunk less than `filled`
    filled: usize,
    eights: usize, // times 8 slots: what is counted for each chunk
}

impl Tally {
    pub fn new() -> Self {
        let counters = [[0; 256]; TURNS];
        Self { counters, waiting: [0; WAITING], counted: 0, filled: BEHIND, eights: 8 }
    }

    /// Counts about as many slots as a chunk holds, and puts a chunk behind those that wait.
    #[inline(always)]
    pub fn count_and_put<V: Vectors>(&mut self, vectors: V, parts: [V::Part; 4]) {
        let slots = vectors.join(parts.map(|part| vectors.worked_out(part)));
        for eight in self.waiting[self.counted..][..8 * self.eights].as_chunks::<8>().0 {
            count_eight(&mut self.counters, eight);
        }
        self.counted += 8 * self.eights;
        // Where fewer were put than counted there are zeros, which stand behind every chunk.
        self.filled = self.filled.max(self.counted + BEHIND - CHUNK);
        let to = &mut self.waiting[self.filled..].as_chunks_mut::<CHUNK>().0[0];
        self.filled += match self.eights {
            8 => {
                vectors.store(slots, to);
                CHUNK
            }
            _ => vectors.compress(slots, to),
        };
    }

    /// Counts all that wait.
    #[inline(always)]
    pub fn finish(&mut self) {
        self.waiting[self.filled..][..8].fill(0);
        let length = (self.filled - self.counted).next_multiple_of(8);
        for eight in self.waiting[self.counted..][..length].as_chunks::<8>().0 {
            count_eight(&mut self.counters, eight);
        }
        self.waiting[..BEHIND].fill(0);
        (self.counted, self.filled) = (0, BEHIND);
    }

    /// Adds the counts to a row, those of `edges` in all, and starts anew.
    #[inline(always)]
    pub fn drain<V: Vectors>(&mut self, row: &mut [u32], edges: usize) {
        let [a, b, c, d] = &self.counters;
        let before = row[0];
        let mut kept = 0;
        for ((((count, a), b), c), d) in row.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let all = u32::from(*a) + u32::from(*b) + u32::from(*c) + u32::from(*d);
            *count += all;
            kept += all;
        }
        self.counters = [[0; 256]; TURNS];
        kept -= row[0] - before;
        row[0] = before + edges as u32 - kept;
        // The next source is likely to keep as many.
        let eighths = 8 * kept as usize / edges.max(1);
        self.eights = if eighths < V::COMPRESSED { eighths.max(1) } else { 8 };
    }
}

#[inline(always)]
fn count_eight(counters: &mut [[u16; 256]; TURNS], slots: &[u8; 8]) {
    let slots = u64::from_le_bytes(*slots);
    for k in 0..8 {
        let counter = &mut counters[k % TURNS][(slots >> (8 * k) & 0xff) as usize];
        *counter = counter.wrapping_add(1);
    }
}
