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
}

impl LeftOut {
    /// Whether it is left out because training does not change it.
    pub(crate) fn is_buffer(&self) -> bool {
        self.why == UNTRAINED
    }

    /// Whether it is a matrix that joins neurons inside the network, by the reason.
    pub(super) fn is_of_blocks(&self) -> bool {
        const NONE: [&str; 12] = [
            "bias",
            "normalisation",
            "fewer than two",
            "holds no",
            "embedding",
            "output head",
            "a token",
            "by its name",
            "table of",
            "the same tensor",
            "frozen base",
            UNTRAINED,
        ];
        let counts = self.shape.len() > 1 && !self.shape.contains(&0);
        counts && !NONE.iter().any(|reason| self.why.starts_with(reason))
    }

    pub(super) fn new(parameter: &Parameter, why: impl Into<String>) -> Self {
        Self { name: parameter.name.clone(), shape: parameter.shape.clone(), why: why.into() }
    }
}
