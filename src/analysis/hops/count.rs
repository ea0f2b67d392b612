//! Snapshots: radius histograms of the distances over several hops.

use rayon::ThreadPool;
use rayon::prelude::*;

use super::edges::LayerDistances;
use super::estimate::{ErrorTally, Estimate};
use super::paths::{Arrival, Place, Via};
use super::plan::{HopsPlan, SourcePaths};
use crate::mfa::{Distances, Histogram, Scratch, count_distances, shorten};
use crate::source::{Source, SourceError, Tensor};

/// How far the estimate is from the exact distance, over the pairs of a source and a target whose
/// exact distance is in range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EstimateError {
    /// Mean of estimate/exact - 1, over the pairs that have an estimate; none without one.
    pub mean: Option<f64>,
    /// Its maximum.
    pub max: Option<f64>,
    /// Share of all pairs in range whose estimate is within a sixteenth of a radius step of the
    /// exact distance, 0 to 1; none without a pair.
    pub exact_share: Option<f64>,
}

/// Histograms for each number of hops and each sample: counts, not weights.
#[derive(Clone, Debug, PartialEq)]
pub struct HopsSnapshot {
    pub(super) counts: Vec<HopCounts>, // of 2, 3, .. hops
    pub(super) not_finite: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct HopCounts {
    pub(super) exact: Vec<Histogram>, // by sample
    pub(super) estimated: Option<EstimatedCounts>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct EstimatedCounts {
    pub(super) samples: Vec<Histogram>,
    pub(super) errors: ErrorTally,
}

impl HopsSnapshot {
    /// Memory for the snapshots of a plan; to be used again from step to step.
    pub fn new(plan: &HopsPlan) -> Self {
        let samples = || -> Vec<Histogram> {
            plan.sample_neurons.iter().map(|&n| Histogram::new(&plan.method, n)).collect()
        };
        let estimated = || EstimatedCounts { samples: samples(), errors: ErrorTally::default() };
        let counts = plan.each().map(|_| HopCounts {
            exact: samples(),
            estimated: plan.hops.budget.map(|_| estimated()),
        });
        Self { counts: counts.collect(), not_finite: 0 }
    }

    /// Weights that are infinite or NaN, in the layers that paths pass.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }

    /// The histogram of the exact distances: a row for each drawn neuron of each layer from which
    /// a path of two hops or more leaves, in the order of the network's layers.
    pub fn exact(&self, hops: usize, sample: usize) -> Option<&Histogram> {
        self.of(hops)?.exact.get(sample)
    }

    /// The histogram of the estimated distances, of the same rows; none without an estimate.
    pub fn estimated(&self, hops: usize, sample: usize) -> Option<&Histogram> {
        self.of(hops)?.estimated.as_ref()?.samples.get(sample)
    }

    /// How far the estimate is from the exact distances, over all samples; none without one.
    pub fn error(&self, hops: usize) -> Option<EstimateError> {
        Some(self.of(hops)?.estimated.as_ref()?.errors.error())
    }

    fn of(&self, hops: usize) -> Option<&HopCounts> {
        self.counts.get(hops.checked_sub(2)?)
    }

    fn clear(&mut self) {
        self.not_finite = 0;
        for HopCounts { exact, estimated } in &mut self.counts {
            let estimated = estimated.iter_mut().flat_map(|estimated| {
                estimated.errors = ErrorTally::default();
                &mut estimated.samples
            });
            for histogram in exact.iter_mut().chain(estimated) {
                let neurons = histogram.neurons();
                histogram.rows_mut(0..neurons).fill(0);
            }
        }
    }
}

impl HopsPlan {
    /// Counts the distances as the weights are now. The source is called on this thread, the
    /// counting runs in the pool.
    ///
    /// # Errors
    /// [`SourceError`] when a tensor cannot be read or has changed its shape; `snapshot` is then
    /// of no use.
    pub fn count(
        &self,
        source: &dyn Source,
        pool: &ThreadPool,
        snapshot: &mut HopsSnapshot,
    ) -> Result<(), SourceError> {
        snapshot.clear();
        let mut distances: Vec<Option<LayerDistances>> = Vec::new();
        distances.resize_with(self.layers.len(), || None);
        for (k, paths) in self.sources.iter().enumerate() {
            for &layer in paths.uses.iter() {
                if distances[layer].is_none() {
                    let edges = &self.layers[layer];
                    let read = edges.tensors.iter().map(|t| source.tensor(&t.connection.parameter));
                    let tensors: Vec<Tensor<'_>> = read.collect::<Result<_, _>>()?;
                    distances[layer] = Some(pool.install(|| {
                        let not_finite = tensors.iter().map(|t| t.values().not_finite());
                        snapshot.not_finite += not_finite.sum::<u64>();
                        edges.distances(self, &tensors)
                    })?);
                }
            }
            pool.install(|| Walk::new(self, paths, &distances).count(snapshot));
            for (layer, distances) in distances.iter_mut().enumerate() {
                let over = distances.take_if(|_| self.last_use[layer] <= k);
                if let Some(LayerDistances { places, ends }) = over {
                    self.give_back(places.into_iter().chain(ends.into_iter().flatten()));
                }
            }
        }
        Ok(())
    }
}

/// The paths from one layer, with the weights of one snapshot.
pub(super) struct Walk<'a> {
    pub(super) plan: &'a HopsPlan,
    pub(super) paths: &'a SourcePaths,
    pub(super) distances: &'a [Option<LayerDistances>],
    /// By hops - 1 and place: from the source neurons to all of the place.
    pub(super) so_far: Vec<Vec<Distances>>,
    /// Distance of an edge of weight 1.
    pub(super) passage: f64,
    limit: f64,
}

impl<'a> Walk<'a> {
    fn new(
        plan: &'a HopsPlan,
        paths: &'a SourcePaths,
        distances: &'a [Option<LayerDistances>],
    ) -> Self {
        let parameters = plan.method.parameters();
        let (limit, passage) = (parameters.max_distance, parameters.transfer.distance(1.0));
        let mut walk = Self { plan, paths, distances, so_far: Vec::new(), passage, limit };
        for hop in 1..paths.reached.len() {
            let places = &paths.reached[hop - 1].places;
            let places = places.iter().map(|(place, arrivals)| walk.step(hop, *place, arrivals));
            let places = places.collect();
            walk.so_far.push(places);
        }
        walk
    }

