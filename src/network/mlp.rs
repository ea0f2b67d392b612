//! MLP chains: matrices in natural order of their names, each one's inputs the outputs of the one
//! before.
//!
//! The order of names is taken as the order of computation. If the two differ and the widths still
//! chain, layers have wrong numbers; one-hop values are the same.

use super::Role;
use super::plan::{Fit, Plan, expect_matrix};
use super::select::Matrix;

/// Chains all matrices, or all except those that only an include pattern adds; these are then
/// unplaced.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Plan<'a>> {
    chain(matrices, |_| true).or_else(|_| chain(matrices, |m| !m.put_back))
}

/// The name that speaks against a chain even if the widths fit: attention of equal widths and
/// recurrent cells would chain too.
pub(super) fn doubt(matrices: &[Matrix]) -> Option<String> {
    const SIGNS: [&str; 7] =
        ["attn", "attention", "qkv", "query", "weight_ih", "weight_hh", "lora"];
    let sign = |m: &&Matrix| {
        let name = m.name().to_ascii_lowercase();
        SIGNS.iter().any(|sign| name.contains(sign))
    };
    matrices.iter().find(sign).map(|m| {
        format!(
            "`{}` {:?} does not sound like a link of a chain of linear layers",
            m.name(),
            m.shape()
        )
    })
}

fn chain<'a>(matrices: &[Matrix<'a>], links: impl Fn(&Matrix) -> bool) -> Fit<Plan<'a>> {
    let (chained, unplaced): (Vec<_>, Vec<_>) = matrices.iter().copied().partition(links);
    let [first, ..] = chained.as_slice() else {
        return Err("no matrix is left to chain".into());
    };
    expect_matrix(first)?;
    let mut plan = Plan { unplaced, ..Plan::default() };
    let mut source = plan.layer("layer.0", first.inputs(), Role::Linear, None);
    let mut previous = first;
    for (index, matrix) in chained.iter().enumerate() {
        expect_matrix(matrix)?;
        if matrix.inputs() != plan.layers[source].width {
            return Err(format!(
                "`{}` {:?} reads {} values, but `{}` {:?} before it gives {}",
                matrix.name(),
                matrix.shape(),
                matrix.inputs(),
                previous.name(),
                previous.shape(),
                previous.outputs(),
            ));
        }
        let name = format!("layer.{}", index + 1);
        let target = plan.layer(name, matrix.outputs(), Role::Linear, None);
        plan.join(matrix, source, target, 1);
        (source, previous) = (target, matrix);
    }
    plan.layers[source].role = Role::Output;
    Ok(plan)
}
