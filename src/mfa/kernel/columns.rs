//! Sources that lie side by side, as in PyTorch's `[out, in, taps..]`.
//!
//! A block of weights, some targets of some neighbouring sources, is read as it lies in memory and
//! binned into a buffer that stays in the second-level cache. From there it is counted 64 sources
//! after another, whose counters, bytes, stay in the first-level cache, while the next block is
//! binned. Counted as it is binned, a wide matrix would be read a few cache lines from each page.

use std::cell::Cell;

use super::{
    Ask, Binned, CHUNK, Pass, QUARTER, SLOTS, Stored, Task, Vectors, not_finite, padded, quarter,
};

/// More taps would fill a byte with one target.
pub(super) const MOST_TAPS: usize = u8::MAX as usize;

/// Targets by which memory is asked ahead.
const AHEAD: usize = 2;

/// The most chunks of a block for one target, those of rescaled weights too: whole rows of most
/// matrices, which are then read without a gap.
const CHUNKS: usize = 32;

/// Chunks of a block: a quarter of a megabyte.
const BLOCK: usize = 16 * MOST_TAPS;

/// Counters of 64 sources, with room behind so that any byte is a place in the last one's.
const COUNTERS: usize = CHUNK * SLOTS + 256 - SLOTS;

/// Kept distances are summed by tap, in the order of the targets, the sums of a source then in
/// order.
pub(super) struct Columns<'a, W, const RESCALED: bool, const SUMS: bool, const TAPPED: bool> {
    pub pass: Pass<'a, W>,
    pub scratch: &'a mut Scratch,
}

impl<W: Stored, const RESCALED: bool, const SUMS: bool, const TAPPED: bool> Task
    for Columns<'_, W, RESCALED, SUMS, TAPPED>
{
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let Pass { ask, share, slots, counts, rescaled, distances } = self.pass;
        let Scratch { tiles, tall, blocks: [next, before] } = self.scratch;
        let (mut next, mut before) = (next, before);
        let taps = if TAPPED { share.layout.taps } else { 1 };
        let stride = share.layout.target_stride;
        let kinds = if RESCALED { 2 } else { 1 };
        let widest = CHUNKS / kinds * CHUNK;
        // Of taps, no more sources than are counted together.
        let most = if TAPPED { CHUNK.min(widest / taps) } else { widest };
        let targets = share.layout.targets;
        let mut infinite = 0;
        for first in (share.first..share.last).step_by(most) {
            let sources = most.min(share.last - first);
            let width = sources * taps;
            let chunks = width.div_ceil(CHUNK);
            let full = (MOST_TAPS / taps).min(BLOCK / kinds / chunks);
            // Blocks of about equally many targets.
            let height = targets.div_ceil(targets.div_ceil(full));
            let places: Vec<u16> = if TAPPED { places(taps).take(width).collect() } else { vec![] };
            let rows = (first - share.first) * slots..(first - share.first + sources) * slots;
            let rows = [&mut counts[rows.clone()], rescaled.get_mut(rows).unwrap_or_default()];
            let (groups, lanes) = if TAPPED { (1, chunks) } else { (chunks, 1) };
            let mut counting = Counting::<RESCALED, TAPPED> {
                tiles: &mut *tiles,
                places: &places,
                tall: if targets > height { Some(tall.fit(groups, RESCALED)) } else { None },
                rows,
                slots,
                groups,
                lanes,
                spread: full * lanes,
                height: 0,
                group: groups,
                at: 0,
                lane: 0,
            };
            let mut sums = [[0.0; CHUNK]; CHUNKS];
            next.fit(chunks * full, RESCALED);
            before.fit(chunks * full, RESCALED);
            let mut blocks = 0;
            // Behind the last block there is one of no target, while which the last one is counted.
            for top in (0..targets).step_by(height).chain([targets]) {
                let height = height.min(targets - top);
                for target in 0..height {
                    let start = (top + target) * stride + first * taps;
                    let (whole, rest) = share.weights[start..start + width].as_chunks::<CHUNK>();
                    let last = if rest.is_empty() { None } else { Some(padded(rest)) };
                    for (c, chunk) in whole.iter().chain(&last).enumerate() {
                        let ahead = chunk.as_ptr().wrapping_add(AHEAD * stride).cast::<u8>();
                        for line in (0..size_of::<[W; CHUNK]>()).step_by(64) {
                            vectors.prefetch(ahead.wrapping_add(line));
                        }
                        let waiting = counting.waiting(before);
                        let sums = &mut sums[c];
                        // Increments are one a cycle; in between the vector unit bins.
                        let mut step = Step { vectors, ask, chunk, sums, counting: &mut counting };
                        let bins = [
                            step.quarter::<SUMS, 0>(waiting),
                            step.quarter::<SUMS, 1>(waiting),
                            step.quarter::<SUMS, 2>(waiting),
                            step.quarter::<SUMS, 3>(waiting),
                        ];
                        if bins.iter().fold(0, |any, bins| any | bins.infinite) != 0 {
                            infinite += not_finite(chunk);
                        }
                        let place = counting.place(c, target);
                        let plain = vectors.join(bins.map(|bins| bins.plain));
                        vectors.store(plain, &mut next.plain[place].0);
                        if RESCALED {
                            let rescaled = vectors.join(bins.map(|bins| bins.rescaled));
                            vectors.store(rescaled, &mut next.rescaled[place].0);
                        }
                        if waiting.is_some() {
                            counting.advance();
                        }
                    }
                }
                counting.finish(before);
                if blocks == BLOCKS || top == targets {
                    counting.drain();
                    blocks = 0;
                }
                std::mem::swap(&mut next, &mut before);
                counting.begin(height);
                blocks += 1;
            }
            if SUMS {
                let sums = sums.as_flattened().chunks_exact(taps);
                for (sum, taps) in distances[first - share.first..][..sources].iter_mut().zip(sums)
                {
                    *sum += taps.iter().sum::<f64>();
                }
            }
        }
        infinite
    }
}

