//! The values that later steps are compared with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::groups::Scope;
use super::hops::HopBaseline;
use super::warning::WarningKind;
use crate::mfa::{Fractal, Spectrum};

/// The measurement of step 0, or of the baseline file if one was given. Later steps are compared
/// with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The step that was measured.
    pub step: u64,
    /// Published estimator, one for each sample; empty when it had no value.
    pub samples: Vec<Fractal>,
    /// The position of each sample's spectrum.
    #[serde(default, rename = "places")]
    pub positions: Vec<SpectrumPosition>,
    /// Stable estimator on the whole network; none when it had no value.
    pub stable: Option<Fractal>,
    /// Layers, blocks and roles; empty when they are not measured on their own.
    #[serde(default)]
    pub groups: Vec<GroupBaseline>,
    /// The standard deviation of each matrix, by name; empty when no control asks for it.
    #[serde(default)]
    pub deviations: BTreeMap<String, f64>,
    /// The kept entries of each matrix, which have a file of their own in a run; empty without the
    /// stable estimator.
    #[serde(default, skip_serializing_if = "none")]
    pub entries: Arc<Entries>,
    /// The kinds of warnings on it.
    #[serde(default)]
    pub warnings: Vec<WarningKind>,
    /// Over several hops, by their number; empty when only one was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<HopBaseline>,
}

fn none(entries: &Entries) -> bool {
    entries.is_empty()
}

/// Where a sample's published spectrum was taken. If this moves, E changes with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectrumPosition {
    /// The smallest occupied radius.
    pub smallest_radius: f64,
    /// Index on the q grid of the maximum of f.
    pub top: usize,
}

impl SpectrumPosition {
    pub(super) fn of(spectrum: &Spectrum) -> Self {
        Self { smallest_radius: spectrum.smallest_radius, top: spectrum.top }
    }
}

/// A part of the network at step 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupBaseline {
    /// What kind of part.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Published estimator, one for each sample; empty when one of them had no value.
    pub samples: Vec<Fractal>,
    /// Stable estimator over all its neurons; none when it had no value.
    pub stable: Option<Fractal>,
}
