//! The network itself.

use std::collections::{HashMap, HashSet};

use super::parameter::Kind;
use super::{Architecture, Connection, LeftOut, NeuronLayer};

/// The share of the block weights that is analysed in words, in whole percent; none of all.
pub fn share_in_words(share: f64) -> Option<String> {
    let percent = (100.0 * share).floor();
    (percent < 100.0).then(|| format!("{percent:.0} % of the block weights are analysed"))
}

/// Share of the block weights below which a warning says so.
const LEAST_SHARE: f64 = 0.8;

/// A neuron interaction network: layers of neurons, and the tensors that hold the weights of the
/// edges between them.
///
/// For every connection `inputs` is the width of its source layer and `outputs` is `copies` times
/// the width of its target layer; a stored network that breaks this is refused when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub(super) architecture: Architecture,
    pub(super) layers: Vec<NeuronLayer>,
    pub(super) connections: Vec<Connection>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) warnings: Vec<String>,
    index: Index,
}

/// Where things are in a network: it may have tens of thousands of layers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Index {
    layers: HashMap<String, usize>,
    leaving: Vec<Vec<usize>>, // the connections that leave each layer
}

impl Index {
    fn of(layers: &[NeuronLayer], connections: &[Connection]) -> Self {
        let mut leaving = vec![Vec::new(); layers.len()];
        for (k, connection) in connections.iter().enumerate() {
            // A damaged network is refused later.
            if let Some(leaving) = leaving.get_mut(connection.source) {
                leaving.push(k);
            }
        }
        Self { layers: layers.iter().map(|layer| layer.name.clone()).zip(0..).collect(), leaving }
    }
}

impl Network {
    pub(super) fn new(
        architecture: Architecture,
        layers: Vec<NeuronLayer>,
        connections: Vec<Connection>,
        left_out: Vec<LeftOut>,
        warnings: Vec<String>,
    ) -> Self {
        let index = Index::of(&layers, &connections);
        Self { architecture, layers, connections, left_out, warnings, index }
    }

    /// How the parameters were read.
    #[must_use]
    pub const fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The neuron layers, sources before their targets where the architecture is known.
    #[must_use]
    pub fn layers(&self) -> &[NeuronLayer] {
        &self.layers
    }

    /// The tensors that join the layers, about in the order of computation where the architecture
    /// is known.
    #[must_use]
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// The parameters that are no part of the network, in natural order of their names.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Warnings about how the parameters were read, each a sentence or more.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The share of the block weights that is analysed: what was left out counts, except for
    /// embeddings, output heads, normalisation, buffers and what counts once already.
    #[must_use]
    pub fn share(&self) -> f64 {
        let analysed: f64 = self.connections.iter().map(|c| c.weights() as f64).sum();
        let numbers = |left: &LeftOut| left.shape.iter().map(|&n| n as f64).product::<f64>();
        let left: f64 = self.left_out.iter().filter(|l| l.is_of_blocks()).map(numbers).sum();
        if analysed + left > 0.0 { analysed / (analysed + left) } else { 1.0 }
    }

    /// Says that much of the block weights was left out, though nobody asked for it.
    pub(super) fn small_share(&self) -> Option<String> {
        let share = self.share();
        let unasked = |left: &&LeftOut| left.is_of_blocks() && left.kind == Some(Kind::Inside);
        let numbers = |left: &&LeftOut| left.shape.iter().product::<usize>();
        let largest = self.left_out.iter().filter(unasked).max_by_key(numbers)?;
        (share < LEAST_SHARE).then(|| {
            format!(
                "{:.0} % of the block weights are analysed: the largest tensor that is left out is `{}` {:?} \
                 ({}). Put tensors in with include patterns, or give the network in a file (--network, \
                 network_file).",
                100.0 * share,
                largest.name,
                largest.shape,
                largest.why
            )
        })
    }

    /// The index of the layer of this name.
    #[must_use]
    pub fn layer_index(&self, name: &str) -> Option<usize> {
        self.index.layers.get(name).copied()
    }

    /// The connections that leave a layer: together one neighbourhood per neuron.
    pub fn leaving(&self, layer: usize) -> impl Iterator<Item = &Connection> {
        let leaving = self.index.leaving.get(layer);
        leaving.into_iter().flatten().map(|&k| &self.connections[k])
    }

    /// What contradicts the invariants of the types, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let mut names = HashSet::new();
        for layer in &self.layers {
            let name = &layer.name;
            if !names.insert(name) {
                return Some(format!("two layers are called `{name}`"));
            }
            if layer.width == 0 || layer.draw == 0 {
                return Some(format!("layer `{name}` has width or draw 0"));
            }
        }
        let mut parameters = HashSet::new();
        self.connections.iter().find_map(|connection| {
            let parameter = &connection.parameter;
            if !parameters.insert(parameter) {
                return Some(format!("`{parameter}` is connected twice"));
            }
            let fits = self.layers.get(connection.source).map(|s| s.width)
                == Some(connection.inputs)
                && self.layers.get(connection.target).is_some_and(|t| {
                    t.width.checked_mul(connection.copies) == Some(connection.outputs)
                })
                && connection.source != connection.target
                && connection.copies > 0
                && connection.taps > 0
                && connection.divides()
                && connection
                    .outputs
                    .checked_mul(connection.inputs)
                    .and_then(|n| n.checked_mul(connection.taps))
                    .is_some();
            (!fits)
                .then(|| format!("`{parameter}` does not fit the layers it joins: {connection:?}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Parameter;

    /// An MLP of 1000 weights, with tensors that are left out.
    fn without(left_out: &[(&str, &[usize], &str)]) -> Network {
        let builder = Network::builder().layer("in", 20).layer("out", 50).connect("a", "in", "out");
        let network = builder.build(&[Parameter::new("a", [50, 20])]).unwrap();
        let left = |(name, shape, why): &(&str, &[usize], &str)| {
            let kind = match *why {
                "it has no place" => Kind::Inside,
                why if why.starts_with("excluded") => Kind::Excluded,
                _ => Kind::Apart,
            };
            LeftOut::new(&Parameter::new(*name, *shape), kind, *why)
        };
        let left_out = left_out.iter().map(left).collect();
        Network { left_out, ..network }
    }

    #[test]
    fn a_small_share_is_said_with_the_largest_tensor() {
        let small = |left: &[(&str, &[usize], &str)]| without(left).small_share();
        let parts: [(&str, &[usize], &str); 2] =
            [("b", &[10, 20], "it has no place"), ("c", &[51], "bias: it joins no neurons")];
        // 1000 of 1250 weights are 80 %.
        let largest: (&str, &[usize], &str) = ("d", &[25, 10], "it has no place");
        assert_eq!(small(&[largest]), None);
        let said = small(&[parts[0], parts[1], largest]).unwrap();
        assert!(
            said.starts_with(
                "69 % of the block weights are analysed: the largest tensor that is left out \
                              is `d` [25, 10] (it has no place)."
            ),
            "{said}"
        );
        // What somebody asked for needs no warning.
        assert_eq!(small(&[("d", &[50, 50], "excluded by the pattern `d`")]), None);
        assert_eq!(small(&[("d", &[50, 50], "embedding")]), None);
    }
}
