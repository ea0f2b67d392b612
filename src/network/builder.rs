//! Networks built by hand.

use std::collections::{HashMap, HashSet};

use super::parameter::Kind;
use super::select::in_natural_order;
use super::{
    Architecture, Connection, LeftOut, Network, NetworkError, NeuronLayer, Orientation, Parameter,
    Role,
};

/// Likeness from which a name is taken for a misspelling of another.
const ALIKE: f64 = 0.8;

/// Builds a [`Network`] by hand; [`NetworkBuilder::build`] checks everything.
///
/// | call | default | changes | meaning |
/// |---|---|---|---|
/// | [`layer`](Self::layer) | | | adds a layer of this many neurons, at least 1 |
/// | [`draw`](Self::draw) | 1 | the last layer | a sample of n neurons takes `draw`·n of it; at least 1 |
/// | [`role`](Self::role) | `Linear` | the last layer | what the edges that leave it do; `Output` where none leave |
/// | [`block`](Self::block) | none | the last layer | the block it belongs to |
/// | [`connect`](Self::connect) | | | joins two layers by a tensor |
/// | [`copies`](Self::copies) | 1 | the last connection | outputs per target neuron; at least 1 |
/// | [`heads`](Self::heads) | 1 | the last connection | heads that interleave the copies; a divisor of the target's width |
/// | [`groups`](Self::groups) | 1 | the last connection | groups of a grouped convolution; a divisor of both widths |
/// | [`flattened`](Self::flattened) | no | the last connection | the second axis holds inputs and taps |
/// | [`orientation`](Self::orientation) | `OutIn` | the last connection | the tensor's layout |
///
/// ```
/// use neuromfa::network::{Network, Orientation, Parameter};
///
/// let parameters = [
///     Parameter::new("c_attn.weight", [8, 24]),
///     Parameter::new("c_attn.bias", [24]),
/// ];
/// let network = Network::builder()
///     .layer("residual", 8)
///     .layer("attention", 8)
///     .connect("c_attn.weight", "residual", "attention")
///     .copies(3)
///     .orientation(Orientation::InOut)
///     .build(&parameters)?;
/// assert_eq!(network.connections()[0].outputs, 24);
/// # Ok::<(), neuromfa::network::NetworkError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until build is called"]
pub struct NetworkBuilder {
    layers: Vec<NeuronLayer>,
    joins: Vec<Join>,
    misplaced: Option<NetworkError>,
}

/// A connection by the names of its layers.
#[derive(Clone, Debug)]
pub(super) struct Join {
    pub(super) parameter: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) orientation: Orientation,
    pub(super) copies: usize,
    pub(super) heads: usize,
    pub(super) groups: usize,
    pub(super) flattened: bool,
    pub(super) stacked: usize,
}

impl Network {
    /// Starts to build a network by hand.
    pub fn builder() -> NetworkBuilder {
        NetworkBuilder::default()
    }
}

impl NetworkBuilder {
    pub(super) fn of(layers: Vec<NeuronLayer>, joins: Vec<Join>) -> Self {
        Self { layers, joins, misplaced: None }
    }

    /// Adds a layer of neurons.
    pub fn layer(mut self, name: impl Into<String>, width: usize) -> Self {
        self.layers.push(NeuronLayer {
            name: name.into(),
            width,
            draw: 1,
            role: Role::Linear,
            block: None,
            group: None,
        });
        self
    }

    /// Lets a sample of n neurons take `draw`·n of the last layer.
    pub fn draw(self, draw: usize) -> Self {
        self.last_layer(|| format!("draw({draw})"), |layer| layer.draw = draw)
    }

    /// Sets what the edges that leave the last layer do.
    pub fn role(self, role: Role) -> Self {
        self.last_layer(|| format!("role({role})"), |layer| layer.role = role)
    }

    /// Puts the last layer in a block.
    pub fn block(self, block: usize) -> Self {
        self.last_layer(|| format!("block({block})"), |layer| layer.block = Some(block))
    }

    /// Joins two layers, source then target, by a tensor.
    pub fn connect(
        mut self,
        parameter: impl Into<String>,
        source: impl Into<String>,
        target: impl Into<String>,
    ) -> Self {
        self.joins.push(Join {
            parameter: parameter.into(),
            source: source.into(),
            target: target.into(),
            orientation: Orientation::OutIn,
            copies: 1,
            heads: 1,
            groups: 1,
            flattened: false,
            stacked: 1,
        });
        self
    }

    /// Sets how many outputs of the last connection each target neuron has.
    pub fn copies(self, copies: usize) -> Self {
        self.last_join(|| format!("copies({copies})"), |join| join.copies = copies)
    }

    /// Interleaves the copies of the last connection by this many heads: its outputs are ordered as
    /// [heads, copies, width/heads].
    pub fn heads(self, heads: usize) -> Self {
        self.last_join(|| format!("heads({heads})"), |join| join.heads = heads)
    }

