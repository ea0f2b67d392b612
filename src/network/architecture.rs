//! The architectures a network can be read as.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How parameter names and shapes were read as neuron layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Architecture {
    /// `lora`: low-rank adapters A and B of frozen weights (PEFT names).
    Lora,
    /// `mlp`: matrices chained by position, each one's outputs the next one's inputs.
    Mlp,
    /// `cnn`: convolutions chained by position, plain, grouped or depthwise, or residual blocks
    /// (ResNet names); then linear layers.
    Cnn,
    /// `unet`: the UNet of a diffusion model (diffusers names).
    Unet,
    /// `rnn`: plain recurrent, GRU and LSTM layers (PyTorch and tch names).
    Rnn,
    /// `gpt-neox`: transformer blocks with one fused query-key-value matrix, read as
    /// [Q; K; V] row blocks unless [`Selection::per_head`](super::Selection::per_head) is given.
    GptNeox,
    /// `gpt2`: transformer blocks with one fused query-key-value matrix, stored by `Conv1D` or
    /// by linear layers.
    Gpt2,
    /// `bert`: transformer blocks of BERT and models with the same names (HF's ViT too).
    Bert,
    /// `vit`: transformer blocks of timm's vision transformers.
    Vit,
    /// `encoder-decoder`: two stacks of blocks, the second with cross attention (T5, BART).
    EncoderDecoder,
    /// `transformer`: blocks with separate query, key and value matrices (Llama names), or fused
    /// ones (Phi-3).
    Transformer,
    /// `generic`: every tensor of two or more dimensions is a separate bipartite network.
    Generic,
    /// `custom`: built with [`Network::builder`](super::Network::builder).
    Custom,
}

impl Architecture {
    /// Every architecture, in the order in which they are tried.
    pub const ALL: [Self; 13] = [
        Self::Lora,
        Self::GptNeox,
        Self::Gpt2,
        Self::EncoderDecoder,
        Self::Unet,
        Self::Bert,
        Self::Vit,
        Self::Transformer,
        Self::Rnn,
        Self::Cnn,
        Self::Mlp,
        Self::Generic,
        Self::Custom,
    ];

    /// The name that [`FromStr`](std::str::FromStr) reads back and that run.json carries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lora => "lora",
            Self::Mlp => "mlp",
            Self::Cnn => "cnn",
            Self::Unet => "unet",
            Self::Rnn => "rnn",
            Self::GptNeox => "gpt-neox",
            Self::Gpt2 => "gpt2",
            Self::Bert => "bert",
            Self::Vit => "vit",
            Self::EncoderDecoder => "encoder-decoder",
            Self::Transformer => "transformer",
            Self::Generic => "generic",
            Self::Custom => "custom",
        }
    }
}

/// The names of all of them, for an error.
pub(super) fn listed() -> String {
    Architecture::ALL.map(Architecture::as_str).join(", ")
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
