//! GPT-2: `h.{i}.attn.c_attn`, `attn.c_proj`, `mlp.c_fc`, `mlp.c_proj`.
//!
//! transformers stores them by `Conv1D`, `[in, out]`; nanoGPT stores linear layers, `[out, in]`,
//! under the same names. The fused matrix tells: `[d, 3d]` is the one, `[3d, d]` the other, and the
//! square attention output follows it. Both hold [Q; K; V] as blocks. tch's LLaMA has a gate,
//! `mlp.c_fc1`, next to `mlp.c_fc2`.

use super::Orientation;
use super::layout::{FUSED, Names, lay_out, place_by};
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
    let place = |name: &'a str| place_by(&NAMES, name.strip_suffix(".weight").unwrap_or(name));
    let is_fused = |m: &&Matrix<'a>| place(m.reads).is_some_and(|(_, kind)| kind == FUSED);
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
        .map(|m| match place(m.reads) {
            Some(_) if m.shape().len() == 2 && m.evidence != Evidence::Given => {
                Matrix { orientation, ..*m }
            }
            _ => *m,
        })
        .collect();
    lay_out(&oriented, &NAMES, place)
}
