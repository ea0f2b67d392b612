//! The error of this module.

use std::path::{Path, PathBuf};

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
    pub(super) fn file(
        path: &Path,
        why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::File { path: path.to_owned(), source: why.into() }
    }
}