/// Binning a chunk while another one is counted.
struct Step<'a, 'b, V, W, const RESCALED: bool, const TAPPED: bool> {
    vectors: V,
    ask: Ask,
    chunk: &'a [W; CHUNK],
    sums: &'a mut [f64; CHUNK],
    counting: &'a mut Counting<'b, RESCALED, TAPPED>,
}

impl<V: Vectors, W: Stored, const RESCALED: bool, const TAPPED: bool>
    Step<'_, '_, V, W, RESCALED, TAPPED>
{
    #[inline(always)]
    fn quarter<const SUMS: bool, const K: usize>(
        &mut self,
        waiting: Option<Waiting<'_>>,
    ) -> Binned<V::Part> {
        let (weights, sums) = quarter::<W, K>(self.chunk, self.sums);
        let mut bins = W::bin::<V, RESCALED, SUMS>(self.vectors, &self.ask, weights, sums);
        bins.plain = self.vectors.worked_out(bins.plain);
        if RESCALED {
            bins.rescaled = self.vectors.worked_out(bins.rescaled);
        }
        if let Some(waiting) = waiting {
            self.counting.count::<K>(waiting);
        }
        bins
    }
}

/// A chunk that waits to be counted, and that of the rescaled weights.
#[derive(Clone, Copy)]
struct Waiting<'a> {
    plain: &'a [u8; CHUNK],
    rescaled: &'a [u8; CHUNK],
}

/// The counting of a block, which stands in a buffer group of sources after group.
struct Counting<'a, const RESCALED: bool, const TAPPED: bool> {
    tiles: &'a mut [Tile; 2],
    places: &'a [u16],
    tall: Option<&'a mut Tall>, // none for one block, which is added to the rows as it is
    rows: [&'a mut [u32]; 2],   // of the sources; of their rescaled weights
    slots: usize,
    groups: usize, // that are counted one after the other
    lanes: usize,  // chunks of a group for one target
    spread: usize, // from one group to the next in the buffer
    height: usize, // targets
    group: usize,  // that is counted; beyond the last one when all are
    at: usize,     // chunk that is counted next
    lane: usize,   // of it
}

