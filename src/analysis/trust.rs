//! When the numbers of a step should not be believed, and why, in words.
//!
//! | mark | what it is | warns when |
//! |---|---|---|
//! | `kept` | share of source neurons with more than `min_edges` edges in range | below 0.5 |
//! | `in_range` | share of the weights whose distances are in range | below 0.5 |
//! | `r2_min` | smallest R² of ln Z_q on ln(r/d) over q, mean over samples | below 0.7 |
//! | `concave` | share of samples whose f(alpha) is concave | below 1 |
//! | `argmax_stable` | share of samples whose f peaks at the q of step 0 | below 1 |
//!
//! Below an R² of 0.7, nearly a third of what ln Z does is not the line. With less than half of the
//! neurons, the spectrum is that of the strongly connected ones alone.
//!
//! [`WarningKind`] lists the warnings. Some concern the conclusion at a step; others only the published
//! estimator, whose numbers are kept to compare with the literature. A condition that holds from step
//! 0 on belongs to the run: its code is in every row, its words in the first one.

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, Place};
use super::emergence::Emergence;
use super::measure::Measurement;
use super::plan::Plan;
use super::statistics::mean;
use super::verdict::{LEVEL, p_text};
use crate::mfa::Spectrum;

/// Below this share of kept neurons a step is marked.
const KEPT: f64 = 0.5;

/// Below this share of weights in range a step is marked.
const IN_RANGE: f64 = 0.5;

/// Below this R² a step is marked.
const R2: f64 = 0.7;

/// Above this share of common edges samples are marked.
const OVERLAP: f64 = 0.5;

/// Below this width of step 0 a run is marked.
const NARROW: f64 = 0.03;

/// The marks of one step.
#[derive(Clone, Debug, Default, PartialEq)]
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

/// A reason not to believe a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// What kind of reason: the same from step to step.
    pub kind: WarningKind,
    /// The reason in words, with its numbers.
    pub text: String,
    /// Whether it held at step 0, too, so that it belongs to the run.
    pub from_start: bool,
}

/// What a warning concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The conclusion at a step.
    Conclusion,
    /// The numbers of the published estimator only.
    Published,
}

/// Declares the kinds of warnings: name, code, what it concerns, what it means.
macro_rules! kinds {
    ($($name:ident, $code:literal, $concern:ident, $meaning:literal;)*) => {
        /// The kinds of warnings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum WarningKind {
            $(#[doc = $meaning] #[serde(rename = $code)] $name,)*
        }

        impl WarningKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its short code, in the column `codes`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What it concerns.
            pub const fn concern(self) -> Concern {
                match self { $(Self::$name => Concern::$concern),* }
            }

            /// What it means for the reader's conclusion.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }
        }
    };
}

kinds! {
    FewNeurons, "few_neurons", Conclusion,
        "Less than half of the neurons have enough edges in range: the spectrum is that of the strongly connected ones.";
    InRange, "in_range", Conclusion,
        "Less than half of the weights are in range: the spectrum leaves most of the network out.";
    PoorFit, "poor_fit", Conclusion,
        "ln Z_q is no straight line: alpha depends on the range of radii.";
    NarrowStart, "narrow_start", Conclusion,
        "The width at step 0 is near zero: E multiplies by w(t)/w(0), so its size means little.";
    Overlap, "overlap", Conclusion,
        "Samples share most of their edges: E_se says little about the network.";
    Repeated, "repeated", Conclusion,
        "The weights are those of an earlier step, bit for bit: the row says nothing new.";
    OnlyFalls, "only_falls", Conclusion,
        "The quantity that the stop rule wants to rise has not risen since step 0: the rule may stop a healthy run.";
    NotConcave, "not_concave", Published,
        "f(alpha) is not concave: the published spectrum is no multifractal one.";
    PeakMoved, "peak_moved", Published,
        "f peaks at another q than at step 0: published E jumps with it.";
    RadiiMoved, "radii_moved", Published,
        "The smallest radius differs from step 0: published E moves with it, E_stable does not.";
    ENotToldApart, "e_chance", Published,
        "Published E cannot be told apart from that of shuffled weights.";
}

impl WarningKind {
    /// The kind of a code; none for another text.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == code)
    }
}

impl Trust {
    /// The marks of a measurement, and the warnings on it and on the numbers made of it.
    pub(super) fn of(
        plan: &Plan,
        baseline: &Baseline,
        measurement: &Measurement,
        row: &Emergence,
    ) -> Self {
        let mut trust = Self::standing(plan, measurement);
        for warning in &mut trust.warnings {
            warning.from_start = baseline.warnings.contains(&warning.kind);
        }
        trust.check_start(baseline);
        if let Ok(samples) = &measurement.published {
            trust.check_shape(samples);
            trust.check_places(baseline, samples);
        }
        if let (Some(e), Some(shuffled), Some(p)) = (row.e, row.e_shuffled, row.e_p)
            && e > 0.0
            && p >= LEVEL
        {
            let p = p_text(p);
            trust.warn(
                WarningKind::ENotToldApart,
                format!(
                    "E is indistinguishable from the shuffled control ({e:.4} vs {shuffled:.4}, {p})"
                ),
            );
        }
        trust
    }

    /// What holds of a measurement on its own.
    pub(super) fn standing(plan: &Plan, measurement: &Measurement) -> Self {
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
            trust.warn(
                WarningKind::PoorFit,
                format!("R² of ln Z falls to {r2:.2}: no power law, so alpha depends on the range"),
            );
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
        if baseline.places.len() != n {
            return;
        }
        let pairs = || baseline.places.iter().zip(samples.iter().map(Place::of));
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
            let radius = |places: &mut dyn Iterator<Item = f64>| places.sum::<f64>() / n as f64;
            let start = radius(&mut baseline.places.iter().map(|p| p.smallest_radius));
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

    /// What concerns one thing, as one text; none without any. What held at step 0 is left out,
    /// save for the `first` row of a run.
    pub fn text(&self, concern: Concern, first: bool) -> Option<String> {
        let told = |w: &&Warning| w.kind.concern() == concern && (first || !w.from_start);
        let texts = self.warnings.iter().filter(told).map(|warning| warning.text.as_str());
        let texts: Vec<&str> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}
