//! Sources whose edges lie side by side.

use super::{CHUNK, Pass, Slots, Stored, Task, Vectors, not_finite, padded};

/// Sets of counters that take the weights in turn, so that equal radii need not wait for each other.
const TURNS: usize = 4;

/// Bytes by which memory is asked ahead.
const AHEAD: usize = 2048;

/// Kept distances are summed by their place in a chunk, the 64 sums of a source then in order.
pub(super) struct Rows<'a, W, const RESCALED: bool, const SUMS: bool>(pub Pass<'a, W>);

struct Turns([[u32; 256]; TURNS]);

impl Turns {
    #[inline(always)]
    fn count(&mut self, slots: &[u8; CHUNK]) {
        for eight in slots.as_chunks::<8>().0 {
            let slots = u64::from_le_bytes(*eight);
            for k in 0..8 {
                self.0[k % TURNS][(slots >> (8 * k) & 0xff) as usize] += 1;
            }
        }
    }

    /// Adds the counts to a row, less `left_out` in slot 0, and starts anew.
    #[inline(always)]
    fn drain(&mut self, row: &mut [u32], left_out: u32) {
        let [a, b, c, d] = &mut self.0;
        for ((((count, a), b), c), d) in row.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *count += *a + *b + *c + *d;
            (*a, *b, *c, *d) = (0, 0, 0, 0);
        }
        row[0] -= left_out;
    }
}

impl<W: Stored, const RESCALED: bool, const SUMS: bool> Task for Rows<'_, W, RESCALED, SUMS> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let Self(Pass { ask, share, slots, counts, rescaled, distances }) = self;
        let length = share.layout.targets * share.layout.taps;
        let mut plain_turns = Turns([[0; 256]; TURNS]);
        let mut rescaled_turns = Turns([[0; 256]; TURNS]);
        let mut infinite = 0;
        for source in 0..share.last - share.first {
            let start = (share.first + source) * share.layout.source_stride;
            let (chunks, rest) = share.weights[start..start + length].as_chunks::<CHUNK>();
            let last = if rest.is_empty() { [W::default(); CHUNK] } else { padded(rest) };
            let mut sums = [0.0; CHUNK];
            // By turns: one is binned into while the other is counted.
            let mut bins = [Slots::LEFT_OUT; 2];
            let filled = length.div_ceil(CHUNK);
            for c in 0..filled {
                let chunk = chunks.get(c).unwrap_or(&last);
                let ahead = chunk.as_ptr().cast::<u8>().wrapping_add(AHEAD);
                for line in (0..size_of::<[W; CHUNK]>()).step_by(64) {
                    vectors.prefetch(ahead.wrapping_add(line));
                }
                let bad =
                    W::bin::<V, RESCALED, SUMS>(vectors, &ask, chunk, &mut bins[c % 2], &mut sums);
                if bad {
                    infinite += not_finite(chunk);
                }
                if c > 0 {
                    plain_turns.count(&bins[(c + 1) % 2].plain);
                    if RESCALED {
                        rescaled_turns.count(&bins[(c + 1) % 2].rescaled);
                    }
                }
            }
            let bins = &bins[(filled + 1) % 2];
            let left_out = (filled * CHUNK - length) as u32;
            plain_turns.count(&bins.plain);
            plain_turns.drain(&mut counts[source * slots..][..slots], left_out);
            if RESCALED {
                rescaled_turns.count(&bins.rescaled);
                rescaled_turns.drain(&mut rescaled[source * slots..][..slots], left_out);
            }
            if SUMS {
                distances[source] += sums.iter().sum::<f64>();
            }
        }
        infinite
    }
}
