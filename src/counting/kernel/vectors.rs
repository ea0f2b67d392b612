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
/// The methods named as types bin a quarter of a chunk: its slots or, if `PAIR`, the pairs of them
/// and of the slots of w · factor rounded to f32; and if `SUMS` each kept distance is added to the
/// sum of its place. The pair of a weight that is too large both times, or too small both times, is
/// 0.
pub(in super::super) trait Vectors: Copy {
    /// The bins of a quarter, in registers.
    type Part: Copy;

    /// The slots of a chunk, in registers.
    type Slots: Copy;

    /// The pairs of a chunk, in registers.
    type Pairs: Copy;

    /// Runs a task, compiled for these instructions.
    fn enter<T: Task>(self, task: T) -> u64;

    /// Asks for the cache line at an address, which may be any.
    fn prefetch(self, at: *const u8);

    /// The same bins, worked out by here: left to itself the compiler puts off what no statement
    /// needs before, and a store of what is not yet there holds up all stores behind it.
    fn worked_out(self, part: Self::Part) -> Self::Part;

    /// The slots of four quarters, worked out.
    fn join(self, parts: [Self::Part; 4]) -> Self::Slots;

    /// The pairs of four quarters, worked out.
    fn join_pairs(self, parts: [Self::Part; 4]) -> Self::Pairs;

    /// Writes slots.
    fn store(self, slots: Self::Slots, to: &mut [u8; CHUNK]);

    /// Writes pairs.
    fn store_pairs(self, pairs: Self::Pairs, to: &mut [u16; CHUNK]);

    fn f32<const PAIR: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f32; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn f16<const PAIR: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f16; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn bf16<const PAIR: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[bf16; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;

    fn f64<const PAIR: bool, const SUMS: bool>(
        self,
        ask: &Ask,
        weights: &[f64; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<Self::Part>;
}

/// A type in which weights are stored.
pub(in super::super) trait Stored: Copy + Default {
    fn bin<V: Vectors, const PAIR: bool, const SUMS: bool>(
        vectors: V,
        ask: &Ask,
        weights: &[Self; QUARTER],
        sums: &mut [f64; QUARTER],
    ) -> Binned<V::Part>;

    fn finite(self) -> bool;

    /// Whether it is binned in 64 bits, not in 32.
    const WIDE: bool;

    /// The number of this type nearest to one that is not negative (`by` = 0), or the next smaller
    /// (-1) or larger one (1). Of types that f32 holds, that of f32.
    fn beside(number: f64, by: i8) -> f64;
}

macro_rules! stored {
    ($($weight:ident of $float:ident,)*) => {$(
        impl Stored for $weight {
            const WIDE: bool = size_of::<$float>() > 4;

            #[inline(always)]
            fn bin<V: Vectors, const PAIR: bool, const SUMS: bool>(
                vectors: V,
                ask: &Ask,
                weights: &[Self; QUARTER],
                sums: &mut [f64; QUARTER],
            ) -> Binned<V::Part> {
                vectors.$weight::<PAIR, SUMS>(ask, weights, sums)
            }

            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }

            fn beside(number: f64, by: i8) -> f64 {
                let number = number as $float;
                f64::from(match by {
                    0 => number,
                    1.. => number.next_up(),
                    _ => number.next_down(),
                })
            }
        }
    )*};
}
stored!(f32 of f32, f16 of f32, bf16 of f32, f64 of f64,);
