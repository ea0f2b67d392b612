//! The numbers of one row.

use super::baseline::Baseline;
use super::distribution::Distribution;
use super::fault::Fault;
use super::hops::EstimateError;
use super::neuron::Neuron;
use super::parts::Part;
use super::samples::{PublishedNumbers, fractals};
use super::scaling::{MeanScaling, NeuronBoxes};
use super::statistics::{deviation, mean};
use super::status::Status;
use super::structure::Structure;
use super::trust::Trust;
use crate::mfa::{Fractal, Spectrum, degree_of_emergence};

/// The spectrum at one q: means over the samples, and standard deviations (S - 1).
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// The numbers of one analysed step. A value that does not exist is `None`; `status` and `why`
/// say why.
#[derive(Clone, Debug, PartialEq)]
pub struct Emergence {
    /// Published alpha0, mean over samples.
    pub alpha0: Option<f64>,
    /// Published width, mean over samples.
    pub width: Option<f64>,
    /// E of the published estimator, from the means.
    pub e: Option<f64>,
    /// Standard error of E: each sample against its own step 0.
    pub e_se: Option<f64>,
    /// Standard deviation of alpha0 over the samples.
    pub alpha0_std: Option<f64>,
    /// Standard deviation of the width over the samples.
    pub width_std: Option<f64>,
    /// R² of ln Z_q at the largest q, mean over samples.
    pub r2: Option<f64>,
    /// E of the published estimator on shuffled weights, from its own samples.
    pub e_shuffled: Option<f64>,
    /// Its standard error over the samples.
    pub e_shuffled_se: Option<f64>,
    /// The probability that chance alone takes E as far from E_shuffled, on either side.
    pub e_p: Option<f64>,
    /// Stable alpha0 of the whole network.
    pub alpha0_stable: Option<f64>,
    /// Stable width of the whole network.
    pub width_stable: Option<f64>,
    /// E of the stable estimator.
    pub e_stable: Option<f64>,
    /// The whole network against its shuffles.
    pub structure: Structure,
    /// E of the stable estimator on the weights of step 0, each matrix at its spread of this step.
    pub e_rescaled_start: Option<f64>,
    /// Kept neurons of the published estimator, mean over samples.
    pub neurons: Option<f64>,
    /// Occupied radii of the published estimator, mean over samples.
    pub radii: Option<f64>,
    /// A hash of each tensor, by name; empty where only drawn weights are counted.
    pub hashes: Vec<(String, u64)>,
    /// The earlier step of the run that had the same weights, bit for bit; none where none had.
    pub same_as: Option<u64>,
    /// Whether the numbers should be believed.
    pub trust: Trust,
    /// Whether all values are there.
    pub status: Status,
    /// What is missing, in words.
    pub why: Option<String>,
    /// The published spectrum, one point for each q; empty when there is none.
    pub spectrum: Vec<SpectrumPoint>,
    /// The data of the fits of the published spectrum; none without a spectrum.
    pub scaling: Option<MeanScaling>,
    /// One neuron of some layers, with the data of the fit of its dimension; empty without details.
    pub boxes: Vec<NeuronBoxes>,
    /// Layers, blocks, roles, and the network last; empty without details.
    pub parts: Vec<Part>,
    /// Degrees and dimensions over the neurons of each layer and of the network; empty without
    /// details.
    pub distributions: Vec<Distribution>,
    /// Every neuron, by layer; empty unless the plan keeps them.
    pub neuron_values: Vec<(String, Vec<Neuron>)>,
    /// The same over several hops, by their number; empty when only one was asked for.
    pub hops: Vec<HopEmergence>,
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

impl Emergence {
    /// A row without values.
    pub fn absent(status: Status, why: impl Into<String>) -> Self {
        Self { status, why: Some(why.into()), ..Self::empty() }
    }

