//! From histograms to spectra.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::groups::Fold;
use super::hops::{HopEstimators, HopMeasurement};
use super::neurons::{Neuron, NeuronStatistics, neurons};
use super::nulls::Nulls;
use super::plan::Plan;
use super::scaling::{NeuronBoxes, neuron_boxes};
use super::snapshot::{LayerSnapshot, Snapshot};
use super::unchanged::LayerSums;
use crate::mfa::{
    BoxMasses, Degenerate, Dimensions, Fractal, PackedHistogram, PowerSums, Published, Spectrum,
    Stable,
};
use crate::source::Source;

/// Layers that are summed side by side; their sums are held together.
pub(super) const SIDE_BY_SIDE: usize = 16;

/// Why a snapshot gave no spectrum.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Some weights are infinite or NaN.
    #[error("weights that are not finite: {weights}")]
    NonFinite {
        /// How many.
        weights: u64,
    },
    /// The network, or one of its samples, is degenerate.
    #[error("{place}: {why}")]
    Degenerate {
        /// The whole network or the sample's number.
        place: String,
        /// What is missing.
        why: Degenerate,
    },
}

/// The spectra of one snapshot.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Published estimator: one spectrum for each sample, or one for the whole network.
    pub published: Result<Vec<Spectrum>, Fault>,
    /// Stable estimator on the whole network; none when the plan leaves it out.
    pub stable: Option<Result<Fractal, Fault>>,
    /// The plan's groups, the network last; empty without details and without finite weights.
    pub groups: Vec<GroupMeasurement>,
    /// The null controls.
    pub controls: Nulls,
    /// The neurons of the whole network, layer by layer; empty without details.
    pub neurons: Vec<Neuron>,
    /// A neuron of some layers, with what its dimension is fitted to; empty without details.
    pub boxes: Vec<NeuronBoxes>,
    /// Source neurons of the published estimator's networks, kept or not, mean over samples.
    pub source_neurons: f64,
    /// Share of the weights whose distances are in range: of the network's or, where only drawn
    /// weights are counted, of the samples'.
    pub in_range: Option<f64>,
    /// A hash of each tensor, by name; empty where only drawn weights are counted.
    pub hashes: Vec<(String, u64)>,
    /// The standard deviation of each matrix, by name, where a control asks for it.
    pub deviations: BTreeMap<String, f64>,
    /// Over several hops, by their number; empty when only one was asked for.
    pub hops: Vec<HopMeasurement>,
}

/// A part of the network.
#[derive(Clone, Debug, Default)]
pub struct GroupMeasurement {
    /// Published estimator, one spectrum for each sample; none when one of them has no value. Only
    /// the network's still know what they were fitted to.
    pub published: Option<Vec<Spectrum>>,
    /// Stable estimator over all neurons of the group.
    pub stable: Option<Fractal>,
    /// Its neurons' dimensions and degrees.
    pub neurons: NeuronStatistics,
}

/// Both estimators, with what they need made once, for the snapshots of one plan.
#[derive(Clone)]
pub struct Estimators {
    pub(super) published: Published,
    pub(super) stable: Stable,
    dimensions: Option<Dimensions>,
    pub(super) start: Option<Arc<dyn Source + Sync>>,
    hops: Option<HopEstimators>,
}

impl std::fmt::Debug for Estimators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Estimators").finish_non_exhaustive()
    }
}

impl Estimators {
    /// Makes the tables that the plan's networks need.
    pub fn new(plan: &Plan) -> Self {
        let mut published = Published::new(plan.method());
        let mut stable = Stable::new(plan.method());
        if plan.published_on_whole() {
            published.reach(plan.largest_whole_mass());
        } else {
            published.reach(plan.largest_sample_mass());
        }
        if plan.stable() {
            stable.reach(plan.largest_whole_mass());
        }
        let largest = match plan.needs_whole() {
            true => plan.largest_whole_mass(),
            false => plan.largest_sample_mass(),
        };
        let dimensions = plan.details().then(|| Dimensions::new(plan.method(), largest));
        let hops = plan.hops().map(HopEstimators::new);
        Self { published, stable, dimensions, start: None, hops }
    }

    /// Gives the weights of step 0, for the rescaled start.
    pub fn start_from(&mut self, weights: Arc<dyn Source + Sync>) {
        self.start = Some(weights);
    }

    fn over_hops(&self, plan: &Plan, snapshot: &Snapshot) -> Vec<HopMeasurement> {
        match (&self.hops, plan.hops(), &snapshot.hops) {
            (Some(estimators), Some(plan), Some(snapshot)) => estimators.measure(plan, snapshot),
            _ => Vec::new(),
        }
    }

