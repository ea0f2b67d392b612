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
}

impl Parameter {
    /// A parameter of this name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into() }
    }
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
}

impl LeftOut {
    pub(super) fn new(parameter: &Parameter, why: impl Into<String>) -> Self {
        Self { name: parameter.name.clone(), shape: parameter.shape.clone(), why: why.into() }
    }
}
