//! When the numbers of a step should not be believed, and why, in words.
//!
//! | mark | what it is | warns when |
//! |---|---|---|
//! | `kept` | share of source neurons with more than `min_edges` edges in range | below 0.5 |
//! | `r2_min` | smallest R² of ln Z_q on ln(r/d) over q, mean over samples | below 0.7 |
//! | `concave` | share of samples whose f(alpha) is concave | below 1 |
//! | `argmax_stable` | share of samples whose f peaks at the q of step 0 | below 1 |
//! | | smallest radius against that of step 0 | another one in half of the samples or more |
//! | | E against the shuffled control | no more than two standard errors above it |
//! | | E_excess | no more than two standard errors above 0 |
//!
//! Below an R² of 0.7, nearly a third of what ln Z does is not the line. With less than half of the
//! neurons, the spectrum is that of the strongly connected ones alone.

use super::baseline::{Baseline, Place};
use super::emergence::Emergence;
use super::measure::Measurement;
use super::statistics::mean;
use crate::mfa::{Method, Spectrum};

/// Below this share of kept neurons a step is marked.
const KEPT: f64 = 0.5;

/// Below this R² a step is marked.
const R2: f64 = 0.7;

/// A value within so many standard errors is not told from that of the control.
const ERRORS: f64 = 2.0;

/// The marks of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trust {
    /// Smallest R² over q, mean over samples.
    pub r2_min: Option<f64>,
    /// Share of the source neurons that are kept.
    pub kept: Option<f64>,
    /// Share of samples whose f is concave.
    pub concave: Option<f64>,
    /// Share of samples whose f peaks at the same q as at step 0.
    pub argmax_stable: Option<f64>,
    /// Why the numbers should not be believed.
    pub warnings: Vec<Warning>,
}

/// A reason not to believe a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// What kind of reason: the same from step to step.
    pub kind: WarningKind,
    /// The reason in words, with its numbers.
    pub text: String,
}

/// The kinds of [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// Few neurons are kept.
    FewNeurons,
    /// ln Z_q is no straight line.
    PoorFit,
    /// f is not concave.
    NotConcave,
    /// f peaks at another q than at step 0.
    PeakMoved,
    /// The smallest radius is another than at step 0.
    RadiiMoved,
    /// E is that of shuffled weights.
    EIsScale,
    /// E_stable is that of shuffled weights.
    ExcessIsNoise,
}

impl Trust {
    /// The marks of a measurement, and the warnings on it and on the numbers made of it.
    pub(super) fn of(
        method: &Method,
        baseline: &Baseline,
        measurement: &Measurement,
        row: &Emergence,
    ) -> Self {
        let mut trust = Self::default();
        if let Ok(samples) = &measurement.published {
            trust.look_at(method, baseline, measurement, samples);
        }
        trust.compare(row);
        trust
    }

    fn look_at(
        &mut self,
        method: &Method,
        baseline: &Baseline,
        measurement: &Measurement,
        samples: &[Spectrum],
    ) {
        let n = samples.len();
        let r2: Vec<f64> = samples.iter().filter_map(Spectrum::smallest_r2).collect();
        self.r2_min = mean(r2.into_iter());
        let kept = mean(samples.iter().map(|s| s.neurons as f64));
        self.kept = kept.map(|kept| kept / measurement.source_neurons);
        let concave = samples.iter().filter(|s| s.is_concave()).count();
        self.concave = Some(concave as f64 / n as f64);
        if let Some(kept) = self.kept.filter(|&kept| kept < KEPT) {
            let min_edges = method.parameters().min_edges;
            self.warn(
                WarningKind::FewNeurons,
                format!(
                    "only {:.0} % of the neurons have more than {min_edges} edges in range: the \
                     others are left out",
                    100.0 * kept
                ),
            );
        }
        if let Some(r2) = self.r2_min.filter(|&r2| r2 < R2) {
            self.warn(
                WarningKind::PoorFit,
                format!("R² of ln Z falls to {r2:.2}: no power law, so alpha depends on the range"),
            );
        }
        if concave < n {
            let text = format!("f is not concave in {} of {n} samples", n - concave);
            self.warn(WarningKind::NotConcave, text);
        }
        if baseline.places.len() != n {
            return;
        }
        let pairs = || baseline.places.iter().zip(samples.iter().map(Place::of));
        let same_top = pairs().filter(|(start, now)| start.top == now.top).count();
        self.argmax_stable = Some(same_top as f64 / n as f64);
        if same_top < n {
            let text = format!(
                "f peaks at another q than at step {} in {} of {n} samples: E jumps with it",
                baseline.step,
                n - same_top
            );
            self.warn(WarningKind::PeakMoved, text);
        }
        let moved = pairs().filter(|(start, now)| start.smallest_radius != now.smallest_radius);
        let moved = moved.count();
        if 2 * moved >= n && moved > 0 {
            let radius = |places: &mut dyn Iterator<Item = f64>| places.sum::<f64>() / n as f64;
            let start = radius(&mut baseline.places.iter().map(|p| p.smallest_radius));
            let now = radius(&mut samples.iter().map(|s| s.smallest_radius));
            let text = format!(
                "the smallest radius moved from {start:.1} to {now:.1} ({moved} of {n} samples): E \
                 moves with it, E_stable does not"
            );
            self.warn(WarningKind::RadiiMoved, text);
        }
    }

    /// Warns of numbers that are not told from those of shuffled weights.
    fn compare(&mut self, row: &Emergence) {
        if let (Some(e), Some(se), Some(shuffled)) = (row.e, row.e_se, row.e_shuffled)
            && e > 0.0
            && e - shuffled <= ERRORS * se
        {
            let text =
                format!("E is that of shuffled weights: {e:.5} ± {se:.5} against {shuffled:.5}");
            self.warn(WarningKind::EIsScale, text);
        }
        if let (Some(e), Some(se), Some(stable)) = (row.e_excess, row.e_excess_se, row.e_stable)
            && stable > 0.0
            && e <= ERRORS * se
        {
            let text = format!(
                "E_stable is that of shuffled weights: E_excess is {e:.5} ± {se:.5}, scale explains the rest"
            );
            self.warn(WarningKind::ExcessIsNoise, text);
        }
    }

    fn warn(&mut self, kind: WarningKind, text: String) {
        self.warnings.push(Warning { kind, text });
    }

    /// All warnings as one text; none without any.
    pub fn text(&self) -> Option<String> {
        let texts: Vec<&str> = self.warnings.iter().map(|warning| warning.text.as_str()).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
