//! The sampled estimate next to the exact distances ([`PathEstimator`]).
//!
//! Every distance from a source neuron is estimated once for a snapshot, in the order of the hops:
//! first to all neurons of a waypoint, from the estimates at the waypoints before it; at the last
//! hop to the drawn targets of each sample. First edges are exact, and so is the passage through
//! attention, which has no layer to draw from.
//!
//! The draws of one source neuron, one hop and one waypoint or end are the same at every step and
//! independent of all others.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::distances::LayerDistances;
use super::error::ErrorTally;
use super::paths::{Arrival, Via, Waypoint};
use super::walk::{Walk, pass};
use crate::mfa::{Between, Distances, Histogram, PathEstimator, Scratch, Trials, count_distances};

/// The estimates from one layer, with the weights of one snapshot.
pub(super) struct Estimate<'a> {
    walk: &'a Walk<'a>,
    estimator: PathEstimator,
    so_far: Vec<Vec<Distances>>, // by hops - 2 and waypoint: from the source neurons to the waypoint's
}

/// The pairs of one source neuron with the neurons of a waypoint or the targets of an end.
#[derive(Clone, Copy)]
struct Pairs {
    source: usize, // among the layer's source neurons
    hop: usize,
    index: usize,          // among the waypoints or ends at this hop
    sample: Option<usize>, // none for a waypoint
}

impl<'a> Estimate<'a> {
    /// Estimates the distances to the waypoints. Runs in the caller's rayon pool.
    pub(super) fn new(walk: &'a Walk<'a>, budget: usize) -> Self {
        let estimator = PathEstimator::new(&walk.plan.method, budget);
        let mut estimate = Self { walk, estimator, so_far: Vec::new() };
        for hop in 2..walk.paths.reached.len() {
            let waypoints = walk.paths.reached[hop - 1].waypoints.iter().enumerate();
            let step = |(index, (waypoint, arrivals)): (_, &(Waypoint, Vec<Arrival>))| {
                estimate.step(hop, index, *waypoint, arrivals)
            };
            let waypoints = waypoints.map(step).collect();
            estimate.so_far.push(waypoints);
        }
        estimate
    }

    /// The matrices of the waypoints, whose memory can be reused.
    pub(super) fn into_matrices(self) -> impl Iterator<Item = Distances> {
        self.so_far.into_iter().flatten()
    }

    fn step(
        &self,
        hop: usize,
        index: usize,
        waypoint: Waypoint,
        arrivals: &[Arrival],
    ) -> Distances {
        let Walk { plan, paths, .. } = self.walk;
        let (neurons, width) = (paths.neurons.len(), plan.width(waypoint));
        let mut all = Distances::none(neurons, width, plan.memory(neurons * width));
        all.fill_rows(Trials::default, |trials, source, row| {
            let pairs = Pairs { source, hop, index, sample: None };
            let edges = |layer: &'a LayerDistances, index: usize| &layer.waypoints[index];
            self.arrive(pairs, arrivals, edges, 0..width, trials, row);
        });
        all
    }

    /// Counts the estimated distances, and compares them with the exact ones.
    pub(super) fn count(&self, hop: usize, sample: usize, histogram: &mut Histogram) -> ErrorTally {
        let Walk { plan, paths, .. } = self.walk;
        let slots = histogram.slots();
        let rows = histogram.rows_mut(paths.rows[sample].clone());
        let rows = rows.par_chunks_exact_mut(slots).zip(&paths.members[sample]);
        let memory = || (Scratch::default(), Trials::default(), Vec::new(), Vec::new());
        let tallies =
            rows.map_init(memory, |(scratch, trials, exact, estimated), (row, &source)| {
                self.walk.to_drawn(hop, sample, source, scratch, exact);
                self.to_drawn(hop, sample, source, trials, estimated);
                count_distances(&plan.method, estimated, row);
                let mut tally = ErrorTally::default();
                for (&exact, &estimate) in exact.iter().zip(&*estimated) {
                    if plan.method.slot_of_distance(exact) > 0 {
                        tally.compare(exact, estimate, self.estimator.tolerance());
                    }
                }
                tally
            });
        let tallies: Vec<ErrorTally> = tallies.collect();
        let mut sum = ErrorTally::default();
        tallies.iter().for_each(|tally| sum.add(tally));
        sum
    }

    /// The estimated distances from one neuron to the drawn targets, end after end.
    fn to_drawn(
        &self,
        hop: usize,
        sample: usize,
        source: usize,
        trials: &mut Trials,
        distances: &mut Vec<f64>,
    ) {
        distances.clear();
        for (index, (end, arrivals)) in self.walk.paths.reached[hop - 1].ends.iter().enumerate() {
            let drawn = &self.walk.plan.drawn[sample][end.layer];
            let start = distances.len();
            distances.resize(start + end.targets(drawn.len()), f64::INFINITY);
            let pairs = Pairs { source, hop, index, sample: Some(sample) };
            let edges = |layer: &'a LayerDistances, index: usize| &layer.ends[index][sample];
            let features = drawn.iter().copied();
            self.arrive(pairs, arrivals, edges, features, trials, &mut distances[start..]);
        }
    }

    /// The estimates of these pairs over their last hop. `features` are the features of an
    /// attention layer that a passage reaches.
    fn arrive(
        &self,
        pairs: Pairs,
        arrivals: &[Arrival],
        edges: impl Fn(&'a LayerDistances, usize) -> &'a Distances,
        features: impl Iterator<Item = usize> + Clone,
        trials: &mut Trials,
        distances: &mut [f64],
    ) {
        // First edges are exact.
        let before = match pairs.hop {
            2 => &self.walk.so_far[0],
            hop => &self.so_far[hop - 3],
        };
        let mut between = Vec::new();
        for &Arrival { from, via } in arrivals {
            let first = before[from].row(pairs.source);
            match via {
                Via::Edges { layer, index } => {
                    between.push(Between::new(first, edges(self.walk.layer(layer), index)));
                }
                Via::Passage => pass(self.walk.passage, first, features.clone(), distances),
            }
        }
        if !between.is_empty() {
            let mut rng = self.generator(pairs);
            self.estimator.estimate(&between, &mut rng, trials, distances);
        }
    }

    /// The generator of all trials for these pairs.
    fn generator(&self, pairs: Pairs) -> ChaCha8Rng {
        let Walk { plan, paths, .. } = self.walk;
        let seed = plan.hops.seed;
        let sample = pairs.sample.map_or(0, |sample| sample + 1);
        let from = [paths.layer, paths.neurons[pairs.source], pairs.hop, pairs.index, sample];
        let words = [seed as u32, (seed >> 32) as u32].into_iter().chain(from.map(|n| n as u32));
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}
