//! Binning with AVX-512: 16 weights at a time.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::*;

use half::{bf16, f16};

use super::chunk::{Ask, CHUNK, QUARTER};
use super::vectors::{Binned, Task, Vectors};

/// Says that this machine has AVX-512 with its byte, double word and short vector parts and the first
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
    ($weight:ident, $bin:expr) => {
        #[inline(always)]
        fn $weight<const PAIR: bool, const SUMS: bool>(
            self,
            ask: &Ask,
            weights: &[$weight; QUARTER],
            sums: &mut [f64; QUARTER],
        ) -> Binned<Self::Part> {
            // SAFETY: `self` exists only where the features were found.
            unsafe { $bin(ask, weights, sums) }
        }
    };
}

impl Vectors for Avx512 {
    type Part = __m512i; // the low half of each number
    type Slots = __m512i;
    type Pairs = [__m512i; 2];

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
    fn join_pairs(self, parts: [Self::Part; 4]) -> Self::Pairs {
        // SAFETY: `self` exists only where the features were found.
        unsafe { low_halves(parts).map(|pairs| worked_out(pairs)) }
    }

    #[inline(always)]
    fn store(self, slots: Self::Slots, to: &mut [u8; CHUNK]) {
        // SAFETY: `self` exists only where the features were found.
        unsafe { store(slots, to) }
    }

    #[inline(always)]
    fn store_pairs(self, pairs: Self::Pairs, to: &mut [u16; CHUNK]) {
        // SAFETY: `self` exists only where the features were found.
        unsafe { store_pairs(pairs, to) }
    }

    quarter_of!(f32, widened::<f32, PAIR, SUMS>);
    quarter_of!(f16, widened::<f16, PAIR, SUMS>);
    quarter_of!(bf16, widened::<bf16, PAIR, SUMS>);
    quarter_of!(f64, doubles::<PAIR, SUMS>);
}

const ONE: u32 = 0x3f80_0000;
const INFINITE: u32 = 0x7f80_0000;

/// A number so large that adding it rounds to whole numbers, which are the low bits of the sum.
const WHOLE: f32 = 8_388_608.0;

