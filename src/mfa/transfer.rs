//! Transfer functions: from a weight to a distance.
//!
//! | name | d = f(w) |
//! |---|---|
//! | inverse | 1/|w| |
//! | coth | coth |w| |
//! | log | |ln |w|| |
//!
//! All are even in w. A weight of exactly zero is no edge; its distance is infinite and falls
//! out of every range.

use serde::{Deserialize, Serialize};

/// The function that turns a weight into a distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Transfer {
    /// d = 1/|w|, the published choice.
    #[default]
    Inverse,
    /// d = coth |w|, close to the inverse for small |w|.
    Coth,
    /// d = |ln |w||. Distances are of order 1 to 5: use a radius step of 0.1 or 0.01.
    Log,
}

impl Transfer {
    /// The distance of a weight, in f64. Infinite for a weight of zero, NaN for NaN.
    #[inline]
    pub fn distance(self, weight: f64) -> f64 {
        let size = weight.abs();
        if size == 0.0 {
            return f64::INFINITY;
        }
        match self {
            Self::Inverse => 1.0 / size,
            Self::Coth => 1.0 / size.tanh(),
            Self::Log => size.ln().abs(),
        }
    }
}

impl std::fmt::Display for Transfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Inverse => "inverse",
            Self::Coth => "coth",
            Self::Log => "log",
        })
    }
}

impl std::str::FromStr for Transfer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "inverse" => Ok(Self::Inverse),
            "coth" => Ok(Self::Coth),
            "log" => Ok(Self::Log),
            _ => Err(format!("unknown transfer function {name:?}: use inverse, coth or log")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        assert_eq!(Transfer::Inverse.distance(-0.25), 4.0);
        assert_eq!(Transfer::Log.distance(-(2f64.exp())), 2.0);
        assert!((Transfer::Log.distance((-3f64).exp()) - 3.0).abs() < 1e-15);
        // coth(ln 2) = (2 + 1/2) / (2 - 1/2)
        assert!((Transfer::Coth.distance(2f64.ln()) - 5.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn zero_is_no_edge() {
        for f in [Transfer::Inverse, Transfer::Coth, Transfer::Log] {
            assert_eq!(f.distance(0.0), f64::INFINITY);
            assert_eq!(f.distance(-0.0), f64::INFINITY);
        }
    }
}
