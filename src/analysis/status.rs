//! Whether a row has its numbers.

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use crate::mfa::Degenerate;

/// Whether a row's numbers are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// All values that were asked for are there.
    #[default]
    Ok,
    /// Weights are infinite or NaN: no values.
    NonFinite,
    /// No neuron has enough edges in range.
    NoNeurons,
    /// The spectrum or E has no value for another reason, here or in the baseline.
    Degenerate,
    /// The step was not analysed: the side thread was still at work (drop-newest policy), the
    /// weights could not be read, or the row was lost when the run was interrupted.
    Dropped,
}

impl Status {
    /// The name in emergence.csv.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NonFinite => "non_finite",
            Self::NoNeurons => "no_neurons",
            Self::Degenerate => "degenerate",
            Self::Dropped => "dropped",
        }
    }

    /// The status of this name; degenerate for an unknown name.
    pub(crate) fn read(name: &str) -> Self {
        let all = [Self::Ok, Self::NonFinite, Self::NoNeurons, Self::Dropped];
        all.into_iter().find(|s| s.as_str() == name).unwrap_or(Self::Degenerate)
    }

    pub(super) fn of(fault: &Fault) -> Self {
        match fault {
            Fault::NonFinite { .. } => Self::NonFinite,
            Fault::Degenerate { why: Degenerate::NoNeurons { .. }, .. } => Self::NoNeurons,
            Fault::Degenerate { .. } => Self::Degenerate,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
