//! What the checkpoints of a series have in common: the shapes of the first are those of all.

use std::collections::{BTreeMap, BTreeSet};

use super::descent::Descent;
use super::facts::Facts;
use crate::error::Error;
use crate::network::Network;

/// The first checkpoint of a series that was read.
pub(super) struct Series {
    step: u64,
    shapes: BTreeMap<String, Vec<usize>>,
    copies: BTreeSet<String>, // left out, since they hold the values of another matrix
    said: bool,               // that a later one has other matrices
    descent: Descent,
}

impl Series {
    pub(super) fn new(first: &Facts) -> Self {
        let (step, shapes, copies) = (first.step, first.shapes.clone(), first.copies.clone());
        Self { step, shapes, copies, said: false, descent: Descent::default() }
    }

    /// Warns of weights that do not descend from the earlier ones.
    pub(super) fn descend(&mut self, checkpoint: &Facts) {
        if let Some(text) = self.descent.add(checkpoint.step, &checkpoint.sample) {
            tracing::warn!("{text}");
        }
    }

    /// Refuses a checkpoint whose tensors are not those that the run analyses; warns of others that
    /// come and go.
    pub(super) fn check(&mut self, checkpoint: &Facts, network: &Network) -> Result<(), Error> {
        let (path, first, here) = (&checkpoint.path, self.step, &checkpoint.shapes);
        let refuse =
            |why: String| Err(Error::Checkpoints { path: path.clone(), source: why.into() });
        for connection in network.connections() {
            let name = &connection.parameter;
            match (here.get(name), self.shapes.get(name)) {
                (None, _) => {
                    let why = checkpoint.not_read.get(name);
                    let why = why.map_or("is not there".to_owned(), |what| format!("is {what}"));
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
        self.part(checkpoint);
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
        if let Some(new) = matrices(here, &self.shapes) {
            self.said = true;
            tracing::warn!(
                "{}: {new} are there at step {step} and were not at step {first}: they are not \
                 analysed; analyse the checkpoints from this one on as a run of their own",
                path.display()
            );
        }
        if let Some(gone) = matrices(&self.shapes, here) {
            self.said = true;
            tracing::warn!(
                "{}: {gone} were there at step {first} and are not at step {step}; none of them is \
                 analysed",
                path.display()
            );
        }
        Ok(())
    }

    /// Says once of matrices that began as copies of others that they are copies no more.
    fn part(&mut self, checkpoint: &Facts) {
        let parted = |name: &&String| {
            checkpoint.shapes.contains_key(*name) && !checkpoint.copies.contains(*name)
        };
        let parted: Vec<String> = self.copies.iter().filter(parted).cloned().collect();
        let Some(first) = parted.first() else { return };
        tracing::warn!(
            "{}: {} matrices ({first:?} the first) held the values of others at step {}, and do not at \
             step {}: they are not analysed; an include pattern puts them in (include, --include)",
            checkpoint.path.display(),
            parted.len(),
            self.step,
            checkpoint.step
        );
        self.copies.clear();
    }
}
