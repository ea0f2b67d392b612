//! The null controls of one snapshot: what E is where there is nothing to see.

use rayon::prelude::*;

use super::groups::Fold;
use super::measure::{Estimators, for_each_layer, sums_of};
use super::plan::Plan;
use super::shuffled::{self, Shuffled};
use super::snapshot::{LayerSnapshot, Snapshot};
use crate::mfa::{BoxMasses, Degenerate, Fractal, PowerSums, RadiusTable, Spectrum};
use crate::source::Source;

/// The null controls of one snapshot; empty where they are not computed.
#[derive(Clone, Debug, Default)]
pub struct Nulls {
    /// Published estimator on shuffled weights, one spectrum for each sample.
    pub shuffled: Option<Result<Vec<Spectrum>, Degenerate>>,
    /// Stable estimator on the shuffled network, one for each draw.
    pub stable_shuffled: Option<Result<Vec<Fractal>, Degenerate>>,
    /// Stable estimator on the network with each matrix at its spread of step 0.
    pub norm_matched: Option<Result<Fractal, String>>,
    /// Stable estimator on the weights of step 0, each matrix at its spread of this step.
    pub rescaled_start: Option<Result<Fractal, String>>,
}

impl Estimators {
    pub(super) fn nulls(&self, plan: &Plan, snapshot: &Snapshot, step: u64) -> Nulls {
        let controls = plan.controls;
        let Shuffled { published, stable } = match controls.shuffled {
            0 => Shuffled::default(),
            _ => shuffled::measure(self, plan, snapshot, step),
        };
        Nulls {
            shuffled: published,
            stable_shuffled: stable,
            norm_matched: controls
                .norm_matched
                .then(|| self.norm_matched(plan, snapshot))
                .flatten(),
            rescaled_start: self
                .start
                .as_ref()
                .map(|start| self.rescaled(plan, snapshot, &**start)),
        }
    }

    /// None where the spread of step 0 is not known yet.
    fn norm_matched(&self, plan: &Plan, snapshot: &Snapshot) -> Option<Result<Fractal, String>> {
        let start = plan.start_deviations.as_ref()?;
        if let Some(why) = unmatched(plan, start, &snapshot.deviations) {
            return Some(Err(why));
        }
        let min_edges = plan.method().parameters().min_edges;
        let network = &plan.groups[plan.groups.len() - 1..];
        let mut stable = Fold::new(network, min_edges, |sums| self.stable_fractal(sums));
        let sums = |layer: &LayerSnapshot| {
            let sums = || sums_of(plan, &layer.matched, |masses| self.stable.sums(masses));
            layer.measured.matched.get(layer.reused, sums)
        };
        for_each_layer(snapshot, sums, |layer, sums| stable.add(layer, sums.as_ref()));
        Some(stable.finish().remove(0).map_err(|why| why.to_string()))
    }

    /// The weights of step 0, each matrix rescaled to its spread in the snapshot.
    fn rescaled(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
        start: &(dyn Source + Sync),
    ) -> Result<Fractal, String> {
        let deviations = plan.start_deviations.as_ref().ok_or("step 0 has no spread")?;
        if let Some(why) = unmatched(plan, &snapshot.deviations, deviations) {
            return Err(why);
        }
        let sums: Result<Vec<Option<PowerSums>>, String> = plan
            .layers_and_tensors()
            .into_par_iter()
            .map(|(layer, first)| {
                let of = first..first + layer.tensors.len();
                let (from, to) = (&deviations[of.clone()], &snapshot.deviations[of]);
                let factors: Vec<f64> = from.iter().zip(to).map(|(from, to)| to / from).collect();
                let rows = plan.count_rescaled(layer, start, &factors)?;
                let masses = BoxMasses::of_rows(plan.method(), &rows);
                Ok(masses.ok().map(|masses| self.stable.sums(&masses)))
            })
            .collect();
        self.stable_of(plan, sums?.into_iter()).map_err(|why| why.to_string())
    }

    /// The published estimator on the sums of a network's parts, added in their order.
    pub(super) fn published_of(
        &self,
        plan: &Plan,
        parts: impl Iterator<Item = Option<PowerSums>>,
    ) -> Result<Spectrum, Degenerate> {
        self.published.spectrum(&added(plan, parts)?)
    }

    /// The stable estimator on the sums of a network's parts, added in their order.
    pub(super) fn stable_of(
        &self,
        plan: &Plan,
        parts: impl Iterator<Item = Option<PowerSums>>,
    ) -> Result<Fractal, Degenerate> {
        self.stable_fractal(&added(plan, parts)?)
    }
}

/// The sums of all parts that have kept neurons.
fn added(
    plan: &Plan,
    parts: impl Iterator<Item = Option<PowerSums>>,
) -> Result<PowerSums, Degenerate> {
    let add = |mut all: PowerSums, part: PowerSums| {
        all.add(&part);
        all
    };
    let min_edges = plan.method().parameters().min_edges;
    parts.flatten().reduce(add).ok_or(Degenerate::NoNeurons { min_edges })
}

/// Why weights of the spreads `from` cannot be rescaled to the spreads `to`, if so.
fn unmatched(plan: &Plan, to: &[f64], from: &[f64]) -> Option<String> {
    let pairs = plan.tensors().zip(to.iter().zip(from));
    let mut without = pairs.filter(|(_, (to, from))| !RadiusTable::can_rescale(**to / **from));
    let (name, (to, from)) = without.next()?;
    Some(format!("{name} has standard deviation {from}, which cannot be rescaled to {to}"))
}
