//! Every neuron's fractal dimension and average weighted degree, and their statistics.

use std::ops::Range;

use rayon::prelude::*;

use super::groups::Group;
use super::plan::{Plan, SourceLayer};
use super::snapshot::{LayerState, Snapshot};
use crate::mfa::{Dimensions, Histogram, Line, Statistics};

/// What is measured of one neuron of the whole network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neuron {
    /// Edges in range.
    pub edges: u32,
    /// Its fractal dimension: slope, intercept and R² of ln N(r) on ln r; none for a neuron that is
    /// not kept, or has one radius only.
    pub dimension: Option<Line>,
    /// Its average weighted degree: the mean of its kept distances; none without edges in range.
    pub degree: Option<f64>,
}

/// The neurons of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NeuronStatistics {
    /// Their fractal dimensions.
    pub dimension: Option<Statistics>,
    /// Mean R² of the fits behind the dimensions.
    pub dimension_r2: Option<f64>,
    /// Their average weighted degrees.
    pub degree: Option<Statistics>,
    /// How many neurons there are, kept or not.
    pub neurons: usize,
}

/// All neurons of the whole network, layer by layer.
pub(super) fn neurons(plan: &Plan, snapshot: &Snapshot, dimensions: &Dimensions) -> Vec<Neuron> {
    let Some(histogram) = &snapshot.whole else { return Vec::new() };
    let layers = plan.sources.par_iter().zip(&snapshot.layers);
    let of_layer = |(layer, state): (&SourceLayer, &LayerState)| {
        let measure = || of_range(histogram, &snapshot.distances, layer.whole.clone(), dimensions);
        state.measured.neurons.get(state.reused, measure)
    };
    layers.flat_map(of_layer).collect()
}

fn of_range(
    histogram: &Histogram,
    distances: &[f64],
    range: Range<usize>,
    dimensions: &Dimensions,
) -> Vec<Neuron> {
    let neuron = |scratch: &mut Vec<(f64, f64)>, k: usize| {
        let row = histogram.row(k);
        let edges: u32 = row[1..].iter().sum();
        let sum = distances.get(k);
        Neuron {
            edges,
            dimension: dimensions.of(row, scratch),
            degree: sum.filter(|_| edges > 0).map(|sum| sum / f64::from(edges)),
        }
    };
    range.into_par_iter().map_init(Vec::new, neuron).collect()
}

impl NeuronStatistics {
    /// Of the neurons of a group, out of those of the network.
    pub(super) fn of(plan: &Plan, group: &Group, neurons: &[Neuron]) -> Self {
        let ranges = group.members.iter().map(|&k| plan.sources[k].whole.clone());
        let members: Vec<&Neuron> = ranges.flat_map(|range| &neurons[range]).collect();
        let lines: Vec<Line> = members.iter().filter_map(|neuron| neuron.dimension).collect();
        let r2: Vec<f64> = lines.iter().filter_map(|line| line.r2).collect();
        let slopes = lines.iter().map(|line| line.slope).collect();
        Self {
            dimension: Statistics::of(slopes),
            dimension_r2: super::statistics::mean(r2.into_iter()),
            degree: Statistics::of(members.iter().filter_map(|neuron| neuron.degree).collect()),
            neurons: members.len(),
        }
    }
}
