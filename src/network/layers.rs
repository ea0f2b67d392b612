//! Neuron layers and the connections between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A layer of neurons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeuronLayer {
    /// Unique in its network.
    pub name: String,
    /// The number of neurons, at least 1.
    pub width: usize,
    /// A sample of n neurons takes `draw`·n from this layer: 2 for a transformer's `mlp` layer,
    /// else 1.
    pub draw: usize,
    /// The role of the edges that leave the layer, [`Role::Output`] if none leave.
    pub role: Role,
    /// The number of the transformer block whose weights leave the layer; none for the output of
    /// the last block and outside transformers.
    pub block: Option<usize>,
}

/// What the edges that leave a neuron layer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Residual stream to queries, keys and values.
    Qkv,
    /// Attention to the residual stream.
    AttentionOut,
    /// Residual stream to the hidden layer of the block's MLP.
    MlpIn,
    /// Hidden layer of the block's MLP to the residual stream.
    MlpOut,
    /// A matrix outside transformer blocks.
    Linear,
    /// No edge leaves.
    Output,
}

impl Role {
    /// The name in layers.csv and run.json.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Qkv => "qkv",
            Self::AttentionOut => "attention_out",
            Self::MlpIn => "mlp_in",
            Self::MlpOut => "mlp_out",
            Self::Linear => "linear",
            Self::Output => "output",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One weight tensor that joins two neuron layers.
///
/// With `copies` c > 1 a target neuron owns c outputs of the tensor: neuron f of a layer of width
/// m owns the outputs k·m + f for k = 0, .., c - 1. A fused query-key-value matrix has c = 3 and is
/// read as [Q; K; V] row blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The tensor's name, unique among the connections.
    pub parameter: String,
    /// Index of the layer the edges leave, never `target`.
    pub source: usize,
    /// Index of the layer the edges reach.
    pub target: usize,
    /// Which dimension is which.
    pub orientation: Orientation,
    /// Outputs of the tensor per target neuron, at least 1.
    pub copies: usize,
    /// Weights per pair of input and output: 1 for a matrix, the kernel's size for a convolution.
    pub taps: usize,
    /// The width of the source layer.
    pub inputs: usize,
    /// `copies` times the width of the target layer.
    pub outputs: usize,
}

impl Connection {
    /// The number of weights in the tensor.
    #[must_use]
    pub const fn weights(&self) -> usize {
        self.outputs * self.inputs * self.taps
    }
}

/// The layout of a weight tensor, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// `[outputs, inputs, taps..]`: PyTorch's linear and convolution layers.
    OutIn,
    /// `[inputs, outputs]`, always one tap: GPT-2's `Conv1D`.
    InOut,
}

impl Orientation {
    /// Outputs, inputs and taps of a tensor of this shape; none below two dimensions, and none for
    /// [`Orientation::InOut`] above two.
    pub(super) fn read(self, shape: &[usize]) -> Option<(usize, usize, usize)> {
        match (self, shape) {
            (Self::OutIn, [outputs, inputs, taps @ ..]) => {
                Some((*outputs, *inputs, taps.iter().product()))
            }
            (Self::InOut, [inputs, outputs]) => Some((*outputs, *inputs, 1)),
            _ => None,
        }
    }
}
