//! BERT, RoBERTa, DistilBERT, and the vision transformers of the transformers library that follow
//! them: separate query, key and value matrices.

use super::layout::{Names, lay_out, split_by};
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
    lay_out(matrices, &NAMES, |name| split_by(&NAMES, name.strip_suffix(".weight")?))
}

/// Why a matrix outside the blocks is left out, if that is expected.
pub(super) fn left_out_reason(path: &str) -> Option<&'static str> {
    if path.split('.').any(|segment| segment.starts_with("pooler") || segment == "pre_classifier") {
        return Some("pooler: it is outside the blocks");
    }
    let head = path.starts_with("cls.")
        || path.starts_with("vocab_")
        || path.starts_with("classifier.")
        || path.starts_with("lm_head.")
        || path.ends_with("qa_outputs");
    head.then_some("output head")
}
