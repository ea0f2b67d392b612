//! Counting a block while another one is binned.

use super::super::{CHUNK, QUARTER, SLOTS};
use super::memory::{Block, Tall, Tile};

/// A chunk that waits to be counted, and that of the rescaled weights.
#[derive(Clone, Copy)]
pub struct Waiting<'a> {
    plain: &'a [u8; CHUNK],
    rescaled: &'a [u8; CHUNK],
}

/// The counting of a block, which stands in a buffer group of sources after group.
pub struct Counting<'a, const RESCALED: bool, const TAPPED: bool> {
    pub tiles: &'a mut [Tile; 2],
    pub places: &'a [u16],
    pub tall: Option<&'a mut Tall>, // none for one block, which is added to the rows as it is
    pub rows: [&'a mut [u32]; 2],   // of the sources; of their rescaled weights
    pub slots: usize,
    pub groups: usize, // that are counted one after the other
    pub lanes: usize,  // chunks of a group for one target
    pub spread: usize, // from one group to the next in the buffer
    pub height: usize, // targets
    pub group: usize,  // that is counted; beyond the last one when nothing waits
    pub at: usize,     // chunk that is counted next
    pub lane: usize,   // of it
}

impl<const RESCALED: bool, const TAPPED: bool> Counting<'_, RESCALED, TAPPED> {
    /// Where in the buffer a chunk of a target belongs.
    #[inline(always)]
    pub fn place(&self, chunk: usize, target: usize) -> usize {
        let (group, lane) = if TAPPED { (0, chunk) } else { (chunk, 0) };
        group * self.spread + target * self.lanes + lane
    }

    /// Begins with another block, of so many targets.
    #[inline(always)]
    pub fn begin(&mut self, height: usize) {
        self.height = height;
        (self.group, self.at, self.lane) = (0, 0, 0);
    }

    /// The chunk of the block that is next, if one is left.
    #[inline(always)]
    pub fn waiting<'b>(&self, block: &'b Block) -> Option<Waiting<'b>> {
        if self.group == self.groups {
            return None;
        }
        let plain = &block.plain[self.at].0;
        Some(Waiting { plain, rescaled: if RESCALED { &block.rescaled[self.at].0 } else { plain } })
    }

    /// Counts the K-th quarter of a chunk.
    #[inline(always)]
    pub fn count<const K: usize>(&mut self, waiting: Waiting<'_>) {
        let places = match TAPPED {
            true => self.places.get(self.lane * CHUNK + K * QUARTER..).unwrap_or_default(),
            false => &[],
        };
        let [plain, rescaled] = &mut *self.tiles;
        plain.count::<TAPPED, K>(places, waiting.plain);
        if RESCALED {
            rescaled.count::<TAPPED, K>(places, waiting.rescaled);
        }
    }

    /// Goes on to the next chunk.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.at += 1;
        if TAPPED {
            self.lane = if self.lane + 1 == self.lanes { 0 } else { self.lane + 1 };
        }
        if self.at == self.group * self.spread + self.height * self.lanes {
            let kinds = if RESCALED { 2 } else { 1 };
            for (kind, tile) in self.tiles[..kinds].iter_mut().enumerate() {
                match &mut self.tall {
                    Some(tall) => tall.0[kind][self.group].add(tile),
                    None => {
                        let rows = &mut self.rows[kind][self.group * CHUNK * self.slots..];
                        add(&tile.0, rows, self.slots);
                    }
                }
                tile.0.fill(0);
            }
            self.group += 1;
            self.at = self.group * self.spread;
        }
    }

    /// Counts all that is left.
    #[inline(always)]
    pub fn finish(&mut self, block: &Block) {
        while let Some(waiting) = self.waiting(block) {
            self.count::<0>(waiting);
            self.count::<1>(waiting);
            self.count::<2>(waiting);
            self.count::<3>(waiting);
            self.advance();
        }
    }

    /// Adds the counts of the blocks to the rows.
    #[inline(always)]
    pub fn drain(&mut self) {
        let Some(tall) = &mut self.tall else { return };
        for (rows, counted) in self.rows.iter_mut().zip(&mut tall.0) {
            for (rows, counted) in rows.chunks_mut(CHUNK * self.slots).zip(counted) {
                add(&counted.0, rows, self.slots);
                counted.0.fill(0);
            }
        }
    }
}

/// Adds counters of neighbouring sources to their rows.
#[inline(always)]
fn add<C: Copy + Into<u32>>(counters: &[C], rows: &mut [u32], slots: usize) {
    for (row, counters) in rows.chunks_exact_mut(slots).zip(counters.chunks_exact(SLOTS)) {
        for (count, counter) in row.iter_mut().zip(counters) {
            *count += (*counter).into();
        }
    }
}

/// Where in a tile the counters of each weight's source begin.
pub fn places(taps: usize) -> impl Iterator<Item = u16> {
    (0..CHUNK).flat_map(move |source| std::iter::repeat_n((source * SLOTS) as u16, taps))
}