    pub(super) fn layer(&self, layer: usize) -> &'a LayerDistances {
        // A layer that the paths use is read before they are walked.
        self.distances[layer].as_ref().expect("the layer was read")
    }

    /// The distances to a place, all neurons between taking part.
    fn step(&self, hop: usize, place: Place, arrivals: &[Arrival]) -> Distances {
        let width = self.plan.width(place);
        let neurons = self.paths.neurons.len();
        let mut all = Distances::none(neurons, width, self.plan.memory(neurons * width));
        all.fill_rows(Scratch::default, |scratch, k, row| {
            for &Arrival { from, via } in arrivals {
                match via {
                    Via::Edges { layer, index } if hop == 1 => {
                        let first = &self.layer(layer).places[index];
                        row.copy_from_slice(first.row(self.paths.neurons[k]));
                    }
                    Via::Edges { layer, index } => {
                        let edges = &self.layer(layer).places[index];
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

    fn count(self, snapshot: &mut HopsSnapshot) {
        let estimate = self.plan.hops.budget.map(|budget| Estimate::new(&self, budget));
        for (hop, counts) in self.plan.each().zip(&mut snapshot.counts) {
            if self.paths.reached[hop - 1].ends.is_empty() {
                continue;
            }
            counts.exact.par_iter_mut().enumerate().for_each(|(sample, histogram)| {
                self.count_sample(hop, sample, histogram);
            });
            if let Some((estimated, estimate)) = counts.estimated.as_mut().zip(estimate.as_ref()) {
                let samples = estimated.samples.par_iter_mut().enumerate();
                let errors =
                    samples.map(|(sample, histogram)| estimate.count(hop, sample, histogram));
                let errors: Vec<ErrorTally> = errors.collect();
                errors.iter().for_each(|errors| estimated.errors.add(errors));
            }
        }
        if let Some(estimate) = estimate {
            self.plan.give_back(estimate.into_places());
        }
        self.plan.give_back(self.so_far.into_iter().flatten());
    }

    fn count_sample(&self, hop: usize, sample: usize, histogram: &mut Histogram) {
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

/// The hop from queries (one number each), keys and values (the last number, their least) to
/// neurons of the attention layer.
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
