//! One stack of transformer blocks as neuron layers, independent of the names of its matrices.
//!
//! Block i has the neuron layers `block.i.residual` → `.attention` → `.middle` → `.mlp` →
//! `block.(i+1).residual`, chained although a model may add attention and MLP in parallel. Query,
//! key and value leave the residual layer together, gate and up the middle layer; a model may have
//! no gate. The attention layer is as wide as the queries. Keys and values narrower than that
//! (grouped queries) reach a layer `block.i.key_value` of their own width, which nothing leaves;
//! a fused matrix with such keys and values reaches one layer `block.i.query_key_value`.

use super::Role;
use super::blocks::{Blocks, gather};
use super::plan::{Fit, Plan, expect_matrix, expect_shape};
use super::select::Matrix;
use super::stack::Stack;

pub(super) const QUERY: usize = 0;
pub(super) const KEY: usize = 1;
pub(super) const VALUE: usize = 2;
pub(super) const FUSED: usize = 3; // query, key and value in one
pub(super) const OUT: usize = 4;
pub(super) const GATE: usize = 5;
pub(super) const UP: usize = 6;
pub(super) const FUSED_UP: usize = 7; // gate and up in one
pub(super) const DOWN: usize = 8;
pub(super) const KINDS: usize = 9;

/// The kinds in words.
const WORDS: [&str; KINDS] = [
    "query",
    "key",
    "value",
    "fused query, key and value",
    "attention output",
    "MLP gate",
    "MLP input",
    "fused MLP gate and input",
    "MLP output",
];

/// How an architecture names its kinds: the last segments of a name, without `.weight`.
pub(super) type Names = [&'static [&'static str]; KINDS];

/// Splits a path, a name without `.weight`, into the block's stem and the kind of matrix by its
/// last segments.
pub(super) fn split_by<'n>(names: &Names, path: &'n str) -> Option<(&'n str, usize)> {
    names.iter().enumerate().find_map(|(kind, ends)| {
        ends.iter().find_map(|end| {
            let stem = path.strip_suffix(end)?;
            let whole = stem.is_empty() || stem.ends_with('.');
            whole.then(|| (stem.trim_end_matches('.'), kind))
        })
    })
}

/// Lays out the blocks that `split_name` finds; none unless some stem has a fused query-key-value
/// matrix or two of query, key and value.
pub(super) fn lay_out<'a>(
    matrices: &[Matrix<'a>],
    names: &Names,
    split_name: impl Fn(&'a str) -> Option<(&'a str, usize)>,
) -> Fit<Option<Plan<'a>>> {
    let marks = |present: [bool; KINDS]| {
        present[FUSED] || present[..FUSED].iter().filter(|&&p| p).count() > 1
    };
    let Some(blocks) = gather(matrices, split_name, marks)? else {
        return Ok(None);
    };
    let reader = Reader { blocks: &blocks, names };
    let fused = blocks.any(FUSED);
    let first = reader.require(0, if fused { FUSED } else { QUERY })?;
    expect_matrix(&first)?;
    let width = first.inputs();
    let mut stack = Stack::new(width);
    for index in 0..blocks.blocks.len() {
        let attention = if fused {
            reader.fused(&mut stack, index, &first)?
        } else {
            reader.separate(&mut stack, index, &first)?
        };
        reader.rest(&mut stack, index, attention)?;
    }
    let (mut plan, _) = stack.finish();
    plan.unplaced = blocks.unplaced;
    Ok(Some(plan))
}

/// The attention layer, and the matrix whose shape the others follow from.
type Attention<'a> = (usize, Matrix<'a>);

struct Reader<'a, 'b> {
    blocks: &'b Blocks<'a, KINDS>,
    names: &'b Names,
}

