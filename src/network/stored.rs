//! A network as JSON: in run.json, and in files that people edit.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::builder::{Join, NetworkBuilder};
use super::{
    Architecture, Connection, LeftOut, Network, NetworkError, NeuronLayer, Orientation, Parameter,
};

/// A network as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default = "custom")]
    architecture: Architecture,
    layers: Vec<NeuronLayer>,
    connections: Vec<StoredConnection>,
    #[serde(default)]
    left_out: Vec<LeftOut>,
    #[serde(default)]
    warnings: Vec<String>,
    /// Of the block weights, what is analysed; it follows from the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
}

/// A connection as it is stored. Inputs, outputs and taps follow from the layers and the tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredConnection {
    parameter: String,
    source: Place,
    target: Place,
    #[serde(default = "out_in")]
    orientation: Orientation,
    #[serde(default = "one")]
    copies: usize,
    #[serde(default)]
    taps: Option<usize>,
    #[serde(default)]
    inputs: Option<usize>,
    #[serde(default)]
    outputs: Option<usize>,
    #[serde(default = "one")]
    heads: usize,
    #[serde(default = "one")]
    groups: usize,
    #[serde(default)]
    flattened: bool,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    stacked: usize,
}

/// A layer, by its name; in files of earlier versions by its number, from 0.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Place {
    Name(String),
    Number(usize),
}

const fn custom() -> Architecture {
    Architecture::Custom
}

const fn out_in() -> Orientation {
    Orientation::OutIn
}

const fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_one(n: &usize) -> bool {
    *n == 1
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let layer = |k: usize| Place::Name(self.layers[k].name.clone());
        let connection = |c: &Connection| StoredConnection {
            parameter: c.parameter.clone(),
            source: layer(c.source),
            target: layer(c.target),
            orientation: c.orientation,
            copies: c.copies,
            taps: Some(c.taps),
            inputs: Some(c.inputs),
            outputs: Some(c.outputs),
            heads: c.heads,
            groups: c.groups,
            flattened: c.flattened,
            stacked: c.stacked,
        };
        let stored = Stored {
            architecture: self.architecture,
            layers: self.layers.clone(),
            connections: self.connections.iter().map(connection).collect(),
            left_out: self.left_out.clone(),
            warnings: self.warnings.clone(),
            share: Some((self.share() * 1e4).round() / 1e4).filter(|share| *share < 1.0),
        };
        stored.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Stored::deserialize(from)?.network().map_err(D::Error::custom)
    }
}

impl Stored {
    /// The network, as it was stored.
    fn network(self) -> Result<Network, NetworkError> {
        let layers: HashMap<&str, usize> =
            self.layers.iter().map(|layer| layer.name.as_str()).zip(0..).collect();
        let connection = |c: StoredConnection| {
            let damaged = |what: &str| NetworkError::Damaged {
                why: format!("`{}` has no {what}", c.parameter),
            };
            let place = |place: &Place| match place {
                Place::Name(name) => layers.get(name.as_str()).copied(),
                Place::Number(number) => Some(*number),
            };
            Ok(Connection {
                source: place(&c.source).ok_or_else(|| damaged("source among the layers"))?,
                target: place(&c.target).ok_or_else(|| damaged("target among the layers"))?,
                taps: c.taps.ok_or_else(|| damaged("taps"))?,
                inputs: c.inputs.ok_or_else(|| damaged("inputs"))?,
                outputs: c.outputs.ok_or_else(|| damaged("outputs"))?,
                parameter: c.parameter,
                orientation: c.orientation,
                copies: c.copies,
                heads: c.heads,
                groups: c.groups,
                flattened: c.flattened,
                stacked: c.stacked,
            })
        };
        let connections = self.connections.into_iter().map(connection).collect::<Result<_, _>>()?;
        let Self { architecture, layers, left_out, warnings, .. } = self;
        let network = Network::new(architecture, layers, connections, left_out, warnings);
        match network.contradiction() {
            Some(why) => Err(NetworkError::Damaged { why }),
            None => Ok(network),
        }
    }
}

impl Network {
    /// Reads a network from JSON and checks it against the parameters of a model.
    ///
    /// The form is that of `neuromfa inspect --json` and of `network` in run.json: `layers` with `name`
    /// and `width`, `connections` with `parameter`, `source` and `target`, and what the calls of
    /// [`NetworkBuilder`] set. `inputs`, `outputs` and `taps` are not read: they follow from the layers
    /// and the shapes. Parameters that no connection names are left out, for the reasons that the text
    /// gives.
    ///
    /// ```
    /// use neuromfa::network::{Network, Parameter};
    ///
    /// let text = r#"{
    ///     "layers": [{"name": "in", "width": 20}, {"name": "out", "width": 30}],
    ///     "connections": [{"parameter": "fc.weight", "source": "in", "target": "out"}]
    /// }"#;
    /// let network = Network::from_json(text, &[Parameter::new("fc.weight", [30, 20])])?;
    /// assert_eq!(network.connections()[0].inputs, 20);
    /// # Ok::<(), neuromfa::network::NetworkError>(())
    /// ```
    ///
    /// # Errors
    /// [`NetworkError::NotStored`] for text that is no network; those of [`NetworkBuilder::build`].
    pub fn from_json(text: &str, parameters: &[Parameter]) -> Result<Self, NetworkError> {
        let stored: Stored = serde_json::from_str(text)
            .map_err(|error| NetworkError::NotStored { why: error.to_string() })?;
        let name = |place: Place| match place {
            Place::Name(name) => name,
            Place::Number(k) => match stored.layers.get(k) {
                Some(layer) => layer.name.clone(),
                None => k.to_string(),
            },
        };
        let join = |c: StoredConnection| Join {
            parameter: c.parameter,
            source: name(c.source),
            target: name(c.target),
            orientation: c.orientation,
            copies: c.copies,
            heads: c.heads,
            groups: c.groups,
            flattened: c.flattened,
            stacked: c.stacked,
        };
        let joins = stored.connections.into_iter().map(join).collect();
        let mut network = NetworkBuilder::of(stored.layers, joins).build(parameters)?;
        network.architecture = stored.architecture;
        network.warnings = stored.warnings;
        let mut why: HashMap<String, LeftOut> =
            stored.left_out.into_iter().map(|left| (left.name.clone(), left)).collect();
        for left in &mut network.left_out {
            if let Some(given) = why.remove(&left.name) {
                (left.why, left.kind) = (given.why, given.kind.or(left.kind));
            }
        }
        Ok(network)
    }
}
