//! The neuron interaction network (NIN): layers of neurons and the weight tensors that join them.
//!
//! A [`Network`] says which neurons there are and which tensor holds the weights between which two
//! layers; it holds no weights. It is inferred from the names and shapes of the parameters
//! ([`Network::infer`]), built by hand ([`Network::builder`]), or read from a file that was edited
//! ([`Network::from_json`]).
//!
//! | architecture | recognised by | neuron layers |
//! |---|---|---|
//! | [`Architecture::GptNeox`] | `[prefix.]layers.{i}.attention.query_key_value.weight`, `.attention.dense`, `.mlp.dense_h_to_4h`, `.mlp.dense_4h_to_h` | per block `residual`, `attention`, `middle`, `mlp`; at the end one more `residual` |
//! | [`Architecture::Gpt2`], [`Architecture::Bert`], [`Architecture::Vit`] | `attn.c_attn`; `attention.self.query`; `attn.qkv` | as above |
//! | [`Architecture::EncoderDecoder`] | `SelfAttention.q`, `EncDecAttention.q`; `encoder_attn.q_proj` | two such stacks; the decoder's blocks also `cross`, `cross_attention` |
//! | [`Architecture::Unet`] | `down_blocks.{i}.resnets.{j}.conv1` | `in`, `hidden`, `out` of each unit |
//! | [`Architecture::Rnn`] | `weight_ih_l{k}`, `weight_hh_l{k}` | `l{k}.hidden`, `l{k}.gates`, `l0.input` |
//! | [`Architecture::Lora`] | `{module}.lora_A`, `{module}.lora_B` | `{module}.rank`, `{module}.out` and what A reads |
//! | [`Architecture::Cnn`] | convolutions that chain, in residual blocks or one after the other | the outputs of each module |
//! | [`Architecture::Transformer`] | `q_proj`, `k_proj`, `v_proj`, `o_proj`, `gate_proj` (may be absent), `up_proj`, `down_proj`; `wq`, `wk`, `wv`, `wo`, `w1`, `w3`, `w2`; `q`, `k`, `v`, `o`, `gate`, `up`, `down`; `fc1`, `fc2` | as above, and `key_value` where keys and values are narrower than queries |
//! | [`Architecture::Mlp`] | matrices that chain in the natural order of their names | `layer.0`, `layer.1`, .. |
//! | [`Architecture::Generic`] | anything else, with a warning | `{parameter}.in` and `{parameter}.out` for each tensor |
//! | [`Architecture::Custom`] | [`Network::builder`] | yours |
//!
//! docs/architectures.md has the connections of each, what it leaves out and its warnings.
//!
//! The order in which the parameters come does not matter: they are sorted by the natural order
//! of their names first (`layers.2` before `layers.10`), or by that of their creation where tch's
//! numbers show it (`weight__5`).
//!
//! The neurons of the sampled networks (SNIN) are drawn with a seed ([`Samples`](crate::Samples)) or
//! given as a file.
//!
//! ```
//! use neuromfa::network::{Architecture, Network, Parameter, Selection};
//!
//! let parameters = [
//!     Parameter::new("0.weight", [30, 20]),
//!     Parameter::new("0.bias", [30]),
//!     Parameter::new("2.weight", [10, 30]),
//! ];
//! let network = Network::infer(&parameters, &Selection::default())?;
//! assert_eq!(network.architecture(), Architecture::Mlp);
//! assert_eq!(network.layers()[1].name, "layer.1");
//! assert_eq!(network.left_out()[0].name, "0.bias");
//! # Ok::<(), neuromfa::network::NetworkError>(())
//! ```

mod architecture;
mod attention;
mod bert;
mod blocks;
mod builder;
mod chain;
mod cnn;
mod concat;
mod draw;
mod encoder_decoder;
mod error;
mod generic;
mod gpt2;
mod gpt_neox;
mod grouped;
mod infer;
mod joins;
mod kernels;
mod layers;
mod layout;
mod layout_doubt;
mod link;
mod lora;
mod mlp;
mod natural;
mod nin;
mod parameter;
mod paths;
mod pattern;
mod plan;
mod reading;
mod rnn;
mod select;
mod side_by_side;
mod stack;
mod stacked;
mod stored;
mod towers;
mod transformer;
mod unet;
mod vit;

#[cfg(test)]
mod tests;

pub use architecture::Architecture;
pub use builder::NetworkBuilder;
pub use error::NetworkError;
pub use layers::{Connection, NeuronLayer, Orientation, Role};
pub use nin::Network;
pub use parameter::{LeftOut, Parameter};
pub use select::Selection;

pub(crate) use attention::Projection;
pub(crate) use exports::*;
pub(crate) use natural::compare as natural_order;

/// Further items for the command, tests and benches.
pub(crate) mod exports {
    pub use super::draw::{Draw, DrawError};
    pub use super::nin::share_in_words;
    pub use super::pattern::matches;
}