    /// Sets the groups of the last connection, a grouped convolution `[out, in/groups, taps..]`.
    pub fn groups(self, groups: usize) -> Self {
        self.last_join(|| format!("groups({groups})"), |join| join.groups = groups)
    }

    /// Reads the matrix of the last connection as `[out, in·taps]`: a linear layer that reads a
    /// feature map.
    pub fn flattened(self) -> Self {
        self.last_join(|| "flattened()".to_owned(), |join| join.flattened = true)
    }

    /// Sets how the tensor of the last connection is stored.
    pub fn orientation(self, orientation: Orientation) -> Self {
        self.last_join(
            || format!("orientation({orientation:?})"),
            |join| join.orientation = orientation,
        )
    }

    /// Checks the layers and connections against the parameters.
    ///
    /// Parameters that no connection names are left out.
    ///
    /// # Errors
    ///
    /// Layers: a name twice, a width or draw of 0, a layer without connections. Connections: a
    /// layer or parameter that does not exist, a parameter twice, a layer joined to itself, a shape
    /// that does not fit the layers and copies. No connection at all.
    pub fn build(self, parameters: &[Parameter]) -> Result<Network, NetworkError> {
        if let Some(error) = self.misplaced {
            return Err(error);
        }
        let sorted = in_natural_order(parameters)?;
        let mut layers = self.layers;
        check_layers(&layers)?;

        let named: HashMap<&str, &Parameter> =
            sorted.iter().map(|p| (p.name.as_str(), *p)).collect();
        let indices: HashMap<&str, usize> =
            layers.iter().map(|layer| layer.name.as_str()).zip(0..).collect();
        let mut connections = Vec::with_capacity(self.joins.len());
        let mut joined = HashSet::new();
        for join in &self.joins {
            let parameter = named.get(join.parameter.as_str());
            let parameter = parameter.ok_or_else(|| join.unknown_parameter(&sorted))?;
            if !joined.insert(&join.parameter) {
                return Err(NetworkError::DuplicateConnection {
                    parameter: join.parameter.clone(),
                });
            }
            connections.push(join.resolve(parameter, &layers, &indices)?);
        }
        if connections.is_empty() {
            return Err(NetworkError::NoConnections);
        }

        let sources: HashSet<usize> = connections.iter().map(|c| c.source).collect();
        let targets: HashSet<usize> = connections.iter().map(|c| c.target).collect();
        for (index, layer) in layers.iter_mut().enumerate() {
            if !sources.contains(&index) {
                layer.role = Role::Output;
                if !targets.contains(&index) {
                    return Err(NetworkError::IdleLayer { layer: layer.name.clone() });
                }
            }
        }
        let left_out = sorted
            .iter()
            .filter(|p| !joined.contains(&p.name))
            .map(|p| LeftOut::new(p, Kind::Inside, "not among the connections given"))
            .collect();
        let network = Network::new(Architecture::Custom, layers, connections, left_out, Vec::new());
        debug_assert_eq!(network.contradiction(), None);
        Ok(network)
    }

    fn last_layer(
        mut self,
        call: impl FnOnce() -> String,
        change: impl FnOnce(&mut NeuronLayer),
    ) -> Self {
        match self.layers.last_mut() {
            Some(layer) => change(layer),
            None => self.misplace(call(), "layer(..)"),
        }
        self
    }

    fn last_join(mut self, call: impl FnOnce() -> String, change: impl FnOnce(&mut Join)) -> Self {
        match self.joins.last_mut() {
            Some(join) => change(join),
            None => self.misplace(call(), "connect(..)"),
        }
        self
    }

    fn misplace(&mut self, call: String, wants: &'static str) {
        self.misplaced.get_or_insert(NetworkError::Misplaced { call, wants });
    }
}

fn check_layers(layers: &[NeuronLayer]) -> Result<(), NetworkError> {
    let mut names = HashSet::new();
    for layer in layers {
        let name = || layer.name.clone();
        if !names.insert(&layer.name) {
            return Err(NetworkError::DuplicateLayer { layer: name() });
        }
        for (what, value) in [("width", layer.width), ("draw", layer.draw)] {
            if value == 0 {
                let layer = name();
                return Err(NetworkError::ZeroInLayer { layer, what });
            }
        }
    }
    Ok(())
}

