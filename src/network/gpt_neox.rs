//! GPT-NeoX and Pythia: one fused query-key-value matrix per block.
//!
//! Block i has the neuron layers `block.i.residual` → `.attention` → `.middle` → `.mlp` →
//! `block.(i+1).residual`, chained although the model may add attention and MLP in parallel.
//! The fused matrix `[3·attention, residual]` is read as [Q; K; V] row blocks although the model
//! interleaves them by head. Both as in the published program.

use super::Role;
use super::blocks::gather;
use super::plan::{Fit, Plan, expect_matrix, expect_shape};
use super::select::Matrix;
use super::stack::Stack;

/// What a name holds after the block's stem.
const KINDS: [&str; 4] =
    ["attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"];

/// Lays out the blocks; none without a fused query-key-value matrix.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let Some(blocks) = gather::<4>(matrices, place, |present| present[0])? else {
        return Ok(None);
    };
    let first = blocks.require(&blocks.blocks[0], 0, KINDS[0])?;
    expect_matrix(&first)?;
    let width = first.inputs();
    let mut stack = Stack::new(width);
    for block in &blocks.blocks {
        let get = |kind: usize| blocks.require(block, kind, KINDS[kind]);
        let (qkv, dense, up, down) = (get(0)?, get(1)?, get(2)?, get(3)?);
        expect_shape(&qkv, qkv.outputs(), width, &first)?;
        let attention_width = qkv.outputs() / 3;
        if attention_width * 3 != qkv.outputs() {
            return Err(format!(
                "`{}` has shape {:?}, but the rows of query, key and value must be a multiple of 3",
                qkv.name(),
                qkv.shape()
            ));
        }
        expect_shape(&dense, width, attention_width, &qkv)?;
        expect_shape(&up, up.outputs(), width, &qkv)?;
        expect_shape(&down, width, up.outputs(), &up)?;

        let i = block.number;
        let residual = stack.open(i);
        let name = format!("block.{i}.attention");
        let plan = &mut stack.plan;
        let attention = plan.layer(name, attention_width, Role::AttentionOut, Some(i));
        plan.join(&qkv, residual, attention, 3);
        stack.close(i, attention, &dense, &[up], &down);
    }
    Ok(Some(stack.finish(blocks.unplaced)))
}

/// Divides a name into the block's stem and the kind of matrix.
fn place(name: &str) -> Option<(&str, usize)> {
    let path = name.strip_suffix(".weight")?;
    KINDS.iter().enumerate().find_map(|(kind, end)| {
        let stem = path.strip_suffix(end)?;
        if stem.is_empty() {
            return Some((stem, kind));
        }
        Some((stem.strip_suffix('.')?, kind))
    })
}