    /// The spectra of a snapshot of this plan, taken at this step (which seeds the draws of the
    /// controls). Runs in the caller's rayon pool.
    pub fn measure(&self, plan: &Plan, snapshot: &Snapshot, step: u64) -> Measurement {
        let samples = plan.sample_neurons.len().max(1);
        let mut measurement = Measurement {
            published: Ok(Vec::new()),
            stable: None,
            groups: Vec::new(),
            controls: Nulls::default(),
            neurons: Vec::new(),
            boxes: Vec::new(),
            source_neurons: plan.source_neurons() as f64 / samples as f64,
            in_range: in_range(plan, snapshot),
            hashes: match plan.needs_whole() {
                true => plan.tensors().cloned().zip(snapshot.hashes()).collect(),
                false => Vec::new(),
            },
            deviations: deviations(plan, snapshot),
            hops: self.over_hops(plan, snapshot),
        };
        let not_finite = snapshot.not_finite();
        if not_finite > 0 {
            let fault = Fault::NonFinite { weights: not_finite };
            measurement.published = Err(fault.clone());
            measurement.stable = plan.stable().then_some(Err(fault));
            return measurement;
        }
        let (on_whole, stable) = self.whole(plan, snapshot);
        let published: Vec<Vec<Result<Spectrum, Degenerate>>> = match on_whole {
            Some(groups) => vec![groups],
            None => {
                let samples = 0..plan.sample_neurons.len();
                samples.into_par_iter().map(|s| self.sample(plan, snapshot, s)).collect()
            }
        };
        let place = |sample: usize| match plan.published_on_whole() {
            true => "the whole network".to_owned(),
            false => format!("sample {sample}"),
        };
        let network = plan.groups.len() - 1;
        let all = published.iter().enumerate();
        measurement.published = all
            .map(|(s, groups)| match &groups[network] {
                Ok(spectrum) => Ok(spectrum.clone()),
                Err(why) => Err(Fault::Degenerate { place: place(s), why: *why }),
            })
            .collect();
        measurement.stable = stable.as_ref().map(|groups| {
            groups[network].map_err(|why| Fault::Degenerate { place: place(0), why })
        });
        if plan.details() {
            let mut by_sample: Vec<_> = published.into_iter().map(Vec::into_iter).collect();
            let group = |k: usize| {
                let next = |groups: &mut std::vec::IntoIter<Result<_, _>>| groups.next()?.ok();
                let of_samples: Vec<Option<Spectrum>> = by_sample.iter_mut().map(next).collect();
                GroupMeasurement {
                    published: of_samples.into_iter().collect(),
                    stable: stable.as_ref().and_then(|groups| groups[k].ok()),
                    neurons: NeuronStatistics::default(),
                }
            };
            measurement.groups = (0..plan.groups.len()).map(group).collect();
        }
        if let Some(dimensions) = &self.dimensions {
            measurement.boxes = neuron_boxes(plan, snapshot, dimensions);
        }
        if let Some(dimensions) = self.dimensions.as_ref().filter(|_| plan.needs_whole()) {
            measurement.neurons = neurons(snapshot, dimensions);
            let statistics: Vec<NeuronStatistics> = (plan.groups.par_iter())
                .map(|group| NeuronStatistics::of(plan, group, &measurement.neurons))
                .collect();
            for (group, neurons) in measurement.groups.iter_mut().zip(statistics) {
                group.neurons = neurons;
            }
        }
        measurement.controls = self.nulls(plan, snapshot, step, stable.as_deref());
        if let (None, Some(Ok(stable))) = (&plan.start_deviations, &measurement.stable) {
            // This is step 0: its matrices have the spread of step 0.
            measurement.controls.rescaled_start =
                plan.controls.rescaled_start.then_some(Ok(*stable));
        }
        measurement
    }

    /// The groups of the whole network: by the published estimator, where it takes the whole, and
    /// by the stable one, where the plan has it.
    #[allow(clippy::type_complexity)]
    fn whole(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
    ) -> (Option<Vec<Result<Spectrum, Degenerate>>>, Option<Vec<Result<Fractal, Degenerate>>>) {
        if !plan.needs_whole() {
            return (None, None);
        }
        let min_edges = plan.method().parameters().min_edges;
        let on_whole = plan.published_on_whole();
        let mut published =
            Fold::new(&plan.groups, min_edges, |sums| self.published.spectrum(sums));
        let mut stable = Fold::new(&plan.groups, min_edges, |sums| self.stable_fractal(sums));
        let sums = |layer: &LayerSnapshot| {
            let sums = || sums_of(plan, &layer.whole, |masses| self.layer(plan, masses));
            layer.measured.whole.get(layer.reused, sums)
        };
        for_each_layer(snapshot, sums, |layer, sums| {
            published.add(layer, sums.as_ref().and_then(|sums| sums.published.as_ref()));
            stable.add(layer, sums.as_ref().and_then(|sums| sums.stable.as_ref()));
        });
        let published = on_whole.then(|| only_network_scales(published.finish()));
        (published, plan.stable().then(|| stable.finish()))
    }

