//! Transformers with separate query, key and value matrices: Llama, Mistral, Qwen, OPT and models
//! with the same names; Phi-3, which fuses them as [Q; K; V] blocks, and gate and up too.

use super::layout::{Names, OUT, lay_out};
use super::plan::{Fit, Plan};
use super::select::Matrix;

/// The kinds' last segments.
const NAMES: Names = [
    &["q_proj", "wq", "q", "query"],
    &["k_proj", "wk", "k", "key"],
    &["v_proj", "wv", "v", "value"],
    &["qkv_proj"],
    &["o_proj", "wo", "o", "out_proj", "proj", "out"],
    &["gate_proj", "w1", "gate"],
    &["up_proj", "w3", "up", "fc1", "lin1"],
    &["gate_up_proj"],
    &["down_proj", "w2", "down", "fc2", "lin2"],
];

/// Segments that may be between the block's stem and the last one.
const ATTENTION: [&str; 4] = ["self_attn", "attention", "attn", "self_attention"];
const MLP: [&str; 4] = ["mlp", "feed_forward", "ffn", "ff"];

/// Lays out the blocks; none unless some stem has two of query, key and value.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    lay_out(matrices, &NAMES, split_name)
}

/// Splits a name into the block's stem and the kind of matrix. The module may also be in the last
/// segment: `block0.attn_q`, `block0.mlp_fc1`.
fn split_name(name: &str) -> Option<(&str, usize)> {
    let path = name.strip_suffix(".weight").unwrap_or(name);
    let (around, last) = path.rsplit_once('.').unwrap_or(("", path));
    let kind_of = |last: &str| NAMES.iter().position(|names| names.contains(&last));
    let modules = |kind: usize| if kind <= OUT { &ATTENTION } else { &MLP };
    if let Some(kind) = kind_of(last) {
        let (stem, module) = around.rsplit_once('.').unwrap_or(("", around));
        let inside = modules(kind).contains(&module);
        return Some((if inside { stem } else { around }, kind));
    }
    let (_, last) = [ATTENTION, MLP].as_flattened().iter().find_map(|module| {
        let last = last.strip_prefix(module)?.strip_prefix('_')?;
        Some((module, last)).filter(|(module, last)| {
            kind_of(last).is_some_and(|kind| modules(kind).contains(module))
        })
    })?;
    Some((around, kind_of(last)?))
}
