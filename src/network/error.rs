//! What can be wrong with a network.

use std::str::FromStr;

use thiserror::Error;

use super::architecture::{Architecture, listed};

/// Why a network could not be inferred from its parameters, or built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A name that is no [`Architecture`].
    #[error("no architecture is called `{name}`; there are {}", listed())]
    UnknownArchitecture {
        /// The name given.
        name: String,
    },

    /// [`Architecture::Custom`] asked of inference.
    #[error(
        "a custom network cannot be inferred: build it with Network::builder(), or name \
         another architecture"
    )]
    CustomByName,

    /// Two parameters share a name.
    #[error("two parameters are called `{name}`: give each its own name")]
    DuplicateParameter {
        /// The shared name.
        name: String,
    },

    /// Two parameters that are read by one name, after renames and the like.
    #[error(
        "`{first}` and `{second}` are both read as `{name}`: rename one of them to another name"
    )]
    ReadAlike {
        /// The name by which they are read.
        name: String,
        /// One stored name.
        first: String,
        /// The other.
        second: String,
    },

    /// A new name with more stars than its pattern.
    #[error(
        "rename `{from}` to `{to}`: the new name has more `*` than the pattern, so there is nothing \
         to put in their place; each `*` of the new name takes what one of the pattern stands for"
    )]
    RenameStars {
        /// The pattern.
        from: String,
        /// The new name.
        to: String,
    },

    /// A shape whose number of weights overflows.
    #[error(
        "`{name}` has shape {shape:?}, more weights than memory can hold: its source is damaged"
    )]
    TooLarge {
        /// The parameter.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },

    /// A pattern that matches no parameter.
    #[error(
        "the {list} pattern `{pattern}` matches none of the {count} parameters: it must match a \
         whole name, and `*` matches any run of characters"
    )]
    PatternMatchesNothing {
        /// `include`, `exclude`, `orient` or `rename`.
        list: &'static str,
        /// The pattern.
        pattern: String,
        /// How many parameters there are.
        count: usize,
    },

    /// A pattern to include or to orient that matches no tensor with edges.
    #[error(
        "the {list} pattern `{pattern}` matches only `{name}` {shape:?} and its like: a tensor \
         of fewer than two dimensions, or without weights, joins no neurons"
    )]
    NothingToInclude {
        /// `include` or `orient`.
        list: &'static str,
        /// The pattern.
        pattern: String,
        /// The first parameter it matches.
        name: String,
        /// That parameter's shape.
        shape: Vec<usize>,
    },

    /// Two groups that share parameters.
    #[error("the groups `{first}` and `{second}` overlap: give each parameter to one group")]
    GroupsOverlap {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },

    /// A group of which no parameter has the name.
    #[error(
        "none of the {count} parameters is in the group `{group}`: the names of its parameters begin \
         with `{group}.`"
    )]
    EmptyGroup {
        /// The group.
        group: String,
        /// How many parameters there are.
        count: usize,
    },

    /// A group that cannot be inferred.
    #[error("group `{group}`: {why}")]
    InGroup {
        /// The group.
        group: String,
        /// Why.
        #[source]
        why: Box<NetworkError>,
    },

    /// No tensor is left to analyse.
    #[error(
        "none of the {count} parameters is left to analyse: biases, normalisation, embeddings, \
         the output head and what is not trainable ({untrained} of them) are left out by default; \
         put matrices in with an include pattern, or relax the exclude patterns"
    )]
    NoMatrices {
        /// How many parameters there are.
        count: usize,
        /// How many of them are left out because they are not trainable.
        untrained: usize,
    },

    /// An architecture asked for by name that the parameters do not have.
    #[error(
        "the parameters do not form a network of architecture {architecture}: {why}; let the \
         architecture be inferred, name another one, or give the network in a file (neuromfa inspect \
         --json prints one)"
    )]
    DoesNotFit {
        /// The architecture asked for.
        architecture: Architecture,
        /// What is missing or does not fit, with names and shapes.
        why: String,
    },

    /// [`per_head`](super::Selection::per_head) where it means nothing, or not a divisor.
    #[error(
        "per-head with {heads} heads does not fit: {why}; give the model's num_attention_heads, or \
         leave per-head out to read [Q; K; V] blocks as published"
    )]
    PerHead {
        /// The number of heads given.
        heads: usize,
        /// Why it does not apply.
        why: String,
    },

    /// A builder without a connection.
    #[error(
        "no neuron layers are connected: add connect(parameter, source, target) for each tensor"
    )]
    NoConnections,

    /// Two layers of a builder share a name.
    #[error("two neuron layers are called `{layer}`: give each its own name")]
    DuplicateLayer {
        /// The shared name.
        layer: String,
    },

    /// A layer without neurons, or of which none are drawn.
    #[error("neuron layer `{layer}` has {what} 0: it must be at least 1")]
    ZeroInLayer {
        /// The layer.
        layer: String,
        /// `width` or `draw`.
        what: &'static str,
    },

    /// A layer that no tensor joins to another.
    #[error("nothing leaves or reaches neuron layer `{layer}`: connect it or remove it")]
    IdleLayer {
        /// The layer.
        layer: String,
    },

    /// A connection to or from a layer that does not exist.
    #[error("`{parameter}` is joined to neuron layer `{layer}`, which is not among {known:?}")]
    UnknownLayer {
        /// The connection's parameter.
        parameter: String,
        /// The layer's name.
        layer: String,
        /// The layers there are.
        known: Vec<String>,
    },

    /// A connection whose tensor does not exist.
    #[error(
        "the connection from `{source_layer}` to `{target}` names parameter `{parameter}`, which \
         does not exist{}",
        suggestion(.nearest.as_deref())
    )]
    UnknownParameter {
        /// The name given.
        parameter: String,
        /// The connection's source layer.
        source_layer: String,
        /// The connection's target layer.
        target: String,
        /// An existing parameter whose name is like the given one, contains it, or is contained in it.
        nearest: Option<String>,
    },

    /// One tensor in two connections.
    #[error("`{parameter}` is connected twice: a tensor joins one pair of neuron layers")]
    DuplicateConnection {
        /// The parameter.
        parameter: String,
    },

    /// A connection from a layer to itself.
    #[error(
        "`{parameter}` joins neuron layer `{layer}` to itself: edges lead to another layer, so add \
         a second layer of the same width for what it feeds"
    )]
    SelfConnection {
        /// The parameter.
        parameter: String,
        /// The layer.
        layer: String,
    },

    /// A tensor whose shape does not match the layers it joins.
    #[error("`{parameter}` has shape {shape:?}; between its neuron layers it must be {expected}")]
    ConnectionShape {
        /// The parameter.
        parameter: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The shape asked for, with the layers and widths it follows from.
        expected: String,
    },

    /// A builder call without the layer or connection it would change.
    #[error("{call} comes before any {wants}: call it after the {wants} it changes")]
    Misplaced {
        /// The call, with its argument.
        call: String,
        /// `layer(..)` or `connect(..)`.
        wants: &'static str,
    },

    /// Text that is no network ([`Network::from_json`](super::Network::from_json)).
    #[error("it is no network: {why}; neuromfa inspect CHECKPOINT --json prints one to begin with")]
    NotStored {
        /// What is wrong, with line and column.
        why: String,
    },

    /// A stored network that contradicts itself.
    #[error("the stored network is damaged: {why}")]
    Damaged {
        /// The contradiction.
        why: String,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || ": use the full name, as the model lists it".into(),
        |name| format!("; did you mean `{name}`?"),
    )
}

impl FromStr for Architecture {
    type Err = NetworkError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|a| a.as_str() == name)
            .ok_or_else(|| NetworkError::UnknownArchitecture { name: name.into() })
    }
}
