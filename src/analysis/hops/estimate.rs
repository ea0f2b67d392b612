//! The sampled estimate beside the exact distances.
//!
//! Of each layer between, as many neurons as the budget says are drawn once for each sample, the
//! same at every step; a layer no wider than that takes part whole. Queries, keys and values take
//! part all: no weight leaves them. [`Nearest`] finds the estimate.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::count::{EstimateError, Walk, pass};
use super::edges::LayerEdges;
use super::paths::{Arrival, Place, Via};
use crate::mfa::{Distances, Histogram, Nearest, Scratch, count_distances};
use crate::network::Network;

/// Sets the streams of these draws apart from those of the samples' neurons.
const STREAM: u64 = 1 << 63;

/// The neurons through which the paths of one sample may pass.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    layers: Vec<Vec<usize>>,      // by layer, ascending
    projections: Vec<Vec<usize>>, // by layer: features whose queries may be passed, ascending
}

/// Draws the neurons through which the paths of a sample may pass.
pub(super) fn draw_candidates(
    network: &Network,
    drawn: &[Vec<usize>],
    sample: usize,
    budget: usize,
    seed: u64,
) -> Candidates {
    let layers = network.layers().iter().enumerate().map(|(index, layer)| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM | (sample as u64) << 32 | index as u64);
        let amount = budget.min(layer.width);
        let mut neurons = rand::seq::index::sample(&mut rng, layer.width, amount).into_vec();
        neurons.sort_unstable();
        neurons
    });
    let layers: Vec<Vec<usize>> = layers.collect();
    let projections = layers.iter().zip(drawn).map(|(between, ends)| {
        // A query leads to its own feature alone: to one between, or to a drawn one.
        let mut features = [&between[..], &ends[..]].concat();
        features.sort_unstable();
        features.dedup();
        features
    });
    Candidates { projections: projections.collect(), layers }
}

impl Candidates {
    /// The numbers of a place that take part.
    fn of(&self, place: Place, width: usize) -> Vec<usize> {
        match place {
            Place::Layer(layer) => self.layers[layer].clone(),
            Place::Projections(layer) => {
                let queries = self.projections[layer].iter().copied();
                queries.chain([width - 1]).collect()
            }
        }
    }
}

/// The edges of a layer between the neurons that take part, for one sample: a row for each target,
/// a column for each drawn neuron of the layer.
pub(super) struct Restricted {
    places: Vec<Distances>,
    ends: Vec<Distances>,
}

impl Restricted {
    pub(super) fn new(
        layer: usize,
        edges: &LayerEdges,
        places: &[Distances],
        ends: &[Vec<Distances>],
        candidates: &Candidates,
        sample: usize,
    ) -> Self {
        let sources = &candidates.layers[layer];
        let transposed = |matrix: &Distances, targets: &mut dyn Iterator<Item = usize>| {
            let row = |target| sources.iter().map(|&source| matrix.row(source)[target]).collect();
            Distances::from_rows(&targets.map(row).collect::<Vec<Vec<f64>>>())
        };
        let places = edges.places.iter().zip(places).map(|(&(place, width), matrix)| {
            transposed(matrix, &mut candidates.of(place, width).into_iter())
        });
        let ends = ends.iter().map(|ends| {
            let matrix = &ends[sample];
            transposed(matrix, &mut (0..matrix.columns()))
        });
        Self { places: places.collect(), ends: ends.collect() }
    }
}

/// Sums over pairs of a source and a target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ErrorTally {
    pairs: u64, // exact distance in range
    found: u64, // of these, with an estimate
    exact: u64, // of these, with the exact one
    sum: f64,   // of estimate/exact - 1
    max: f64,
}

