//! GPT-NeoX and Pythia: one fused query-key-value matrix per block.
//!
//! The fused matrix `[3·attention, residual]` is read as [Q; K; V] row blocks although the model
//! interleaves them by head, and attention and MLP are chained although the model adds them in
//! parallel: both as in the published program. [`per_head`] reads the rows as they are,
//! [heads, 3, head size]; that changes which edges a drawn feature has, not the whole network.

use super::layout::{Names, lay_out, split_by};
use super::plan::{Fit, Plan};
use super::select::Matrix;
use super::{Architecture, NetworkError};

/// What a name holds after the block's stem.
const NAMES: Names = [
    &[],
    &[],
    &[],
    &["attention.query_key_value"],
    &["attention.dense"],
    &[],
    &["mlp.dense_h_to_4h"],
    &[],
    &["mlp.dense_4h_to_h"],
];

/// Lays out the blocks; none without a fused query-key-value matrix.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    lay_out(matrices, &NAMES, |name| split_by(&NAMES, name.strip_suffix(".weight")?))
}

/// Interleaves the fused rows by head.
pub(super) fn per_head(
    plan: &mut Plan,
    architecture: Architecture,
    heads: usize,
) -> Result<(), NetworkError> {
    let refuse = |why: String| Err(NetworkError::PerHead { heads, why });
    if !matches!(architecture, Architecture::GptNeox | Architecture::Gpt2) {
        return refuse(format!(
            "the architecture is {architecture}, and only gpt-neox and gpt2 (as GPTBigCode) \
             interleave query, key and value by head"
        ));
    }
    let layers = &plan.layers;
    for connection in plan.connections.iter_mut().filter(|c| c.copies == 3) {
        let layer = &layers[connection.target];
        if heads == 0 || !layer.width.is_multiple_of(heads) {
            return refuse(format!(
                "layer `{}` has {} neurons, which is no multiple of it",
                layer.name, layer.width
            ));
        }
        connection.heads = heads;
    }
    Ok(())
}
