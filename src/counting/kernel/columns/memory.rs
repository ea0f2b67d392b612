//! The memory of counting columns.

use std::cell::Cell;

use super::super::chunk::{CHUNK, PLACES, QUARTER, SLOTS, eight, slot};

/// Counters of 64 sources, with room behind so that any place is one in the last one's.
const COUNTERS: usize = CHUNK * SLOTS + PLACES;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Counters of the sources that are counted together.
#[repr(align(64))]
pub struct Tile([u8; COUNTERS]);

impl Tile {
    /// Counts the K-th quarter of a chunk: one weight of each of its sources, or where `TAPPED`
    /// weights of the sources whose counters begin at `places`.
    #[inline(always)]
    pub fn count<const TAPPED: bool, const K: usize>(
        &mut self,
        places: &[u16],
        slots: &[u8; CHUNK],
    ) {
        let slots = &slots.as_chunks::<QUARTER>().0[K];
        for (j, slots) in slots.as_chunks::<8>().0.iter().enumerate() {
            let eight = eight(slots);
            if TAPPED {
                let places = places.get(8 * j..).unwrap_or_default().iter().enumerate();
                for (k, place) in places.take(8) {
                    let counter = &mut self.0[usize::from(*place) + slot(eight, k)];
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
    /// So many counts, from a cache line on.
    pub fn fit(&mut self, counts: usize) -> &mut [u16] {
        let beside = LINE / size_of::<u16>();
        grow(&mut self.0, counts + beside, 0);
        let first = self.0.as_ptr().align_offset(LINE).min(beside);
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
    pub places: Vec<u16>, // where in the tile each weight's source begins, where there are taps
}

impl Counters {
    /// Makes ready for weights of so many taps.
    pub fn fit(&mut self, taps: usize) {
        let source = |k| std::iter::repeat_n((k * SLOTS) as u16, taps);
        self.places.clear();
        self.places.extend((0..CHUNK).flat_map(source));
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
                places: Vec::new(),
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

/// Makes sure that there are so many.
pub fn grow<T: Clone>(all: &mut Vec<T>, length: usize, one: T) {
    if all.len() < length {
        all.reserve_exact(length - all.len());
        all.resize(length, one);
    }
}
