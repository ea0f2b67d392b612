//! Binning with AVX2: 8 weights at a time.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::*;

use half::{bf16, f16};

use super::chunk::{Ask, CHUNK, QUARTER};
use super::vectors::{Binned, Task, Vectors};

/// Proof that this machine has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub fn find() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        found.then_some(Self(()))
    }
}

macro_rules! quarter_of {
    ($weight:ident, $plain:expr, $scaled:expr) => {
        #[inline(always)]
        fn $weight<const SCALED: bool, const SUMS: bool>(
            self,
            ask: &Ask,
            weights: &[$weight; QUARTER],
            sums: &mut [f64; QUARTER],
        ) -> Binned<Self::Part> {
            // SAFETY: `self` exists only where the features were found.
            unsafe { if SCALED { $scaled(ask, weights, sums) } else { $plain(ask, weights, sums) } }
        }
    };
}

impl Vectors for Avx2 {
    type Part = __m256i; // 16 numbers in the order of `packed`
    type Slots = [__m256i; 2];

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> u64 {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn compiled<T: Task>(vectors: Avx2, task: T) -> u64 {
            task.run(vectors)
        }
        // SAFETY: `self` exists only where the features were found.
        unsafe { compiled(self, task) }
    }

    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: a prefetch reads nothing that the program sees and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn worked_out(self, part: Self::Part) -> Self::Part {
        // SAFETY: `self` exists only where the features were found.
        unsafe { worked_out(part) }
    }

    #[inline(always)]
    fn join(self, parts: [Self::Part; 4]) -> Self::Slots {
        // SAFETY: `self` exists only where the features were found.
        unsafe { bytes(parts).map(|slots| worked_out(slots)) }
    }

    #[inline(always)]
    fn store(self, slots: Self::Slots, to: &mut [u8; CHUNK]) {
        // SAFETY: `self` exists only where the features were found.
        unsafe { store(slots, to) }
    }

    quarter_of!(f32, widened::<f32, SUMS>, scaled::<f32>);
    quarter_of!(f16, widened::<f16, SUMS>, scaled::<f16>);
    quarter_of!(bf16, widened::<bf16, SUMS>, scaled::<bf16>);
    quarter_of!(f64, doubles::<SUMS>, scaled_doubles);
}

const ONE: u32 = 0x3f80_0000;
const INFINITE: u32 = 0x7f80_0000;

/// 2²³: adding it rounds to an integer, which is then in the low bits of the sum.
const ROUND_TO_INTEGER: f32 = 8_388_608.0;

/// A factor that brings the estimate of 1/|w|, whose relative error is at most 1.5·2⁻¹², below
/// 1/|w|.
const BELOW: f32 = 1.0 - 1.0 / 2048.0;

/// A type that f32 holds exactly.
trait Widened: Copy {
    fn load(from: &[Self; 8]) -> __m256;
}