impl<const RESCALED: bool, const TAPPED: bool> Counting<'_, RESCALED, TAPPED> {
    /// Where in the buffer a chunk of a target belongs.
    #[inline(always)]
    fn place(&self, chunk: usize, target: usize) -> usize {
        let (group, lane) = if TAPPED { (0, chunk) } else { (chunk, 0) };
        group * self.spread + target * self.lanes + lane
    }

    /// Begins with another block, of so many targets.
    #[inline(always)]
    fn begin(&mut self, height: usize) {
        self.height = height;
        (self.group, self.at, self.lane) = (0, 0, 0);
    }

    /// The chunk of the block that is next, if one is left.
    #[inline(always)]
    fn waiting<'b>(&self, block: &'b Block) -> Option<Waiting<'b>> {
        if self.group == self.groups {
            return None;
        }
        let plain = &block.plain[self.at].0;
        Some(Waiting { plain, rescaled: if RESCALED { &block.rescaled[self.at].0 } else { plain } })
    }

    /// Counts the K-th quarter of a chunk.
    #[inline(always)]
    fn count<const K: usize>(&mut self, waiting: Waiting<'_>) {
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
    fn advance(&mut self) {
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
    fn finish(&mut self, block: &Block) {
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
    fn drain(&mut self) {
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

/// Counters of the sources that are counted together.
#[repr(align(64))]
struct Tile([u8; COUNTERS]);

impl Tile {
    /// Counts the K-th quarter of a chunk: one weight of each of its sources, or where `TAPPED`
    /// weights of the sources whose counters begin at `places`.
    #[inline(always)]
    fn count<const TAPPED: bool, const K: usize>(&mut self, places: &[u16], slots: &[u8; CHUNK]) {
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
struct Counts([u16; COUNTERS]);

impl Counts {
    #[inline(always)]
    fn add(&mut self, tile: &Tile) {
        for (count, counter) in self.0.iter_mut().zip(&tile.0) {
            *count += u16::from(*counter);
        }
    }
}

/// The counts of tall matrices, for each tile of a block; of rescaled weights second.
#[derive(Default)]
struct Tall([Vec<Counts>; 2]);

impl Tall {
    fn fit(&mut self, tiles: usize, rescaled: bool) -> &mut Self {
        let kinds = if rescaled { 2 } else { 1 };
        self.0[..kinds].iter_mut().for_each(|kind| grow(kind, tiles, Counts([0; COUNTERS])));
        self
    }
}

/// Makes sure that there are so many.
fn grow<T: Clone>(all: &mut Vec<T>, length: usize, one: T) {
    if all.len() < length {
        all.resize(length, one);
    }
}

/// Blocks whose counts cannot fill a u16.
const BLOCKS: usize = u16::MAX as usize / MOST_TAPS;

/// Where in a tile the counters of each weight's source begin.
fn places(taps: usize) -> impl Iterator<Item = u16> {
    (0..CHUNK).flat_map(move |source| std::iter::repeat_n((source * SLOTS) as u16, taps))
}

/// A block of weights as slots; of their rescaled weights too where those are wanted.
#[derive(Default)]
struct Block {
    plain: Vec<Bins>,
    rescaled: Vec<Bins>,
}

impl Block {
    fn fit(&mut self, chunks: usize, rescaled: bool) {
        grow(&mut self.plain, chunks, Bins([0; CHUNK]));
        grow(&mut self.rescaled, if rescaled { chunks } else { 0 }, Bins([0; CHUNK]));
    }
}

/// The slots of a chunk in memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bins([u8; CHUNK]);

/// Memory for counting columns, as much as was ever wanted; its counters are empty between two uses.
pub(super) struct Scratch {
    tiles: Box<[Tile; 2]>,
    tall: Tall,
    blocks: [Block; 2],
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
