//! Sources that lie side by side, as in PyTorch's `[out, in, taps..]`.
//!
//! A tile of neighbouring sources is counted in bytes, which stay in the first-level cache, over
//! all targets; before a byte can be full the tile is added to the rows.

use super::{CHUNK, Pass, SLOTS, Slots, Stored, Task, Vectors, not_finite, padded};

/// More taps would fill a byte with one target.
pub(super) const MOST_TAPS: usize = u8::MAX as usize;

/// Targets by which memory is asked ahead.
const AHEAD: usize = 6;

/// Sources of a tile; half as many where two tiles must fit.
const SOURCES: usize = 128;

/// Chunks of a tile's weights for one target.
const CHUNKS: usize = 16;

/// Counters of 64 sources, with room behind so that any byte is a place in the last one's.
const BLOCK: usize = CHUNK * SLOTS + 256 - SLOTS;

/// Kept distances are summed by tap, in the order of the targets, the sums of a source then in
/// order.
pub(super) struct Columns<'a, W, const RESCALED: bool, const SUMS: bool, const TAPPED: bool> {
    pub pass: Pass<'a, W>,
    /// Empty tiles. Lent, so that their address is a register of its own in the innermost loop.
    pub tiles: &'a mut [Tile; 2],
}

/// Counters of some neighbouring sources.
#[repr(align(64))]
pub(super) struct Tile([[u8; BLOCK]; SOURCES / CHUNK]);

impl Tile {
    pub fn new() -> Self {
        Self([[0; BLOCK]; SOURCES / CHUNK])
    }

    /// Counts a chunk: one weight of each of 64 sources, or where `TAPPED` weights of the sources
    /// whose counters begin at `places`.
    #[inline(always)]
    fn count<const TAPPED: bool>(&mut self, c: usize, places: &[u16], slots: &[u8; CHUNK]) {
        if TAPPED {
            let counters = self.0.as_flattened_mut();
            let places = &places[c * CHUNK..places.len().min((c + 1) * CHUNK)];
            for (place, slot) in places.iter().zip(slots) {
                let counter = &mut counters[usize::from(*place) + usize::from(*slot)];
                *counter = counter.wrapping_add(1);
            }
            return;
        }
        let counters = &mut self.0[c];
        for (j, eight) in slots.as_chunks::<8>().0.iter().enumerate() {
            let slots = u64::from_le_bytes(*eight);
            for k in 0..8 {
                let slot = (slots >> (8 * k) & 0xff) as usize;
                let counter = &mut counters[(8 * j + k) * SLOTS + slot];
                *counter = counter.wrapping_add(1);
            }
        }
    }

    /// Adds the counts to rows, less `left_out` in slot 0, and starts anew.
    #[inline(always)]
    fn drain(&mut self, rows: &mut [u32], slots: usize, left_out: u32) {
        let counters = self.0.iter().flat_map(|block| block.chunks_exact(SLOTS));
        for (row, counters) in rows.chunks_exact_mut(slots).zip(counters) {
            for (count, counter) in row.iter_mut().zip(counters) {
                *count += u32::from(*counter);
            }
            row[0] -= left_out;
        }
        self.0.as_flattened_mut().fill(0);
    }
}

impl<W: Stored, const RESCALED: bool, const SUMS: bool, const TAPPED: bool> Task
    for Columns<'_, W, RESCALED, SUMS, TAPPED>
{
    #[inline(always)]
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let Pass { ask, share, slots, counts, rescaled, distances } = self.pass;
        let [plain_tile, rescaled_tile] = self.tiles;
        let taps = if TAPPED { share.layout.taps } else { 1 };
        let stride = share.layout.target_stride;
        let most = if RESCALED { SOURCES / 2 } else { SOURCES }.min(CHUNKS * CHUNK / taps);
        let full = MOST_TAPS / taps;
        let mut infinite = 0;
        for first in (share.first..share.last).step_by(most) {
            let sources = most.min(share.last - first);
            let width = sources * taps;
            let places: Vec<u16> = if TAPPED { places(taps).take(width).collect() } else { vec![] };
            let rows = (first - share.first) * slots..(first - share.first + sources) * slots;
            let mut sums = [[0.0; CHUNK]; CHUNKS];
            // By turns: one is binned into while the other is counted. At first that counts a
            // target that is not there.
            let mut bins = [[Slots::LEFT_OUT; CHUNKS]; 2];
            let mut counted = 0;
            for target in 0..share.layout.targets {
                let start = target * stride + first * taps;
                let (chunks, rest) = share.weights[start..start + width].as_chunks::<CHUNK>();
                let last = padded(rest);
                let [even, odd] = &mut bins;
                let (next, before) = if target % 2 == 0 { (even, odd) } else { (odd, even) };
                for c in 0..width.div_ceil(CHUNK) {
                    let chunk = chunks.get(c).unwrap_or(&last);
                    let ahead = chunk.as_ptr().wrapping_add(AHEAD * stride).cast::<u8>();
                    for line in (0..size_of::<[W; CHUNK]>()).step_by(64) {
                        vectors.prefetch(ahead.wrapping_add(line));
                    }
                    let bad = W::bin::<V, RESCALED, SUMS>(
                        vectors,
                        &ask,
                        chunk,
                        &mut next[c],
                        &mut sums[c],
                    );
                    if bad {
                        infinite += not_finite(chunk);
                    }
                    plain_tile.count::<TAPPED>(c, &places, &before[c].plain);
                    if RESCALED {
                        rescaled_tile.count::<TAPPED>(c, &places, &before[c].rescaled);
                    }
                }
                counted += 1;
                if counted == full {
                    plain_tile.drain(&mut counts[rows.clone()], slots, 0);
                    if RESCALED {
                        rescaled_tile.drain(&mut rescaled[rows.clone()], slots, 0);
                    }
                    counted = 0;
                }
            }
            let before = &bins[(share.layout.targets + 1) % 2];
            for (c, slots) in before[..width.div_ceil(CHUNK)].iter().enumerate() {
                plain_tile.count::<TAPPED>(c, &places, &slots.plain);
                if RESCALED {
                    rescaled_tile.count::<TAPPED>(c, &places, &slots.rescaled);
                }
            }
            plain_tile.drain(&mut counts[rows.clone()], slots, taps as u32);
            if RESCALED {
                rescaled_tile.drain(&mut rescaled[rows], slots, taps as u32);
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

/// Where in a tile the counters of each weight's source begin.
fn places(taps: usize) -> impl Iterator<Item = u16> {
    let sources = (0..SOURCES).map(|s| s / CHUNK * BLOCK + s % CHUNK * SLOTS);
    sources.flat_map(move |place| std::iter::repeat_n(place as u16, taps))
}
