//! A measurement over several hops against its baseline: the numbers of one row of hops.csv.

use super::measure::HopMeasurement;
use crate::analysis::baseline::Baseline;
use crate::analysis::emergence::{Emergence, HopEmergence};
use crate::analysis::samples::mean_fractal;
use crate::analysis::status::Status;
use crate::mfa::Fractal;

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
