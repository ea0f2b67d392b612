//! Sources whose edges lie side by side.

use super::tally::{RUN, STRETCH, Tally};
use super::{Ask, Binned, CHUNK, Pass, Stored, Task, Vectors, not_finite, padded, quarter};

/// Kept distances are summed by their place in a chunk, the 64 sums of a source then in order.
pub(super) struct Rows<'a, W, const RESCALED: bool, const SUMS: bool>(pub Pass<'a, W>);

impl<W: Stored, const RESCALED: bool, const SUMS: bool> Task for Rows<'_, W, RESCALED, SUMS> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        const { assert!(STRETCH.is_multiple_of(CHUNK) && RUN.is_multiple_of(STRETCH)) };
        let Self(Pass { ask, share, slots, counts, rescaled, distances }) = self;
        let length = share.layout.targets * share.layout.taps;
        let mut plain_tally = Tally::new();
        let mut rescaled_tally = Tally::new();
        let mut infinite = 0;
        for (source, place) in (share.first..share.last).enumerate() {
            let start = place * share.layout.source_stride;
            let row = source * slots..(source + 1) * slots;
            let mut sums = [0.0; CHUNK];
            for run in share.weights[start..start + length].chunks(RUN) {
                for stretch in run.chunks(STRETCH) {
                    let (chunks, rest) = stretch.as_chunks::<CHUNK>();
                    let last = if rest.is_empty() { None } else { Some(padded(rest)) };
                    for chunk in chunks.iter().chain(&last) {
                        let bins = [
                            bin::<V, W, RESCALED, SUMS, 0>(vectors, &ask, chunk, &mut sums),
                            bin::<V, W, RESCALED, SUMS, 1>(vectors, &ask, chunk, &mut sums),
                            bin::<V, W, RESCALED, SUMS, 2>(vectors, &ask, chunk, &mut sums),
                            bin::<V, W, RESCALED, SUMS, 3>(vectors, &ask, chunk, &mut sums),
                        ];
                        if bins.iter().fold(0, |any, bins| any | bins.infinite) != 0 {
                            infinite += not_finite(chunk);
                        }
                        plain_tally.count_and_put(vectors, bins.map(|bins| bins.plain));
                        if RESCALED {
                            rescaled_tally.count_and_put(vectors, bins.map(|bins| bins.rescaled));
                        }
                    }
                    plain_tally.finish();
                    if RESCALED {
                        rescaled_tally.finish();
                    }
                }
                plain_tally.drain::<V>(&mut counts[row.clone()], run.len());
                if RESCALED {
                    rescaled_tally.drain::<V>(&mut rescaled[row.clone()], run.len());
                }
            }
            if SUMS {
                distances[source] += sums.iter().sum::<f64>();
            }
        }
        infinite
    }
}

/// Bins the K-th quarter of a chunk.
#[inline(always)]
fn bin<V: Vectors, W: Stored, const RESCALED: bool, const SUMS: bool, const K: usize>(
    vectors: V,
    ask: &Ask,
    chunk: &[W; CHUNK],
    sums: &mut [f64; CHUNK],
) -> Binned<V::Part> {
    let (weights, sums) = quarter::<W, K>(chunk, sums);
    W::bin::<V, RESCALED, SUMS>(vectors, ask, weights, sums)
}
