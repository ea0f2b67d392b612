//! timm's vision transformers: `blocks.{i}.attn.qkv` (fused, [Q; K; V] blocks), `attn.proj`,
//! `mlp.fc1`, `mlp.fc2`.

use super::layout::{Names, lay_out, split_by};
use super::plan::{Fit, Plan};
use super::select::Matrix;

const NAMES: Names =
    [&[], &[], &[], &["attn.qkv"], &["attn.proj"], &[], &["mlp.fc1"], &[], &["mlp.fc2"]];

/// Lays out the blocks; none without a fused query-key-value matrix.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    lay_out(matrices, &NAMES, |name| split_by(&NAMES, name.strip_suffix(".weight")?))
}
