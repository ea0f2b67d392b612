//! The architectures a network can be read as.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NetworkError;

/// How parameter names and shapes were read as neuron layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Architecture {
    /// `mlp`: matrices chained by position, each one's outputs the next one's inputs.
    Mlp,
    /// `gpt-neox`: transformer blocks with one fused query-key-value matrix, read as
    /// [Q; K; V] row blocks.
    GptNeox,
    /// `transformer`: blocks with separate query, key and value matrices (Llama names).
    Transformer,
    /// `generic`: every tensor of two or more dimensions is a bipartite network of its own.
    Generic,
    /// `custom`: put together with [`Network::builder`](super::Network::builder).
    Custom,
}

impl Architecture {
    /// Every architecture, in the order in which errors list them.
    pub const ALL: [Self; 5] =
        [Self::Mlp, Self::GptNeox, Self::Transformer, Self::Generic, Self::Custom];

    /// The name that [`FromStr`] reads back and that run.json carries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mlp => "mlp",
            Self::GptNeox => "gpt-neox",
            Self::Transformer => "transformer",
            Self::Generic => "generic",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
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
