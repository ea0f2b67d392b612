//! How a number is distributed over neurons: a histogram with fixed bins, so that steps compare.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A histogram of one number over the neurons of a part of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The layer's name, or `all`.
    pub part: String,
    /// `degree` or `dimension`.
    pub quantity: Cow<'static, str>,
    /// Width of a bin; the k-th reaches from k times it up to, not including, k + 1 times it.
    pub bin: f64,
    /// Occupied bins, ascending: index and number of neurons.
    pub counts: Vec<(i64, u64)>,
}

impl Distribution {
    pub(super) fn new(
        part: &str,
        quantity: &'static str,
        bin: f64,
        values: impl Iterator<Item = f64>,
    ) -> Self {
        let mut bins: Vec<i64> = values.map(|v| (v / bin).floor() as i64).collect();
        bins.sort_unstable();
        let runs = bins.chunk_by(|a, b| a == b);
        Self {
            part: part.to_owned(),
            quantity: quantity.into(),
            bin,
            counts: runs.map(|run| (run[0], run.len() as u64)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_half_open_and_fixed() {
        let d = Distribution::new("all", "degree", 0.5, [0.0, 0.49, 0.5, 1.7, -0.1].into_iter());
        assert_eq!(d.counts, [(-1, 1), (0, 2), (1, 1), (3, 1)]);
    }
}