macro_rules! load {
    ($weight:ty, $from:ident, $widen:expr) => {
        impl Widened for $weight {
            #[inline(always)]
            fn load($from: &[Self; 8]) -> __m256 {
                // SAFETY: reads the 8 weights of the array, aligned or not. Called only where the
                // features were found, from `widened`.
                unsafe { $widen }
            }
        }
    };
}
load!(f32, from, _mm256_loadu_ps(from.as_ptr()));
load!(f16, from, _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())));
load!(bf16, from, {
    let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().cast()));
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high))
});

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn widened<W: Widened, const SUMS: bool>(
    ask: &Ask,
    weights: &[W; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m256i> {
    let [a, b] = weights.as_chunks::<8>().0 else { unreachable!("16 are twice 8") };
    singles::<SUMS>(ask, [W::load(a), W::load(b)], sums)
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn scaled<W: Widened>(
    ask: &Ask,
    weights: &[W; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m256i> {
    let [a, b] = weights.as_chunks::<8>().0 else { unreachable!("16 are twice 8") };
    let factor = _mm256_set1_ps(ask.factor);
    let scaled = [_mm256_mul_ps(W::load(a), factor), _mm256_mul_ps(W::load(b), factor)];
    singles::<false>(ask, scaled, sums)
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn scaled_doubles(
    ask: &Ask,
    weights: &[f64; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m256i> {
    let factor = _mm256_set1_pd(ask.factor.into());
    let mut scaled = [_mm_setzero_ps(); 4];
    for (scaled, weights) in scaled.iter_mut().zip(weights.as_chunks::<4>().0) {
        // SAFETY: reads the 4 weights of the array, aligned or not.
        let w = unsafe { _mm256_loadu_pd(weights.as_ptr()) };
        *scaled = _mm256_cvtpd_ps(_mm256_mul_pd(w, factor));
    }
    let [a, b, c, d] = scaled;
    singles::<false>(ask, [_mm256_set_m128(b, a), _mm256_set_m128(d, c)], sums)
}

/// Bins 16 weights.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn singles<const SUMS: bool>(
    ask: &Ask,
    weights: [__m256; 2],
    sums: &mut [f64; QUARTER],
) -> Binned<__m256i> {
    let mut infinite = [0; 2];
    let mut bins = [_mm256_setzero_si256(); 2];
    let sums = sums.as_chunks_mut::<4>().0;
    for (half, w) in weights.into_iter().enumerate() {
        let size = without_sign(w);
        infinite[half] = signs(_mm256_cmpgt_epi32(size, _mm256_set1_epi32(INFINITE as i32 - 1)));
        let kept = kept(ask, size);
        bins[half] = radii(size, kept);
        if SUMS {
            let low = _mm256_cvtps_pd(_mm256_castps256_ps128(w));
            let wide = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(kept));
            add_distances(&mut sums[2 * half], low, wide);
            let high = _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(w));
            let wide = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(kept));
            add_distances(&mut sums[2 * half + 1], high, wide);
        }
    }
    Binned { bins: packed(bins), infinite: u16::from_le_bytes(infinite).into() }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn doubles<const SUMS: bool>(
    ask: &Ask,
    weights: &[f64; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m256i> {
    let one = _mm256_set1_pd(1.0);
    let mut infinite = 0;
    let mut radii = [_mm_setzero_si128(); 4];
    let all = weights.as_chunks::<4>().0.iter().zip(sums.as_chunks_mut::<4>().0);
    for (k, (weights, sums)) in all.enumerate() {
        // SAFETY: reads the 4 weights of the array, aligned or not.
        let w = unsafe { _mm256_loadu_pd(weights.as_ptr()) };
        let size = without_sign_pd(w);
        let is_not = _mm256_cmp_pd::<_CMP_NLE_UQ>(size, _mm256_set1_pd(f64::MAX));
        infinite |= _mm256_movemask_pd(is_not) << (4 * k);
        let distance = _mm256_div_pd(one, size);
        let most = _mm256_set1_pd(ask.kept.largest_distance);
        let above = _mm256_cmp_pd::<_CMP_GT_OQ>(distance, one);
        let near = _mm256_cmp_pd::<_CMP_LE_OQ>(distance, most);
        let kept = _mm256_and_pd(distance, _mm256_and_pd(above, near));
        radii[k] = _mm256_cvtpd_epi32(kept); // half to even
        if SUMS {
            add(sums, kept);
        }
    }
    let [a, b, c, d] = radii;
    let bins = [_mm256_set_m128i(b, a), _mm256_set_m128i(d, c)];
    Binned { bins: packed(bins), infinite: infinite as u32 }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn signs(numbers: __m256i) -> u8 {
    _mm256_movemask_ps(_mm256_castsi256_ps(numbers)) as u8
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn without_sign(w: __m256) -> __m256i {
    _mm256_and_si256(_mm256_castps_si256(w), _mm256_set1_epi32(i32::MAX))
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn without_sign_pd(w: __m256d) -> __m256d {
    _mm256_andnot_pd(_mm256_set1_pd(-0.0), w)
}

/// A mask of the weights that are kept, from the bits of |w|.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn kept(ask: &Ask, size: __m256i) -> __m256i {
    let below = _mm256_set1_epi32(ask.kept.smallest as i32 - 1);
    let one = _mm256_set1_epi32(ONE as i32);
    _mm256_and_si256(_mm256_cmpgt_epi32(size, below), _mm256_cmpgt_epi32(one, size))
}

/// The radii of weights, from the bits of |w|; 0 for weights that are not kept.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn radii(size: __m256i, kept: __m256i) -> __m256i {
    let w = _mm256_castsi256_ps(size);
    let q =
        _mm256_fmadd_ps(_mm256_rcp_ps(w), _mm256_set1_ps(BELOW), _mm256_set1_ps(ROUND_TO_INTEGER));
    let q_and_half = _mm256_sub_ps(q, _mm256_set1_ps(ROUND_TO_INTEGER - 0.5));
    let error = _mm256_fmsub_ps(w, q_and_half, _mm256_set1_ps(1.0));
    let one_more = _mm256_srli_epi32::<31>(_mm256_castps_si256(error));
    let radii = _mm256_add_epi32(_mm256_castps_si256(q), one_more);
    // Their low halves.
    _mm256_and_si256(radii, _mm256_srli_epi32::<16>(kept))
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add_distances(sums: &mut [f64; 4], w: __m256d, kept: __m256i) {
    let distances = _mm256_div_pd(_mm256_set1_pd(1.0), without_sign_pd(w));
    add(sums, _mm256_and_pd(distances, _mm256_castsi256_pd(kept)));
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn add(sums: &mut [f64; 4], distances: __m256d) {
    // SAFETY: reads and writes the 4 sums of the array, aligned or not.
    unsafe {
        let sum = _mm256_add_pd(_mm256_loadu_pd(sums.as_ptr()), distances);
        _mm256_storeu_pd(sums.as_mut_ptr(), sum);
    }
}

/// 16 numbers of 16 bits each. Packing works in each half of a vector, so they come in four fours: the
/// first of each vector, then the last of each.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn packed([a, b]: [__m256i; 2]) -> __m256i {
    _mm256_packs_epi32(a, b)
}

/// 64 numbers as bytes, in order.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn bytes([a, b, c, d]: [__m256i; 4]) -> [__m256i; 2] {
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    [[a, b], [c, d]].map(|[a, b]| _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order))
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn worked_out(mut part: __m256i) -> __m256i {
    // SAFETY: no instruction at all.
    unsafe {
        asm!("/* {0} */", inout(ymm_reg) part, options(nomem, nostack, preserves_flags));
    }
    part
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn store(slots: [__m256i; 2], to: &mut [u8; CHUNK]) {
    for (slots, to) in slots.into_iter().zip(to.as_chunks_mut::<32>().0) {
        // SAFETY: writes the 32 bytes of the array, aligned or not.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), slots) }
    }
}
