//! GPT-2: `h.{i}.attn.c_attn`, `attn.c_proj`, `mlp.c_fc`, `mlp.c_proj`.
//!
//! The transformers library stores them with `Conv1D`, `[in, out]`; nanoGPT stores linear layers,
//! `[out, in]`, under the same names. The shape of the fused matrix distinguishes the two: `[d,
//! 3d]` is `Conv1D`, `[3d, d]` is linear, and the square attention output has the same layout. Both
//! hold [Q; K; V] as blocks. tch's LLaMA has a gate, `mlp.c_fc1`, next to `mlp.c_fc2`.

use super::Orientation;
use super::layout::{FUSED, Names, lay_out, split_by};
use super::plan::{Fit, Plan};
use super::select::{Evidence, Matrix};

const NAMES: Names = [
    &[],
    &[],
    &[],
    &["attn.c_attn"],
    &["attn.c_proj"],
    &["mlp.c_fc1"],
    &["mlp.c_fc", "mlp.c_fc2"],
    &[],
    &["mlp.c_proj"],
];

/// Lays out the blocks; none without a fused query-key-value matrix.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let split_name = |name: &'a str| split_by(&NAMES, name.strip_suffix(".weight").unwrap_or(name));
    let is_fused = |m: &&Matrix<'a>| split_name(m.reads).is_some_and(|(_, kind)| kind == FUSED);
    let Some(fused) = matrices.iter().find(is_fused) else {
        return Ok(None);
    };
    let orientation = match *fused.shape() {
        _ if fused.evidence == Evidence::Given => fused.orientation,
        [d, rows] if rows == 3 * d => Orientation::InOut,
        [rows, d] if rows == 3 * d => Orientation::OutIn,
        _ => {
            return Err(format!(
                "`{}` {:?} is neither [d, 3d] (Conv1D) nor [3d, d] (linear)",
                fused.name(),
                fused.shape()
            ));
        }
    };
    let oriented: Vec<Matrix<'a>> = matrices
        .iter()
        .map(|m| match split_name(m.reads) {
            Some(_) if m.shape().len() == 2 && m.evidence != Evidence::Given => {
                Matrix { orientation, ..*m }
            }
            _ => *m,
        })
        .collect();
    lay_out(&oriented, &NAMES, split_name)
}
