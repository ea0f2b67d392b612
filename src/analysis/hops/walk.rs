//! Paths with the weights of one snapshot: the exact distances.

use rayon::prelude::*;

use super::distances::LayerDistances;
use super::paths::{Arrival, Via, Waypoint};
use super::plan::{HopsPlan, SourcePaths};
use crate::mfa::{Distances, Histogram, Scratch, count_distances, shorten};

/// The paths from one layer, with the weights of one snapshot.
pub(super) struct Walk<'a> {
    pub(super) plan: &'a HopsPlan,
    pub(super) paths: &'a SourcePaths,
    pub(super) distances: &'a [Option<LayerDistances>],
    /// By hops - 1 and waypoint: from the source neurons to all neurons of the waypoint.
    pub(super) so_far: Vec<Vec<Distances>>,
    /// Distance of an edge of weight 1.
    pub(super) passage: f64,
    limit: f64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        plan: &'a HopsPlan,
        paths: &'a SourcePaths,
        distances: &'a [Option<LayerDistances>],
    ) -> Self {
        let parameters = plan.method.parameters();
        let (limit, passage) = (parameters.max_distance, parameters.transfer.distance(1.0));
        let mut walk = Self { plan, paths, distances, so_far: Vec::new(), passage, limit };
        for hop in 1..paths.reached.len() {
            let waypoints = &paths.reached[hop - 1].waypoints;
            let waypoints =
                waypoints.iter().map(|(waypoint, arrivals)| walk.step(hop, *waypoint, arrivals));
            let waypoints = waypoints.collect();
            walk.so_far.push(waypoints);
        }
        walk
    }

    pub(super) fn layer(&self, layer: usize) -> &'a LayerDistances {
        // Every layer that the paths use is read before the walk.
        self.distances[layer].as_ref().expect("the layer was read")
    }

    /// The distances to a waypoint, with all neurons between taking part.
    fn step(&self, hop: usize, waypoint: Waypoint, arrivals: &[Arrival]) -> Distances {
        let width = self.plan.width(waypoint);
        let neurons = self.paths.neurons.len();
        let mut all = Distances::none(neurons, width, self.plan.memory(neurons * width));
        all.fill_rows(Scratch::default, |scratch, k, row| {
            for &Arrival { from, via } in arrivals {
                match via {
                    Via::Edges { layer, index } if hop == 1 => {
                        let first = &self.layer(layer).waypoints[index];
                        row.copy_from_slice(first.row(self.paths.neurons[k]));
                    }
                    Via::Edges { layer, index } => {
                        let edges = &self.layer(layer).waypoints[index];
                        let first = self.so_far[hop - 2][from].row(k);
                        shorten(first, edges, self.limit, row, scratch);
                    }
                    Via::Passage => {
                        let projections = self.so_far[hop - 2][from].row(k);
                        let neurons = 0..row.len();
                        pass(self.passage, projections, neurons, row);
                    }
                }
            }
        });
        all
    }

    /// The distances from one neuron to the drawn targets, end after end.
    pub(super) fn to_drawn(
        &self,
        hop: usize,
        sample: usize,
        member: usize,
        scratch: &mut Scratch,
        distances: &mut Vec<f64>,
    ) {
        distances.clear();
        for (end, arrivals) in &self.paths.reached[hop - 1].ends {
            let drawn = &self.plan.drawn[sample][end.layer];
            let start = distances.len();
            distances.resize(start + end.targets(drawn.len()), f64::INFINITY);
            for &Arrival { from, via } in arrivals {
                let first = self.so_far[hop - 2][from].row(member);
                let distances = &mut distances[start..];
                match via {
                    Via::Edges { layer, index } => {
                        let edges = &self.layer(layer).ends[index][sample];
                        shorten(first, edges, self.limit, distances, scratch);
                    }
                    Via::Passage => pass(self.passage, first, drawn.iter().copied(), distances),
                }
            }
        }
    }

    /// Counts the exact distances of a sample.
    pub(super) fn count_sample(&self, hop: usize, sample: usize, histogram: &mut Histogram) {
        let slots = histogram.slots();
        let rows = histogram.rows_mut(self.paths.rows[sample].clone());
        let rows = rows.par_chunks_exact_mut(slots).zip(&self.paths.members[sample]);
        let memory = || (Scratch::default(), Vec::new());
        rows.for_each_init(memory, |(scratch, distances), (row, &member)| {
            self.to_drawn(hop, sample, member, scratch, distances);
            count_distances(&self.plan.method, distances, row);
        });
    }
}

/// The hop from queries (one distance each) and from keys and values (the last distance, the
/// smallest of all) to neurons of the attention layer.
pub(super) fn pass(
    passage: f64,
    projections: &[f64],
    neurons: impl Iterator<Item = usize>,
    distances: &mut [f64],
) {
    let Some((keys_and_values, queries)) = projections.split_last() else { return };
    for (distance, neuron) in distances.iter_mut().zip(neurons) {
        *distance = distance.min(queries[neuron].min(*keys_and_values) + passage);
    }
}
