//! The trait for sources of weights.

use super::error::SourceError;
use super::tensor::Tensor;
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
    /// that only the needed elements are copied. `None` (the default) when reading the complete
    /// tensor is as good.
    ///
    /// # Errors
    /// [`SourceError`] when there is no such tensor or it cannot be read.
    fn gather(&self, name: &str, blocks: &[Block<'_>]) -> Result<Option<Tensor<'_>>, SourceError> {
        let _ = (name, blocks);
        Ok(None)
    }
}

/// The elements of a tensor in some rows (first axis) and columns (second axis); all elements of
/// further axes are included.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Indices on the first axis.
    pub rows: &'a [usize],
    /// Indices on the second axis.
    pub columns: &'a [usize],
}
