//! Every neuron's fractal dimension and average weighted degree, and their statistics.

use rayon::prelude::*;

use super::groups::Group;
use super::neuron::{Neuron, NeuronStatistics};
use super::plan::Plan;
use super::snapshot::{LayerSnapshot, Snapshot};
use super::statistics::mean;
use crate::mfa::{Dimensions, Statistics};

/// All neurons of the whole network, layer by layer.
pub(super) fn neurons(snapshot: &Snapshot, dimensions: &Dimensions) -> Vec<Neuron> {
    let count = snapshot.layers.iter().map(|layer| layer.whole.neurons()).sum();
    // Written in place: collecting them layer by layer would take twice the memory.
    let mut all = vec![Neuron { edges: 0, dimension: None, degree: None }; count];
    let mut rest = all.as_mut_slice();
    let part =
        |layer: &LayerSnapshot| rest.split_off_mut(..layer.whole.neurons()).unwrap_or_default();
    let parts: Vec<&mut [Neuron]> = snapshot.layers.iter().map(part).collect();
    let of_layer = |(layer, neurons): (&LayerSnapshot, &mut [Neuron])| {
        if layer.reused {
            let measured = || {
                measure(layer, dimensions, neurons);
                neurons.to_vec()
            };
            let kept = layer.measured.neurons.get(true, measured);
            neurons.copy_from_slice(&kept);
        } else {
            measure(layer, dimensions, neurons);
        }
    };
    snapshot.layers.par_iter().zip(parts).for_each(of_layer);
    all
}

fn measure(layer: &LayerSnapshot, dimensions: &Dimensions, neurons: &mut [Neuron]) {
    let scratch = <(Vec<u32>, [Vec<f64>; 2])>::default;
    neurons.par_iter_mut().enumerate().for_each_init(scratch, |(row, scratch), (k, neuron)| {
        row.clear();
        layer.whole.unpack(k..k + 1, row);
        let edges: u32 = row[1..].iter().sum();
        let sum = layer.distances.get(k);
        *neuron = Neuron {
            edges,
            dimension: dimensions.of(row, scratch),
            degree: sum.filter(|_| edges > 0).map(|sum| sum / f64::from(edges)),
        };
    });
}

/// The statistics of a group, computed from the neurons of the network.
pub(super) fn statistics(plan: &Plan, group: &Group, neurons: &[Neuron]) -> NeuronStatistics {
    let ranges = group.members.iter().map(|&k| plan.sources[k].whole.clone());
    let members = ranges.flat_map(|range| &neurons[range]);
    let lines = members.clone().filter_map(|neuron| neuron.dimension);
    let r2: Vec<f64> = lines.clone().filter_map(|line| line.r2).collect();
    NeuronStatistics {
        dimension_r2: mean(r2.into_iter()),
        dimension: Statistics::of(lines.map(|line| line.slope).collect()),
        degree: Statistics::of(members.clone().filter_map(|neuron| neuron.degree).collect()),
        neurons: members.count(),
    }
}
