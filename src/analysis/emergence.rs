//! Makes a baseline from a measurement, and compares a measurement with a baseline: the numbers of one
//! row.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, GroupBaseline, SpectrumPosition};
use super::distribution::Distribution;
use super::entries::Entries;
use super::fault::Fault;
use super::hops::{EstimateError, HopBaseline, HopMeasurement};
use super::measurement::Measurement;
use super::movement::movements;
use super::neuron::Neuron;
use super::parts::Part;
use super::plan::Plan;
use super::samples::{PublishedNumbers, fractals, mean_fractal};
use super::scaling::{MeanScaling, NeuronBoxes};
use super::significance::p_value;
use super::spectrum::SpectrumPoint;
use super::statistics::{deviation, mean};
use super::status::Status;
use super::structure::{E_STABLE_SHUFFLED, Structure};
use super::trust::Trust;
use super::warning::WarningKind;
use super::weights::Weights;
use crate::mfa::{Fractal, Spectrum, degree_of_emergence};

/// Bins of a degree's distribution, on the range of distances.
const DEGREE_BINS: f64 = 75.0;

/// Width of the bins of a dimension's distribution.
const DIMENSION_BIN: f64 = 0.05;

/// The numbers of one analysed step. A value that does not exist is `None`; `status` and `why`
/// say why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// The size of all weights, and how far they have moved.
    pub weights: Weights,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

impl Baseline {
    /// The baseline that a measurement of this plan makes.
    pub fn new(step: u64, plan: &Plan, measurement: &Measurement) -> Self {
        let samples = measurement.published.as_ref().map_or(&[][..], |s| s.as_slice());
        let groups = plan.groups().iter().zip(&measurement.groups);
        Self {
            step,
            samples: fractals(samples),
            positions: samples.iter().map(SpectrumPosition::of).collect(),
            stable: measurement.stable.clone().and_then(Result::ok),
            groups: groups
                .map(|(group, measured)| GroupBaseline {
                    scope: group.scope,
                    name: group.name.clone(),
                    samples: fractals(measured.published.as_deref().unwrap_or_default()),
                    stable: measured.stable,
                })
                .collect(),
            deviations: measurement.deviations.clone(),
            entries: Arc::clone(&measurement.entries),
            warnings: {
                let trust = Trust::without_baseline(plan, measurement);
                trust.warnings.iter().map(|warning| warning.kind).collect()
            },
            hops: measurement.hops.iter().map(HopBaseline::new).collect(),
        }
    }
}

impl Emergence {
    /// The numbers of a measurement of this plan against a baseline.
    pub fn new(plan: &Plan, baseline: &Baseline, measurement: &Measurement) -> Self {
        let q = plan.method().q();
        let Measurement { published, stable, .. } = measurement;
        let mut row = Self::of_estimators(q, baseline, published, stable.as_ref());
        let unmatched = match measurement.stable {
            Some(Err(_)) => Vec::new(),
            _ => row.add_nulls(plan, baseline, measurement),
        };
        let nulls = &measurement.controls.groups;
        let groups = plan.groups().iter().zip(&measurement.groups).enumerate();
        let weights = Weights::of_groups(plan, measurement, &baseline.entries);
        let part = |(k, (group, now))| {
            let mut part = Part::new(baseline, (k, group), (now, weights[k]), nulls.get(k));
            part.e_se = part.e_se.filter(|_| !plan.coincides(group));
            part
        };
        row.parts = groups.map(part).collect();
        row.add_neurons(plan, measurement);
        row.scaling = published.as_ref().ok().and_then(|samples| MeanScaling::of(q, samples));
        row.boxes.clone_from(&measurement.boxes);
        row.hashes.clone_from(&measurement.hashes);
        row.weights = weights.last().copied().unwrap_or_default();
        let hops = measurement.hops.iter();
        row.hops = hops.map(|hop| HopEmergence::new(q, baseline, hop)).collect();
        if plan.samples_coincide() {
            row.forget_sample_errors();
            row.hops.iter_mut().for_each(|hop| hop.exact.forget_sample_errors());
        }
        row.trust = Trust::of(plan, baseline, measurement);
        if !unmatched.is_empty() {
            row.trust.warn(WarningKind::NotMatched, unmatched.join("; "));
        }
        if let (Some(e), Some(shuffled), Some(p)) = (row.e, row.e_shuffled, row.e_p) {
            row.trust.check_chance(e, shuffled, p);
        }
        row
    }

    /// Adds how far the weights have moved since the analysed step before.
    pub fn add_update(&mut self, plan: &Plan, now: &Entries, before: &Entries) {
        let mut updates = movements(plan, now, before).into_iter().map(|moved| moved.update);
        for (part, update) in self.parts.iter_mut().zip(updates.clone()) {
            part.weights.update = update;
        }
        self.weights.update = updates.next_back().flatten();
    }

