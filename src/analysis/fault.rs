//! Why a snapshot gave no spectrum.

use crate::mfa::Degenerate;

/// Why a snapshot gave no spectrum.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Some weights are infinite or NaN.
    #[error("weights that are not finite (NaN or infinite): {weights}{}", place(.tensors))]
    NonFinite {
        /// How many.
        weights: u64,
        /// The tensors that hold them, by name; empty over several hops.
        tensors: String,
    },
    /// The network, or one of its samples, is degenerate.
    #[error("{place}: {why}")]
    Degenerate {
        /// The whole network or the sample's number.
        place: String,
        /// What is missing.
        why: Degenerate,
    },
}

fn place(tensors: &str) -> String {
    if tensors.is_empty() { String::new() } else { format!(", in {tensors}") }
}
