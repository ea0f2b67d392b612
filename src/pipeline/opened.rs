//! A run that has begun or is resumed, and what it is asked to follow.

use std::path::PathBuf;

use serde_json::Value;

use super::baseline::Awaited;
use super::run::{Pipeline, Step};
use crate::record::RunConfig;

/// Which steps the run analyses.
#[derive(Clone)]
pub(crate) struct Follow<'a> {
    pub(crate) schedule: Value, // as in run.json
    pub(crate) budget: Option<f64>,
    pub(crate) due: &'a dyn Fn(u64) -> bool,
    pub(crate) log_first: bool, // whether the first step has a row in metrics.csv
    pub(crate) earlier: Vec<Step>, // what was logged before the first step
    pub(crate) live: bool,      // whether this is the process that trains
}

/// A run that has begun, or is resumed.
pub(crate) struct Opened {
    pub(crate) pipeline: Pipeline,
    /// The run's folder, as it was given; of a numbered run, with its number.
    pub(crate) folder: PathBuf,
    /// The step at which a resumed run continues; none for a new one.
    pub(crate) resumed_at: Option<u64>,
    /// The last step that was reported before.
    pub(crate) last_step: Option<u64>,
    /// The step at which a stop was reported to training before.
    pub(crate) stopped_step: Option<u64>,
    /// Seconds that the last analysis took, snapshot and all.
    pub(crate) analysis_seconds: f64,
    /// The configuration, as in run.json.
    pub(crate) config: RunConfig,
    /// The baseline that the run has not reached; none if it has one.
    pub(crate) awaited: Option<Awaited>,
    /// What the network and its shapes give reason to warn of.
    pub(crate) warnings: Vec<String>,
}
