//! Sources that lie side by side, as in PyTorch's `[out, in, taps..]`.
//!
//! A block of weights, some targets of some neighbouring sources, is read in the order of memory
//! and binned into a buffer that stays in the second-level cache. From there it is counted, 64
//! sources at a time, while the next block is binned; the counters of 64 sources are bytes and stay
//! in the first-level cache. If a wide matrix were counted while it is binned, only a few cache
//! lines of each page would be read at a time.

mod counting;
mod drawn;
mod memory;

use counting::{Counting, Rows};
pub(super) use drawn::Samples;
use drawn::Strip;
pub(super) use memory::Scratch;
use memory::{Bins, Counters, grow};

use super::chunk::{Ask, CHUNK, SLOTS};
use super::share::{Pass, not_finite, padded, quarter};
use super::vectors::{Binned, Stored, Task, Vectors};

/// More taps would fill a byte with one target.
pub(super) const MOST_TAPS: usize = u8::MAX as usize;

/// Memory is prefetched by this many targets.
const AHEAD: usize = 2;

/// The most chunks of slots of a block for one target: enough for complete rows of most matrices,
/// which are then read without gaps. Weights that are also counted rescaled take another chunk of
/// slots for each, so there are half as many, here and below.
const CHUNKS: usize = 32;

/// Chunks of slots of a block: a quarter of a megabyte. With 16 chunks for each target, a block has
/// as many targets as a byte can count. That number is odd, so that groups do not share the same
/// few sets of the cache.
const BLOCK: usize = 16 * MOST_TAPS;

/// Blocks whose counts cannot fill a u16.
const BLOCKS: usize = u16::MAX as usize / MOST_TAPS;

/// Kept distances are summed by tap, in the order of the targets, the sums of a source then in
/// order.
pub(super) struct Columns<'a, 's, W, const SCALED: bool, const SUMS: bool, const TAPPED: bool> {
    pub pass: Pass<'a, W>,
    pub counters: &'a mut Counters,
    pub drawn: &'a mut Samples<'s>,
    pub blocks: &'a mut [Vec<Bins>; 2],
}

