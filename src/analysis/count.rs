//! Counting: the weights of one step into a snapshot.
//!
//! Each layer is finished before the next begins: the spread of its matrices, the edges of all its
//! neurons and those of the samples. So its weights are read from memory once, and from the cache
//! after that.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::layer_count::{LayerJob, Read};
use super::plan::{Plan, SourceLayer, TensorPlan};
use super::snapshot::Snapshot;
use super::whole::read_whole;
use crate::network::Orientation;
use crate::source::{Block, Source, SourceError};

/// Tensors copied from a device are counted once they reach this many bytes together, so that a
/// snapshot never holds a second copy of a model.
const BATCH_BYTES: usize = 256 << 20;

impl Plan {
    /// Counts the edges of all neurons with the current weights. Layers that have not changed since
    /// this memory was last counted keep their counts. The source is called on this thread, the
    /// counting runs in the pool.
    ///
    /// # Errors
    /// [`SourceError`] when a tensor cannot be read or has changed its shape; the contents of
    /// `snapshot` are then invalid.
    pub fn snapshot(
        &self,
        source: &dyn Source,
        pool: &ThreadPool,
        snapshot: &mut Snapshot,
    ) -> Result<(), SourceError> {
        let (mut first, mut bytes) = (0, 0);
        let mut read = Vec::new();
        for (k, layer) in self.sources.iter().enumerate() {
            for tensor in &layer.tensors {
                let tensor = read_tensor(self, source, layer, tensor)?;
                bytes += tensor.values().owned_bytes();
                read.push(tensor);
            }
            if bytes >= BATCH_BYTES || k + 1 == self.sources.len() {
                pool.install(|| count(self, first..k + 1, &read, snapshot))?;
                (first, bytes) = (k + 1, 0);
                read.clear();
            }
        }
        drop(read);
        match (self.hops(), &mut snapshot.hops) {
            (Some(plan), Some(snapshot)) => plan.count(source, pool, snapshot),
            _ => Ok(()),
        }
    }
}

fn read_tensor<'s>(
    plan: &Plan,
    source: &'s dyn Source,
    layer: &SourceLayer,
    tensor: &TensorPlan,
) -> Result<Read<'s>, SourceError> {
    let name = &tensor.connection.parameter;
    if !plan.needs_whole() && tensor.can_be_gathered() {
        let drawn = layer.drawn.iter().zip(&tensor.targets);
        let blocks: Vec<Block<'_>> = drawn
            .map(|(sources, targets)| match tensor.connection.orientation {
                Orientation::OutIn => Block { rows: targets, columns: sources },
                Orientation::InOut => Block { rows: sources, columns: targets },
            })
            .collect();
        if let Some(drawn) = source.gather(name, &blocks)? {
            return Ok(Read::Drawn(drawn));
        }
    }
    read_whole(source, &tensor.connection).map(Read::All)
}

/// Counts some consecutive layers, whose tensors have been read in order.
fn count(
    plan: &Plan,
    layers: Range<usize>,
    read: &[Read<'_>],
    snapshot: &mut Snapshot,
) -> Result<(), SourceError> {
    let first_tensor: usize = plan.sources[..layers.start].iter().map(|l| l.tensors.len()).sum();
    let tensors = first_tensor..first_tensor + read.len();
    let mut pools = &mut snapshot.pools[tensors.clone()];
    let mut matched_pools = &mut snapshot.matched_pools[tensors.clone()];
    let mut deviations = &mut snapshot.deviations[tensors];
    let (mut read, mut number) = (read, first_tensor);
    let of_layers = plan.sources[layers.clone()].iter().zip(&mut snapshot.layers[layers]);
    let job = |(layer, counts): (_, _)| {
        let layer: &SourceLayer = layer;
        let n = layer.tensors.len();
        number += n;
        LayerJob {
            plan,
            layer,
            number: number - n,
            read: read.split_off(..n).unwrap_or_default(),
            pools: pools.split_off_mut(..n).unwrap_or_default(),
            matched_pools: matched_pools.split_off_mut(..n).unwrap_or_default(),
            deviations: deviations.split_off_mut(..n).unwrap_or_default(),
            counts,
        }
    };
    let jobs: Vec<LayerJob<'_>> = of_layers.map(job).collect();
    jobs.into_par_iter().try_for_each(LayerJob::count)
}
