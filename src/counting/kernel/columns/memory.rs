//! The memory of counting columns.

use std::cell::Cell;

use super::super::chunk::{CHUNK, INDEX_RANGE, QUARTER, SLOTS, eight, slot};

/// Counters of 64 sources, padded so that any counter index is in bounds for the last source too.
const COUNTERS: usize = CHUNK * SLOTS + INDEX_RANGE;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Counters of the sources that are counted together.
#[repr(align(64))]
pub struct Tile([u8; COUNTERS]);

impl Tile {
    /// Counts the K-th quarter of a chunk: one weight of each of its sources, or where `TAPPED`
    /// weights of the sources whose counters begin at `offsets`.
    #[inline(always)]
    pub fn count<const TAPPED: bool, const K: usize>(
        &mut self,
        offsets: &[u16],
        slots: &[u8; CHUNK],
    ) {
        let slots = &slots.as_chunks::<QUARTER>().0[K];
        for (j, slots) in slots.as_chunks::<8>().0.iter().enumerate() {
            let eight = eight(slots);
            if TAPPED {
                let offsets = offsets.get(8 * j..).unwrap_or_default().iter().enumerate();
                for (k, offset) in offsets.take(8) {
                    let counter = &mut self.0[usize::from(*offset) + slot(eight, k)];
                    *counter = counter.wrapping_add(1);
                }
                continue;
            }
            for k in 0..8 {
                let first = (K * QUARTER + 8 * j + k) * SLOTS;
                let counter = &mut self.0[first + slot(eight, k)];
                *counter = counter.wrapping_add(1);
            }
        }
    }

    /// The counters that are in use.
    #[inline(always)]
    pub fn counters(&mut self) -> &mut [u8] {
        &mut self.0[..CHUNK * SLOTS]
    }
}

/// The counts of tall matrices, for each tile of a block.
#[derive(Default)]
pub struct Tall(Vec<u16>);

impl Tall {
    /// This many counts, aligned to a cache line.
    pub fn fit(&mut self, counts: usize) -> &mut [u16] {
        let padding = LINE / size_of::<u16>();
        grow(&mut self.0, counts + padding, 0);
        let first = self.0.as_ptr().align_offset(LINE).min(padding);
        &mut self.0[first..first + counts]
    }
}

/// The slots of a chunk in memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Bins(pub [u8; CHUNK]);

/// Memory for counting columns, as much as was ever wanted; its counters are empty between two uses.
pub struct Scratch {
    pub counters: Counters,
    pub samples: Vec<u8>,
    pub blocks: [Vec<Bins>; 2],
}

/// The counters of columns.
pub struct Counters {
    pub tile: Box<Tile>,
    pub tall: Tall,
    pub offsets: Vec<u16>, // where in the tile each weight's source begins, where there are taps
}

impl Counters {
    /// Prepares for weights of `taps` taps.
    pub fn fit(&mut self, taps: usize) {
        let source = |k| std::iter::repeat_n((k * SLOTS) as u16, taps);
        self.offsets.clear();
        self.offsets.extend((0..CHUNK).flat_map(source));
    }
}

thread_local! {
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

impl Scratch {
    fn new() -> Self {
        Self {
            counters: Counters {
                tile: Box::new(Tile([0; COUNTERS])),
                tall: Tall::default(),
                offsets: Vec::new(),
            },
            samples: Vec::new(),
            blocks: Default::default(),
        }
    }

    /// Lends the memory of this thread, which keeps it: at most two megabytes, and 160 bytes for each
    /// drawn neuron of a task.
    pub fn lend<T>(to: impl FnOnce(&mut Self) -> T) -> T {
        let mut scratch = SCRATCH.take().unwrap_or_else(Self::new);
        let result = to(&mut scratch);
        SCRATCH.set(Some(scratch));
        result
    }
}

/// Grows a vector to `length` elements, if it has fewer.
pub fn grow<T: Clone>(all: &mut Vec<T>, length: usize, one: T) {
    if all.len() < length {
        all.reserve_exact(length - all.len());
        all.resize(length, one);
    }
}
