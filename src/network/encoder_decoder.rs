//! Models of two stacks, with the names of T5 and BART: the blocks of the second attend to the
//! first's output.
//!
//! Encoder: `encoder.block.i.residual` → `.attention` → `.middle` → `.mlp` →
//! `encoder.block.(i+1).residual`. Decoder: `decoder.block.i.residual` → `.attention` → `.cross` →
//! `.cross_attention` → `.middle` → `.mlp` → `decoder.block.(i+1).residual`. The cross attention's
//! query leaves `.cross`; its keys and values, of all blocks, leave the encoder's last residual
//! layer, and so are one neighbourhood. The decoder's blocks are numbered after the encoder's.

use std::collections::HashSet;

use super::Role;
use super::blocks::{Blocks, gather};
use super::plan::{Fit, Plan, expect_matrix, expect_shape};
use super::select::Matrix;
use super::stack::Stack;

const ATTENTION: usize = 0; // query, key, value, output
const CROSS: usize = 4; // query, key, value, output
const GATE: usize = 8;
const UP: usize = 9;
const DOWN: usize = 10;
const KINDS: usize = 11;

/// The kinds' last segments.
const NAMES: [&[&str]; KINDS] = [
    &["SelfAttention.q", "self_attn.q_proj"],
    &["SelfAttention.k", "self_attn.k_proj"],
    &["SelfAttention.v", "self_attn.v_proj"],
    &["SelfAttention.o", "self_attn.out_proj"],
    &["EncDecAttention.q", "encoder_attn.q_proj"],
    &["EncDecAttention.k", "encoder_attn.k_proj"],
    &["EncDecAttention.v", "encoder_attn.v_proj"],
    &["EncDecAttention.o", "encoder_attn.out_proj"],
    &["DenseReluDense.wi_0"],
    &["DenseReluDense.wi", "DenseReluDense.wi_1", "fc1"],
    &["DenseReluDense.wo", "fc2"],
];

/// Lays out both stacks, or T5's encoder alone; none without a name that only they have.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let signs = ["SelfAttention.q", "encoder_attn.q_proj"];
    if !matrices.iter().any(|m| signs.iter().any(|sign| m.path().ends_with(sign))) {
        return Ok(None);
    }
    let stack_of = |side: &'static str| {
        let here = move |stem: &str| stem.split('.').any(|segment| segment == side);
        let split_name = move |name| split_name(name).filter(|(stem, _)| here(stem));
        gather::<KINDS>(matrices, split_name, |present| present[ATTENTION])
    };
    let (encoder, decoder) = (stack_of("encoder")?, stack_of("decoder")?);
    let without = |blocks: &Option<Blocks<'a, KINDS>>| -> Option<HashSet<&'a str>> {
        Some(blocks.as_ref()?.unplaced.iter().map(Matrix::name).collect())
    };
    let without = [&encoder, &decoder].map(without);
    let is_unplaced = |m: &&Matrix<'a>| {
        without.iter().all(|names| names.as_ref().is_none_or(|names| names.contains(m.name())))
    };
    let unplaced = matrices.iter().filter(is_unplaced).copied().collect();

    let Some(encoder_blocks) = &encoder else {
        let inside = |m: &&Matrix<'a>| m.path().split('.').any(|segment| segment == "encoder");
        return Err(match matrices.iter().find(inside) {
            Some(m) => format!(
                "its encoder has other names than T5's and BART's, such as `{}` {:?}",
                m.name(),
                m.shape()
            ),
            None => "no stack of blocks is called `encoder`".into(),
        });
    };
    let (mut plan, output) = lay_out(encoder_blocks, Plan::default(), "encoder.", 0, None)?;
    if let Some(blocks) = &decoder {
        let first = encoder_blocks.blocks.last().map_or(0, |block| block.number + 1);
        (plan, _) = lay_out(blocks, plan, "decoder.", first, Some(output))?;
    }
    plan.unplaced = unplaced;
    Ok(Some(plan))
}

fn lay_out<'a>(
    blocks: &Blocks<'a, KINDS>,
    plan: Plan<'a>,
    prefix: &'static str,
    first_block: usize,
    encoder: Option<usize>,
) -> Fit<(Plan<'a>, usize)> {
    let get =
        |index: usize, kind: usize| blocks.require(&blocks.blocks[index], kind, NAMES[kind][0]);
    let first = get(0, ATTENTION)?;
    expect_matrix(&first)?;
    let width = first.inputs();
    let mut stack = Stack::in_plan(plan, prefix, first_block, width);
    for (index, block) in blocks.blocks.iter().enumerate() {
        let i = block.number;
        let part = |kind: usize| get(index, kind);
        let (q, k, v) = (part(ATTENTION)?, part(ATTENTION + 1)?, part(ATTENTION + 2)?);
        let mut out = part(ATTENTION + 3)?;
        expect_shape(&q, q.outputs(), width, &first)?;
        expect_shape(&k, q.outputs(), width, &q)?;
        expect_shape(&v, q.outputs(), width, &q)?;
        expect_shape(&out, width, q.outputs(), &q)?;
        let residual = stack.open(i);
        let mut attention = stack.layer(i, "attention", q.outputs(), Role::AttentionOut);
        for matrix in [&q, &k, &v] {
            stack.plan.join(matrix, residual, attention, 1);
        }
        if let Some(encoder) = encoder {
            let (q, k, v) = (part(CROSS)?, part(CROSS + 1)?, part(CROSS + 2)?);
            let context = stack.plan.layers[encoder].width;
            expect_shape(&q, q.outputs(), width, &first)?;
            expect_shape(&k, q.outputs(), context, &q)?;
            expect_shape(&v, q.outputs(), context, &q)?;
            let cross = stack.layer(i, "cross", width, Role::Qkv);
            stack.plan.join(&out, attention, cross, 1);
            attention = stack.layer(i, "cross_attention", q.outputs(), Role::AttentionOut);
            stack.plan.join(&q, cross, attention, 1);
            stack.plan.join(&k, encoder, attention, 1);
            stack.plan.join(&v, encoder, attention, 1);
            stack.plan.layers[encoder].role = Role::Qkv;
            out = part(CROSS + 3)?;
            expect_shape(&out, width, q.outputs(), &q)?;
        }
        let mut hidden = vec![(part(UP)?, 1)];
        if blocks.any(GATE) {
            hidden.insert(0, (part(GATE)?, 1));
        }
        let down = part(DOWN)?;
        for (matrix, _) in &hidden {
            expect_shape(matrix, down.inputs(), width, &down)?;
        }
        expect_shape(&down, width, down.inputs(), &hidden[0].0)?;
        stack.close(i, attention, &out, &hidden, &down);
    }
    Ok(stack.finish())
}

/// Splits a name into the block's stem and the kind of matrix. T5 numbers the sublayers of a block:
/// `encoder.block.0.layer.1.DenseReluDense.wi`.
fn split_name(name: &str) -> Option<(&str, usize)> {
    let path = name.strip_suffix(".weight")?;
    NAMES.iter().enumerate().find_map(|(kind, ends)| {
        ends.iter().find_map(|end| {
            let stem = path.strip_suffix(end)?.strip_suffix('.')?;
            let sublayer = stem.rsplit_once(".layer.").filter(|(_, n)| n.parse::<u8>().is_ok());
            Some((sublayer.map_or(stem, |(block, _)| block), kind))
        })
    })
}
