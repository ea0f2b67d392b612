//! What a series of checkpoints needs to know of each, but for its numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::descent::{Sample, sample};
use crate::network::Network;
use crate::source::{Checkpoint, CheckpointFile, Source};

/// What a checkpoint's file says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) step: u64,
    pub(super) path: PathBuf,
    /// The shape of each tensor that is read.
    pub(super) shapes: BTreeMap<String, Vec<usize>>,
    /// Those that hold the values of another one and are not analysed.
    pub(super) copies: BTreeSet<String>,
    /// What each of the others is.
    pub(super) not_read: BTreeMap<String, String>,
    /// Their share, in words.
    pub(super) left_out: Option<String>,
    /// That the step in its name is another than the one in it.
    pub(super) doubt: Option<String>,
    pub(super) sample: Sample,
}

impl Facts {
    pub(super) fn of(checkpoint: &Checkpoint, file: &CheckpointFile, network: &Network) -> Self {
        let not_read = file.not_read().map(|(name, _, what)| (name.to_owned(), what.to_owned()));
        let parameters = file.parameters();
        let analysed = |name: &str| network.connections().iter().any(|c| c.parameter == name);
        let copies = parameters.iter().filter(|p| p.equal && !analysed(&p.name));
        let copies = copies.map(|p| p.name.clone());
        Self {
            step: checkpoint.step,
            path: checkpoint.path.clone(),
            copies: copies.collect(),
            shapes: parameters.into_iter().map(|p| (p.name, p.shape)).collect(),
            not_read: not_read.collect(),
            left_out: file.left_out(),
            doubt: checkpoint.doubt(file),
            sample: sample(file, network),
        }
    }
}
