//! Which neurons' N(r) is kept, and their boxes.

use super::plan::Plan;
use super::scaling::{NEURONS, NeuronBoxes, even, thinned};
use super::snapshot::Snapshot;
use crate::mfa::{Dimensions, box_counts};

/// One neuron of each of up to [`NEURONS`] layers, spread evenly over the network's depth: the
/// first one in the layer's order that the first sample draws, or the layer's first. Its edges are
/// those in the complete network, where that is counted.
pub(super) fn neuron_boxes(
    plan: &Plan,
    snapshot: &Snapshot,
    dimensions: &Dimensions,
) -> Vec<NeuronBoxes> {
    let names: Vec<&str> = plan.layers().map(|(name, _)| name).collect();
    let layers: Vec<usize> = even(plan.sources.len(), NEURONS).collect();
    let of_layer = |k: usize| {
        let counts = &snapshot.layers[k];
        let drawn = plan.sources[k].drawn.first();
        let neuron = drawn.and_then(|drawn| drawn.first().copied()).unwrap_or(0);
        let sample = counts.samples.first().map(|sample| (sample, 0));
        let of = if plan.needs_whole() { Some((&counts.whole, neuron)) } else { sample };
        let row = of.filter(|(counts, row)| *row < counts.neurons()).map(|(counts, neuron)| {
            let mut row = Vec::new();
            counts.unpack(neuron..neuron + 1, &mut row);
            row
        });
        let all = row.as_ref().map(|row| box_counts(plan.method(), row)).unwrap_or_default();
        NeuronBoxes {
            layer: names[k].to_owned(),
            neuron,
            points: thinned(&all, |(r, _)| *r).into_iter().copied().collect(),
            line: row.and_then(|row| dimensions.of(&row, &mut Default::default())),
        }
    };
    layers.into_iter().map(of_layer).collect()
}
