//! From histograms to spectra.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::boxes::neuron_boxes;
use super::estimators::{Estimators, for_each_layer, sums_of};
use super::fault::Fault;
use super::groups::{Fold, Group, by_group};
use super::hops::HopMeasurement;
use super::matrix_spectrum::MatrixSpectrum;
use super::measurement::{GroupMeasurement, Measurement, Nulls};
use super::neuron::NeuronStatistics;
use super::neurons::{neurons, statistics};
use super::norms::norm;
use super::nulls::nulls;
use super::plan::Plan;
use super::snapshot::{LayerSnapshot, Snapshot};
use crate::counting::PackedHistogram;
use crate::mfa::{BoxMasses, Degenerate, Fractal, Spectrum};

impl std::fmt::Debug for Estimators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Estimators").finish_non_exhaustive()
    }
}

impl Estimators {
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
            norms: Vec::new(),
            spectra: Vec::new(),
            entries: Arc::default(),
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
            let tensors = tensors_with_not_finite(plan, snapshot);
            let fault = Fault::NonFinite { weights: not_finite, tensors };
            measurement.published = Err(fault.clone());
            measurement.stable = plan.stable().then_some(Err(fault));
            return measurement;
        }
        let (on_whole, stable) = self.whole(plan, snapshot);
        let published: Vec<Vec<Result<Spectrum, Degenerate>>> = match on_whole {
            Some(groups) => vec![groups],
            None => {
                // Samples that draw all neurons are one network.
                let alike = |layer: &LayerSnapshot| layer.samples.windows(2).all(|s| s[0] == s[1]);
                let samples = plan.sample_neurons.len();
                let different =
                    if snapshot.layers.iter().all(alike) { samples.min(1) } else { samples };
                let sample = |s| self.sample(plan, snapshot, s);
                let mut groups: Vec<_> = (0..different).into_par_iter().map(sample).collect();
                groups.extend((different..samples).map(|_| groups[0].clone()).collect::<Vec<_>>());
                groups
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
        if plan.stable() {
            measurement.norms = plan.groups.iter().map(|group| norm(group, snapshot)).collect();
            measurement.spectra = spectra(plan, snapshot);
            measurement.entries = Arc::new(snapshot.entries(plan));
        }
        if plan.details() {
            let group = |(k, published): (usize, Result<Vec<Spectrum>, Degenerate>)| {
                let stable = stable.as_ref().and_then(|groups| groups[k].ok());
                let neurons = NeuronStatistics::default();
                GroupMeasurement { published: published.ok(), stable, neurons }
            };
            measurement.groups = by_group(published, &plan.groups).enumerate().map(group).collect();
        }
        if let Some(dimensions) = &self.dimensions {
            measurement.boxes = neuron_boxes(plan, snapshot, dimensions);
        }
        if let Some(dimensions) = self.dimensions.as_ref().filter(|_| plan.needs_whole()) {
            measurement.neurons = neurons(snapshot, dimensions);
            let statistics: Vec<NeuronStatistics> = (plan.groups.par_iter())
                .map(|group| statistics(plan, group, &measurement.neurons))
                .collect();
            for (group, neurons) in measurement.groups.iter_mut().zip(statistics) {
                group.neurons = neurons;
            }
        }
        measurement.controls = nulls(self, plan, snapshot, step, stable.as_deref());
        if let (None, Some(Ok(stable))) = (&plan.start_deviations, &measurement.stable) {
            // This is step 0: its matrices have the spread of step 0.
            measurement.controls.rescaled_start =
                plan.controls.rescaled_start.then_some(Ok(*stable));
        }
        measurement
    }

    /// The groups of the complete network: by the published estimator if it uses all neurons, and
    /// by the stable one if the plan has it.
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

    /// The groups of one sample, by the published estimator.
    fn sample(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
        sample: usize,
    ) -> Vec<Result<Spectrum, Degenerate>> {
        if !plan.details() {
            // Layers are not measured separately: their moments are summed as one network and
            // converted to powers once.
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
}

/// Groups, the network last. Only the network keeps the data of its fits.
fn only_network_scales(
    mut groups: Vec<Result<Spectrum, Degenerate>>,
) -> Vec<Result<Spectrum, Degenerate>> {
    if let Some((_, parts)) = groups.split_last_mut() {
        parts.iter_mut().flatten().for_each(Spectrum::forget_scaling);
    }
    groups
}

fn spectra(plan: &Plan, snapshot: &Snapshot) -> Vec<MatrixSpectrum> {
    let of = |group: &Group| {
        let layers = group.members.iter().map(|&k| &snapshot.layers[k]);
        MatrixSpectrum::mean(layers.flat_map(|layer| layer.spectra.iter().copied()))
    };
    plan.groups.iter().filter(|_| plan.matrix_spectra).map(of).collect()
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

/// How many layers a message lists.
const LISTED: usize = 3;

/// The tensors whose weights are not all finite, by name: of a layer that several tensors
/// leave, all of them.
fn tensors_with_not_finite(plan: &Plan, snapshot: &Snapshot) -> String {
    let of_layer = |k: usize| {
        let names: Vec<&str> =
            plan.sources[k].tensors.iter().map(|t| t.connection.parameter.as_str()).collect();
        names.join(" or ")
    };
    let layers: Vec<String> = snapshot.layers_not_finite().map(of_layer).collect();
    match layers.len() {
        ..=LISTED => layers.join(", "),
        n => format!("{} and {} more", layers[..LISTED].join(", "), n - LISTED),
    }
}
