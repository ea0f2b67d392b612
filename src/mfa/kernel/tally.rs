//! Counting the slots of one source.

use super::{CHUNK, Vectors};

/// Sets of counters that take the slots in turn, so that equal radii need not wait for each other.
const TURNS: usize = 4;

/// Most slots that wait to be counted.
pub(super) const STRETCH: usize = 1024;

/// Counters of one source, and slots that wait for them. How many are in slot 0 does not matter:
/// it gets what is missing to the number of edges.
#[repr(align(64))]
pub(super) struct Tally {
    counters: [[u32; 256]; TURNS],
    waiting: [u8; STRETCH + CHUNK],
    filled: usize,
}

impl Tally {
    pub fn new() -> Self {
        Self { counters: [[0; 256]; TURNS], waiting: [0; STRETCH + CHUNK], filled: 0 }
    }

    /// Takes a chunk, to be counted later; no more than [`STRETCH`] slots at once.
    #[inline(always)]
    pub fn put<V: Vectors>(&mut self, vectors: V, slots: &[u8; CHUNK]) {
        let to = self.waiting[self.filled..].as_chunks_mut::<CHUNK>().0;
        self.filled += vectors.compress(slots, &mut to[0]);
    }

    /// Counts the slots that wait.
    #[inline(always)]
    pub fn count_waiting(&mut self) {
        self.waiting[self.filled..][..8].fill(0);
        for eight in self.waiting[..self.filled.next_multiple_of(8)].as_chunks::<8>().0 {
            count_eight(&mut self.counters, eight);
        }
        self.filled = 0;
    }

    /// Counts a chunk now.
    #[inline(always)]
    pub fn count(&mut self, slots: &[u8; CHUNK]) {
        for eight in slots.as_chunks::<8>().0 {
            count_eight(&mut self.counters, eight);
        }
    }

    /// Adds the counts to a row, those of `edges` in all, and starts anew. Gives how many were kept.
    #[inline(always)]
    pub fn drain(&mut self, row: &mut [u32], edges: u32) -> u32 {
        let [a, b, c, d] = &mut self.counters;
        let before = row[0];
        let mut kept = 0;
        for ((((count, a), b), c), d) in row.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let all = *a + *b + *c + *d;
            *count += all;
            kept += all;
            (*a, *b, *c, *d) = (0, 0, 0, 0);
        }
        kept -= row[0] - before;
        row[0] = before + edges - kept;
        kept
    }
}

#[inline(always)]
fn count_eight(counters: &mut [[u32; 256]; TURNS], slots: &[u8; 8]) {
    let slots = u64::from_le_bytes(*slots);
    for k in 0..8 {
        counters[k % TURNS][(slots >> (8 * k) & 0xff) as usize] += 1;
    }
}
