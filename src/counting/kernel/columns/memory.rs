//! The memory of counting columns.

use std::cell::Cell;

use super::super::bins::Bin;
use super::super::chunk::{CHUNK, PLACES, QUARTER, SLOTS};

/// Counters of 64 sources, with room behind so that any place is one in the last one's.
const COUNTERS: usize = CHUNK * 2 * SLOTS + PLACES;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Counters of the sources that are counted together.
#[repr(align(64))]
pub struct Tile([u8; COUNTERS]);

impl Tile {
    /// Counts the K-th quarter of a chunk: one weight of each of its sources, or where `TAPPED`
    /// weights of the sources whose counters begin at `places`.
    #[inline(always)]
    pub fn count<B: Bin, const TAPPED: bool, const K: usize>(
        &mut self,
        places: &[u16],
        bins: &[B; CHUNK],
    ) {
        let bins = &bins.as_chunks::<QUARTER>().0[K];
        for (j, eight) in bins.as_chunks::<8>().0.iter().enumerate() {
            let eight = B::eight(eight);
            if TAPPED {
                let places = places.get(8 * j..).unwrap_or_default().iter().enumerate();
                for (k, place) in places.take(8) {
                    let counter = &mut self.0[usize::from(*place) + B::place(eight, k)];
                    *counter = counter.wrapping_add(1);
                }
                continue;
            }
            for k in 0..8 {
                let first = (K * QUARTER + 8 * j + k) * B::COUNTERS;
                let counter = &mut self.0[first + B::place(eight, k)];
                *counter = counter.wrapping_add(1);
            }
        }
    }

    /// The counters that are in use.
    #[inline(always)]
    pub fn counters<B: Bin>(&mut self) -> &mut [u8] {
        &mut self.0[..CHUNK * B::COUNTERS]
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

/// The bins of a chunk in memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Bins<B>(pub [B; CHUNK]);

/// Memory for counting columns, as much as was ever wanted; its counters are empty between two uses.
pub struct Scratch {
    pub counters: Counters,
    pub samples: Vec<u8>,
    pub slots: [Vec<Bins<u8>>; 2],
    pub pairs: [Vec<Bins<u16>>; 2],
}

/// What of it is needed at once.
pub struct Memory<'a, B, S> {
    pub counters: &'a mut Counters,
    pub samples: &'a mut S,
    pub blocks: &'a mut [Vec<Bins<B>>; 2],
}

/// Bins that columns are counted in.
pub trait Blocks: Bin {
    /// Their memory.
    fn memory(scratch: &mut Scratch) -> Memory<'_, Self, Vec<u8>>;
}

impl Blocks for u8 {
    fn memory(scratch: &mut Scratch) -> Memory<'_, Self, Vec<u8>> {
        let Scratch { counters, samples, slots, .. } = scratch;
        Memory { counters, samples, blocks: slots }
    }
}

impl Blocks for u16 {
    fn memory(scratch: &mut Scratch) -> Memory<'_, Self, Vec<u8>> {
        let Scratch { counters, samples, pairs, .. } = scratch;
        Memory { counters, samples, blocks: pairs }
    }
}

/// The counters of columns.
pub struct Counters {
    pub tile: Box<Tile>,
    pub tall: Tall,
    pub places: Vec<u16>, // where in the tile each weight's source begins, where there are taps
}

impl Counters {
    /// Makes ready for bins of so many taps.
    pub fn fit<B: Bin>(&mut self, taps: usize) {
        let source = |k| std::iter::repeat_n((k * B::COUNTERS) as u16, taps);
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
            slots: Default::default(),
            pairs: Default::default(),
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
