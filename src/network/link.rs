//! A link of a chain of matrices.

use super::select::Matrix;

/// One matrix of a chain: from layer to layer, where 0 is what the first matrix reads.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub matrix: Matrix<'a>,
    pub source: usize,
    pub target: usize,
}

impl Link<'_> {
    /// The path of its matrix, as the name of the layer that it leads to.
    pub fn path(&self) -> String {
        self.matrix.path().to_owned()
    }
}
