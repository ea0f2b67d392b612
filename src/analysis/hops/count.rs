//! Counting the distances over several hops.

use rayon::ThreadPool;
use rayon::prelude::*;

use super::super::whole::read_whole;
use super::distances::LayerDistances;
use super::error::ErrorTally;
use super::estimate::Estimate;
use super::plan::HopsPlan;
use super::snapshot::HopsSnapshot;
use super::walk::Walk;
use crate::source::{Source, SourceError, Tensor};

impl HopsPlan {
    /// Counts the distances with the current weights. The source is called on this thread, the
    /// counting runs in the pool.
    ///
    /// # Errors
    /// [`SourceError`] when a tensor cannot be read or has changed its shape; the contents of
    /// `snapshot` are then invalid.
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
                    let read = edges.tensors.iter().map(|t| read_whole(source, &t.connection));
                    let tensors: Vec<Tensor<'_>> = read.collect::<Result<_, _>>()?;
                    distances[layer] = Some(pool.install(|| {
                        let not_finite = tensors.iter().map(|t| t.values().not_finite());
                        snapshot.not_finite += not_finite.sum::<u64>();
                        LayerDistances::new(edges, self, &tensors)
                    })?);
                }
            }
            pool.install(|| count_paths(Walk::new(self, paths, &distances), snapshot));
            for (layer, distances) in distances.iter_mut().enumerate() {
                let over = distances.take_if(|_| self.last_use[layer] <= k);
                if let Some(LayerDistances { waypoints, ends }) = over {
                    self.give_back(waypoints.into_iter().chain(ends.into_iter().flatten()));
                }
            }
        }
        Ok(())
    }
}

/// Counts the paths from one layer.
fn count_paths(walk: Walk<'_>, snapshot: &mut HopsSnapshot) {
    let estimate = walk.plan.hops.budget.map(|budget| Estimate::new(&walk, budget));
    for (hop, counts) in walk.plan.each().zip(&mut snapshot.counts) {
        if walk.paths.reached[hop - 1].ends.is_empty() {
            continue;
        }
        counts.exact.par_iter_mut().enumerate().for_each(|(sample, histogram)| {
            walk.count_sample(hop, sample, histogram);
        });
        if let Some((estimated, estimate)) = counts.estimated.as_mut().zip(estimate.as_ref()) {
            let samples = estimated.samples.par_iter_mut().enumerate();
            let errors = samples.map(|(sample, histogram)| estimate.count(hop, sample, histogram));
            let errors: Vec<ErrorTally> = errors.collect();
            errors.iter().for_each(|errors| estimated.errors.add(errors));
        }
    }
    if let Some(estimate) = estimate {
        walk.plan.give_back(estimate.into_matrices());
    }
    walk.plan.give_back(walk.so_far.into_iter().flatten());
}
