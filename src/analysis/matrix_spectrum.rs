//! The spectrum of a weight matrix by itself: its stable rank, and the exponent of its tail. Computed on
//! request, since it takes far longer than counting the weights.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::statistics::mean;
use crate::mfa::Values;

/// The smaller side of a matrix of which all singular values are computed, at most.
const LARGEST: usize = 1024;
/// Singular values without which no tail is fitted.
const FEWEST: usize = 20;
/// Of these at least as many are in the tail.
const TAIL: usize = 10;
/// Steps of the power iteration, at most, and the relative change at which it ends.
const STEPS: usize = 1000;
const SETTLED: f64 = 1e-12;

/// Measures of one matrix, or their means over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MatrixSpectrum {
    /// ‖W‖²_F / σ₁², at least 1; none for a matrix of zeros. Of a matrix with more than 1024 rows and
    /// columns σ₁ is found by power iteration.
    pub stable_rank: Option<f64>,
    /// The exponent α of the power law λ^(-α) that fits the largest eigenvalues λ = σ² of WᵀW best; none
    /// for a matrix with more than 1024 rows and columns, or with fewer than 20 singular values above 0.
    pub tail_alpha: Option<f64>,
}

impl MatrixSpectrum {
    /// Of a tensor whose first axis has this length, as a matrix of as many rows; of finite weights.
    pub(super) fn of(values: Values<'_>, rows: usize) -> Self {
        let matrix = match values {
            Values::F32(v) => rows_of(v, rows),
            Values::F64(v) => rows_of(v, rows),
            Values::F16(v) => rows_of(v, rows),
            Values::Bf16(v) => rows_of(v, rows),
        };
        let total = matrix.norm_squared();
        if !(total > 0.0 && total.is_finite()) {
            return Self::default();
        }
        if matrix.nrows().min(matrix.ncols()) > LARGEST {
            let stable_rank = total / largest_eigenvalue(&matrix);
            return Self { stable_rank: known(stable_rank), tail_alpha: None };
        }
        let gram = match matrix.nrows() <= matrix.ncols() {
            true => &matrix * matrix.transpose(),
            false => matrix.tr_mul(&matrix),
        };
        let mut eigenvalues: Vec<f64> = gram.symmetric_eigenvalues().iter().copied().collect();
        eigenvalues.sort_unstable_by(f64::total_cmp);
        let largest = eigenvalues.last().copied().unwrap_or_default();
        // What rounding leaves of 0.
        let zero = largest * f64::EPSILON * eigenvalues.len() as f64;
        eigenvalues.retain(|&value| value > zero);
        Self { stable_rank: known(total / largest), tail_alpha: tail_alpha(&eigenvalues) }
    }

    /// The mean of each measure over the matrices that have it.
    pub(super) fn mean(of: impl Iterator<Item = Self> + Clone) -> Self {
        let mean_of = |value: fn(Self) -> Option<f64>| {
            let known: Vec<f64> = of.clone().filter_map(value).collect();
            mean(known.into_iter())
        };
        Self { stable_rank: mean_of(|m| m.stable_rank), tail_alpha: mean_of(|m| m.tail_alpha) }
    }
}

