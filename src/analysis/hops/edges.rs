//! The edges that leave one layer, and what they reach.

use super::paths::{End, Waypoint};
use crate::counting::{Column, EdgeLayout};
use crate::network::{Connection, Network, Orientation, Projection};

/// The tensors that leave a layer, and the waypoints and ends that they reach.
#[derive(Clone, Debug)]
pub(super) struct LayerEdges {
    pub(super) tensors: Vec<TensorEdges>,
    /// Waypoints from which paths continue, each with its width.
    pub(super) waypoints: Vec<(Waypoint, usize)>,
    /// Ends; none if no path of two hops ends with an edge of this layer.
    pub(super) ends: Vec<End>,
    pub(super) width: usize,
}

/// One of the tensors.
#[derive(Clone, Debug)]
pub(super) struct TensorEdges {
    pub(super) connection: Connection,
    pub(super) layout: EdgeLayout,
    pub(super) waypoint: Option<(usize, Vec<Column>)>, // index into `waypoints`
    pub(super) end: Option<usize>,                     // index into `ends`
}

impl LayerEdges {
    /// The edges of a layer. `follows`: whether an edge leads to the layer.
    pub(super) fn new(network: &Network, layer: usize, follows: bool) -> Self {
        let (mut waypoints, mut ends) = (Vec::new(), Vec::new());
        let mut tensors = Vec::new();
        for connection in network.leaving(layer) {
            let waypoint = Waypoint::reached_by(network, connection);
            let waypoint = waypoint.has_next(network).then(|| {
                let columns = columns_to(waypoint, network, connection);
                (index_of(&mut waypoints, (waypoint, waypoint.width(network))), columns)
            });
            let end = follows.then(|| index_of(&mut ends, End::of(network, connection)));
            let Connection { inputs, outputs, taps, groups, .. } = *connection;
            let layout = match connection.orientation {
                Orientation::OutIn => EdgeLayout::grouped(outputs, inputs, taps, groups),
                Orientation::InOut => EdgeLayout::transposed(inputs, outputs, taps),
            };
            tensors.push(TensorEdges { connection: connection.clone(), layout, waypoint, end });
        }
        Self { tensors, waypoints, ends, width: network.layers()[layer].width }
    }
}

/// The column of the waypoint that each output of a tensor shortens.
fn columns_to(waypoint: Waypoint, network: &Network, connection: &Connection) -> Vec<Column> {
    let width = connection.outputs / connection.copies;
    let projection = network.attention(connection).map(|(_, projection)| projection);
    let keys_and_values = waypoint.width(network) - 1;
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

/// The index of an entry; the entry is added if it is missing.
fn index_of<T: PartialEq>(entries: &mut Vec<T>, entry: T) -> usize {
    entries.iter().position(|e| *e == entry).unwrap_or_else(|| {
        entries.push(entry);
        entries.len() - 1
    })
}
