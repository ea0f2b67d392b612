//! A network under construction by an architecture.

use std::collections::HashSet;

use super::parameter::Kind;
use super::select::Matrix;
use super::{Connection, NeuronLayer, Orientation, Role};

/// The result of an architecture for the matrices, or why they do not fit it: names and shapes.
pub(super) type Fit<T> = Result<T, String>;

/// Layers and connections, with excluded matrices still included.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub layers: Vec<NeuronLayer>,
    pub connections: Vec<Connection>,
    /// Matrices that the architecture does not use.
    pub unplaced: Vec<Matrix<'a>>,
    /// Matrices that are left out on purpose, and why.
    pub omitted: Vec<(Matrix<'a>, Kind, &'static str)>,
    /// Warnings for the user, each a sentence or more.
    pub warnings: Vec<String>,
}

impl<'a> Plan<'a> {
    /// Adds a layer of which n neurons are drawn, and returns its index.
    pub fn layer(
        &mut self,
        name: impl Into<String>,
        width: usize,
        role: Role,
        block: Option<usize>,
    ) -> usize {
        self.layers.push(NeuronLayer {
            name: name.into(),
            width,
            draw: 1,
            role,
            block,
            group: None,
        });
        self.layers.len() - 1
    }

    /// Joins two layers by a matrix, and returns the connection for further changes.
    pub fn join(
        &mut self,
        matrix: &Matrix<'a>,
        source: usize,
        target: usize,
        copies: usize,
    ) -> &mut Connection {
        self.connections.push(Connection {
            parameter: matrix.name().into(),
            source,
            target,
            orientation: matrix.orientation,
            copies,
            taps: matrix.taps(),
            inputs: matrix.inputs(),
            outputs: matrix.outputs(),
            heads: 1,
            groups: 1,
            flattened: false,
            stacked: 1,
        });
        let last = self.connections.len() - 1;
        &mut self.connections[last]
    }

    /// Adds a matrix as a separate bipartite network.
    pub fn alone(&mut self, matrix: &Matrix<'a>) {
        let name = matrix.name();
        let source = self.layer(format!("{name}.in"), matrix.inputs(), Role::Linear, None);
        let target = self.layer(format!("{name}.out"), matrix.outputs(), Role::Output, None);
        self.join(matrix, source, target, 1);
    }

    /// Whether any of these matrices is used, or will be because of its include pattern.
    pub fn uses(&self, matrices: &[Matrix]) -> bool {
        let used: HashSet<&str> = self.connections.iter().map(|c| c.parameter.as_str()).collect();
        matrices.iter().any(|m| m.included || used.contains(m.name()))
    }

    /// Takes out connections, and the layers that then nothing leaves or reaches.
    pub fn retain(&mut self, keep: impl Fn(&Connection) -> bool) {
        self.connections.retain(keep);
        let (mut leaves, mut reached) =
            (vec![false; self.layers.len()], vec![false; self.layers.len()]);
        for connection in &self.connections {
            (leaves[connection.source], reached[connection.target]) = (true, true);
        }
        let mut positions = Vec::with_capacity(self.layers.len());
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, mut layer) in std::mem::take(&mut self.layers).into_iter().enumerate() {
            positions.push(layers.len());
            if !leaves[index] {
                layer.role = Role::Output;
            }
            if leaves[index] || reached[index] {
                layers.push(layer);
            }
        }
        self.layers = layers;
        for connection in &mut self.connections {
            connection.source = positions[connection.source];
            connection.target = positions[connection.target];
        }
    }
}

/// Checks that a matrix has exactly this shape, which follows from another one's.
pub(super) fn expect_shape(
    matrix: &Matrix,
    outputs: usize,
    inputs: usize,
    from: &Matrix,
) -> Fit<()> {
    let expected = match matrix.orientation {
        Orientation::OutIn => [outputs, inputs],
        Orientation::InOut => [inputs, outputs],
    };
    if matrix.shape() == expected {
        return Ok(());
    }
    Err(format!(
        "`{}` has shape {:?}, but must have {expected:?} to fit `{}` {:?}",
        matrix.name(),
        matrix.shape(),
        from.name(),
        from.shape(),
    ))
}

/// Checks that a tensor has two dimensions.
pub(super) fn expect_matrix(matrix: &Matrix) -> Fit<()> {
    if matrix.shape().len() == 2 {
        return Ok(());
    }
    Err(
        format!("`{}` has shape {:?}, but must have two dimensions", matrix.name(), matrix.shape(),),
    )
}