fn known(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

fn rows_of<W: Copy + Into<f64>>(values: &[W], rows: usize) -> DMatrix<f64> {
    let columns = values.len() / rows.max(1);
    DMatrix::from_row_iterator(rows, columns, values.iter().map(|&w| w.into()))
}

/// σ₁² by power iteration from a fixed start: where it does not settle, because other singular values are
/// as large within a thousandth or so, too small by as little.
fn largest_eigenvalue(matrix: &DMatrix<f64>) -> f64 {
    let start = (0..matrix.ncols()).map(|k| 1.0 + 0.5 * (k as f64).sin());
    let mut vector = DVector::from_iterator(matrix.ncols(), start).normalize();
    let mut value = 0.0;
    for _ in 0..STEPS {
        let next = matrix.tr_mul(&(matrix * &vector));
        let (before, norm) = (value, next.norm());
        value = norm;
        vector = next / norm;
        if (value - before).abs() <= SETTLED * value {
            break;
        }
    }
    value
}

/// The exponent of the power law that fits the largest values best, by maximum likelihood, from the
/// smallest value on at which its Kolmogorov-Smirnov distance is least (Clauset, Shalizi, Newman 2009).
fn tail_alpha(ascending: &[f64]) -> Option<f64> {
    if ascending.len() < FEWEST {
        return None;
    }
    let logs: Vec<f64> = ascending.iter().map(|value| value.ln()).collect();
    let fit = |from: usize| {
        let tail = &logs[from..];
        let n = tail.len() as f64;
        let above: f64 = tail.iter().map(|log| log - tail[0]).sum();
        let exponent = n / above; // α - 1
        let distance = |(k, log): (usize, &f64)| {
            let below = 1.0 - (-exponent * (log - tail[0])).exp();
            let [low, high] = [k as f64 / n, (k + 1) as f64 / n];
            (below - low).abs().max((high - below).abs())
        };
        (tail.iter().enumerate().map(distance).fold(0.0, f64::max), 1.0 + exponent)
    };
    let fits = (0..=ascending.len() - TAIL).map(fit).filter(|(_, alpha)| alpha.is_finite());
    fits.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, alpha)| alpha)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn uniform(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
        (0..n).map(|_| rng.random::<f64>() - 0.5).collect()
    }

    #[test]
    fn ranks_that_are_known() {
        // One direction; orthogonal rows; rows of unlike size.
        let outer: Vec<f64> = (0..12).map(|k| ((k / 4 + 1) * (k % 4 + 1)) as f64).collect();
        let identity: Vec<f32> = (0..25).map(|k| f32::from(k % 6 == 0)).collect();
        let unlike = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        for (values, rows, expected) in [
            (Values::F64(&outer), 3, 1.0),
            (Values::F32(&identity), 5, 5.0),
            (Values::F64(&unlike), 2, 1.25),
        ] {
            let rank = MatrixSpectrum::of(values, rows).stable_rank.unwrap();
            assert!((rank - expected).abs() < 1e-12, "{rank}, not {expected}");
        }
        assert_eq!(MatrixSpectrum::of(Values::F64(&[0.0; 6]), 2), MatrixSpectrum::default());
        // By power iteration: one direction, and as many as there are rows.
        let (rows, columns) = (LARGEST + 1, LARGEST + 6);
        let ones = vec![1.0f32; rows * columns];
        let mut identity = vec![0.0f32; rows * columns];
        (0..rows).for_each(|k| identity[k * columns + k] = 1.0);
        for (values, expected) in [(&ones, 1.0), (&identity, rows as f64)] {
            let found = MatrixSpectrum::of(Values::F32(values), rows);
            assert!((found.stable_rank.unwrap() - expected).abs() < 1e-9, "{found:?}");
            assert_eq!(found.tail_alpha, None);
        }
    }

    #[test]
    fn the_power_iteration_finds_the_largest_eigenvalue() {
        let rng = &mut ChaCha8Rng::seed_from_u64(3);
        for (rows, columns) in [(30, 50), (50, 30)] {
            let values = uniform(rng, rows * columns);
            let matrix = rows_of(&values, rows);
            let all = matrix.tr_mul(&matrix).symmetric_eigenvalues();
            let found = largest_eigenvalue(&matrix);
            assert!((found / all.max() - 1.0).abs() < 1e-9, "{found}, not {}", all.max());
        }
    }

    /// Values of a Pareto law with a body of other values below: the exponent is that of the law.
    #[test]
    fn the_exponent_of_a_tail_is_found() {
        let rng = &mut ChaCha8Rng::seed_from_u64(5);
        for alpha in [2.0, 3.5] {
            let tail = (0..2000).map(|_| (1.0 - rng.random::<f64>()).powf(-1.0 / (alpha - 1.0)));
            let mut values: Vec<f64> = tail.collect();
            values.extend((0..500).map(|_| rng.random::<f64>()));
            values.sort_unstable_by(f64::total_cmp);
            let found = tail_alpha(&values).unwrap();
            assert!((found - alpha).abs() < 0.15, "{found}, not {alpha}");
            let rescaled: Vec<f64> = values.iter().map(|value| 1024.0 * value).collect();
            assert!((tail_alpha(&rescaled).unwrap() - found).abs() < 1e-9, "free of scale");
        }
        assert_eq!(tail_alpha(&[1.0; FEWEST - 1]), None);
        assert_eq!(tail_alpha(&[1.0; FEWEST]), None, "equal values have no tail");
    }
}
