//! The published spectrum of a row.

use serde::{Deserialize, Serialize};

use super::statistics::{deviation, mean};
use crate::mfa::Spectrum;

/// The spectrum at one q: means over the samples, and standard deviations (S - 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectrumPoint {
    /// q.
    pub q: f64,
    /// tau(q).
    pub tau: f64,
    /// R² of ln Z_q on ln(r/d); none at q = 0, where Z is constant.
    pub r2: Option<f64>,
    /// alpha; none at the last q, from which no forward difference starts.
    pub alpha: Option<f64>,
    /// f(alpha); none at the last q.
    pub f: Option<f64>,
    /// Standard deviation of tau over the samples.
    pub tau_std: Option<f64>,
    /// Standard deviation of R².
    pub r2_std: Option<f64>,
    /// Standard deviation of alpha.
    pub alpha_std: Option<f64>,
    /// Standard deviation of f.
    pub f_std: Option<f64>,
}

impl SpectrumPoint {
    /// One point for each q over the samples; empty without samples.
    pub(super) fn over(q: &[f64], samples: &[Spectrum]) -> Vec<Self> {
        let over = |value: &dyn Fn(&Spectrum) -> Option<f64>| {
            let values: Option<Vec<f64>> = samples.iter().map(value).collect();
            let values = values.unwrap_or_default();
            (mean(values.iter().copied()), deviation(values.iter().copied()))
        };
        let point = |(k, &q): (usize, &f64)| {
            let (tau, tau_std) = over(&|s| Some(s.tau[k].slope));
            let (r2, r2_std) = over(&|s| s.tau[k].r2);
            let (alpha, alpha_std) = over(&|s| s.alpha.get(k).copied());
            let (f, f_std) = over(&|s| s.f.get(k).copied());
            Some(Self { q, tau: tau?, r2, alpha, f, tau_std, r2_std, alpha_std, f_std })
        };
        q.iter().enumerate().filter_map(point).collect()
    }
}
