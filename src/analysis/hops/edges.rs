//! The edges that leave one layer, as distances.

use super::paths::{End, Place};
use super::plan::HopsPlan;
use crate::mfa::{Column, Distances, EdgeLayout, EdgeMatrix, Transfer};
use crate::network::{Connection, Network, Orientation, Projection};
use crate::source::{SourceError, Tensor};

/// The tensors that leave a layer, and what they lead to.
#[derive(Clone, Debug)]
pub(super) struct LayerEdges {
    pub(super) tensors: Vec<TensorEdges>,
    /// Places from which paths go on, with the width of each.
    pub(super) places: Vec<(Place, usize)>,
    /// Ends; none where no path of two hops ends over this layer.
    pub(super) ends: Vec<End>,
    width: usize,
}

/// One of the tensors.
#[derive(Clone, Debug)]
pub(super) struct TensorEdges {
    pub(super) connection: Connection,
    layout: EdgeLayout,
    place: Option<(usize, Vec<Column>)>, // index into places
    end: Option<usize>,                  // index into ends
}

/// The distances of a layer's edges.
pub(super) struct LayerDistances {
    /// By place: from all neurons to all.
    pub(super) places: Vec<Distances>,
    /// By end and sample: from all neurons to the drawn targets.
    pub(super) ends: Vec<Vec<Distances>>,
}

impl LayerEdges {
    /// The edges of a layer. `follows`: whether some edge leads to the layer.
    pub(super) fn new(network: &Network, layer: usize, follows: bool) -> Self {
        let (mut places, mut ends) = (Vec::new(), Vec::new());
        let mut tensors = Vec::new();
        for connection in network.leaving(layer) {
            let place = Place::reached_by(network, connection);
            let place = place.goes_on(network).then(|| {
                let columns = columns_to(place, network, connection);
                (index_of(&mut places, (place, place.width(network))), columns)
            });
            let end = follows.then(|| index_of(&mut ends, End::of(network, connection)));
            let Connection { inputs, outputs, taps, groups, .. } = *connection;
            let layout = match connection.orientation {
                Orientation::OutIn => EdgeLayout::grouped(outputs, inputs, taps, groups),
                Orientation::InOut => EdgeLayout::in_out(inputs, outputs),
            };
            tensors.push(TensorEdges { connection: connection.clone(), layout, place, end });
        }
        Self { tensors, places, ends, width: network.layers()[layer].width }
    }

    /// The distances as the weights are now. Runs in the caller's rayon pool.
    pub(super) fn distances(
        &self,
        plan: &HopsPlan,
        tensors: &[Tensor<'_>],
    ) -> Result<LayerDistances, SourceError> {
        let transfer = plan.method.parameters().transfer;
        let none =
            |columns| Distances::none(self.width, columns, plan.memory(self.width * columns));
        let mut places: Vec<_> = self.places.iter().map(|&(_, width)| none(width)).collect();
        let targets = |end: &End, drawn: &[Vec<usize>]| end.targets(drawn[end.layer].len());
        let mut ends: Vec<Vec<_>> = self
            .ends
            .iter()
            .map(|end| plan.drawn.iter().map(|drawn| none(targets(end, drawn))).collect())
            .collect();
        for (tensor, values) in self.tensors.iter().zip(tensors) {
            let matrix = tensor.matrix(values)?;
            if let Some((place, columns)) = &tensor.place {
                places[*place].shorten_by(&matrix, transfer, columns, false);
            }
            if let Some(end) = tensor.end {
                for (distances, drawn) in ends[end].iter_mut().zip(&plan.drawn) {
                    tensor.to_drawn(&matrix, transfer, drawn, distances);
                }
            }
        }
        Ok(LayerDistances { places, ends })
    }
}

impl TensorEdges {
    fn matrix<'a>(&self, values: &'a Tensor<'_>) -> Result<EdgeMatrix<'a>, SourceError> {
        let connection = &self.connection;
        let whole = values.values().len() == connection.weights();
        let matrix = if whole { EdgeMatrix::new(values.values(), self.layout) } else { None };
        matrix.ok_or_else(|| SourceError::Shape {
            name: connection.parameter.clone(),
            place: "the source of the weights".to_owned(),
            found: vec![values.values().len()],
            expected: vec![
                connection.outputs,
                connection.inputs / connection.groups,
                connection.taps,
            ],
        })
    }

    /// Each copy and each tap of a drawn neuron is a target: columns by copy, neuron, tap.
    fn to_drawn(
        &self,
        matrix: &EdgeMatrix<'_>,
        transfer: Transfer,
        drawn: &[Vec<usize>],
        distances: &mut Distances,
    ) {
        let Connection { copies, taps, target, .. } = self.connection;
        let rows = (0..copies).flat_map(|copy| {
            drawn[target].iter().map(move |&neuron| self.connection.output(copy, neuron))
        });
        let columns = rows.zip((0..).step_by(taps));
        let columns: Vec<_> = columns.map(|(target, column)| Column { target, column }).collect();
        distances.shorten_by(matrix, transfer, &columns, true);
    }
}

/// Which number of the place each output of a tensor shortens.
fn columns_to(place: Place, network: &Network, connection: &Connection) -> Vec<Column> {
    let width = connection.outputs / connection.copies;
    let projection = network.attention(connection).map(|(_, projection)| projection);
    let keys_and_values = place.width(network) - 1;
    let column = |copy: usize, neuron: usize| match projection {
        Some(Projection::Key | Projection::Value) => keys_and_values,
        Some(Projection::Fused) if copy > 0 => keys_and_values,
        _ => neuron,
    };
    let outputs = (0..connection.copies).flat_map(|copy| (0..width).map(move |n| (copy, n)));
    outputs
        .map(|(copy, neuron)| Column {
            target: connection.output(copy, neuron),
            column: column(copy, neuron),
        })
        .collect()
}

/// The index of an entry, which is added where it is not there.
fn index_of<T: PartialEq>(entries: &mut Vec<T>, entry: T) -> usize {
    entries.iter().position(|e| *e == entry).unwrap_or_else(|| {
        entries.push(entry);
        entries.len() - 1
    })
}
