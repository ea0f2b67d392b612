//! The error of this module.

use std::path::Path;

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
    #[error("cannot read {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
    /// A file that cannot be written.
    #[error("cannot write {path}: {why}")]
    Unwritable {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
    /// An error of the framework that holds the weights.
    #[error("cannot read tensor {name:?}: {why}")]
    Framework {
        /// The tensor.
        name: String,
        /// The reason.
        why: String,
    },
}

impl SourceError {
    /// The file that cannot be read, and why.
    pub(super) fn file(path: &Path, why: impl ToString) -> Self {
        Self::File { path: path.display().to_string(), why: why.to_string() }
    }
}