    /// A row without values.
    pub fn absent(status: Status, why: impl Into<String>) -> Self {
        Self { status, why: Some(why.into()), ..Self::default() }
    }

    /// The numbers of the two estimators alone.
    pub(super) fn of_estimators(
        q: &[f64],
        baseline: &Baseline,
        published: &Result<Vec<Spectrum>, Fault>,
        stable: Option<&Result<Fractal, Fault>>,
    ) -> Self {
        let mut row = Self::default();
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
        self.spectrum = SpectrumPoint::over(q, samples);
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

    /// Samples of the same neurons differ only by rounding, which is not an error of E.
    fn forget_sample_errors(&mut self) {
        (self.e_se, self.alpha0_std, self.width_std) = (None, None, None);
        for p in &mut self.spectrum {
            (p.tau_std, p.r2_std, p.alpha_std, p.f_std) = (None, None, None, None);
        }
    }

    /// Returns which values at matched norm are absent, and why.
    fn add_nulls(
        &mut self,
        plan: &Plan,
        baseline: &Baseline,
        measurement: &Measurement,
    ) -> Vec<String> {
        let nulls = &measurement.controls;
        let mut unmatched = Vec::new();
        match &nulls.shuffled {
            Some(Ok(samples)) if !baseline.samples.is_empty() => {
                match PublishedNumbers::of(&baseline.samples, &fractals(samples)) {
                    Ok(shuffled) => self.add_shuffled(plan, shuffled, samples.len()),
                    Err(why) => self.miss(Status::Degenerate, "E_shuffled", &why),
                }
            }
            Some(Err(why)) => self.miss(Status::Degenerate, "E_shuffled", why),
            _ => {}
        }
        let stable = measurement.stable.clone().and_then(Result::ok);
        if let Some(network) = nulls.groups.last() {
            let (structure, missing) = Structure::of(baseline.stable, stable, network);
            self.structure = structure;
            for (what, why) in missing {
                match what {
                    E_STABLE_SHUFFLED => self.miss(Status::Degenerate, what, &why),
                    _ => unmatched.push(format!("{what}: {why}")),
                }
            }
        }
        let Some(start) = baseline.stable else { return unmatched };
        match &nulls.rescaled_start {
            Some(Ok(rescaled)) => match degree_of_emergence(start, *rescaled) {
                Ok(e) => self.e_rescaled_start = Some(e),
                Err(why) => self.miss(Status::Degenerate, "E_rescaled_start", &why),
            },
            Some(Err(why)) if nulls.groups.last().is_some_and(|all| all.unmatched.is_some()) => {
                unmatched.push(format!("E_rescaled_start: {why}"));
            }
            Some(Err(why)) => self.miss(Status::Degenerate, "E_rescaled_start", why),
            None => {}
        }
        unmatched
    }

    /// E of the shuffled samples, and whether E differs from it. Each has the error of a mean over
    /// samples. The samples of E are samples of one network, and are as correlated as the share of
    /// their edges that coincide.
    fn add_shuffled(&mut self, plan: &Plan, shuffled: PublishedNumbers, samples: usize) {
        self.e_shuffled = Some(shuffled.e);
        self.e_shuffled_se = shuffled.e_se;
        let n = samples as f64;
        let se = shuffled.e_se.map(|se| se * (2.0 + (n - 1.0) * plan.overlap()).sqrt());
        let difference = self.e.map(|e| e - shuffled.e);
        self.e_p = difference.zip(se).and_then(|(d, se)| p_value(d, se, n - 1.0));
    }

    fn add_neurons(&mut self, plan: &Plan, measurement: &Measurement) {
        if measurement.neurons.is_empty() {
            return;
        }
        let layers = || plan.layers().map(|(name, range)| (name, &measurement.neurons[range]));
        let all = ("all", &measurement.neurons[..]);
        let bin = plan.method().parameters().max_distance / DEGREE_BINS;
        for (part, neurons) in layers().chain([all]) {
            let degrees = neurons.iter().filter_map(|n| n.degree);
            let dimensions = neurons.iter().filter_map(|n| Some(n.dimension?.slope));
            self.distributions.push(Distribution::new(part, "degree", bin, degrees));
            let dimensions = Distribution::new(part, "dimension", DIMENSION_BIN, dimensions);
            self.distributions.push(dimensions);
        }
        if plan.keeps_neurons() {
            let owned = |(name, neurons): (&str, &[Neuron])| (name.to_owned(), neurons.to_vec());
            self.neuron_values = layers().map(owned).collect();
        }
    }
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
