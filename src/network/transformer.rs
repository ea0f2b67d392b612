//! Transformers with separate query, key and value matrices: Llama, Mistral, Qwen, OPT and
//! models written after them.
//!
//! Block i has the neuron layers `block.i.residual` → `.attention` → `.middle` → `.mlp` →
//! `block.(i+1).residual`. Query, key and value leave the residual layer together, gate and up the
//! middle layer; a model may have no gate. The attention layer is as wide as the queries. Keys and
//! values narrower than that (grouped queries) reach a layer `block.i.key_value` of their own
//! width, which nothing leaves.

use super::Role;
use super::blocks::{Blocks, gather};
use super::plan::{Fit, Plan, expect_matrix, expect_shape};
use super::select::Matrix;
use super::stack::Stack;

const QUERY: usize = 0;
const KEY: usize = 1;
const VALUE: usize = 2;
const OUT: usize = 3;
const GATE: usize = 4;
const UP: usize = 5;
const DOWN: usize = 6;

/// What the kinds are called: in words, then as the last segment of a name.
const KINDS: [(&str, &[&str]); 7] = [
    ("query", &["q_proj", "wq", "q", "query"]),
    ("key", &["k_proj", "wk", "k", "key"]),
    ("value", &["v_proj", "wv", "v", "value"]),
    ("attention output", &["o_proj", "wo", "o", "out_proj"]),
    ("MLP gate", &["gate_proj", "w1", "gate"]),
    ("MLP input", &["up_proj", "w3", "up", "fc1"]),
    ("MLP output", &["down_proj", "w2", "down", "fc2"]),
];

/// Segments that may stand between the block's stem and the last one.
const ATTENTION: [&str; 4] = ["self_attn", "attention", "attn", "self_attention"];
const MLP: [&str; 4] = ["mlp", "feed_forward", "ffn", "ff"];

/// Lays out the blocks; none unless some stem has two of query, key and value.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let marks = |present: [bool; 7]| present[..OUT].iter().filter(|&&p| p).count() > 1;
    let Some(blocks) = gather(matrices, place, marks)? else {
        return Ok(None);
    };
    let first = require(&blocks, 0, QUERY)?;
    expect_matrix(&first)?;
    let width = first.inputs();
    let mut stack = Stack::new(width);
    for (index, block) in blocks.blocks.iter().enumerate() {
        let get = |kind| require(&blocks, index, kind);
        let (q, k, v, out) = (get(QUERY)?, get(KEY)?, get(VALUE)?, get(OUT)?);
        let hidden = hidden(&blocks, index)?;
        let down = get(DOWN)?;

        let attention_width = q.outputs();
        expect_shape(&q, attention_width, width, &first)?;
        if k.outputs() > attention_width {
            expect_shape(&k, attention_width, width, &q)?;
        }
        expect_shape(&k, k.outputs(), width, &q)?;
        expect_shape(&v, k.outputs(), width, &k)?;
        expect_shape(&out, width, attention_width, &q)?;
        let hidden_width = hidden[0].outputs();
        expect_shape(&hidden[0], hidden_width, width, &q)?;
        for matrix in &hidden[1..] {
            expect_shape(matrix, hidden_width, width, &hidden[0])?;
        }
        expect_shape(&down, width, hidden_width, &hidden[0])?;

        let i = block.number;
        let residual = stack.open(i);
        let plan = &mut stack.plan;
        let name = format!("block.{i}.attention");
        let attention = plan.layer(name, attention_width, Role::AttentionOut, Some(i));
        let key_value = if k.outputs() == attention_width {
            attention
        } else {
            let name = format!("block.{i}.key_value");
            plan.layer(name, k.outputs(), Role::Output, Some(i))
        };
        plan.join(&q, residual, attention, 1);
        plan.join(&k, residual, key_value, 1);
        plan.join(&v, residual, key_value, 1);
        stack.close(i, attention, &out, &hidden, &down);
    }
    Ok(Some(stack.finish(blocks.unplaced)))
}

/// The matrices into the hidden layer of the MLP: gate and up, or one alone.
///
/// Without any `w3`, `w1` is no gate but the only way in.
fn hidden<'a>(blocks: &Blocks<'a, 7>, block: usize) -> Fit<Vec<Matrix<'a>>> {
    let mut kinds = Vec::new();
    if blocks.any(GATE) {
        kinds.push(GATE);
    }
    let only_w1 = !blocks.any(UP)
        && blocks.blocks[block]
            .get(GATE)
            .is_some_and(|gate| gate.name().trim_end_matches(".weight").ends_with("w1"));
    if !only_w1 {
        kinds.push(UP);
    }
    kinds.into_iter().map(|kind| require(blocks, block, kind)).collect()
}

fn require<'a>(blocks: &Blocks<'a, 7>, block: usize, kind: usize) -> Fit<Matrix<'a>> {
    let (label, names) = KINDS[kind];
    blocks.require(&blocks.blocks[block], kind, &format!("{label} ({})", names.join(", ")))
}

/// Divides a name into the block's stem and the kind of matrix.
fn place(name: &str) -> Option<(&str, usize)> {
    let path = name.strip_suffix(".weight").unwrap_or(name);
    let (around, last) = path.rsplit_once('.').unwrap_or(("", path));
    let kind = KINDS.iter().position(|(_, names)| names.contains(&last))?;
    let modules = if kind <= OUT { ATTENTION } else { MLP };
    let (stem, module) = around.rsplit_once('.').unwrap_or(("", around));
    Some((if modules.contains(&module) { stem } else { around }, kind))
}