impl<W: Stored, const SCALED: bool, const SUMS: bool, const TAPPED: bool> Task
    for Columns<'_, '_, W, SCALED, SUMS, TAPPED>
{
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let Self { pass, counters, drawn, blocks } = self;
        let Pass { ask, share, counts, rescaled, distances } = pass;
        let kinds = 1 + usize::from(SCALED);
        let slots = ask.kept.slots;
        let Counters { tile, tall, offsets } = counters;
        let [next, before] = blocks;
        let (mut next, mut before) = (next, before);
        let taps = if TAPPED { share.layout.taps } else { 1 };
        let stride = share.layout.target_stride;
        let widest = CHUNKS / kinds * CHUNK;
        let most = match TAPPED {
            // No more sources than are counted together.
            true => CHUNK.min(widest / taps),
            // Equal parts: a narrow rest would be read a few cache lines from each page.
            false => {
                let all = (share.last - share.first).max(1);
                all.div_ceil(all.div_ceil(widest)).next_multiple_of(CHUNK)
            }
        };
        let targets = share.layout.targets;
        let mut infinite = 0;
        for first in (share.first..share.last).step_by(most) {
            let sources = most.min(share.last - first);
            let width = sources * taps;
            let chunks = width.div_ceil(CHUNK);
            let full = (MOST_TAPS / taps).min(BLOCK / kinds / chunks);
            // Blocks of about equally many targets.
            let height = targets.div_ceil(targets.div_ceil(full));
            let rows = (first - share.first) * slots..(first - share.first + sources) * slots;
            let (groups, lanes) = if TAPPED { (1, chunks) } else { (chunks, 1) };
            let rows = Rows {
                counts: &mut counts[rows.clone()],
                rescaled: rescaled.get_mut(rows).unwrap_or_default(),
                groups,
                slots,
            };
            let mut counting = Counting::<TAPPED> {
                tile: &mut *tile,
                offsets: &offsets[..if TAPPED { width } else { 0 }],
                tall: match targets > height {
                    true => Some(tall.fit(kinds * groups * CHUNK * SLOTS)),
                    false => None,
                },
                rows,
                groups: kinds * groups,
                lanes,
                spread: full * lanes,
                height: 0,
                group: kinds * groups,
                at: 0,
                lane: 0,
            };
            let mut sums = [[0.0; CHUNK]; CHUNKS];
            grow(next, kinds * chunks * full, Bins([0; CHUNK]));
            grow(before, kinds * chunks * full, Bins([0; CHUNK]));
            let mut blocks = 0;
            // A last block without targets: the block before it is counted meanwhile.
            for top in (0..targets).step_by(height).chain([targets]) {
                let height = height.min(targets - top);
                for target in 0..height {
                    let start = (top + target) * stride + first * taps;
                    let row = &share.weights[start..start + width];
                    let (whole, rest) = row.as_chunks::<CHUNK>();
                    let last = if rest.is_empty() { None } else { Some(padded(rest)) };
                    let mut any = 0;
                    for (c, chunk) in whole.iter().chain(&last).enumerate() {
                        let ahead = start + c * CHUNK + AHEAD * stride;
                        let ahead = share.weights.as_ptr().wrapping_add(ahead).cast::<u8>();
                        for line in (0..size_of::<[W; CHUNK]>()).step_by(64) {
                            vectors.prefetch(ahead.wrapping_add(line));
                        }
                        let index = counting.chunk_index(0, c, target);
                        let scaled = counting.chunk_index(groups, c, target);
                        let sums = &mut sums[c];
                        let mut step = Step { vectors, ask, chunk, sums, counting: &mut counting };
                        any |= step.bin::<false, SUMS>(before, &mut next[index]);
                        if SCALED {
                            step.bin::<true, false>(before, &mut next[scaled]);
                        }
                    }
                    if any != 0 {
                        infinite += not_finite(row);
                    }
                }
                counting.finish(before);
                if blocks == BLOCKS || top == targets {
                    counting.drain();
                    blocks = 0;
                }
                let strip = Strip {
                    sources: first..first + sources,
                    targets: top..top + height,
                    taps,
                    lanes,
                    spread: counting.chunk_index(0, 1, 0),
                };
                drawn.count(next, &strip);
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
struct Step<'a, 'b, V, W, const TAPPED: bool> {
    vectors: V,
    ask: Ask,
    chunk: &'a [W; CHUNK],
    sums: &'a mut [f64; CHUNK],
    counting: &'a mut Counting<'b, TAPPED>,
}

impl<V: Vectors, W: Stored, const TAPPED: bool> Step<'_, '_, V, W, TAPPED> {
    /// Bins the chunk and counts one of the block before; returns bits of weights that are not finite.
    #[inline(always)]
    fn bin<const SCALED: bool, const SUMS: bool>(&mut self, before: &[Bins], to: &mut Bins) -> u32 {
        let waiting = self.counting.waiting(before);
        // A core does one increment a cycle; the vector unit bins at the same time.
        let bins = [
            self.quarter::<SCALED, SUMS, 0>(waiting),
            self.quarter::<SCALED, SUMS, 1>(waiting),
            self.quarter::<SCALED, SUMS, 2>(waiting),
            self.quarter::<SCALED, SUMS, 3>(waiting),
        ];
        self.vectors.store(self.vectors.join(bins.map(|bins| bins.bins)), &mut to.0);
        if waiting.is_some() {
            self.counting.advance();
        }
        bins.iter().fold(0, |any, bins| any | bins.infinite)
    }

    #[inline(always)]
    fn quarter<const SCALED: bool, const SUMS: bool, const K: usize>(
        &mut self,
        waiting: Option<&[u8; CHUNK]>,
    ) -> Binned<V::Part> {
        let (weights, sums) = quarter::<W, K>(self.chunk, self.sums);
        let mut binned = W::bin::<V, SCALED, SUMS>(self.vectors, &self.ask, weights, sums);
        binned.bins = self.vectors.worked_out(binned.bins);
        if let Some(waiting) = waiting {
            self.counting.count::<K>(waiting);
        }
        binned
    }
}
