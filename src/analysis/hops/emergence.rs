//! A measurement over several hops against its baseline: the numbers of one row of hops.csv.

use serde::{Deserialize, Serialize};

use super::count::EstimateError;
use super::measure::HopMeasurement;
use super::plan::HopsPlan;
use crate::analysis::emergence::mean_fractal;
use crate::analysis::{Baseline, Emergence, Status};
use crate::mfa::{Fractal, Spectrum};

/// What the baseline step measured at one number of hops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HopBaseline {
    /// The number of hops.
    pub hops: usize,
    /// Published estimator, one for each sample; empty when it had no value.
    pub samples: Vec<Fractal>,
    /// Stable estimator, mean over the samples; none when it had no value.
    pub stable: Option<Fractal>,
    /// Published estimator on estimated distances; empty without an estimate or a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimated: Vec<Fractal>,
}

impl HopBaseline {
    /// The baseline that a measurement makes.
    pub fn new(measurement: &HopMeasurement) -> Self {
        let fractals = |spectra: &[Spectrum]| spectra.iter().map(|s| s.fractal).collect();
        let stable = measurement.stable.as_ref().ok();
        let estimated = measurement.estimated.as_ref().and_then(|e| e.as_ref().ok());
        Self {
            hops: measurement.hops,
            samples: measurement.published.as_ref().map(|s| fractals(s)).unwrap_or_default(),
            stable: stable.and_then(|samples| mean_fractal(samples)),
            estimated: estimated.map(|s| fractals(s)).unwrap_or_default(),
        }
    }
}

impl HopsPlan {
    /// What a baseline lacks of the values that this plan computes, in words.
    pub fn lacking(&self, baseline: &[HopBaseline]) -> Option<String> {
        self.each().find_map(|hops| {
            let Some(start) = baseline.iter().find(|start| start.hops == hops) else {
                return Some(format!("over {hops} hops"));
            };
            let estimated = self.hops.budget.is_some();
            let lacking = match start {
                _ if start.samples.is_empty() => "of the published estimator",
                _ if start.stable.is_none() => "of the stable estimator",
                _ if estimated && start.estimated.is_empty() => "of estimated distances",
                _ => return None,
            };
            Some(format!("{lacking} over {hops} hops"))
        })
    }
}

/// The numbers of one analysed step at one number of hops.
#[derive(Clone, Debug, PartialEq)]
pub struct HopEmergence {
    /// The number of hops, 2 or more.
    pub hops: usize,
    /// Both estimators over the drawn samples (the stable one, too); without the spectrum.
    pub exact: Emergence,
    /// alpha0, width and E of the published estimator on estimated distances; none without an
    /// estimate.
    pub estimated: Option<Emergence>,
    /// How far those distances are from the exact ones.
    pub error: EstimateError,
    /// Whether all values are there.
    pub status: Status,
}

impl HopEmergence {
    /// The numbers of a measurement against the run's baseline. `q` is the method's q grid.
    pub fn new(q: &[f64], baseline: &Baseline, measurement: &HopMeasurement) -> Self {
        let start = baseline.hops.iter().find(|b| b.hops == measurement.hops);
        let of = |samples: &[Fractal], stable: Option<Fractal>| Baseline {
            step: baseline.step,
            samples: samples.to_vec(),
            stable,
            ..Baseline::default()
        };
        let stable = measurement.stable.as_ref().map_err(Clone::clone);
        // A measurement has one value for each sample, and at least one sample.
        let stable = stable.map(|samples| mean_fractal(samples));
        let exact_start = start.map_or_else(|| of(&[], None), |b| of(&b.samples, b.stable));
        let exact = Emergence::of_estimators(
            q,
            &exact_start,
            &measurement.published,
            stable.transpose().as_ref(),
        );
        let estimated = measurement.estimated.as_ref().map(|published| {
            let start = start.map_or_else(|| of(&[], None), |b| of(&b.estimated, None));
            Emergence::of_estimators(q, &start, published, None)
        });
        let statuses = [Some(exact.status), estimated.as_ref().map(|e| e.status)];
        let missing = statuses.into_iter().flatten().find(|status| *status != Status::Ok);
        let without_spectrum = |row| Emergence { spectrum: Vec::new(), ..row };
        Self {
            hops: measurement.hops,
            exact: without_spectrum(exact),
            estimated: estimated.map(without_spectrum),
            error: measurement.error,
            status: missing.unwrap_or(Status::Ok),
        }
    }

    /// What is missing, in words.
    pub fn why(&self) -> Option<String> {
        let exact = self.exact.why.clone();
        let estimated = self.estimated.as_ref().and_then(|e| e.why.as_ref());
        let estimated = estimated.map(|why| format!("estimated distances: {why}"));
        let reasons: Vec<String> = exact.into_iter().chain(estimated).collect();
        (!reasons.is_empty()).then(|| format!("{} hops: {}", self.hops, reasons.join("; ")))
    }
}
