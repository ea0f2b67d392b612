//! Sources whose edges lie side by side.

use super::tally::{STRETCH, Tally};
use super::{CHUNK, Pass, Slots, Stored, Task, Vectors, not_finite, padded};

/// Bytes by which memory is asked ahead.
const AHEAD: usize = 4096;

/// Kept distances are summed by their place in a chunk, the 64 sums of a source then in order.
pub(super) struct Rows<'a, W, const RESCALED: bool, const SUMS: bool>(pub Pass<'a, W>);

impl<W: Stored, const RESCALED: bool, const SUMS: bool> Task for Rows<'_, W, RESCALED, SUMS> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        const { assert!(STRETCH.is_multiple_of(2 * CHUNK), "bins go by turns across stretches") };
        let Self(Pass { ask, share, slots, counts, rescaled, distances }) = self;
        let length = share.layout.targets * share.layout.taps;
        let mut plain_tally = Tally::new();
        let mut rescaled_tally = Tally::new();
        // Whether the slots left out are taken out before the rest is counted: as the source before
        // suggests.
        let mut compressed = true;
        let mut infinite = 0;
        for (source, place) in (share.first..share.last).enumerate() {
            let start = place * share.layout.source_stride;
            let mut sums = [0.0; CHUNK];
            // By turns: one is binned into while the other is counted, which at first is empty.
            let mut bins = [Slots::LEFT_OUT; 2];
            for stretch in share.weights[start..start + length].chunks(STRETCH) {
                let (chunks, rest) = stretch.as_chunks::<CHUNK>();
                let last = if rest.is_empty() { [W::default(); CHUNK] } else { padded(rest) };
                for c in 0..stretch.len().div_ceil(CHUNK) {
                    let chunk = chunks.get(c).unwrap_or(&last);
                    let ahead = chunk.as_ptr().cast::<u8>().wrapping_add(AHEAD);
                    for line in (0..size_of::<[W; CHUNK]>()).step_by(64) {
                        vectors.prefetch(ahead.wrapping_add(line));
                    }
                    let [even, odd] = &mut bins;
                    let (next, before) = if c % 2 == 0 { (even, odd) } else { (odd, even) };
                    let bad = W::bin::<V, RESCALED, SUMS>(vectors, &ask, chunk, next, &mut sums);
                    if bad {
                        infinite += not_finite(chunk);
                    }
                    if compressed {
                        plain_tally.put(vectors, &next.plain);
                        if RESCALED {
                            rescaled_tally.put(vectors, &next.rescaled);
                        }
                    } else {
                        plain_tally.count(&before.plain);
                        if RESCALED {
                            rescaled_tally.count(&before.rescaled);
                        }
                    }
                }
                if compressed {
                    plain_tally.count_waiting();
                    if RESCALED {
                        rescaled_tally.count_waiting();
                    }
                }
            }
            if !compressed {
                let last = &bins[(length.div_ceil(CHUNK) + 1) % 2];
                plain_tally.count(&last.plain);
                if RESCALED {
                    rescaled_tally.count(&last.rescaled);
                }
            }
            let row = source * slots..(source + 1) * slots;
            let kept = plain_tally.drain(&mut counts[row.clone()], length as u32);
            if RESCALED {
                rescaled_tally.drain(&mut rescaled[row], length as u32);
            }
            compressed = kept as usize * 8 <= length * V::COMPRESSED;
            if SUMS {
                distances[source] += sums.iter().sum::<f64>();
            }
        }
        infinite
    }
}
