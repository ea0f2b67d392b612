//! MLP chains: matrices in an order in which each one's inputs are the outputs of the one before
//! (`chain.rs`).
//!
//! The order of names is taken as the order of computation. If the two differ and the widths still
//! chain, layers have wrong numbers; one-hop values are the same.

use super::Role;
use super::chain::{Start, arrange};
use super::layout_doubt::{is_plain, standing_alone, turned};
use super::plan::{Fit, Plan};
use super::select::Matrix;

/// Chains all matrices, or all except those that only an include pattern adds; these are then
/// unplaced.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Plan<'a>> {
    chain(matrices, |_| true).or_else(|_| chain(matrices, |m| !m.put_back))
}

/// Names of adapters other than LoRA's.
const ADAPTERS: [&str; 7] = ["hada_w", "hada_t", "lokr_w", "lokr_t", "ia3_l", "oft_r", "boft_"];

/// The name that speaks against a chain even if the widths fit: attention of equal widths and
/// recurrent cells would chain too.
pub(super) fn doubt(matrices: &[Matrix]) -> Option<String> {
    const SIGNS: [&str; 8] =
        ["attn", "attention", "qkv", "query", "in_proj", "weight_ih", "weight_hh", "lora"];
    let sign = |m: &&Matrix| {
        let name = m.reads.to_ascii_lowercase();
        SIGNS.iter().any(|sign| name.contains(sign))
    };
    if let Some(m) = matrices.iter().find(|m| ADAPTERS.iter().any(|sign| m.reads.contains(sign))) {
        return Some(format!(
            "`{}` {:?} is part of an adapter of another kind than LoRA (LoHa, LoKr, IA3, OFT or \
             BOFT), which is not read",
            m.name(),
            m.shape(),
        ));
    }
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
    if chained.is_empty() {
        return Err("no matrix is left to chain".into());
    }
    let mut plan = Plan { unplaced, ..Plan::default() };
    let arranged = arrange(&chained, Start::Free).or_else(|why| {
        let around: Vec<Matrix<'a>> =
            chained.iter().map(|m| if is_plain(m) { m.turned() } else { *m }).collect();
        let arranged = arrange(&around, Start::Free).map_err(|_| why)?;
        plan.warnings.extend(turned(&chained, &around));
        Ok::<_, String>(arranged)
    })?;
    let inputs = arranged.links[0].matrix.inputs();
    let first = plan.layer("layer.0", inputs, Role::Linear, None);
    arranged.lay_out(&mut plan, first, |link| format!("layer.{}", link.target));
    plan.warnings.extend(standing_alone(&chained));
    Ok(plan)
}
