//! e^(λy) on -1 ≤ y ≤ 1 as a polynomial in y, and its derivative in λ.
//!
//! ```text
//! e^(λy)   = I₀(λ) + 2 Σ_k I_k(λ) T_k(y)
//! y e^(λy) = I₁(λ) + Σ_k (I_{k-1}(λ) + I_{k+1}(λ)) T_k(y)
//! ```
//!
//! with the modified Bessel functions I_k and the Chebyshev polynomials T_k, cut after [`TERMS`] and
//! written in powers of y. For |λ| ≤ [`LARGEST`] what is cut off is below 2·10⁻¹⁶.

/// Powers of y, from 0 on.
pub(super) const TERMS: usize = 22;

/// The largest |λ|.
pub(super) const LARGEST: f64 = 3.0;

/// The coefficients of y^0, y^1, …
pub(super) type Series = [f64; TERMS];

/// e^(λy). At λ = 0 exactly 1.
pub(super) fn exponential(lambda: f64) -> Series {
    let double = |k| if k == 0 { 1.0 } else { 2.0 };
    in_powers(|k| double(k) * bessel(k, lambda))
}

/// y e^(λy). At λ = 0 exactly y.
pub(super) fn derivative(lambda: f64) -> Series {
    in_powers(|k| match k {
        0 => bessel(1, lambda),
        _ => bessel(k - 1, lambda) + bessel(k + 1, lambda),
    })
}

/// Σ_k c_k T_k(y) in powers of y.
fn in_powers(c: impl Fn(usize) -> f64) -> Series {
    // T_k and T_{k-1}, whose coefficients are integers; T_{-1} = T_1.
    let (mut now, mut before) = ([0.0; TERMS], [0.0; TERMS]);
    (now[0], before[1]) = (1.0, 1.0);
    let mut series = [0.0; TERMS];
    for k in 0..TERMS {
        let c = c(k);
        series.iter_mut().zip(&now).for_each(|(sum, t)| *sum += c * t);
        let mut next = before.map(|t| -t);
        (1..TERMS).for_each(|power| next[power] += 2.0 * now[power - 1]);
        (now, before) = (next, now);
    }
    series
}

/// I_k(x) = Σ_m (x/2)^(2m+k) / (m! (m+k)!): its terms have one sign.
fn bessel(k: usize, x: f64) -> f64 {
    let half = x / 2.0;
    let mut term = (1..=k).fold(1.0, |term, n| term * half / n as f64);
    let mut sum = 0.0;
    for m in 1.. {
        sum += term;
        term *= half * half / (m * (m + k)) as f64;
        if term.abs() <= sum.abs() * 1e-20 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(series: &Series, y: f64) -> f64 {
        series.iter().rev().fold(0.0, |sum, c| sum * y + c)
    }

    #[test]
    fn both_series_are_right_to_a_few_roundings() {
        for lambda in (-30..=30).map(|k| f64::from(k) / 10.0) {
            let (series, derivative) = (exponential(lambda), derivative(lambda));
            for y in (-100..=100).map(|k| f64::from(k) / 100.0) {
                let exact = (lambda * y).exp();
                let error = (value(&series, y) - exact).abs();
                assert!(error <= 4e-15 * exact.max(1.0), "e^({lambda} · {y}): {error:e}");
                let error = (value(&derivative, y) - y * exact).abs();
                assert!(error <= 4e-15 * exact.max(1.0), "y e^({lambda} · {y}): {error:e}");
            }
        }
    }

    #[test]
    fn at_0_they_are_1_and_y_exactly() {
        let unit = |power: usize| std::array::from_fn(|k| if k == power { 1.0 } else { 0.0 });
        assert_eq!((exponential(0.0), derivative(0.0)), (unit(0), unit(1)));
    }
}
