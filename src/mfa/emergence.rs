//! The degree of emergence:
//!
//! ```text
//! E = w(t)/w(0) · ln(alpha0(0)/alpha0(t))
//! ```
//!
//! E has no value when alpha0 ≤ 0 at either end, when w(0) is 0, or when an input is not finite;
//! [`NoEmergence`] gives the reason. A width below 10⁻⁹ is a rounding error and counts as 0.

use serde::{Deserialize, Serialize};

/// Widths below this are rounding errors of a width of 0. On the finest q grid (steps of 0.001 up
/// to 20), differences of tau make 10⁻¹⁰ of them.
const ZERO_WIDTH: f64 = 1e-9;

/// The two numbers of a spectrum from which emergence is computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fractal {
    /// alpha at the top of the spectrum: the typical fractal dimension (regularity).
    pub alpha0: f64,
    /// Width of the spectrum (heterogeneity).
    pub width: f64,
}

/// Why E has no value.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoEmergence {
    /// An alpha0 or a width is not finite.
    #[error("{what} = {value} is not finite")]
    NotFinite {
        /// Which input.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// An alpha0 is zero or negative, so the logarithm has no value.
    #[error("{what} = {value} is not above 0, so ln(alpha0(0)/alpha0(t)) has no value")]
    NotPositive {
        /// Which input.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// The baseline's width is 0.
    #[error("the width of the baseline is 0 within rounding")]
    ZeroWidth {
        /// The width.
        value: f64,
    },
}

/// E of `now` against `start`, the baseline. Exactly 0 for `now == start`.
///
/// # Errors
/// [`NoEmergence`] when the equation has no value.
pub fn degree_of_emergence(start: Fractal, now: Fractal) -> Result<f64, NoEmergence> {
    let inputs = [
        ("alpha0 of the baseline", start.alpha0),
        ("alpha0", now.alpha0),
        ("the width of the baseline", start.width),
        ("the width", now.width),
    ];
    if let Some(&(what, value)) = inputs.iter().find(|(_, value)| !value.is_finite()) {
        return Err(NoEmergence::NotFinite { what, value });
    }
    if let Some(&(what, value)) = inputs[..2].iter().find(|(_, value)| *value <= 0.0) {
        return Err(NoEmergence::NotPositive { what, value });
    }
    if start.width.abs() < ZERO_WIDTH {
        return Err(NoEmergence::ZeroWidth { value: start.width });
    }
    Ok(now.width / start.width * (start.alpha0 / now.alpha0).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Fractal = Fractal { alpha0: 1.0, width: 0.5 };

    #[test]
    fn by_hand() {
        let now = Fractal { alpha0: (-1f64).exp(), width: 0.25 };
        assert_eq!(degree_of_emergence(START, now), Ok(0.5));
        assert_eq!(degree_of_emergence(START, START), Ok(0.0));
    }

    #[test]
    fn without_a_value_it_says_why() {
        let e = |alpha0, width| degree_of_emergence(START, Fractal { alpha0, width }).unwrap_err();
        assert!(matches!(e(f64::NAN, 1.0), NoEmergence::NotFinite { what: "alpha0", .. }));
        assert!(matches!(e(1.0, f64::INFINITY), NoEmergence::NotFinite { what: "the width", .. }));
        assert_eq!(e(0.0, 1.0), NoEmergence::NotPositive { what: "alpha0", value: 0.0 });
        let flat = Fractal { alpha0: 1.0, width: 1e-15 };
        assert_eq!(degree_of_emergence(flat, START), Err(NoEmergence::ZeroWidth { value: 1e-15 }));
    }
}
