//! Makes a baseline from a measurement, and compares a measurement with a baseline.

use super::baseline::{Baseline, GroupBaseline, SpectrumPosition};
use super::distribution::Distribution;
use super::emergence::{Emergence, HopEmergence};
use super::hops::HopBaseline;
use super::measurement::Measurement;
use super::neuron::Neuron;
use super::parts::Part;
use super::plan::Plan;
use super::samples::{PublishedNumbers, fractals};
use super::scaling::MeanScaling;
use super::significance::p_value;
use super::status::Status;
use super::structure::{E_STABLE_SHUFFLED, Structure};
use super::trust::Trust;
use super::warning::WarningKind;
use crate::mfa::degree_of_emergence;

/// Bins of a degree's distribution, on the range of distances.
const DEGREE_BINS: f64 = 75.0;

/// Width of the bins of a dimension's distribution.
const DIMENSION_BIN: f64 = 0.05;

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
        let part = |(k, (group, now))| {
            let mut part = Part::new(baseline, group, now, nulls.get(k));
            part.e_se = part.e_se.filter(|_| !plan.coincides(group));
            part
        };
        row.parts = groups.map(part).collect();
        row.add_neurons(plan, measurement);
        row.scaling = published.as_ref().ok().and_then(|samples| MeanScaling::of(q, samples));
        row.boxes.clone_from(&measurement.boxes);
        row.hashes.clone_from(&measurement.hashes);
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
