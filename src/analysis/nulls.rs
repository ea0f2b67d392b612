//! The null controls of one snapshot: what E is where there is nothing to see.

use rayon::prelude::*;

use super::groups::{Fold, Group};
use super::measure::{Estimators, for_each_layer, sums_of};
use super::plan::Plan;
use super::shuffled::{self, Draws, Shuffled};
use super::snapshot::{LayerSnapshot, Snapshot};
use crate::mfa::{BoxMasses, Degenerate, Fractal, PowerSums, RadiusTable, Spectrum};
use crate::source::Source;

/// The null controls of one snapshot; empty where they are not computed.
#[derive(Clone, Debug, Default)]
pub struct Nulls {
    /// Published estimator on shuffled weights, one spectrum for each sample.
    pub shuffled: Option<Result<Vec<Spectrum>, Degenerate>>,
    /// Stable estimator, one for each of the plan's groups.
    pub groups: Vec<GroupNulls>,
    /// Stable estimator on the weights of step 0, each matrix at its spread of this step.
    pub rescaled_start: Option<Result<Fractal, String>>,
}

/// The null controls of one part of the network, by the stable estimator; none where they are not
/// computed.
#[derive(Clone, Debug, Default)]
pub struct GroupNulls {
    /// On shuffled weights.
    pub shuffled: Option<Result<Draws, String>>,
    /// With each matrix at its spread of step 0.
    pub matched: Option<Result<Fractal, String>>,
    /// With each matrix at its spread of step 0, shuffled.
    pub matched_shuffled: Option<Result<Draws, String>>,
}

impl Estimators {
    /// `stable`: what the estimator measured of each group.
    pub(super) fn nulls(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
        step: u64,
        stable: Option<&[Result<Fractal, Degenerate>]>,
    ) -> Nulls {
        let controls = plan.controls;
        let Shuffled { published, stable: shuffled, matched: matched_shuffled } =
            match controls.shuffled {
                0 => Shuffled::default(),
                _ => shuffled::measure(self, plan, snapshot, step),
            };
        let matched = match (&plan.start_deviations, stable) {
            _ if !controls.norm_matched => Vec::new(),
            (Some(start), _) => self.norm_matched(plan, snapshot, start),
            // This is step 0: its matrices have the spread of step 0.
            (None, stable) => {
                let of = |fractal: &Result<Fractal, Degenerate>| fractal.map_err(|e| e.to_string());
                stable.unwrap_or_default().iter().map(of).collect()
            }
        };
        let unmatched = |k: usize| match matched.get(k) {
            Some(Err(why)) => Some(why.clone()),
            _ => None,
        };
        let draws = |drawn: &[Result<Draws, Degenerate>], k: usize| {
            drawn.get(k).map(|drawn| drawn.clone().map_err(|why| why.to_string()))
        };
        let group = |k: usize| GroupNulls {
            shuffled: draws(&shuffled, k),
            matched: matched.get(k).cloned(),
            matched_shuffled: match unmatched(k) {
                Some(why) => matched_shuffled.get(k).map(|_| Err(why)),
                None => draws(&matched_shuffled, k),
            },
        };
        Nulls {
            shuffled: published,
            groups: (0..plan.groups.len()).map(group).collect(),
            rescaled_start: self
                .start
                .as_ref()
                .map(|start| self.rescaled(plan, snapshot, &**start)),
        }
    }

    /// Each group with its matrices rescaled to their deviations at step 0.
    fn norm_matched(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
        start: &[f64],
    ) -> Vec<Result<Fractal, String>> {
        let min_edges = plan.method().parameters().min_edges;
        let mut stable = Fold::new(&plan.groups, min_edges, |sums| self.stable_fractal(sums));
        let sums = |layer: &LayerSnapshot| {
            let sums = || sums_of(plan, &layer.matched, |masses| self.stable.sums(masses));
            layer.measured.matched.get(layer.reused, sums)
        };
        for_each_layer(snapshot, sums, |layer, sums| stable.add(layer, sums.as_ref()));
        let layers = plan.layers_and_tensors();
        let unmatched = |group: &Group| {
            let tensors = group.members.iter().flat_map(|&k| {
                let (layer, first) = layers[k];
                first..first + layer.tensors.len()
            });
            tensors.into_iter().find_map(|k| unmatched(plan, k, start[k], snapshot.deviations[k]))
        };
        let groups = plan.groups.iter().zip(stable.finish());
        let of = |(group, fractal): (&Group, Result<Fractal, Degenerate>)| match unmatched(group) {
            Some(why) => Err(why),
            None => fractal.map_err(|why| why.to_string()),
        };
        groups.map(of).collect()
    }

    /// The weights of step 0, each matrix rescaled to its spread in the snapshot.
    fn rescaled(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
        start: &(dyn Source + Sync),
    ) -> Result<Fractal, String> {
        let deviations = plan.start_deviations.as_ref().ok_or("step 0 has no spread")?;
        let pairs = snapshot.deviations.iter().zip(deviations).enumerate();
        let mut without = pairs.filter_map(|(k, (to, from))| unmatched(plan, k, *to, *from));
        if let Some(why) = without.next() {
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

/// Why the `k`-th tensor's weights of spread `from` cannot be rescaled to the spread `to`, if so.
fn unmatched(plan: &Plan, k: usize, to: f64, from: f64) -> Option<String> {
    if RadiusTable::can_rescale(to / from) {
        return None;
    }
    let name = plan.tensors().nth(k)?;
    Some(format!("{name} has standard deviation {from}, which cannot be rescaled to {to}"))
}
