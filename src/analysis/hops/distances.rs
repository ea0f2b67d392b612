//! The distances of the edges that leave one layer, with the current weights.

use super::edges::{LayerEdges, TensorEdges};
use super::paths::End;
use super::plan::HopsPlan;
use crate::counting::{Column, EdgeMatrix};
use crate::mfa::{Distances, Transfer};
use crate::network::Connection;
use crate::source::{SourceError, Tensor};

/// The distances of a layer's edges.
pub(super) struct LayerDistances {
    /// By waypoint: from all neurons of the layer to all neurons of the waypoint.
    pub(super) waypoints: Vec<Distances>,
    /// By end and sample: from all neurons of the layer to the drawn targets.
    pub(super) ends: Vec<Vec<Distances>>,
}

impl LayerDistances {
    /// The distances with the current weights. Runs in the caller's rayon pool.
    pub(super) fn new(
        edges: &LayerEdges,
        plan: &HopsPlan,
        tensors: &[Tensor<'_>],
    ) -> Result<Self, SourceError> {
        let transfer = plan.method.parameters().transfer;
        let none =
            |columns| Distances::none(edges.width, columns, plan.memory(edges.width * columns));
        let mut waypoints: Vec<_> = edges.waypoints.iter().map(|&(_, width)| none(width)).collect();
        let targets = |end: &End, drawn: &[Vec<usize>]| end.targets(drawn[end.layer].len());
        let mut ends: Vec<Vec<_>> = edges
            .ends
            .iter()
            .map(|end| plan.drawn.iter().map(|drawn| none(targets(end, drawn))).collect())
            .collect();
        for (tensor, values) in edges.tensors.iter().zip(tensors) {
            let matrix = matrix(tensor, values)?;
            if let Some((waypoint, columns)) = &tensor.waypoint {
                waypoints[*waypoint].shorten_by(&matrix, transfer, columns, false);
            }
            if let Some(end) = tensor.end {
                for (distances, drawn) in ends[end].iter_mut().zip(&plan.drawn) {
                    to_drawn(tensor, &matrix, transfer, drawn, distances);
                }
            }
        }
        Ok(Self { waypoints, ends })
    }
}

fn matrix<'a>(tensor: &TensorEdges, values: &'a Tensor<'_>) -> Result<EdgeMatrix<'a>, SourceError> {
    let connection = &tensor.connection;
    let whole = values.values().len() == connection.weights();
    let matrix = if whole { EdgeMatrix::new(values.values(), tensor.layout) } else { None };
    matrix.ok_or_else(|| SourceError::Shape {
        name: connection.parameter.clone(),
        place: "the source of the weights".to_owned(),
        found: vec![values.values().len()],
        expected: vec![connection.outputs, connection.inputs / connection.groups, connection.taps],
    })
}

/// Each copy and each tap of a drawn neuron is a target: columns by copy, neuron, tap.
fn to_drawn(
    tensor: &TensorEdges,
    matrix: &EdgeMatrix<'_>,
    transfer: Transfer,
    drawn: &[Vec<usize>],
    distances: &mut Distances,
) {
    let Connection { copies, taps, target, .. } = tensor.connection;
    let rows = (0..copies).flat_map(|copy| {
        drawn[target].iter().map(move |&neuron| tensor.connection.output(copy, neuron))
    });
    let columns = rows.zip((0..).step_by(taps));
    let columns: Vec<_> = columns.map(|(target, column)| Column { target, column }).collect();
    distances.shorten_by(matrix, transfer, &columns, true);
}
