//! Published models, by the names and shapes of their checkpoints; numbers worked out by hand.

use super::{Network, Parameter, infer, infer_as, joins, layers, left_out, parameters, selected};
use crate::network::{Architecture, NetworkError, Orientation, Role, Selection};

mod adapters;
mod convolutions;
mod decoders;
mod diffusion;
mod encoders;
mod recurrent;
mod tch_networks;

fn weights(network: &Network) -> usize {
    network.connections().iter().map(|c| c.weights()).sum()
}

/// The layers' widths: a name that is there.
fn width(network: &Network, name: &str) -> usize {
    let index = network.layer_index(name).unwrap_or_else(|| panic!("no layer {name}"));
    network.layers()[index].width
}

/// `source>target` of the connection of a parameter.
pub(super) fn joined(network: &Network, parameter: &str) -> String {
    let found = network.connections().iter().find(|c| c.parameter == parameter);
    let c = found.unwrap_or_else(|| panic!("{parameter} is not connected"));
    format!("{}>{}", network.layers()[c.source].name, network.layers()[c.target].name)
}

/// The parameters that leave a layer.
fn leaving<'n>(network: &'n Network, layer: &str) -> Vec<&'n str> {
    let index = network.layer_index(layer).unwrap_or_else(|| panic!("no layer {layer}"));
    network.leaving(index).map(|c| c.parameter.as_str()).collect()
}

/// The matrices with their biases, as every checkpoint of these models has them.
fn with_biases(all: Vec<Parameter>) -> Vec<Parameter> {
    let bias = |p: &Parameter| {
        let name = p.name.strip_suffix(".weight")?;
        (p.shape.len() >= 2).then(|| Parameter::new(format!("{name}.bias"), [p.shape[0]]))
    };
    let biases: Vec<_> = all.iter().filter_map(bias).collect();
    all.into_iter().chain(biases).collect()
}
