//! The null controls of one snapshot: E of networks without structure.

use rayon::prelude::*;

use super::estimators::{Estimators, for_each_layer, sums_of};
use super::groups::{Fold, Group};
use super::layer_count::count_rescaled;
use super::measurement::{Draws, GroupNulls, Nulls};
use super::plan::Plan;
use super::shuffled::{self, Shuffled};
use super::snapshot::{LayerSnapshot, Snapshot};
use crate::counting::RadiusTable;
use crate::mfa::{BoxMasses, Degenerate, Fractal, PowerSums};
use crate::source::Source;

/// `stable`: what the estimator measured of each group.
pub(super) fn nulls(
    estimators: &Estimators,
    plan: &Plan,
    snapshot: &Snapshot,
    step: u64,
    stable: Option<&[Result<Fractal, Degenerate>]>,
) -> Nulls {
    let controls = plan.controls;
    let Shuffled { published, stable: shuffled, matched: matched_shuffled } =
        match controls.shuffled {
            0 => Shuffled::default(),
            _ => shuffled::measure(estimators, plan, snapshot, step),
        };
    let matched = match (&plan.start_deviations, stable) {
        _ if !controls.norm_matched => Vec::new(),
        (Some(_), _) => norm_matched(estimators, plan, snapshot),
        // This is step 0: its matrices have the spread of step 0.
        (None, stable) => stable.unwrap_or_default().to_vec(),
    };
    let unmatched = Unmatched::of(plan, snapshot);
    let draws = |drawn: &[Result<Draws, Degenerate>], k: usize| {
        drawn.get(k).map(|drawn| drawn.clone().map_err(|why| why.to_string()))
    };
    let group = |(k, group): (usize, &Group)| {
        let (unmatched, all) = unmatched.in_group(group);
        let mut nulls = GroupNulls {
            shuffled: draws(&shuffled, k),
            matched: matched.get(k).map(|fractal| fractal.map_err(|why| why.to_string())),
            matched_shuffled: draws(&matched_shuffled, k),
            unmatched: unmatched.cloned(),
        };
        if let (Some(why), true) = (unmatched, all) {
            nulls.matched = nulls.matched.map(|_| Err(why.clone()));
            nulls.matched_shuffled = nulls.matched_shuffled.map(|_| Err(why.clone()));
        }
        nulls
    };
    Nulls {
        shuffled: published,
        groups: plan.groups.iter().enumerate().map(group).collect(),
        rescaled_start: estimators
            .start
            .as_ref()
            .map(|start| rescaled(estimators, plan, snapshot, &**start)),
    }
}

/// Each group with its matrices rescaled to their deviations at step 0, without those that cannot
/// be.
fn norm_matched(
    estimators: &Estimators,
    plan: &Plan,
    snapshot: &Snapshot,
) -> Vec<Result<Fractal, Degenerate>> {
    let min_edges = plan.method().parameters().min_edges;
    let mut stable = Fold::new(&plan.groups, min_edges, |sums| estimators.stable_fractal(sums));
    let sums = |layer: &LayerSnapshot| {
        let sums = || sums_of(plan, &layer.matched, |masses| estimators.stable.sums(masses));
        layer.measured.matched.get(layer.reused, sums)
    };
    for_each_layer(snapshot, sums, |layer, sums| stable.add(layer, sums.as_ref()));
    stable.finish()
}

/// The weights of step 0, each matrix rescaled to its spread in the snapshot.
fn rescaled(
    estimators: &Estimators,
    plan: &Plan,
    snapshot: &Snapshot,
    start: &(dyn Source + Sync),
) -> Result<Fractal, String> {
    let deviations = plan.start_deviations.as_ref().ok_or("step 0 has no spread")?;
    let pairs = snapshot.deviations.iter().zip(deviations).enumerate();
    let mut without = pairs.filter_map(|(k, (to, from))| why_unmatched(plan, k, *to, *from));
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
            let rows = count_rescaled(plan, layer, start, &factors)?;
            let masses = BoxMasses::of_rows(plan.method(), &rows);
            Ok(masses.ok().map(|masses| estimators.stable.sums(&masses)))
        })
        .collect();
    estimators.stable_of(plan, sums?.into_iter()).map_err(|why| why.to_string())
}

/// Of each source layer, why its tensors cannot be rescaled to their spread at step 0, if so; no
/// layer at step 0, whose matrices have the spread of step 0.
struct Unmatched(Vec<Vec<Option<String>>>);

impl Unmatched {
    fn of(plan: &Plan, snapshot: &Snapshot) -> Self {
        let Some(start) = &plan.start_deviations else { return Self(Vec::new()) };
        let why = |k: usize| why_unmatched(plan, k, start[k], snapshot.deviations[k]);
        let layers = plan.layers_and_tensors().into_iter();
        Self(layers.map(|(l, first)| (first..first + l.tensors.len()).map(why).collect()).collect())
    }

    /// The first reason of a group, and whether all its tensors have one.
    fn in_group(&self, group: &Group) -> (Option<&String>, bool) {
        let tensors = || group.members.iter().filter_map(|&k| self.0.get(k)).flatten();
        (tensors().flatten().next(), tensors().all(Option::is_some))
    }
}

/// Why the `k`-th tensor's weights of spread `from` cannot be rescaled to the spread `to`, if so.
fn why_unmatched(plan: &Plan, k: usize, to: f64, from: f64) -> Option<String> {
    if RadiusTable::can_rescale(to / from) {
        return None;
    }
    let name = plan.tensors().nth(k)?;
    Some(format!("{name} has standard deviation {from}, which cannot be rescaled to {to}"))
}
