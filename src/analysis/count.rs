//! Counting: the weights of one step into a snapshot.
//!
//! Each layer is finished before the next begins: the spread of its matrices, the edges of all its
//! neurons and those of the samples. So its weights are read from memory once, and from the cache
//! after that.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::elsewhere::{Elsewhere, Place};
use super::layer_count::{LayerJob, Read};
use super::plan::{Plan, SourceLayer};
use super::snapshot::Snapshot;
use crate::source::{Source, SourceError};

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
        self.snapshot_with(None, source, pool, snapshot)
    }

    /// As [`Self::snapshot`], with layers that other processes count: they begin while this one counts what
    /// lies here.
    ///
    /// # Errors
    /// As [`Self::snapshot`], and those of `elsewhere`.
    pub fn snapshot_with(
        &self,
        elsewhere: Option<&dyn Elsewhere>,
        source: &dyn Source,
        pool: &ThreadPool,
        snapshot: &mut Snapshot,
    ) -> Result<(), SourceError> {
        match elsewhere {
            None => self.count_near(|_| true, source, pool, snapshot)?,
            Some(elsewhere) => {
                let places = elsewhere.ask(self)?;
                self.count_near(|k| places[k] == Place::Here, source, pool, snapshot)?;
                let mut wanted = places.clone();
                elsewhere.collect(self, &mut |number, counted| {
                    let there = wanted.get_mut(number).filter(|place| **place == Place::There);
                    let there = there.ok_or_else(|| format!("nobody asked for layer {number}"))?;
                    *there = Place::Here;
                    let mut job = jobs(self, number..number + 1, &[], snapshot);
                    job.pop().map_or(Ok(()), |job| job.take(counted))
                })?;
                if let Some(number) = wanted.iter().position(|place| *place == Place::There) {
                    let name = self.sources[number].tensors[0].connection.parameter.clone();
                    return Err(SourceError::Missing {
                        name,
                        place: "what was counted".to_owned(),
                    });
                }
                self.count_near(|k| places[k] == Place::InPieces, source, pool, snapshot)?;
            }
        }
        match (self.hops(), &mut snapshot.hops) {
            (Some(plan), Some(snapshot)) => plan.count(source, pool, snapshot),
            _ => Ok(()),
        }
    }

    /// Counts those layers that are wanted.
    fn count_near(
        &self,
        wanted: impl Fn(usize) -> bool,
        source: &dyn Source,
        pool: &ThreadPool,
        snapshot: &mut Snapshot,
    ) -> Result<(), SourceError> {
        let (mut first, mut bytes) = (0, 0);
        let mut read = Vec::new();
        for (k, layer) in self.sources.iter().enumerate() {
            if wanted(k) {
                for tensor in &layer.tensors {
                    let tensor = Read::of(self, source, layer, tensor)?;
                    bytes += tensor.values().owned_bytes();
                    read.push(tensor);
                }
            }
            let next = k + 1;
            let ends = next == self.sources.len() || !wanted(next);
            if !wanted(k) {
                first = next;
            } else if bytes >= BATCH_BYTES || ends {
                let count = || {
                    jobs(self, first..next, &read, snapshot)
                        .into_par_iter()
                        .try_for_each(LayerJob::count)
                };
                pool.install(count)?;
                (first, bytes) = (next, 0);
                read.clear();
            }
        }
        Ok(())
    }
}

/// Some consecutive layers to be counted, whose tensors have been read in order; none are read for counts
/// that come from elsewhere.
fn jobs<'a>(
    plan: &'a Plan,
    layers: Range<usize>,
    read: &'a [Read<'a>],
    snapshot: &'a mut Snapshot,
) -> Vec<LayerJob<'a>> {
    let count = |layers: &[SourceLayer]| layers.iter().map(|l| l.tensors.len()).sum::<usize>();
    let first_tensor = count(&plan.sources[..layers.start]);
    let tensors = first_tensor..first_tensor + count(&plan.sources[layers.clone()]);
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
    of_layers.map(job).collect()
}