/// Takes the estimate of 1/|w|, which is less than 2⁻¹⁴ of it off, below it.
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
fn widened<W: Widened, const PAIR: bool, const SUMS: bool>(
    ask: &Ask,
    weights: &[W; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m512i> {
    let w = W::load(weights);
    let size = without_sign(w);
    let infinite = _mm512_cmpge_epu32_mask(size, _mm512_set1_epi32(INFINITE as i32)).into();
    let estimate = _mm512_rcp14_ps(_mm512_castsi512_ps(size));
    let Radii { mut radii, kept, far } = radii::<PAIR>(ask, size, estimate, BELOW);
    if PAIR {
        let scaled = _mm512_mul_ps(_mm512_castsi512_ps(size), _mm512_set1_ps(ask.factor));
        let below = BELOW * ask.inverse;
        let scaled = self::radii::<PAIR>(ask, _mm512_castps_si512(scaled), estimate, below);
        radii = _mm512_maskz_add_epi32(!(far & scaled.far), radii, scaled.radii);
    }
    if SUMS {
        let [low_sums, high_sums] = halves(sums);
        let low = _mm512_cvtps_pd(_mm512_castps512_ps256(w));
        let high = _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(w));
        add_distances(low_sums, low, kept as u8);
        add_distances(high_sums, high, (kept >> 8) as u8);
    }
    Binned { bins: radii, infinite }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn doubles<const PAIR: bool, const SUMS: bool>(
    ask: &Ask,
    weights: &[f64; QUARTER],
    sums: &mut [f64; QUARTER],
) -> Binned<__m512i> {
    let one = _mm512_set1_pd(1.0);
    let [mut infinite, mut far] = [[0; 2]; 2];
    let mut radii = [_mm256_setzero_si256(); 2];
    let mut scaled = [_mm256_setzero_ps(); 2];
    let all = weights.as_chunks::<8>().0.iter().zip(halves(sums));
    for (half, (weights, sums)) in all.enumerate() {
        // SAFETY: reads the 8 weights of the array, aligned or not.
        let w = unsafe { _mm512_loadu_pd(weights.as_ptr()) };
        infinite[half] = _mm512_fpclass_pd_mask::<0x99>(w); // infinities and NaN
        let distance = _mm512_div_pd(one, _mm512_abs_pd(w));
        let most = _mm512_set1_pd(ask.kept.largest_distance);
        let kept = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(distance, one)
            & _mm512_cmp_pd_mask::<_CMP_LE_OQ>(distance, most);
        far[half] = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(distance, most);
        let distance = _mm512_maskz_mov_pd(kept, distance);
        radii[half] = _mm512_cvtpd_epi32(distance); // half to even
        if PAIR {
            let factor = _mm512_set1_pd(ask.factor.into());
            scaled[half] = _mm512_cvtpd_ps(_mm512_mul_pd(w, factor));
        }
        if SUMS {
            add(sums, distance);
        }
    }
    let [low, high] = radii;
    let mut radii = _mm512_inserti32x8::<1>(_mm512_castsi256_si512(low), high);
    if PAIR {
        let [low, high] = scaled;
        let scaled = _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high);
        let scaled = without_sign(scaled);
        let estimate = _mm512_rcp14_ps(_mm512_castsi512_ps(scaled));
        let scaled = self::radii::<PAIR>(ask, scaled, estimate, BELOW);
        let far = u16::from_le_bytes(far);
        radii = _mm512_mask_mov_epi32(radii, far, beyond(ask));
        radii = _mm512_maskz_add_epi32(!(far & scaled.far), radii, scaled.radii);
    }
    Binned { bins: radii, infinite: u16::from_le_bytes(infinite).into() }
}

#[inline(always)]
fn halves(sums: &mut [f64; QUARTER]) -> [&mut [f64; 8]; 2] {
    let [low, high] = sums.as_chunks_mut::<8>().0 else { unreachable!("16 are twice 8") };
    [low, high]
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn without_sign(w: __m512) -> __m512i {
    _mm512_and_si512(_mm512_castps_si512(w), _mm512_set1_epi32(i32::MAX))
}

/// The radii of 16 weights, in the low half of each number.
struct Radii {
    radii: __m512i,
    kept: __mmask16,
    far: __mmask16, // beyond the largest distance; known only of pairs
}

/// The radii of weights given by the bits of |w| and numbers that, times `below`, are a little less than
/// 1/|w|; 0 for those left out, in a pair the slot after the last one for those that are far.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn radii<const PAIR: bool>(ask: &Ask, size: __m512i, estimate: __m512, below: f32) -> Radii {
    let w = _mm512_castsi512_ps(size);
    let q = _mm512_fmadd_ps(estimate, _mm512_set1_ps(below), _mm512_set1_ps(WHOLE));
    let q_and_half = _mm512_sub_ps(q, _mm512_set1_ps(WHOLE - 0.5));
    let error = _mm512_fmsub_ps(w, q_and_half, _mm512_set1_ps(1.0));
    let one_more = _mm512_srli_epi32::<31>(_mm512_castps_si512(error));
    let radii = |kept| _mm512_maskz_add_epi32(kept, _mm512_castps_si512(q), one_more);
    let smallest = ask.kept.smallest;
    if PAIR {
        let below = _mm512_cmplt_epu32_mask(size, _mm512_set1_epi32(ONE as i32));
        let far = _mm512_cmplt_epu32_mask(size, _mm512_set1_epi32(smallest as i32));
        let radii = _mm512_mask_mov_epi32(radii(below), far, beyond(ask));
        return Radii { radii, kept: below & !far, far };
    }
    let above = _mm512_sub_epi32(size, _mm512_set1_epi32(smallest as i32));
    let kept = _mm512_cmplt_epu32_mask(above, _mm512_set1_epi32((ONE - smallest) as i32));
    Radii { radii: radii(kept), kept, far: 0 }
}

/// The slot after the last one.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn beyond(ask: &Ask) -> __m512i {
    _mm512_set1_epi32(ask.kept.slots as i32)
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

/// Where in two vectors the lowest bytes of their 32 numbers stand; the second half is not used.
const LOWEST: [u8; CHUNK] = {
    let mut places = [0; CHUNK];
    let mut k = 0;
    while k < CHUNK / 2 {
        places[k] = 4 * k as u8;
        k += 1;
    }
    places
};

/// The low halves of 64 numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn low_halves([a, b, c, d]: [__m512i; 4]) -> [__m512i; 2] {
    // SAFETY: reads the 64 bytes of the constant.
    let low = unsafe { _mm512_loadu_si512(LOW.as_ptr().cast()) };
    [_mm512_permutex2var_epi16(a, low, b), _mm512_permutex2var_epi16(c, low, d)]
}

/// Where in two vectors the low halves of their numbers stand.
const LOW: [u16; CHUNK / 2] = {
    let mut places = [0; CHUNK / 2];
    let mut k = 0;
    while k < CHUNK / 2 {
        places[k] = 2 * k as u16;
        k += 1;
    }
    places
};

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
#[inline]
fn store_pairs(pairs: [__m512i; 2], to: &mut [u16; CHUNK]) {
    for (pairs, to) in pairs.into_iter().zip(to.as_chunks_mut::<32>().0) {
        // SAFETY: writes the 32 numbers of the array, aligned or not.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), pairs) }
    }
}
