//! Natural logarithms of many numbers: those of Z_q are most of the cost of a spectrum.
//!
//! With x = 2^k · m, √½ ≤ m < √2, and s = (m - 1)/(m + 1):
//!
//! ```text
//! ln x = k ln 2 + 2 artanh s,   2 artanh s = 2s + 2s³/3 + 2s⁵/5 + …
//! ```
//!
//! |s| ≤ 0.172, so eleven terms reach beyond the last digit of an f64. Several numbers are done at once, by
//! operations that are rounded one by one: the result is the same bits on any processor, within one unit in
//! the last place.

use multiversion::multiversion;

/// Numbers that are done at once.
const LANES: usize = 8;

/// ln 2 in two parts, of which the first ends in 21 zeros: its product with an exponent is exact.
const LN_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);

/// The bits of √½, by which a number is brought between √½ and √2.
const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();

/// Bits of the fraction of an f64.
const FRACTION: u32 = f64::MANTISSA_DIGITS - 1;

/// 2/3, 2/5, 2/7, …: what s³, s⁵, s⁷, … are multiplied by.
const SERIES: [f64; 10] = {
    let mut series = [0.0; 10];
    let mut k = 0;
    while k < series.len() {
        series[k] = 2.0 / (2 * k + 3) as f64;
        k += 1;
    }
    series
};

/// Replaces each value by its natural logarithm: [`f64::ln`]'s of one that is not positive, not finite or below
/// 2⁻¹⁰²².
pub(super) fn ln_all(values: &mut [f64]) {
    if are_normal(values) {
        ln_of_normal(values);
        return;
    }
    for value in values {
        match are_normal(&[*value]) {
            true => ln_of_normal(std::slice::from_mut(value)),
            false => *value = value.ln(),
        }
    }
}

/// Whether all are positive, finite and normal.
#[multiversion(targets = "simd")]
fn are_normal(values: &[f64]) -> bool {
    let normal = f64::MIN_POSITIVE..f64::INFINITY;
    values.iter().fold(true, |all, value| all & normal.contains(value))
}

#[multiversion(targets = "simd")]
fn ln_of_normal(values: &mut [f64]) {
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    whole.iter_mut().for_each(|lanes| *lanes = ln(*lanes));
    let mut last = [1.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&ln(last)[..rest.len()]);
}

#[inline(always)]
fn ln(mut values: [f64; LANES]) -> [f64; LANES] {
    for value in &mut values {
        let bits = value.to_bits();
        let exponent = (bits.wrapping_sub(SQRT_HALF) as i64) >> FRACTION;
        let m = f64::from_bits(bits.wrapping_sub((exponent as u64) << FRACTION));
        let k = whole(exponent);
        let f = m - 1.0;
        let s = f / (m + 1.0);
        let z = s * s;
        let series = SERIES.iter().rev().fold(0.0, |sum, term| sum * z + term);
        // 2 artanh s = f - f²/2 + s (f²/2 + s² · series): most of it, f, without any rounding.
        let half = 0.5 * f * f;
        let tail = s * (half + z * series);
        *value = k * LN_2.0 + (f - (half - (tail + k * LN_2.1)));
    }
    values
}

/// A small whole number as f64, by way of the bits of 1.5 · 2⁵²: processors convert few i64 at once.
#[inline(always)]
fn whole(number: i64) -> f64 {
    const SHIFT: f64 = 1.5 * (1u64 << FRACTION) as f64;
    f64::from_bits(SHIFT.to_bits().wrapping_add(number as u64)) - SHIFT
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Units in the last place between two numbers of one sign.
    fn units(one: f64, other: f64) -> u64 {
        one.to_bits().abs_diff(other.to_bits())
    }

    fn all(values: &[f64]) -> Vec<f64> {
        let mut logarithms = values.to_vec();
        ln_all(&mut logarithms);
        logarithms
    }

    #[test]
    fn logarithms_are_those_of_the_standard_library_up_to_the_last_digits() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let wide = |_| f64::from_bits(rng.random_range(1u64 << 52..0x7ff << 52));
        let mut values: Vec<f64> = (0..200_003).map(wide).collect();
        // Around the edges of the range of m, and near 1, where ln x itself is small.
        for edge in [std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2, 1.0, 2.0, 0.5] {
            let near = |k: u64| f64::from_bits(edge.to_bits() - 500 + k);
            values.extend((0..1000).map(near));
        }
        values.extend((0..100_000).map(|_| rng.random_range(0.5..2.0)));
        values.extend([f64::MIN_POSITIVE, f64::MAX]);
        for (value, ln) in values.iter().zip(all(&values)) {
            assert!(units(ln, value.ln()) <= 1, "ln {value:e}: {ln:e}, {:e}", value.ln());
        }
    }

    #[test]
    fn one_and_powers_of_two() {
        let powers: Vec<f64> = (-1022..=1023).map(|k| 2f64.powi(k)).collect();
        for (k, ln) in (-1022..=1023).zip(all(&powers)) {
            let exact = f64::from(k) * std::f64::consts::LN_2;
            assert!(units(ln.abs(), exact.abs()) <= 1, "2^{k}: {ln:e}");
        }
        assert_eq!(all(&[1.0]), [0.0]);
    }

    #[test]
    fn the_length_does_not_matter() {
        let values: Vec<f64> = (1..40).map(|k| 0.3 * f64::from(k)).collect();
        let whole = all(&values);
        for length in 0..values.len() {
            assert_eq!(all(&values[..length]), whole[..length]);
        }
    }

    #[test]
    fn what_is_not_normal_is_left_to_the_standard_library() {
        let below = f64::MIN_POSITIVE.next_down();
        for odd in [0.0, -0.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324, below] {
            let [ln, beside] = all(&[odd, 3.0])[..] else { panic!("two logarithms") };
            assert!(ln == odd.ln() || ln.is_nan() && odd.ln().is_nan(), "ln {odd:e}: {ln:e}");
            assert_eq!(beside, all(&[3.0])[0], "beside {odd:e}");
        }
        assert!(all(&[3.0, f64::NAN])[1].is_nan());
    }
}
