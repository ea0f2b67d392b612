//! Counting a block while another one is binned.

use super::super::chunk::{CHUNK, QUARTER, SLOTS, add};
use super::memory::{Bins, Tile};

/// The counting of a block, whose groups of sources follow each other in the buffer.
pub struct Counting<'a, const TAPPED: bool> {
    pub tile: &'a mut Tile,
    pub offsets: &'a [u16],
    pub tall: Option<&'a mut [u16]>, // none for one block, which is added to the rows as it is
    pub rows: Rows<'a>,
    pub groups: usize, // that are counted one after the other, those of rescaled weights last
    pub lanes: usize,  // chunks of a group for one target
    pub spread: usize, // from one group to the next in the buffer
    pub height: usize, // targets
    pub group: usize,  // that is counted; beyond the last one when nothing waits
    pub at: usize,     // chunk that is counted next
    pub lane: usize,   // of it
}

/// The rows of the sources.
pub struct Rows<'a> {
    pub counts: &'a mut [u32],
    pub rescaled: &'a mut [u32], // none where they are not wanted
    pub groups: usize,           // of weights as they are
    pub slots: usize,
}

impl Rows<'_> {
    /// Adds the counters of groups from one on, all as they are or all rescaled.
    #[inline(always)]
    fn add<C: Copy + Into<u32>>(&mut self, group: usize, counters: &[C]) {
        let (rows, group) = match group.checked_sub(self.groups) {
            Some(group) => (&mut *self.rescaled, group),
            None => (&mut *self.counts, group),
        };
        let rows = rows[group * CHUNK * self.slots..].chunks_exact_mut(self.slots);
        rows.zip(counters.chunks_exact(SLOTS)).for_each(|(row, counters)| add(counters, row));
    }
}

impl<const TAPPED: bool> Counting<'_, TAPPED> {
    /// The index in the buffer of a chunk of a target, in the groups from `first` on.
    #[inline(always)]
    pub fn chunk_index(&self, first: usize, chunk: usize, target: usize) -> usize {
        let (group, lane) = if TAPPED { (first, chunk) } else { (first + chunk, 0) };
        group * self.spread + target * self.lanes + lane
    }

    /// Starts to count another block, of `height` targets.
    #[inline(always)]
    pub fn begin(&mut self, height: usize) {
        self.height = height;
        (self.group, self.at, self.lane) = (0, 0, 0);
    }

    /// The chunk of the block that is next, if one is left.
    #[inline(always)]
    pub fn waiting<'b>(&self, block: &'b [Bins]) -> Option<&'b [u8; CHUNK]> {
        if self.group == self.groups { None } else { Some(&block[self.at].0) }
    }

    /// Counts the K-th quarter of a chunk.
    #[inline(always)]
    pub fn count<const K: usize>(&mut self, waiting: &[u8; CHUNK]) {
        let offsets = match TAPPED {
            true => self.offsets.get(self.lane * CHUNK + K * QUARTER..).unwrap_or_default(),
            false => &[],
        };
        self.tile.count::<TAPPED, K>(offsets, waiting);
    }

    /// Advances to the next chunk.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.at += 1;
        if TAPPED {
            self.lane = if self.lane + 1 == self.lanes { 0 } else { self.lane + 1 };
        }
        if self.at == self.group * self.spread + self.height * self.lanes {
            let counters = self.tile.counters();
            match &mut self.tall {
                Some(tall) => {
                    let counts = &mut tall[self.group * CHUNK * SLOTS..];
                    for (count, counter) in counts.iter_mut().zip(&*counters) {
                        *count += u16::from(*counter);
                    }
                }
                None => self.rows.add(self.group, counters),
            }
            counters.fill(0);
            self.group += 1;
            self.at = self.group * self.spread;
        }
    }

    /// Counts all that is left.
    #[inline(always)]
    pub fn finish(&mut self, block: &[Bins]) {
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
        let groups = self.rows.groups;
        for (k, counters) in tall.chunks(groups * CHUNK * SLOTS).enumerate() {
            self.rows.add(k * groups, counters);
        }
        tall.fill(0);
    }
}
