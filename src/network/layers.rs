//! Neuron layers and the connections between them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A layer of neurons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NeuronLayer {
    /// Unique in its network.
    pub name: String,
    /// The number of neurons, at least 1.
    pub width: usize,
    /// A sample of n neurons takes `draw`·n from this layer: 2 for a transformer's `mlp` layer,
    /// else 1.
    #[serde(default = "one")]
    pub draw: usize,
    /// The role of the edges that leave the layer, [`Role::Output`] if none leave.
    #[serde(default = "linear")]
    pub role: Role,
    /// The number of the transformer block whose weights leave the layer; none for the output of
    /// the last block and outside transformers.
    #[serde(default)]
    pub block: Option<usize>,
    /// The group of networks that the layer belongs to; none where there is one network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

const fn one() -> usize {
    1
}

const fn linear() -> Role {
    Role::Linear
}

/// What the edges that leave a neuron layer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Residual stream to queries, keys and values.
    Qkv,
    /// Attention to the residual stream.
    AttentionOut,
    /// Residual stream to the hidden layer of the block's MLP.
    MlpIn,
    /// Hidden layer of the block's MLP to the residual stream.
    MlpOut,
    /// A tensor outside transformer blocks.
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
/// With `copies` c > 1 a target neuron owns c outputs of the tensor: neuron f of a layer of width m
/// owns the outputs k·m + f for k = 0, .., c - 1. A fused query-key-value matrix has c = 3 and is
/// read as [Q; K; V] row blocks. With h > 1 heads of s = m/h neurons each, the outputs are ordered
/// as [h, c, s] instead: neuron f owns the outputs (⌊f/s⌋·c + k)·s + f mod s.
///
/// With g > 1 groups (a grouped convolution, `[outputs, inputs/g, taps..]`) inputs and outputs fall
/// into g equal runs, and an input has edges to the outputs of its own run only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// Heads by which the copies are interleaved, at least 1: 1 is one block of rows for each copy.
    pub heads: usize,
    /// Groups of a grouped convolution, at least 1.
    pub groups: usize,
    /// Whether inputs and taps share the tensor's second axis: `[outputs, inputs·taps]`, a linear
    /// layer that reads a feature map of `inputs` channels and `taps` positions.
    /// With [`Orientation::InOut`]: whether the inputs lie on the tensor's first two axes.
    pub flattened: bool,
    /// Matrices that read the same inputs, one after the other along a first axis, at least 1:
    /// `[stacked, outputs/stacked, inputs]`, or `[stacked, inputs, outputs/stacked]` (experts).
    pub stacked: usize,
}

impl Connection {
    /// The number of weights in the tensor.
    #[must_use]
    pub const fn weights(&self) -> usize {
        self.outputs * (self.inputs / self.groups) * self.taps
    }

    /// Whether heads and groups divide what they must, in a layout that can have them.
    pub(super) const fn divides(&self) -> bool {
        let Self { outputs, inputs, taps, copies, heads, groups, flattened, stacked, .. } = *self;
        if copies == 0 || heads == 0 || groups == 0 || stacked == 0 {
            return false;
        }
        let plain = groups == 1 && (!flattened || taps == 1);
        (outputs / copies) % heads == 0
            && outputs % groups == 0
            && inputs % groups == 0
            && (plain || matches!(self.orientation, Orientation::OutIn))
            && (groups == 1 || !flattened)
            && outputs % stacked == 0
            && (stacked == 1 || groups == 1 && taps == 1 && !flattened)
    }

    /// The output that is copy `copy` of target neuron `neuron`: the row of the tensor that holds
    /// its weights (its column for [`Orientation::InOut`]).
    ///
    /// # Panics
    /// When the target layer is narrower than the heads.
    pub(crate) const fn output(&self, copy: usize, neuron: usize) -> usize {
        let size = self.outputs / self.copies / self.heads;
        (neuron / size * self.copies + copy) * size + neuron % size
    }
}

/// The layout of a weight tensor, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// `[outputs, inputs, taps..]`: PyTorch's linear and convolution layers.
    OutIn,
    /// `[inputs, outputs, taps..]`: GPT-2's `Conv1D`, matrices that are multiplied from the right
    /// (`xs.mm(&w)`), and transposed convolutions.
    InOut,
}

impl Orientation {
    /// Outputs, inputs and taps of a tensor of this shape; none below two dimensions.
    pub(super) fn read(self, shape: &[usize]) -> Option<(usize, usize, usize)> {
        match (self, shape) {
            (Self::OutIn, [outputs, inputs, taps @ ..]) => {
                Some((*outputs, *inputs, taps.iter().product()))
            }
            (Self::InOut, [inputs, outputs, taps @ ..]) => {
                Some((*outputs, *inputs, taps.iter().product()))
            }
            _ => None,
        }
    }
}
