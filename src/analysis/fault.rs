//! Why a snapshot gave no spectrum.

use crate::mfa::Degenerate;

/// Why a snapshot gave no spectrum.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Some weights are infinite or NaN.
    #[error("weights that are not finite: {weights}")]
    NonFinite {
        /// How many.
        weights: u64,
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
