//! Weight tensors as the network sees them.

use serde::{Deserialize, Serialize};

/// A named weight tensor: its name and shape, without the weights.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parameter {
    /// The full name, segments joined by `.`.
    pub name: String,
    /// The length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// Whether training may change it. A buffer (a mask, running statistics, a fixed position
    /// encoding) is not trainable; a layer that is frozen for now is.
    #[serde(default = "trainable", skip_serializing_if = "is_trainable")]
    pub trainable: bool,
    /// Whether the program's own filter keeps it.
    #[serde(skip, default = "trainable")]
    pub(crate) wanted: bool,
    /// Its place in the order of definition, where the file keeps that.
    #[serde(skip)]
    pub(crate) made: Option<usize>,
    /// The parameter that is the same tensor in memory, and comes before it.
    #[serde(skip)]
    pub(crate) tied: Option<String>,
    /// Whether it is not the same tensor, but holds the same values.
    #[serde(skip)]
    pub(crate) equal: bool,
}

fn trainable() -> bool {
    true
}

fn is_trainable(trainable: &bool) -> bool {
    *trainable
}

impl Parameter {
    /// A trainable parameter of this name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self {
            name: name.into(),
            shape: shape.into(),
            trainable: true,
            wanted: true,
            made: None,
            tied: None,
            equal: false,
        }
    }

    /// The same as a buffer, which training does not change.
    #[must_use]
    pub fn not_trainable(mut self) -> Self {
        self.trainable = false;
        self
    }
}

/// Why a parameter that is not trainable is left out.
pub(super) const UNTRAINED: &str = "not trainable, so a buffer and no weight";

/// What a parameter that is left out is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// It joins no neurons, lies at an end of the network, or counts elsewhere.
    #[default]
    Apart,
    /// Training does not change it.
    Buffer,
    /// It joins neurons inside the network.
    Inside,
    /// It joins neurons inside the network, and the user leaves it out.
    Excluded,
}

/// A parameter that is no part of the network, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The parameter's full name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The reason in words.
    pub why: String,
    /// None in files of earlier versions.
    pub(super) kind: Option<Kind>,
}

impl LeftOut {
    /// Whether it is left out because training does not change it.
    pub(crate) fn is_buffer(&self) -> bool {
        self.kind == Some(Kind::Buffer)
    }

    /// Whether it is a matrix that joins neurons inside the network.
    pub(super) fn is_of_blocks(&self) -> bool {
        let counts = self.shape.len() > 1 && !self.shape.contains(&0);
        counts && matches!(self.kind, Some(Kind::Inside | Kind::Excluded))
    }

    pub(super) fn new(parameter: &Parameter, kind: Kind, why: impl Into<String>) -> Self {
        let Parameter { name, shape, .. } = parameter.clone();
        Self { name, shape, why: why.into(), kind: Some(kind) }
    }
}
