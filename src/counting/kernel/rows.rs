//! Sources whose edges lie side by side.

use super::chunk::{Ask, CHUNK};
use super::share::{Pass, not_finite, padded, quarter};
use super::tally::{RUN, STRETCH, Tally};
use super::vectors::{Binned, Stored, Task, Vectors};

/// Kept distances are summed by their position in a chunk, the 64 sums of a source then in order.
pub(super) struct Rows<'a, W, const SCALED: bool, const SUMS: bool>(pub Pass<'a, W>);

impl<W: Stored, const SCALED: bool, const SUMS: bool> Task for Rows<'_, W, SCALED, SUMS> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        const { assert!(STRETCH.is_multiple_of(CHUNK) && RUN.is_multiple_of(STRETCH)) };
        let Pass { ask, share, counts, rescaled, distances } = self.0;
        let length = share.layout.targets * share.layout.taps;
        let slots = ask.kept.slots;
        let (mut tally, mut scaled) = (Tally::new(), Tally::new());
        let mut infinite = 0;
        for (source, place) in (share.first..share.last).enumerate() {
            let start = place * share.layout.source_stride;
            let row = source * slots..(source + 1) * slots;
            let mut sums = [0.0; CHUNK];
            for run in share.weights[start..start + length].chunks(RUN) {
                for stretch in run.chunks(STRETCH) {
                    let (chunks, rest) = stretch.as_chunks::<CHUNK>();
                    let last = if rest.is_empty() { None } else { Some(padded(rest)) };
                    let mut any = 0;
                    for chunk in chunks.iter().chain(&last) {
                        let bins = bin::<V, W, false, SUMS>(vectors, &ask, chunk, &mut sums);
                        any = bins.iter().fold(any, |any, bins| any | bins.infinite);
                        tally.count_and_put(vectors, bins.map(|bins| bins.bins));
                        if SCALED {
                            let bins = bin::<V, W, true, false>(vectors, &ask, chunk, &mut sums);
                            scaled.count_and_put(vectors, bins.map(|bins| bins.bins));
                        }
                    }
                    tally.finish();
                    if SCALED {
                        scaled.finish();
                    }
                    if any != 0 {
                        infinite += not_finite(stretch);
                    }
                }
                tally.drain(&mut counts[row.clone()], run.len());
                if SCALED {
                    scaled.drain(&mut rescaled[row.clone()], run.len());
                }
            }
            if SUMS {
                distances[source] += sums.iter().sum::<f64>();
            }
        }
        infinite
    }
}

/// Bins a chunk.
#[inline(always)]
fn bin<V: Vectors, W: Stored, const SCALED: bool, const SUMS: bool>(
    vectors: V,
    ask: &Ask,
    chunk: &[W; CHUNK],
    sums: &mut [f64; CHUNK],
) -> [Binned<V::Part>; 4] {
    [
        bin_quarter::<V, W, SCALED, SUMS, 0>(vectors, ask, chunk, sums),
        bin_quarter::<V, W, SCALED, SUMS, 1>(vectors, ask, chunk, sums),
        bin_quarter::<V, W, SCALED, SUMS, 2>(vectors, ask, chunk, sums),
        bin_quarter::<V, W, SCALED, SUMS, 3>(vectors, ask, chunk, sums),
    ]
}

#[inline(always)]
fn bin_quarter<V: Vectors, W: Stored, const SCALED: bool, const SUMS: bool, const K: usize>(
    vectors: V,
    ask: &Ask,
    chunk: &[W; CHUNK],
    sums: &mut [f64; CHUNK],
) -> Binned<V::Part> {
    let (weights, sums) = quarter::<W, K>(chunk, sums);
    W::bin::<V, SCALED, SUMS>(vectors, ask, weights, sums)
}
