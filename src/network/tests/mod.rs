//! Networks with layer and connection numbers worked out by hand.

use super::{Architecture, Network, NetworkError, Parameter, Selection};

mod building;
mod chains;
mod corners;
mod draws;
mod generic_joins;
mod misfits;
mod misread;
mod patterns;
mod real;
mod stored;
mod transformers;

fn parameters(named: &[(&str, &[usize])]) -> Vec<Parameter> {
    let new = |(name, shape): &(&str, &[usize])| Parameter::new(*name, *shape);
    named.iter().map(new).collect()
}

fn infer(parameters: &[Parameter]) -> Network {
    let network = Network::infer(parameters, &Selection::default());
    let network = network.expect("the parameters form a network");
    // Each network can be written, edited and read.
    let text = serde_json::to_string(&network).unwrap();
    assert_eq!(Network::from_json(&text, parameters).as_ref(), Ok(&network));
    assert_eq!(serde_json::from_str::<Network>(&text).unwrap(), network);
    network
}

fn infer_as(architecture: Architecture, parameters: &[Parameter]) -> Result<Network, NetworkError> {
    let selection = Selection { architecture: Some(architecture), ..Selection::default() };
    Network::infer(parameters, &selection)
}

fn selected(
    parameters: &[Parameter],
    include: &[&str],
    exclude: &[&str],
) -> Result<Network, NetworkError> {
    let owned = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect();
    let selection =
        Selection { include: owned(include), exclude: owned(exclude), ..Selection::default() };
    Network::infer(parameters, &selection)
}

/// `name:width` of every layer.
fn layers(network: &Network) -> Vec<String> {
    let layer = |l: &super::NeuronLayer| format!("{}:{}", l.name, l.width);
    network.layers().iter().map(layer).collect()
}

/// `parameter source>target` of every connection, `×copies` where there is more than one.
fn joins(network: &Network) -> Vec<String> {
    let name = |index: usize| &network.layers()[index].name;
    let connections = network.connections().iter();
    connections
        .map(|c| {
            let copies = match c.copies {
                1 => String::new(),
                n => format!(" ×{n}"),
            };
            format!("{} {}>{}{copies}", c.parameter, name(c.source), name(c.target))
        })
        .collect()
}

fn left_out(network: &Network) -> Vec<(&str, &str)> {
    let left_out = network.left_out().iter();
    left_out.map(|l| (l.name.as_str(), l.why.as_str())).collect()
}

/// GPT-NeoX as `transformers` names it, biases and norms included.
fn gpt_neox(blocks: usize, width: usize, vocabulary: usize) -> Vec<Parameter> {
    let mut all = parameters(&[
        ("embed_out.weight", &[vocabulary, width]),
        ("gpt_neox.embed_in.weight", &[vocabulary, width]),
        ("gpt_neox.final_layer_norm.bias", &[width]),
        ("gpt_neox.final_layer_norm.weight", &[width]),
    ]);
    for i in 0..blocks {
        for (name, shape) in [
            ("attention.dense.bias", vec![width]),
            ("attention.dense.weight", vec![width, width]),
            ("attention.query_key_value.bias", vec![3 * width]),
            ("attention.query_key_value.weight", vec![3 * width, width]),
            ("input_layernorm.bias", vec![width]),
            ("input_layernorm.weight", vec![width]),
            ("mlp.dense_4h_to_h.bias", vec![width]),
            ("mlp.dense_4h_to_h.weight", vec![width, 4 * width]),
            ("mlp.dense_h_to_4h.bias", vec![4 * width]),
            ("mlp.dense_h_to_4h.weight", vec![4 * width, width]),
            ("post_attention_layernorm.bias", vec![width]),
            ("post_attention_layernorm.weight", vec![width]),
        ] {
            all.push(Parameter::new(format!("gpt_neox.layers.{i}.{name}"), shape));
        }
    }
    all
}

/// Llama as `transformers` names it.
pub(in crate::network) fn llama(
    blocks: usize,
    width: usize,
    key_value: usize,
    hidden: usize,
) -> Vec<Parameter> {
    let mut all = parameters(&[
        ("lm_head.weight", &[1000, width]),
        ("model.embed_tokens.weight", &[1000, width]),
        ("model.norm.weight", &[width]),
    ]);
    for i in 0..blocks {
        for (name, shape) in [
            ("input_layernorm.weight", vec![width]),
            ("mlp.down_proj.weight", vec![width, hidden]),
            ("mlp.gate_proj.weight", vec![hidden, width]),
            ("mlp.up_proj.weight", vec![hidden, width]),
            ("post_attention_layernorm.weight", vec![width]),
            ("self_attn.k_proj.weight", vec![key_value, width]),
            ("self_attn.o_proj.weight", vec![width, width]),
            ("self_attn.q_proj.weight", vec![width, width]),
            ("self_attn.v_proj.weight", vec![key_value, width]),
        ] {
            all.push(Parameter::new(format!("model.layers.{i}.{name}"), shape));
        }
    }
    all
}