impl ErrorTally {
    fn compare(&mut self, exact: f64, estimate: f64) {
        self.pairs += 1;
        self.exact += u64::from(estimate == exact);
        if estimate.is_finite() {
            let error = estimate / exact - 1.0;
            self.found += 1;
            self.sum += error;
            self.max = self.max.max(error);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.pairs += other.pairs;
        self.found += other.found;
        self.exact += other.exact;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub(super) fn error(&self) -> EstimateError {
        let found = (self.found > 0).then_some(self.found as f64);
        EstimateError {
            mean: found.map(|found| self.sum / found),
            max: found.map(|_| self.max),
            exact_share: (self.pairs > 0).then(|| self.exact as f64 / self.pairs as f64),
        }
    }
}

/// The estimates of one sample.
pub(super) struct Estimate<'a> {
    pub(super) walk: &'a Walk<'a>,
    pub(super) candidates: &'a Candidates,
    pub(super) sample: usize,
}

impl Estimate<'_> {
    /// Counts the estimated distances, and compares them with the exact ones.
    pub(super) fn count(&self, hop: usize, histogram: &mut Histogram) -> ErrorTally {
        let Self { walk, sample, .. } = *self;
        let method = &walk.plan.method;
        let slots = histogram.slots();
        let rows = histogram.rows_mut(walk.paths.rows[sample].clone());
        let rows = rows.par_chunks_exact_mut(slots).zip(&walk.paths.members[sample]);
        let tallies = rows.map_init(Scratch::default, |scratch, (row, &member)| {
            let mut exact = Vec::new();
            walk.to_drawn(hop, sample, member, scratch, &mut exact);
            let estimated = self.to_drawn(hop, member);
            count_distances(method, &estimated, row);
            let mut tally = ErrorTally::default();
            for (&exact, &estimate) in exact.iter().zip(&estimated) {
                if method.slot_of_distance(exact) > 0 {
                    tally.compare(exact, estimate);
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
    fn to_drawn(&self, hop: usize, member: usize) -> Vec<f64> {
        let Walk { plan, paths, .. } = self.walk;
        let first = paths.reached[0].places.iter().zip(&self.walk.so_far[0]);
        let mut so_far: Vec<Vec<f64>> = first
            .map(|(&(place, _), all)| {
                let numbers = self.candidates.of(place, all.columns()).into_iter();
                numbers.map(|number| all.row(member)[number]).collect()
            })
            .collect();
        for reached in &paths.reached[1..hop - 1] {
            let places = reached.places.iter();
            so_far = places
                .map(|(place, arrivals)| {
                    let numbers = self.candidates.of(*place, plan.width(*place));
                    let mut distances = vec![f64::INFINITY; numbers.len()];
                    self.arrive(&so_far, arrivals, |r| &r.places, &numbers, &mut distances);
                    distances
                })
                .collect();
        }
        let mut all = Vec::new();
        for (end, arrivals) in &paths.reached[hop - 1].ends {
            let drawn = &plan.drawn[self.sample][end.layer];
            let start = all.len();
            all.resize(start + end.targets(drawn.len()), f64::INFINITY);
            self.arrive(&so_far, arrivals, |r| &r.ends, drawn, &mut all[start..]);
        }
        all
    }

    /// Shortens distances by the estimates over one more hop. `features` says to which features
    /// of an attention layer a passage leads.
    fn arrive(
        &self,
        so_far: &[Vec<f64>],
        arrivals: &[Arrival],
        edges: impl Fn(&Restricted) -> &[Distances],
        features: &[usize],
        distances: &mut [f64],
    ) {
        for &Arrival { from, via } in arrivals {
            match via {
                Via::Edges { layer, index } => {
                    let edges = &edges(&self.walk.layer(layer).restricted[self.sample])[index];
                    let mut nearest = Nearest::default();
                    nearest.order(so_far[from].iter().copied());
                    for (target, distance) in distances.iter_mut().enumerate() {
                        *distance = distance.min(nearest.estimate(edges.row(target)));
                    }
                }
                Via::Passage(layer) => {
                    let queries = &self.candidates.projections[layer];
                    let place = |f: &usize| queries.binary_search(f).unwrap_or_default();
                    pass(self.walk.passage, &so_far[from], features.iter().map(place), distances);
                }
            }
        }
    }
}
