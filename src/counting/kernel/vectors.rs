//! What a kernel asks of vector instructions.

use half::{bf16, f16};

use super::chunk::{Ask, CHUNK, QUARTER};

/// A quarter of a chunk, binned.
#[derive(Clone, Copy)]
pub(in super::super) struct Binned<P> {
    pub bins: P,
    pub infinite: u32, // a bit for each weight that is not finite
}

/// A loop over chunks that gives the number of weights that are not finite.
pub(in super::super) trait Task {
    fn run<V: Vectors>(self, vectors: V) -> u64;
}

/// Some vector instructions; a value exists only on a machine that has them.
///
/// The methods named as types bin a quarter of a chunk: its weights or, if `SCALED`, its weights
/// times the factor, rounded to f32. If `SUMS`, which is set for weights as they are only, each kept
/// distance is added to the sum of its position.
pub(in super::super) trait Vectors: Copy {
    /// The slots of a quarter, in registers.
    type Part: Copy;

    /// The slots of a chunk, in registers.
    type Slots: Copy;

    /// Runs a task, compiled for these instructions.
    fn enter<T: Task>(self, task: T) -> u64;

    /// Prefetches the cache line at an address, which may be invalid.
    fn prefetch(self, at: *const u8);

    /// The same slots, forced to be computed here. Otherwise the compiler delays them until their
    /// first use, and a store of a value that is not ready delays all stores after it.
    fn worked_out(self, part: Self::Part) -> Self::Part;

    /// The slots of four quarters, computed here.
    fn join(self, parts: [Self::Part; 4]) -> Self::Slots;

    /// Writes slots.
    fn store(self, slots: Self::Slots, to: &mut [u8; CHUNK]);

    fn f32<const SCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f32; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn f16<const SCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f16; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn bf16<const SCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[bf16; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn f64<const SCALED: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f64; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;
}

/// A type in which weights are stored.
pub(in super::super) trait Stored: Copy + Default {
    fn bin<V: Vectors, const SCALED: bool, const SUMS: bool>(
        vectors: V,
        ask: &Ask,
        weights: &[Self; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<V::Part>;

    fn finite(self) -> bool;

    /// Whether it is binned in 64 bits, not in 32.
    const WIDE: bool;
}

macro_rules! stored {
    ($($weight:ident,)*) => {$(
        impl Stored for $weight {
            const WIDE: bool = size_of::<$weight>() > 4;

            #[inline(always)]
            fn bin<V: Vectors, const SCALED: bool, const SUMS: bool>(
                vectors: V,
                ask: &Ask,
                weights: &[Self; QUARTER],
                sums: &mut [f64; QUARTER],
            ) -> Binned<V::Part> {
                vectors.$weight::<SCALED, SUMS>(ask, weights, sums)
            }

            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
        }
    )*};
}
stored!(f32, f16, bf16, f64,);
