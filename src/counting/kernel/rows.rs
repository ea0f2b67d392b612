//! Sources whose edges lie side by side.

use std::marker::PhantomData;

use super::bins::Bin;
use super::chunk::{Ask, CHUNK};
use super::share::{Pass, not_finite, padded, quarter};
use super::tally::{RUN, STRETCH, Tally};
use super::vectors::{Binned, Stored, Task, Vectors};

/// Kept distances are summed by their place in a chunk, the 64 sums of a source then in order.
pub(super) struct Rows<'a, W, B, const SUMS: bool>(pub Pass<'a, W>, pub PhantomData<B>);

impl<W: Stored, B: Bin, const SUMS: bool> Task for Rows<'_, W, B, SUMS> {
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        const { assert!(STRETCH.is_multiple_of(CHUNK) && RUN.is_multiple_of(STRETCH)) };
        let Pass { ask, share, counts, rescaled, distances, stairs } = self.0;
        let length = share.layout.targets * share.layout.taps;
        let slots = ask.kept.slots;
        let mut tally = Tally::<B>::new();
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
                        let bins = [
                            bin::<V, W, B, SUMS, 0>(vectors, &ask, chunk, &mut sums),
                            bin::<V, W, B, SUMS, 1>(vectors, &ask, chunk, &mut sums),
                            bin::<V, W, B, SUMS, 2>(vectors, &ask, chunk, &mut sums),
                            bin::<V, W, B, SUMS, 3>(vectors, &ask, chunk, &mut sums),
                        ];
                        any = bins.iter().fold(any, |any, bins| any | bins.infinite);
                        tally.count_and_put(vectors, bins.map(|bins| bins.bins));
                    }
                    tally.finish();
                    if any != 0 {
                        infinite += not_finite(stretch);
                    }
                }
                let row = row.clone();
                let others = rescaled.get_mut(row.clone()).unwrap_or_default();
                tally.drain(stairs, &mut counts[row], others, run.len());
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
fn bin<V: Vectors, W: Stored, B: Bin, const SUMS: bool, const K: usize>(
    vectors: V,
    ask: &Ask,
    chunk: &[W; CHUNK],
    sums: &mut [f64; CHUNK],
) -> Binned<V::Part> {
    let (weights, sums) = quarter::<W, K>(chunk, sums);
    B::of::<V, W, SUMS>(vectors, ask, weights, sums)
}