impl Join {
    fn resolve(
        &self,
        parameter: &Parameter,
        layers: &[NeuronLayer],
        indices: &HashMap<&str, usize>,
    ) -> Result<Connection, NetworkError> {
        let index = |name: &String| {
            let found = indices.get(name.as_str()).copied();
            found.ok_or_else(|| NetworkError::UnknownLayer {
                parameter: self.parameter.clone(),
                layer: name.clone(),
                known: layers.iter().map(|layer| layer.name.clone()).collect(),
            })
        };
        let (source, target) = (index(&self.source)?, index(&self.target)?);
        if source == target {
            return Err(NetworkError::SelfConnection {
                parameter: self.parameter.clone(),
                layer: self.source.clone(),
            });
        }
        let (inputs, width) = (layers[source].width, layers[target].width);
        let read = self.sizes(&parameter.shape, inputs, width.checked_mul(self.copies));
        let connection = match (read, width.checked_mul(self.copies)) {
            (Some((rows, columns, taps)), Some(outputs))
                if rows == outputs && columns == inputs && outputs > 0 && taps > 0 =>
            {
                Connection {
                    parameter: self.parameter.clone(),
                    source,
                    target,
                    orientation: self.orientation,
                    copies: self.copies,
                    taps,
                    inputs,
                    outputs,
                    heads: self.heads,
                    groups: self.groups,
                    flattened: self.flattened,
                    stacked: self.stacked,
                }
            }
            _ => return Err(self.misshapen(parameter, inputs, width)),
        };
        let whole = connection.divides();
        whole.then_some(connection).ok_or_else(|| self.misshapen(parameter, inputs, width))
    }

    /// Outputs, inputs and taps of a tensor of this shape.
    fn sizes(
        &self,
        shape: &[usize],
        inputs: usize,
        outputs: Option<usize>,
    ) -> Option<(usize, usize, usize)> {
        let plain = self.orientation.read(shape);
        let (rows, columns, taps) = plain?;
        match (self.orientation, shape) {
            (Orientation::OutIn, [n, out, columns]) if self.stacked > 1 => {
                (*n == self.stacked).then_some((n * out, *columns, 1))
            }
            (Orientation::InOut, [n, columns, out]) if self.stacked > 1 => {
                (*n == self.stacked).then_some((n * out, *columns, 1))
            }
            _ if self.stacked > 1 => None,
            (Orientation::InOut, [n, columns, out]) if self.flattened => {
                Some((*out, n * columns, 1))
            }
            _ if self.flattened && (columns * taps).is_multiple_of(inputs) => {
                Some((rows, inputs, columns * taps / inputs))
            }
            (Orientation::InOut, [columns, rest @ ..])
                if *columns == inputs
                    && rest.len() > 1
                    && outputs != Some(rows)
                    && outputs == Some(rest.iter().product()) =>
            {
                Some((rest.iter().product(), inputs, 1))
            }
            // Matrices one after the other, each by itself.
            (Orientation::OutIn, [n, out, columns])
                if *n == self.groups && n * columns == inputs && Some(n * out) == outputs =>
            {
                Some((n * out, inputs, 1))
            }
            _ => Some((rows, columns.saturating_mul(self.groups), taps)),
        }
    }

    fn misshapen(&self, parameter: &Parameter, inputs: usize, width: usize) -> NetworkError {
        let Self { source, target, copies, .. } = self;
        let outputs = match copies {
            1 => width.to_string(),
            _ => format!("{copies}·{width}"),
        };
        let expected = match self.orientation {
            Orientation::OutIn if self.stacked > 1 => {
                format!("[{n}, {outputs}/{n}, {inputs}]", n = self.stacked)
            }
            Orientation::InOut if self.stacked > 1 => {
                format!("[{n}, {inputs}, {outputs}/{n}]", n = self.stacked)
            }
            Orientation::OutIn if self.flattened => format!("[{outputs}, {inputs}·taps]"),
            Orientation::OutIn if self.groups != 1 => {
                format!("[{outputs}, {inputs}/{}, taps..]", self.groups)
            }
            Orientation::OutIn => format!("[{outputs}, {inputs}, taps..]"),
            Orientation::InOut => format!("[{inputs}, {outputs}, taps..]"),
        };
        let copies = match copies {
            0 => " with copies 0, which must be at least 1".to_owned(),
            1 => String::new(),
            copies => format!(" with copies {copies}"),
        };
        let heads = match self.heads {
            1 => String::new(),
            heads => format!(" and heads {heads}, which must divide {width}"),
        };
        NetworkError::ConnectionShape {
            parameter: self.parameter.clone(),
            shape: parameter.shape.clone(),
            expected: format!(
                "{expected}, since it leads from `{source}` (width {inputs}) to `{target}` (width \
                 {width}){copies}{heads}"
            ),
        }
    }

    fn unknown_parameter(&self, sorted: &[&Parameter]) -> NetworkError {
        let near = |p: &&&Parameter| {
            p.name.contains(&self.parameter) || self.parameter.contains(p.name.as_str())
        };
        let alike = |p: &&Parameter| {
            let likeness = strsim::normalized_damerau_levenshtein(&p.name, &self.parameter);
            (likeness >= ALIKE).then(|| (likeness, p.name.clone()))
        };
        let misspelt = sorted.iter().filter_map(alike).min_by(|a, b| b.0.total_cmp(&a.0));
        let misspelt = misspelt.map(|(_, name)| name);
        NetworkError::UnknownParameter {
            parameter: self.parameter.clone(),
            source_layer: self.source.clone(),
            target: self.target.clone(),
            nearest: misspelt.or_else(|| sorted.iter().find(near).map(|p| p.name.clone())),
        }
    }
}
