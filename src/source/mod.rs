//! Where weights come from: a live model, a checkpoint file, or memory.
//!
//! | source | weights |
//! |---|---|
//! | a live `tch::nn::VarStore` on any device, through `attach` (feature `tch`) | CPU weights are read where they lie |
//! | [`CheckpointFile`] | safetensors, PyTorch's `.pt`, `.pth`, `.bin`, Lightning's `.ckpt`, tch's `.ot`; single or sharded; mapped |
//! | [`Memory`] | vectors that the caller hands over |
//!
//! All give the same thing, a [`Tensor`] in the type in which it is stored, so that a replay of
//! a run's checkpoints gives the numbers of the run.

mod checkpoint_file;
mod checkpoints;
mod mapped;
mod memory;
mod pytorch;
mod safetensors;
mod save;
mod stored;
#[cfg(feature = "tch")]
mod tch_varstore;
mod tensor;
mod trainer_log;

pub use checkpoint_file::CheckpointFile;
pub use checkpoints::Checkpoint;
pub use memory::Memory;
pub use save::save;
#[cfg(feature = "tch")]
pub(crate) use tch_varstore::VarStoreWeights;
pub use tensor::Tensor;

/// What the command uses besides.
pub(crate) mod exports {
    use std::path::Path;

    use super::{Checkpoint, SourceError};

    /// The checkpoints in a folder whose names say a step, without warnings.
    ///
    /// # Errors
    /// [`SourceError`] when the folder cannot be listed.
    pub fn checkpoints_within(folder: &Path) -> Result<Vec<Checkpoint>, SourceError> {
        Checkpoint::within(folder, false)
    }
}

use std::path::{Path, PathBuf};

use crate::network::Parameter;

/// A set of named weight tensors.
///
/// Implement it to monitor a model of another framework: names, shapes, and the values of one
/// tensor at a time. Each call may see newer values than the last.
pub trait Source: Send {
    /// Names and shapes of all floating-point tensors, in any order.
    fn parameters(&self) -> Vec<Parameter>;

    /// The values of a tensor, row-major.
    ///
    /// # Errors
    /// [`SourceError`] when there is no such tensor or it cannot be read.
    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError>;

    /// Blocks of a tensor's elements, one after the other, each row-major: for device memory, so
    /// that only what is needed is moved. `None` (the default) when reading the whole tensor is
    /// as good.
    ///
    /// # Errors
    /// [`SourceError`] when there is no such tensor or it cannot be read.
    fn gather(&self, name: &str, blocks: &[Block<'_>]) -> Result<Option<Tensor<'_>>, SourceError> {
        let _ = (name, blocks);
        Ok(None)
    }
}

/// The elements of a tensor at the crossing of some rows (first axis) and columns (second axis);
/// further axes are taken whole.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Indices on the first axis.
    pub rows: &'a [usize],
    /// Indices on the second axis.
    pub columns: &'a [usize],
}

/// A tensor or a file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No tensor of this name.
    #[error("no tensor {name:?} in {place}")]
    Missing {
        /// The tensor.
        name: String,
        /// The file or the model.
        place: String,
    },
    /// A tensor whose shape is not what the network was read from.
    #[error("tensor {name:?} in {place} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// The file or the model.
        place: String,
        /// The shape that was found.
        found: Vec<usize>,
        /// The shape that was expected.
        expected: Vec<usize>,
    },
    /// A tensor of a type that holds no weights.
    #[error(
        "tensor {name:?} in {place} has type {dtype}: only F32, F16, BF16 and F64 can be analysed"
    )]
    Type {
        /// The tensor.
        name: String,
        /// The file or the model.
        place: String,
        /// Its type.
        dtype: String,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason: an [`std::io::Error`] where the system refuses, else what is wrong in the
        /// file.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A shard of a checkpoint that cannot be read.
    #[error("{source} (a shard of {})", index.display())]
    Shard {
        /// The index that names the shard.
        index: PathBuf,
        /// The shard and the reason.
        source: Box<SourceError>,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The reason: an [`std::io::Error`] where the system refuses.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An error of the framework that holds the weights.
    #[error("cannot read tensor {name:?}: {source}")]
    Framework {
        /// The tensor.
        name: String,
        /// The framework's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SourceError {
    /// The file that cannot be read, and why.
    fn file(path: &Path, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::File { path: path.to_owned(), source: why.into() }
    }
}
