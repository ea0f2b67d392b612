//! When not to believe the numbers of a step, and why, in words.
//!
//! The marks are the fields of [`Trust`]; [`WarningKind`] lists the warnings and when they are raised.
//!
//! Below an R² of 0.7, nearly a third of what ln Z does is not the line. With less than half of the
//! neurons, the spectrum is that of the strongly connected ones alone.
//!
//! Some warnings concern the conclusion at a step; others only the published estimator, whose
//! numbers are kept to compare with the literature. A condition that holds from step 0 on concerns
//! the run: its code is in every row, its text only in the first one.

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, SpectrumPosition};
use super::measurement::Measurement;
use super::plan::Plan;
use super::statistics::mean;
use super::verdict::{LEVEL, p_text};
use super::warning::{Concern, IN_RANGE, KEPT, NARROW, OVERLAP, R2, Warning, WarningKind};
use crate::mfa::Spectrum;

/// The marks of one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Smallest R² over q, mean over samples.
    pub r2_min: Option<f64>,
    /// Share of the source neurons that are kept.
    pub kept: Option<f64>,
    /// Share of the weights that are in range.
    pub in_range: Option<f64>,
    /// Share of samples whose f is concave.
    pub concave: Option<f64>,
    /// Share of samples whose f peaks at the same q as at step 0.
    pub argmax_stable: Option<f64>,
    /// Why the numbers should not be believed.
    pub warnings: Vec<Warning>,
}

impl Trust {
    /// The marks of a measurement, and the warnings on it.
    pub(super) fn of(plan: &Plan, baseline: &Baseline, measurement: &Measurement) -> Self {
        let mut trust = Self::without_baseline(plan, measurement);
        for warning in &mut trust.warnings {
            warning.from_start = baseline.warnings.contains(&warning.kind);
        }
        trust.check_start(baseline);
        if let Ok(samples) = &measurement.published {
            trust.check_shape(samples);
            trust.check_places(baseline, samples);
        }
        trust
    }

    /// The marks and warnings that need no baseline.
    pub(super) fn without_baseline(plan: &Plan, measurement: &Measurement) -> Self {
        let mut trust = Self { in_range: measurement.in_range, ..Self::default() };
        let Ok(samples) = &measurement.published else { return trust };
        let parameters = plan.method().parameters();
        let r2: Vec<f64> = samples.iter().filter_map(Spectrum::smallest_r2).collect();
        trust.r2_min = mean(r2.into_iter());
        let kept = mean(samples.iter().map(|s| s.neurons as f64));
        trust.kept = kept.map(|kept| kept / measurement.source_neurons);
        if let Some(kept) = trust.kept.filter(|&kept| kept < KEPT) {
            let (percent, least) = (100.0 * kept, parameters.min_edges);
            trust.warn(
                WarningKind::FewNeurons,
                format!("only {percent:.0} % of the neurons have more than {least} edges in range"),
            );
        }
        if let Some(share) = trust.in_range.filter(|&share| share < IN_RANGE) {
            let (percent, from, to) =
                (100.0 * share, parameters.min_distance, parameters.max_distance);
            trust.warn(
                WarningKind::InRange,
                format!("only {percent:.0} % of the weights are at distances from {from} to {to}"),
            );
        }
        if let Some(r2) = trust.r2_min.filter(|&r2| r2 < R2) {
            trust.warn(WarningKind::PoorFit, format!("R² of ln Z falls to {r2:.2}: no power law"));
        }
        let overlap = plan.overlap();
        if overlap > OVERLAP {
            let percent = 100.0 * overlap;
            trust.warn(
                WarningKind::Overlap,
                match plan.samples_coincide() {
                    true => "every sample is the whole network: E has no error over samples".into(),
                    false => format!("two samples have {percent:.0} % of their edges in common"),
                },
            );
        }
        trust
    }

    /// Warns if E, with this p, is indistinguishable from E of shuffled weights.
    pub(super) fn check_chance(&mut self, e: f64, shuffled: f64, p: f64) {
        if e > 0.0 && p >= LEVEL {
            let p = p_text(p);
            let text = format!(
                "E is indistinguishable from the shuffled control ({e:.4} vs {shuffled:.4}, {p})"
            );
            self.warn(WarningKind::EIndistinguishable, text);
        }
    }

    fn check_start(&mut self, baseline: &Baseline) {
        let published = mean(baseline.samples.iter().map(|sample| sample.width));
        let stable = baseline.stable.map(|stable| stable.width);
        let widths = [published, stable];
        let Some(width) = widths.into_iter().flatten().reduce(f64::min) else { return };
        if width < NARROW {
            let text = format!("the width at step {} is {width:.2e}", baseline.step);
            self.warnings.push(Warning { kind: WarningKind::NarrowStart, text, from_start: true });
        }
    }

    fn check_shape(&mut self, samples: &[Spectrum]) {
        let n = samples.len();
        let concave = samples.iter().filter(|s| s.is_concave()).count();
        self.concave = Some(concave as f64 / n as f64);
        if concave < n {
            let text = format!("f is not concave in {} of {n} samples", n - concave);
            self.warn(WarningKind::NotConcave, text);
        }
    }

    fn check_places(&mut self, baseline: &Baseline, samples: &[Spectrum]) {
        let n = samples.len();
        if baseline.positions.len() != n {
            return;
        }
        let pairs = || baseline.positions.iter().zip(samples.iter().map(SpectrumPosition::of));
        let same_top = pairs().filter(|(start, now)| start.top == now.top).count();
        self.argmax_stable = Some(same_top as f64 / n as f64);
        if same_top < n {
            let (step, moved) = (baseline.step, n - same_top);
            let text =
                format!("f peaks at another q than at step {step} in {moved} of {n} samples");
            self.warn(WarningKind::PeakMoved, text);
        }
        let moved = pairs().filter(|(start, now)| start.smallest_radius != now.smallest_radius);
        let moved = moved.count();
        if 2 * moved >= n && moved > 0 {
            let radius =
                |positions: &mut dyn Iterator<Item = f64>| positions.sum::<f64>() / n as f64;
            let start = radius(&mut baseline.positions.iter().map(|p| p.smallest_radius));
            let now = radius(&mut samples.iter().map(|s| s.smallest_radius));
            let text = format!(
                "the smallest radius moved from {start:.1} to {now:.1} ({moved} of {n} samples)"
            );
            self.warn(WarningKind::RadiiMoved, text);
        }
    }

    /// Adds a warning on this step.
    pub(crate) fn warn(&mut self, kind: WarningKind, text: String) {
        self.warnings.push(Warning { kind, text, from_start: false });
    }

    /// The codes of all warnings.
    pub fn codes(&self) -> Vec<&'static str> {
        self.warnings.iter().map(|warning| warning.kind.code()).collect()
    }

    /// The texts of the warnings about `concern`, as one text; none without any. Warnings that held
    /// at step 0 are only in the `first` row of a run.
    pub fn text(&self, concern: Concern, first: bool) -> Option<String> {
        let shown = |w: &&Warning| w.kind.concern() == concern && (first || !w.from_start);
        let texts = self.warnings.iter().filter(shown).map(|warning| warning.text.as_str());
        let texts: Vec<&str> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
