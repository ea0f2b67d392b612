//! The memory of counting columns.

use std::cell::Cell;

use super::super::{CHUNK, QUARTER, SLOTS};

/// Counters of 64 sources, with room behind so that any byte is a place in the last one's.
const COUNTERS: usize = CHUNK * SLOTS + 256 - SLOTS;

/// Counters of the sources that are counted together.
#[repr(align(64))]
pub struct Tile(pub [u8; COUNTERS]);

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
        if TAPPED {
            for (place, slot) in places.iter().zip(slots) {
                let counter = &mut self.0[usize::from(*place) + usize::from(*slot)];
                *counter = counter.wrapping_add(1);
            }
            return;
        }
        for (j, eight) in slots.as_chunks::<8>().0.iter().enumerate() {
            let slots = u64::from_le_bytes(*eight);
            for k in 0..8 {
                let slot = (slots >> (8 * k) & 0xff) as usize;
                let counter = &mut self.0[(K * QUARTER + 8 * j + k) * SLOTS + slot];
                *counter = counter.wrapping_add(1);
            }
        }
    }
}

/// Counts of the sources of a tile in several blocks.
#[derive(Clone)]
#[repr(align(64))]
pub struct Counts(pub [u16; COUNTERS]);

impl Counts {
    #[inline(always)]
    pub fn add(&mut self, tile: &Tile) {
        for (count, counter) in self.0.iter_mut().zip(&tile.0) {
            *count += u16::from(*counter);
        }
    }
}

/// The counts of tall matrices, for each tile of a block; of rescaled weights second.
#[derive(Default)]
pub struct Tall(pub [Vec<Counts>; 2]);

impl Tall {
    pub fn fit(&mut self, tiles: usize, rescaled: bool) -> &mut Self {
        let kinds = if rescaled { 2 } else { 1 };
        self.0[..kinds].iter_mut().for_each(|kind| grow(kind, tiles, Counts([0; COUNTERS])));
        self
    }
}

/// A block of weights as slots; of their rescaled weights too where those are wanted.
#[derive(Default)]
pub struct Block {
    pub plain: Vec<Bins>,
    pub rescaled: Vec<Bins>,
}

impl Block {
    pub fn fit(&mut self, chunks: usize, rescaled: bool) {
        grow(&mut self.plain, chunks, Bins([0; CHUNK]));
        grow(&mut self.rescaled, if rescaled { chunks } else { 0 }, Bins([0; CHUNK]));
    }
}

/// The slots of a chunk in memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Bins(pub [u8; CHUNK]);

/// Memory for counting columns, as much as was ever wanted; its counters are empty between two uses.
pub struct Scratch {
    pub tiles: Box<[Tile; 2]>,
    pub tall: Tall,
    pub blocks: [Block; 2],
}

thread_local! {
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

impl Scratch {
    fn new() -> Self {
        let tile = || Tile([0; COUNTERS]);
        Self {
            tiles: Box::new([tile(), tile()]),
            tall: Tall::default(),
            blocks: Default::default(),
        }
    }

    /// Lends the memory of this thread, which keeps it: at most two megabytes.
    pub fn lend<T>(to: impl FnOnce(&mut Self) -> T) -> T {
        let mut scratch = SCRATCH.take().unwrap_or_else(Self::new);
        let result = to(&mut scratch);
        SCRATCH.set(Some(scratch));
        result
    }
}

/// Makes sure that there are so many.
fn grow<T: Clone>(all: &mut Vec<T>, length: usize, one: T) {
    if all.len() < length {
        all.reserve_exact(length - all.len());
        all.resize(length, one);
    }
}
