//! BERT, RoBERTa, DistilBERT, and the vision transformers that transformers writes after them:
//! separate query, key and value matrices.

use super::layout::{Names, lay_out, place_by};
use super::plan::{Fit, Plan};
use super::select::Matrix;

const NAMES: Names = [
    &["attention.self.query", "attention.attention.query", "attention.q_lin"],
    &["attention.self.key", "attention.attention.key", "attention.k_lin"],
    &["attention.self.value", "attention.attention.value", "attention.v_lin"],
    &[],
    &["attention.output.dense", "attention.out_lin"],
    &[],
    &["intermediate.dense", "ffn.lin1"],
    &[],
    &["output.dense", "ffn.lin2"],
];

/// Lays out the blocks; none unless some stem has two of query, key and value.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    lay_out(matrices, &NAMES, |name| place_by(&NAMES, name.strip_suffix(".weight")?))
}

/// Why a matrix beside the blocks is left out, where that is as it should be.
pub(super) fn beside(path: &str) -> Option<&'static str> {
    if path.split('.').any(|segment| segment.starts_with("pooler") || segment == "pre_classifier") {
        return Some("pooler: it stands outside the blocks");
    }
    let head = path.starts_with("cls.")
        || path.starts_with("vocab_")
        || path.starts_with("classifier.")
        || path.starts_with("lm_head.")
        || path.ends_with("qa_outputs");
    head.then_some("output head")
}