impl<'a> Reader<'a, '_> {
    fn separate(
        &self,
        stack: &mut Stack<'a>,
        index: usize,
        first: &Matrix<'a>,
    ) -> Fit<Attention<'a>> {
        let get = |kind| self.require(index, kind);
        let (q, k, v) = (get(QUERY)?, get(KEY)?, get(VALUE)?);
        let (width, attention_width) = (first.inputs(), q.outputs());
        expect_shape(&q, attention_width, width, first)?;
        if k.outputs() > attention_width {
            expect_shape(&k, attention_width, width, &q)?;
        }
        expect_shape(&k, k.outputs(), width, &q)?;
        expect_shape(&v, k.outputs(), width, &k)?;

        let i = self.number(index);
        let residual = stack.open(i);
        let attention = stack.layer(i, "attention", attention_width, Role::AttentionOut);
        let key_value = if k.outputs() == attention_width {
            attention
        } else {
            stack.layer(i, "key_value", k.outputs(), Role::Output)
        };
        stack.plan.join(&q, residual, attention, 1);
        stack.plan.join(&k, residual, key_value, 1);
        stack.plan.join(&v, residual, key_value, 1);
        Ok((attention, q))
    }

    fn fused(&self, stack: &mut Stack<'a>, index: usize, first: &Matrix<'a>) -> Fit<Attention<'a>> {
        let qkv = self.require(index, FUSED)?;
        let out = self.require(index, OUT)?;
        expect_shape(&qkv, qkv.outputs(), first.inputs(), first)?;
        let (rows, queries) = (qkv.outputs(), out.inputs());
        let i = self.number(index);
        let residual = stack.open(i);
        // Only Phi-3's fused matrix may hold grouped queries.
        if self.names[FUSED].contains(&"qkv_proj")
            && rows > queries
            && rows < 3 * queries
            && (rows - queries) % 2 == 0
        {
            let fused = stack.layer(i, "query_key_value", rows, Role::Output);
            stack.plan.join(&qkv, residual, fused, 1);
            let attention = stack.layer(i, "attention", queries, Role::AttentionOut);
            return Ok((attention, qkv));
        }
        if rows % 3 != 0 {
            return Err(format!(
                "`{}` has shape {:?}, but the rows of query, key and value must be a multiple of 3",
                qkv.name(),
                qkv.shape()
            ));
        }
        expect_shape(&out, first.inputs(), rows / 3, &qkv)?;
        let attention = stack.layer(i, "attention", rows / 3, Role::AttentionOut);
        stack.plan.join(&qkv, residual, attention, 3);
        Ok((attention, qkv))
    }

    /// The block from its attention layer on.
    fn rest(
        &self,
        stack: &mut Stack<'a>,
        index: usize,
        (attention, from): Attention<'a>,
    ) -> Fit<()> {
        let out = self.require(index, OUT)?;
        let hidden = self.hidden(index)?;
        let down = self.require(index, DOWN)?;
        let (width, attention_width) = (from.inputs(), stack.plan.layers[attention].width);
        expect_shape(&out, width, attention_width, &from)?;
        let (first, copies) = hidden[0];
        let hidden_width = first.outputs() / copies;
        expect_shape(&first, copies * hidden_width, width, &from)?;
        for (matrix, _) in &hidden[1..] {
            expect_shape(matrix, hidden_width, width, &first)?;
        }
        expect_shape(&down, width, hidden_width, &first)?;
        stack.close(self.number(index), attention, &out, &hidden, &down);
        Ok(())
    }

    /// The matrices into the hidden layer of the MLP: gate and up, one alone, or both fused.
    ///
    /// Without any `w3`, `w1` is no gate but the only way in.
    fn hidden(&self, index: usize) -> Fit<Vec<(Matrix<'a>, usize)>> {
        if self.blocks.any(FUSED_UP) {
            return Ok(vec![(self.require(index, FUSED_UP)?, 2)]);
        }
        let mut kinds = Vec::new();
        if self.blocks.any(GATE) {
            kinds.push(GATE);
        }
        let only_w1 = !self.blocks.any(UP)
            && self.blocks.blocks[index].get(GATE).is_some_and(|gate| gate.path().ends_with("w1"));
        if !only_w1 {
            kinds.push(UP);
        }
        kinds.into_iter().map(|kind| Ok((self.require(index, kind)?, 1))).collect()
    }

    fn number(&self, index: usize) -> usize {
        self.blocks.blocks[index].number
    }

    fn require(&self, index: usize, kind: usize) -> Fit<Matrix<'a>> {
        let label = format!("{} ({})", WORDS[kind], self.names[kind].join(", "));
        self.blocks.require(&self.blocks.blocks[index], kind, &label)
    }
}
