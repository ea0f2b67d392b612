//! What the checkpoints of a series have in common: the shapes of the first are those of all.

use std::collections::BTreeMap;

use super::descent::Descent;
use crate::error::Error;
use crate::network::Network;
use crate::source::{Checkpoint, CheckpointFile, Source};

/// The first checkpoint of a series that was read.
pub(super) struct Series {
    step: u64,
    shapes: BTreeMap<String, Vec<usize>>,
    said: bool, // that a later one has other matrices
    descent: Descent,
}

impl Series {
    pub(super) fn new(first: &Checkpoint, source: &CheckpointFile) -> Self {
        if let Some(left_out) = source.left_out() {
            tracing::warn!("{}: {left_out}", first.path.display());
        }
        Self { step: first.step, shapes: shapes(source), said: false, descent: Descent::default() }
    }

    /// Warns of weights that do not descend from the earlier ones.
    pub(super) fn descend(
        &mut self,
        checkpoint: &Checkpoint,
        source: &CheckpointFile,
        network: &Network,
    ) {
        if let Some(text) = self.descent.add(checkpoint.step, source, network) {
            tracing::warn!("{text}");
        }
    }

    /// Refuses a checkpoint whose tensors are not those that the run analyses; warns of others that
    /// come and go.
    pub(super) fn check(
        &mut self,
        checkpoint: &Checkpoint,
        source: &CheckpointFile,
        network: &Network,
    ) -> Result<(), Error> {
        let (path, first) = (&checkpoint.path, self.step);
        let here = shapes(source);
        let refuse =
            |why: String| Err(Error::Checkpoints { path: path.clone(), source: why.into() });
        for connection in network.connections() {
            let name = &connection.parameter;
            match (here.get(name), self.shapes.get(name)) {
                (None, _) => {
                    let why = source.not_read().find(|(left, ..)| left == name);
                    let why =
                        why.map_or("is not there".to_owned(), |(.., what)| format!("is {what}"));
                    return refuse(format!(
                        "tensor {name:?} {why}, and at step {first} it was read: leave it out \
                         (exclude it), or analyse the checkpoints from this one on as a run of their own"
                    ));
                }
                (Some(found), Some(known)) if found != known => {
                    return refuse(format!(
                        "tensor {name:?} has shape {found:?}, at step {first} it was {known:?}: leave \
                         it out (exclude it), or analyse the checkpoints from this one on as a run of \
                         their own"
                    ));
                }
                _ => {}
            }
        }
        if self.said {
            return Ok(());
        }
        let matrices = |all: &BTreeMap<String, Vec<usize>>,
                        others: &BTreeMap<String, Vec<usize>>| {
            let new =
                all.iter().filter(|(name, shape)| shape.len() > 1 && !others.contains_key(*name));
            let names: Vec<String> = new.map(|(name, _)| name.clone()).collect();
            names.first().map(|first| format!("{} matrices ({first:?} the first)", names.len()))
        };
        let step = checkpoint.step;
        if let Some(new) = matrices(&here, &self.shapes) {
            self.said = true;
            tracing::warn!(
                "{}: {new} are there at step {step} and were not at step {first}: they are not \
                 analysed; analyse the checkpoints from this one on as a run of their own",
                path.display()
            );
        }
        if let Some(gone) = matrices(&self.shapes, &here) {
            self.said = true;
            tracing::warn!(
                "{}: {gone} were there at step {first} and are not at step {step}; none of them is \
                 analysed",
                path.display()
            );
        }
        Ok(())
    }
}

fn shapes(source: &CheckpointFile) -> BTreeMap<String, Vec<usize>> {
    source.parameters().into_iter().map(|p| (p.name, p.shape)).collect()
}
