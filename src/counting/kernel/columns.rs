//! Sources that lie side by side, as in PyTorch's `[out, in, taps..]`.
//!
//! A block of weights, some targets of some neighbouring sources, is read as it lies in memory and
//! binned into a buffer that stays in the second-level cache. From there it is counted 64 sources
//! after another, whose counters, bytes, stay in the first-level cache, while the next block is
//! binned. Counted as it is binned, a wide matrix would be read a few cache lines from each page.

mod counting;
mod drawn;
mod memory;

use std::marker::PhantomData;

use counting::{Counting, Rows};
pub(super) use drawn::Samples;
use drawn::Strip;
use memory::{Bins, Counters, grow};
pub(super) use memory::{Blocks, Memory, Scratch};

use super::bins::Bin;
use super::chunk::{Ask, CHUNK};
use super::share::{Pass, not_finite, padded, quarter};
use super::vectors::{Binned, Stored, Task, Vectors};

/// More taps would fill a byte with one target.
pub(super) const MOST_TAPS: usize = u8::MAX as usize;

/// Targets by which memory is asked ahead.
const AHEAD: usize = 2;

/// The most chunks of slots of a block for one target: enough for whole rows of most matrices, which are
/// then read without a gap. Of pairs, which are twice as long, there are half as many, here and below.
const CHUNKS: usize = 32;

/// Chunks of slots of a block: a quarter of a megabyte. Of 16 chunks it takes as many targets as bytes
/// can count; that being odd, groups do not meet in the same few sets of the cache.
const BLOCK: usize = 16 * MOST_TAPS;

/// Blocks whose counts cannot fill a u16.
const BLOCKS: usize = u16::MAX as usize / MOST_TAPS;

/// Kept distances are summed by tap, in the order of the targets, the sums of a source then in
/// order.
pub(super) struct Columns<'a, 's, W, B, const SUMS: bool, const TAPPED: bool> {
    pub pass: Pass<'a, W>,
    pub memory: Memory<'a, B, Samples<'s>>,
}

impl<W: Stored, B: Bin, const SUMS: bool, const TAPPED: bool> Task
    for Columns<'_, '_, W, B, SUMS, TAPPED>
{
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let Pass { ask, share, counts, rescaled, distances, stairs } = self.pass;
        let slots = ask.kept.slots;
        let Memory { counters, samples, blocks } = self.memory;
        let Counters { tile, tall, places } = counters;
        let [next, before] = blocks;
        let (mut next, mut before) = (next, before);
        let taps = if TAPPED { share.layout.taps } else { 1 };
        let stride = share.layout.target_stride;
        let widest = CHUNKS / size_of::<B>() * CHUNK;
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
            let full = (MOST_TAPS / taps).min(BLOCK / size_of::<B>() / chunks);
            // Blocks of about equally many targets.
            let height = targets.div_ceil(targets.div_ceil(full));
            let rows = (first - share.first) * slots..(first - share.first + sources) * slots;
            let rows = Rows {
                counts: &mut counts[rows.clone()],
                rescaled: rescaled.get_mut(rows).unwrap_or_default(),
                slots,
                stairs,
            };
            let (groups, lanes) = if TAPPED { (1, chunks) } else { (chunks, 1) };
            let mut counting = Counting::<B, TAPPED> {
                tile: &mut *tile,
                places: &places[..if TAPPED { width } else { 0 }],
                tall: match targets > height {
                    true => Some(tall.fit(groups * CHUNK * B::COUNTERS)),
                    false => None,
                },
                rows,
                groups,
                lanes,
                spread: full * lanes,
                height: 0,
                group: groups,
                at: 0,
                lane: 0,
                bins: PhantomData,
            };
            let mut sums = [[0.0; CHUNK]; CHUNKS];
            grow(next, chunks * full, Bins([B::default(); CHUNK]));
            grow(before, chunks * full, Bins([B::default(); CHUNK]));
            let mut blocks = 0;
            // Behind the last block there is one of no target, while which the last one is counted.
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
                        any = bins.iter().fold(any, |any, bins| any | bins.infinite);
                        let place = counting.place(c, target);
                        let bins = B::join(vectors, bins.map(|bins| bins.bins));
                        B::store(vectors, bins, &mut next[place].0);
                        if waiting.is_some() {
                            counting.advance();
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
                    spread: counting.place(1, 0),
                };
                samples.count(stairs, next, &strip);
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
struct Step<'a, 'b, V, W, B, const TAPPED: bool> {
    vectors: V,
    ask: Ask,
    chunk: &'a [W; CHUNK],
    sums: &'a mut [f64; CHUNK],
    counting: &'a mut Counting<'b, B, TAPPED>,
}

impl<V: Vectors, W: Stored, B: Bin, const TAPPED: bool> Step<'_, '_, V, W, B, TAPPED> {
    #[inline(always)]
    fn quarter<const SUMS: bool, const K: usize>(
        &mut self,
        waiting: Option<&[B; CHUNK]>,
    ) -> Binned<V::Part> {
        let (weights, sums) = quarter::<W, K>(self.chunk, self.sums);
        let mut binned = B::of::<V, W, SUMS>(self.vectors, &self.ask, weights, sums);
        binned.bins = self.vectors.worked_out(binned.bins);
        if let Some(waiting) = waiting {
            self.counting.count::<K>(waiting);
        }
        binned
    }
}
