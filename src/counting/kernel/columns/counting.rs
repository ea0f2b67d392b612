//! Counting a block while another one is binned.

use std::marker::PhantomData;

use super::super::bins::Bin;
use super::super::chunk::{CHUNK, QUARTER};
use super::super::stairs::Stairs;
use super::memory::{Bins, Tile};

/// The counting of a block, which stands in a buffer group of sources after group.
pub struct Counting<'a, B, const TAPPED: bool> {
    pub tile: &'a mut Tile,
    pub places: &'a [u16],
    pub tall: Option<&'a mut [u16]>, // none for one block, which is added to the rows as it is
    pub rows: Rows<'a>,
    pub groups: usize, // that are counted one after the other
    pub lanes: usize,  // chunks of a group for one target
    pub spread: usize, // from one group to the next in the buffer
    pub height: usize, // targets
    pub group: usize,  // that is counted; beyond the last one when nothing waits
    pub at: usize,     // chunk that is counted next
    pub lane: usize,   // of it
    pub bins: PhantomData<B>,
}

/// The rows of the sources.
pub struct Rows<'a> {
    pub counts: &'a mut [u32],
    pub rescaled: &'a mut [u32], // none where they are not wanted
    pub slots: usize,
    pub stairs: &'a Stairs,
}

impl Rows<'_> {
    /// Adds the counters of neighbouring sources.
    #[inline(always)]
    fn add<B: Bin, C: Copy + Into<u32>>(&mut self, first: usize, counters: &[C]) {
        let rows = self.counts[first * self.slots..].chunks_exact_mut(self.slots);
        let rescaled = self.rescaled.get_mut(first * self.slots..).unwrap_or_default();
        let mut rescaled = rescaled.chunks_exact_mut(self.slots);
        for (row, counters) in rows.zip(counters.chunks_exact(B::COUNTERS)) {
            B::add(self.stairs, counters, row, rescaled.next().unwrap_or_default());
        }
    }
}

impl<B: Bin, const TAPPED: bool> Counting<'_, B, TAPPED> {
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
    pub fn waiting<'b>(&self, block: &'b [Bins<B>]) -> Option<&'b [B; CHUNK]> {
        if self.group == self.groups { None } else { Some(&block[self.at].0) }
    }

    /// Counts the K-th quarter of a chunk.
    #[inline(always)]
    pub fn count<const K: usize>(&mut self, waiting: &[B; CHUNK]) {
        let places = match TAPPED {
            true => self.places.get(self.lane * CHUNK + K * QUARTER..).unwrap_or_default(),
            false => &[],
        };
        self.tile.count::<B, TAPPED, K>(places, waiting);
    }

    /// Goes on to the next chunk.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.at += 1;
        if TAPPED {
            self.lane = if self.lane + 1 == self.lanes { 0 } else { self.lane + 1 };
        }
        if self.at == self.group * self.spread + self.height * self.lanes {
            let counters = self.tile.counters::<B>();
            match &mut self.tall {
                Some(tall) => {
                    let counts = &mut tall[self.group * CHUNK * B::COUNTERS..];
                    for (count, counter) in counts.iter_mut().zip(&*counters) {
                        *count += u16::from(*counter);
                    }
                }
                None => self.rows.add::<B, u8>(self.group * CHUNK, counters),
            }
            counters.fill(0);
            self.group += 1;
            self.at = self.group * self.spread;
        }
    }

    /// Counts all that is left.
    #[inline(always)]
    pub fn finish(&mut self, block: &[Bins<B>]) {
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
        self.rows.add::<B, u16>(0, tall);
        tall.fill(0);
    }
}
