//! What weights are counted as: slots, or pairs of slots ([`super::stairs`]).

use super::chunk::{Ask, CHUNK, PLACES, QUARTER, SLOTS};
use super::stairs::Stairs;
use super::vectors::{Binned, Stored, Vectors};

/// What a weight is counted as, below [`Self::COUNTERS`].
pub(super) trait Bin: Copy + Default {
    /// Counters of one source.
    const COUNTERS: usize;

    /// A chunk, in registers.
    type Chunk<V: Vectors>: Copy;

    /// Bins a quarter of a chunk.
    fn of<V: Vectors, W: Stored, const SUMS: bool>(
        vectors: V,
        ask: &Ask,
        weights: &[W; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<V::Part>;

    /// The chunk of four quarters.
    fn join<V: Vectors>(vectors: V, parts: [V::Part; 4]) -> Self::Chunk<V>;

    /// Writes a chunk.
    fn store<V: Vectors>(vectors: V, chunk: Self::Chunk<V>, to: &mut [Self; CHUNK]);

    /// 8 bins, read in as few words as they fill.
    type Eight: Copy;

    /// Reads 8 bins.
    fn eight(bins: &[Self; 8]) -> Self::Eight;

    /// Where among [`PLACES`] the k-th of them is counted.
    fn place(eight: Self::Eight, k: usize) -> usize;

    /// Adds counters of one source to its row, and to that of its rescaled weights.
    fn add<C: Copy + Into<u32>>(
        stairs: &Stairs,
        counters: &[C],
        row: &mut [u32],
        rescaled: &mut [u32],
    );

    /// The slot of a weight itself.
    fn slot(stairs: &Stairs, bin: Self) -> usize;
}

/// Adds counters of slots to a row.
#[inline(always)]
pub(super) fn add<C: Copy + Into<u32>>(counters: &[C], row: &mut [u32]) {
    for (count, counter) in row.iter_mut().zip(counters) {
        *count += (*counter).into();
    }
}

impl Bin for u8 {
    const COUNTERS: usize = SLOTS;

    type Chunk<V: Vectors> = V::Slots;

    #[inline(always)]
    fn of<V: Vectors, W: Stored, const SUMS: bool>(
        vectors: V,
        ask: &Ask,
        weights: &[W; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<V::Part> {
        W::bin::<V, false, SUMS>(vectors, ask, weights, sums)
    }

    #[inline(always)]
    fn join<V: Vectors>(vectors: V, parts: [V::Part; 4]) -> V::Slots {
        vectors.join(parts)
    }

    #[inline(always)]
    fn store<V: Vectors>(vectors: V, chunk: V::Slots, to: &mut [Self; CHUNK]) {
        vectors.store(chunk, to);
    }

    type Eight = u64;

    #[inline(always)]
    fn eight(bins: &[Self; 8]) -> u64 {
        u64::from_le_bytes(*bins)
    }

    #[inline(always)]
    fn place(eight: u64, k: usize) -> usize {
        (eight >> (8 * k) & 0xff) as usize
    }

    #[inline(always)]
    fn add<C: Copy + Into<u32>>(_: &Stairs, counters: &[C], row: &mut [u32], _: &mut [u32]) {
        add(counters, row);
    }

    #[inline(always)]
    fn slot(_: &Stairs, slot: Self) -> usize {
        slot.into()
    }
}

impl Bin for u16 {
    const COUNTERS: usize = 2 * SLOTS;

    type Chunk<V: Vectors> = V::Pairs;

    #[inline(always)]
    fn of<V: Vectors, W: Stored, const SUMS: bool>(
        vectors: V,
        ask: &Ask,
        weights: &[W; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<V::Part> {
        W::bin::<V, true, SUMS>(vectors, ask, weights, sums)
    }

    #[inline(always)]
    fn join<V: Vectors>(vectors: V, parts: [V::Part; 4]) -> V::Pairs {
        vectors.join_pairs(parts)
    }

    #[inline(always)]
    fn store<V: Vectors>(vectors: V, chunk: V::Pairs, to: &mut [Self; CHUNK]) {
        vectors.store_pairs(chunk, to);
    }

    type Eight = [u64; 2];

    #[inline(always)]
    fn eight(bins: &[Self; 8]) -> [u64; 2] {
        bytemuck::cast(*bins)
    }

    #[inline(always)]
    fn place(eight: [u64; 2], k: usize) -> usize {
        (eight[k / 4] >> (16 * (k % 4))) as usize % PLACES
    }

    #[inline(always)]
    fn add<C: Copy + Into<u32>>(
        stairs: &Stairs,
        counters: &[C],
        row: &mut [u32],
        rescaled: &mut [u32],
    ) {
        stairs.add(counters, row, rescaled);
    }

    #[inline(always)]
    fn slot(stairs: &Stairs, pair: Self) -> usize {
        stairs.slot(pair)
    }
}
