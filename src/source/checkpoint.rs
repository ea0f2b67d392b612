//! A checkpoint of a series: its step, and where it lies.

use std::path::PathBuf;

/// A checkpoint and its step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The step.
    pub step: u64,
    /// A file of weights, or a folder that holds one, as [`super::CheckpointFile::open`] takes it.
    pub path: PathBuf,
}

impl Checkpoint {
    /// The checkpoint of a step, whatever its name.
    pub fn new(step: u64, path: impl Into<PathBuf>) -> Self {
        Self { step, path: path.into() }
    }
}
