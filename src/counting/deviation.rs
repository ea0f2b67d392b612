//! The standard deviation of a matrix's weights, which the norm-matched control keeps fixed.
//!
//! σ = √(Σ (w - μ)²/n) over all n weights (population), in f64. Deviations are taken from the first
//! weight, so that a mean far from 0 loses no digits. Parts of fixed length are summed in order, so
//! that the result is the same bits on any number of threads.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::mfa::Values;

/// Weights that one task sums.
const PART: usize = 1 << 16;

impl Values<'_> {
    /// The population standard deviation; none of no values, or when one is not finite.
    pub(crate) fn standard_deviation(self) -> Option<f64> {
        match self {
            Self::F32(v) => deviation(v, sums_of_singles),
            Self::F64(v) => deviation(v, sums_of_doubles),
            Self::F16(v) => deviation(v, sums),
            Self::Bf16(v) => deviation(v, sums),
        }
    }
}

fn deviation<W: Copy + Sync + Into<f64>>(
    weights: &[W],
    sums: impl Fn(&[W], f64) -> (f64, f64) + Sync,
) -> Option<f64> {
    let pivot = (*weights.first()?).into();
    let parts: Vec<(f64, f64)> = weights.par_chunks(PART).map(|part| sums(part, pivot)).collect();
    let (sum, squares) =
        parts.iter().fold((0.0, 0.0), |(sum, squares), part| (sum + part.0, squares + part.1));
    let n = weights.len() as f64;
    let mean = sum / n;
    squares.is_finite().then(|| (squares / n - mean * mean).max(0.0).sqrt())
}

#[multiversion(targets = "simd")]
fn sums_of_singles(weights: &[f32], pivot: f64) -> (f64, f64) {
    sums(weights, pivot)
}

#[multiversion(targets = "simd")]
fn sums_of_doubles(weights: &[f64], pivot: f64) -> (f64, f64) {
    sums(weights, pivot)
}

/// Σ (w - pivot) and Σ (w - pivot)², over 32 running sums that a processor's vectors hold.
#[inline(always)]
fn sums<W: Copy + Into<f64>>(weights: &[W], pivot: f64) -> (f64, f64) {
    let (mut sum, mut squares) = ([0.0; 32], [0.0; 32]);
    let mut add = |part: &[W]| {
        for (&w, (sum, square)) in part.iter().zip(sum.iter_mut().zip(&mut squares)) {
            let d = w.into() - pivot;
            *sum += d;
            *square += d * d;
        }
    };
    let (parts, rest) = weights.as_chunks::<32>();
    parts.iter().for_each(|part| add(part));
    add(rest);
    (sum.iter().sum(), squares.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_far_from_zero() {
        assert_eq!(Values::F32(&[1.0, 3.0]).standard_deviation(), Some(1.0));
        assert_eq!(Values::F64(&[5.0; 9]).standard_deviation(), Some(0.0));
        assert_eq!(Values::F32(&[]).standard_deviation(), None);
        assert_eq!(Values::F32(&[1.0, f32::NAN]).standard_deviation(), None);
        let far: Vec<f64> = (0..200_000).map(|k| 1e6 + f64::from(k % 5)).collect();
        let std = Values::F64(&far).standard_deviation().unwrap();
        assert!((std - 2f64.sqrt()).abs() < 1e-12, "{std}");
    }
}