    /// The sums of a layer of the whole network.
    fn layer(&self, plan: &Plan, masses: &BoxMasses<'_>) -> LayerSums {
        match (plan.published_on_whole(), plan.stable()) {
            (true, true) => {
                let (published, stable) = self.stable.sums_beside(&self.published, masses);
                LayerSums { published: Some(published), stable: Some(stable) }
            }
            (published, stable) => LayerSums {
                published: published.then(|| self.published.sums(masses)),
                stable: stable.then(|| self.stable.sums(masses)),
            },
        }
    }

    /// The groups of one sample, by the published estimator.
    fn sample(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
        sample: usize,
    ) -> Vec<Result<Spectrum, Degenerate>> {
        if !plan.details() {
            // Layers are not wanted on their own: as one network they take one turn into powers.
            let all = snapshot.layers.iter().map(|layer| &layer.samples[sample]);
            let spectrum = PackedHistogram::lend(all, |rows| {
                let masses = BoxMasses::of_rows(plan.method(), rows);
                masses.and_then(|masses| self.published.estimate(&masses))
            });
            return vec![spectrum];
        }
        let min_edges = plan.method().parameters().min_edges;
        let mut fold = Fold::new(&plan.groups, min_edges, |sums| self.published.spectrum(sums));
        for (k, layer) in snapshot.layers.iter().enumerate() {
            let sums =
                || sums_of(plan, &layer.samples[sample], |masses| self.published.sums(masses));
            fold.add(k, layer.measured.samples[sample].get(layer.reused, sums).as_ref());
        }
        only_network_scales(fold.finish())
    }

    pub(super) fn stable_fractal(&self, sums: &PowerSums) -> Result<Fractal, Degenerate> {
        self.stable.spectrum(sums).map(|spectrum| spectrum.fractal)
    }
}

/// What is made of the kept neurons of a histogram; none without any.
pub(super) fn sums_of<T>(
    plan: &Plan,
    histogram: &PackedHistogram,
    make: impl FnOnce(&BoxMasses<'_>) -> T,
) -> Option<T> {
    PackedHistogram::lend([histogram], |rows| {
        BoxMasses::of_rows(plan.method(), rows).ok().map(|masses| make(&masses))
    })
}

/// Makes something of each layer, some of them side by side, and takes it in their order.
pub(super) fn for_each_layer<T: Send>(
    snapshot: &Snapshot,
    make: impl Fn(&LayerSnapshot) -> T + Sync,
    mut take: impl FnMut(usize, T),
) {
    for (chunk, layers) in snapshot.layers.chunks(SIDE_BY_SIDE).enumerate() {
        let made: Vec<T> = layers.par_iter().map(&make).collect();
        let first = chunk * SIDE_BY_SIDE;
        made.into_iter().enumerate().for_each(|(k, made)| take(first + k, made));
    }
}

/// Groups with the network last, of which alone it is kept what was fitted.
fn only_network_scales(
    mut groups: Vec<Result<Spectrum, Degenerate>>,
) -> Vec<Result<Spectrum, Degenerate>> {
    if let Some((_, parts)) = groups.split_last_mut() {
        parts.iter_mut().flatten().for_each(Spectrum::forget_scaling);
    }
    groups
}

fn in_range(plan: &Plan, snapshot: &Snapshot) -> Option<f64> {
    let slots: Vec<[u64; 2]> = match plan.needs_whole() {
        true => snapshot.pools.iter().map(|pool| [pool[0], pool.iter().sum()]).collect(),
        false => {
            let samples = snapshot.layers.iter().flat_map(|layer| &layer.samples);
            samples.map(PackedHistogram::left_out_of).collect()
        }
    };
    let of = |k: usize| slots.iter().map(|counts| counts[k]).sum::<u64>() as f64;
    (of(1) > 0.0).then(|| (of(1) - of(0)) / of(1))
}

fn deviations(plan: &Plan, snapshot: &Snapshot) -> BTreeMap<String, f64> {
    let named = plan.tensors().cloned().zip(snapshot.deviations.iter().copied());
    named.filter(|(_, deviation)| deviation.is_finite()).collect()
}
