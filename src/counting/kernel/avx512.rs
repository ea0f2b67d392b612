//! Binning with AVX-512: 16 weights at a time.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::*;

use half::{bf16, f16};

use super::chunk::{Ask, CHUNK, QUARTER};
use super::vectors::{Binned, Task, Vectors};

/// Proof that this machine has AVX-512 with its byte, double word and short vector parts and the first
/// of its byte manipulation parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    pub fn find() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi");
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

impl Vectors for Avx512 {
    type Part = __m512i; // the low half of each number
    type Slots = __m512i;

    #[inline(always)]
    fn enter<T: Task>(self, task: T) -> u64 {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
        fn compiled<T: Task>(vectors: Avx512, task: T) -> u64 {
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
        unsafe { worked_out(lowest_bytes(parts)) }
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

/// A factor that brings the estimate of 1/|w|, whose relative error is less than 2⁻¹⁴, below 1/|w|.
const BELOW: f32 = 1.0 - 1.0 / 8192.0;

/// A type that f32 holds exactly.
trait Widened: Copy {
    fn load(from: &[Self; 16]) -> __m512;
}

macro_rules! load {
    ($weight:ty, $from:ident, $widen:expr) => {
        impl Widened for $weight {
            #[inline(always)]
            fn load($from: &[Self; 16]) -> __m512 {
                // SAFETY: reads the 16 weights of the array, aligned or not. Called only where the
                // features were found, from `widened`.
                unsafe { $widen }
            }
        }
    };
}
load!(f32, from, _mm512_loadu_ps(from.as_ptr()));
load!(f16, from, _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())));
load!(bf16, from, {
    let high = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(high))
});

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn widened<W: Widened, const SUMS: bool>(
    ask: &Ask,
    weights: &[W; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m512i> {
    singles::<SUMS>(ask, W::load(weights), sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn scaled<W: Widened>(
    ask: &Ask,
    weights: &[W; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m512i> {
    let scaled = _mm512_mul_ps(W::load(weights), _mm512_set1_ps(ask.factor));
    singles::<false>(ask, scaled, sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn scaled_doubles(
    ask: &Ask,
    weights: &[f64; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m512i> {
    let factor = _mm512_set1_pd(ask.factor.into());
    let mut scaled = [_mm256_setzero_ps(); 2];
    for (scaled, weights) in scaled.iter_mut().zip(weights.as_chunks::<8>().0) {
        // SAFETY: reads the 8 weights of the array, aligned or not.
        let w = unsafe { _mm512_loadu_pd(weights.as_ptr()) };
        *scaled = _mm512_cvtpd_ps(_mm512_mul_pd(w, factor));
    }
    let [low, high] = scaled;
    let scaled = _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high);
    singles::<false>(ask, scaled, sums)
}

/// Bins 16 weights.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn singles<const SUMS: bool>(ask: &Ask, w: __m512, sums: &mut [f64; QUARTER]) -> Binned<__m512i> {
    let size = _mm512_and_si512(_mm512_castps_si512(w), _mm512_set1_epi32(i32::MAX));
    let infinite = _mm512_cmpge_epu32_mask(size, _mm512_set1_epi32(INFINITE as i32)).into();
    let smallest = ask.kept.smallest;
    let above = _mm512_sub_epi32(size, _mm512_set1_epi32(smallest as i32));
    let kept = _mm512_cmplt_epu32_mask(above, _mm512_set1_epi32((ONE - smallest) as i32));
    if SUMS {
        let [low_sums, high_sums] = halves(sums);
        let low = _mm512_cvtps_pd(_mm512_castps512_ps256(w));
        let high = _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(w));
        add_distances(low_sums, low, kept as u8);
        add_distances(high_sums, high, (kept >> 8) as u8);
    }
    Binned { bins: radii(size, kept), infinite }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn doubles<const SUMS: bool>(
    ask: &Ask,
    weights: &[f64; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m512i> {
    let one = _mm512_set1_pd(1.0);
    let mut infinite = [0; 2];
    let mut radii = [_mm256_setzero_si256(); 2];
    let all = weights.as_chunks::<8>().0.iter().zip(halves(sums));
    for (half, (weights, sums)) in all.enumerate() {
        // SAFETY: reads the 8 weights of the array, aligned or not.
        let w = unsafe { _mm512_loadu_pd(weights.as_ptr()) };
        infinite[half] = _mm512_fpclass_pd_mask::<0x99>(w); // infinities and NaN
        let distance = _mm512_div_pd(one, _mm512_abs_pd(w));
        let most = _mm512_set1_pd(ask.kept.largest_distance);
        let kept = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(distance, one)
            & _mm512_cmp_pd_mask::<_CMP_LE_OQ>(distance, most);
        let distance = _mm512_maskz_mov_pd(kept, distance);
        radii[half] = _mm512_cvtpd_epi32(distance); // half to even
        if SUMS {
            add(sums, distance);
        }
    }
    let [low, high] = radii;
    let bins = _mm512_inserti32x8::<1>(_mm512_castsi256_si512(low), high);
    Binned { bins, infinite: u16::from_le_bytes(infinite).into() }
}

#[inline(always)]
fn halves(sums: &mut [f64; QUARTER]) -> [&mut [f64; 8]; 2] {
    let [low, high] = sums.as_chunks_mut::<8>().0 else { unreachable!("16 are twice 8") };
    [low, high]
}

/// The radii of weights, from the bits of |w|; 0 for weights that are not kept.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn radii(size: __m512i, kept: __mmask16) -> __m512i {
    let w = _mm512_castsi512_ps(size);
    let q = _mm512_fmadd_ps(
        _mm512_rcp14_ps(w),
        _mm512_set1_ps(BELOW),
        _mm512_set1_ps(ROUND_TO_INTEGER),
    );
    let q_and_half = _mm512_sub_ps(q, _mm512_set1_ps(ROUND_TO_INTEGER - 0.5));
    let error = _mm512_fmsub_ps(w, q_and_half, _mm512_set1_ps(1.0));
    let one_more = _mm512_srli_epi32::<31>(_mm512_castps_si512(error));
    _mm512_maskz_add_epi32(kept, _mm512_castps_si512(q), one_more)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn add_distances(sums: &mut [f64; 8], w: __m512d, kept: u8) {
    add(sums, _mm512_maskz_div_pd(kept, _mm512_set1_pd(1.0), _mm512_abs_pd(w)));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn add(sums: &mut [f64; 8], distances: __m512d) {
    // SAFETY: reads and writes the 8 sums of the array, aligned or not.
    unsafe {
        let sum = _mm512_add_pd(_mm512_loadu_pd(sums.as_ptr()), distances);
        _mm512_storeu_pd(sums.as_mut_ptr(), sum);
    }
}

/// The lowest byte of each of 64 numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn lowest_bytes([a, b, c, d]: [__m512i; 4]) -> __m512i {
    // SAFETY: reads the 64 bytes of the constant.
    let lowest = unsafe { _mm512_loadu_si512(LOWEST.as_ptr().cast()) };
    let first = _mm512_permutex2var_epi8(a, lowest, b);
    let last = _mm512_permutex2var_epi8(c, lowest, d);
    _mm512_inserti64x4::<1>(first, _mm512_castsi512_si256(last))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn worked_out(mut part: __m512i) -> __m512i {
    // SAFETY: no instruction at all.
    unsafe {
        asm!("/* {0} */", inout(zmm_reg) part, options(nomem, nostack, preserves_flags));
    }
    part
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn store(slots: __m512i, to: &mut [u8; CHUNK]) {
    // SAFETY: writes the 64 bytes of the array, aligned or not.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), slots) }
}

/// The indices of the lowest bytes of the 32 numbers in two vectors; the second half is not used.
const LOWEST: [u8; CHUNK] = {
    let mut places = [0; CHUNK];
    let mut k = 0;
    while k < CHUNK / 2 {
        places[k] = 4 * k as u8;
        k += 1;
    }
    places
};