    fn empty() -> Self {
        Self {
            alpha0: None,
            width: None,
            e: None,
            e_se: None,
            alpha0_std: None,
            width_std: None,
            r2: None,
            e_shuffled: None,
            e_shuffled_se: None,
            e_p: None,
            alpha0_stable: None,
            width_stable: None,
            e_stable: None,
            structure: Structure::default(),
            e_rescaled_start: None,
            neurons: None,
            radii: None,
            hashes: Vec::new(),
            same_as: None,
            trust: Trust::default(),
            status: Status::Ok,
            why: None,
            spectrum: Vec::new(),
            scaling: None,
            boxes: Vec::new(),
            parts: Vec::new(),
            distributions: Vec::new(),
            neuron_values: Vec::new(),
            hops: Vec::new(),
        }
    }

    /// The numbers of the two estimators alone.
    pub(super) fn of_estimators(
        q: &[f64],
        baseline: &Baseline,
        published: &Result<Vec<Spectrum>, Fault>,
        stable: Option<&Result<Fractal, Fault>>,
    ) -> Self {
        let mut row = Self::empty();
        match published {
            Ok(samples) => row.add_published(q, baseline, samples),
            Err(fault) => row.miss(Status::of(fault), "published estimator", fault),
        }
        match stable {
            Some(Ok(stable)) => row.add_stable(baseline, *stable),
            Some(Err(fault)) => row.miss(Status::of(fault), "stable estimator", fault),
            None => {}
        }
        row
    }

    fn add_published(&mut self, q: &[f64], baseline: &Baseline, samples: &[Spectrum]) {
        let alpha0 = samples.iter().map(|s| s.fractal.alpha0);
        let width = samples.iter().map(|s| s.fractal.width);
        self.alpha0 = mean(alpha0.clone());
        self.width = mean(width.clone());
        self.alpha0_std = deviation(alpha0);
        self.width_std = deviation(width);
        let r2: Vec<f64> = samples.iter().filter_map(Spectrum::r2).collect();
        self.r2 = mean(r2.into_iter());
        self.neurons = mean(samples.iter().map(|s| s.neurons as f64));
        self.radii = mean(samples.iter().map(|s| s.radii as f64));
        self.spectrum = spectrum_over(q, samples);
        if baseline.samples.is_empty() {
            return self.no_baseline("E", baseline);
        }
        match PublishedNumbers::of(&baseline.samples, &fractals(samples)) {
            Ok(PublishedNumbers { e, e_se, unpaired }) => {
                (self.e, self.e_se) = (Some(e), e_se);
                if let Some(why) = unpaired {
                    self.miss(Status::Degenerate, "E_se", &why);
                }
            }
            Err(why) => self.miss(Status::Degenerate, "E", &why),
        }
    }

    fn add_stable(&mut self, baseline: &Baseline, stable: Fractal) {
        self.alpha0_stable = Some(stable.alpha0);
        self.width_stable = Some(stable.width);
        let Some(start) = baseline.stable else {
            return self.no_baseline("E_stable", baseline);
        };
        match degree_of_emergence(start, stable) {
            Ok(e) => self.e_stable = Some(e),
            Err(why) => self.miss(Status::Degenerate, "E_stable", &why),
        }
    }

    fn no_baseline(&mut self, what: &str, baseline: &Baseline) {
        let why = format!("the baseline (step {}) has no values", baseline.step);
        self.miss(Status::Degenerate, what, &why);
    }

    /// Records that a value is missing. The first reason gives the status.
    pub(super) fn miss(&mut self, status: Status, what: &str, why: &dyn std::fmt::Display) {
        match &mut self.why {
            None => {
                self.status = status;
                self.why = Some(format!("{what}: {why}"));
            }
            Some(reasons) => *reasons += &format!("; {what}: {why}"),
        }
    }
}

fn spectrum_over(q: &[f64], samples: &[Spectrum]) -> Vec<SpectrumPoint> {
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
        Some(SpectrumPoint { q, tau: tau?, r2, alpha, f, tau_std, r2_std, alpha_std, f_std })
    };
    q.iter().enumerate().filter_map(point).collect()
}
