//! Where a run's baseline comes from: its first weights, a file, or the first weights with edges.

use std::path::Path;

use rayon::ThreadPool;
use serde::de::DeserializeOwned;

use super::analyst::Analyst;
use crate::analysis::{Baseline, Estimators, Plan, Snapshot};
use crate::error::Error;
use crate::network::Draw;
use crate::record::{
    BASELINE, ENTRIES, NODES, RecordError, RunConfig, holds_run, read_entries, read_file,
    say_entries_missing,
};
use crate::source::{CheckpointFile, SourceError};

/// Takes a checkpoint: maps it, or reads it.
pub(super) type Take = fn(&Path) -> Result<CheckpointFile, SourceError>;

/// A baseline that a run waits for.
#[derive(Clone, Debug)]
pub(crate) enum Awaited {
    /// Of the first step at which both estimators have a value.
    Values,
    /// This one, from its own step on.
    Known(Box<Baseline>),
}

impl Awaited {
    /// The baseline, if it is that of this step, or of an earlier one.
    pub(crate) fn found(
        &self,
        analyst: &Analyst,
        snapshot: &Snapshot,
        step: u64,
    ) -> Option<Baseline> {
        match self {
            Self::Known(baseline) => (baseline.step <= step).then(|| (**baseline).clone()),
            Self::Values => {
                let plan = &analyst.plan;
                let measurement = analyst.estimators.measure(plan, snapshot, step);
                with_values(Baseline::new(step, plan, &measurement), plan).ok()
            }
        }
    }
}

/// The baseline of a checkpoint, or that of another run of the same configuration.
pub(super) fn baseline_from(
    (path, take): (&Path, Take),
    plan: &Plan,
    config: &RunConfig,
    estimators: &Estimators,
    pool: &ThreadPool,
    snapshot: &mut Snapshot,
) -> Result<Baseline, Error> {
    let fail = |source| Error::Baseline { path: path.to_owned(), source };
    let folder = match path.file_name() {
        Some(name) if name == BASELINE => path.parent().unwrap_or(Path::new("")),
        _ => path,
    };
    if holds_run(folder) {
        let recorded = RunConfig::read(folder).map_err(|e| fail(e.into()))?;
        let draw: Draw = read(&folder.join(NODES)).map_err(&fail)?;
        let same = recorded.method == config.method
            && recorded.network.layers() == config.network.layers()
            && recorded.network.connections() == config.network.connections();
        if !same || draw != *plan.draw() {
            let what = if same { "other neurons" } else { "another network or method" };
            let why = format!(
                "that run analysed {what}: give it the same model, parameters and nodes \
                 (its {NODES}), or give a checkpoint as the baseline"
            );
            return Err(fail(why.into()));
        }
        let mut baseline: Baseline = read(&folder.join(BASELINE)).map_err(&fail)?;
        if folder.join(ENTRIES).is_file() {
            baseline.entries = read_entries(folder).map_err(|e| fail(e.into()))?;
        } else if baseline.stable.is_some() {
            say_entries_missing(folder);
        }
        return with_values(baseline, plan).map_err(|why| fail(why.into()));
    }
    let source = take(path).map_err(|e| fail(e.into()))?;
    plan.snapshot(&source, pool, snapshot).map_err(|e| fail(e.into()))?;
    let measurement = pool.install(|| estimators.measure(plan, snapshot, 0));
    with_values(Baseline::new(0, plan, &measurement), plan).map_err(|why| fail(why.into()))
}

/// Refuses a baseline against which E would never have a value.
pub(super) fn with_values(baseline: Baseline, plan: &Plan) -> Result<Baseline, String> {
    let lacking = match (&baseline.samples[..], baseline.stable) {
        ([], _) => "of the published estimator".to_owned(),
        (_, None) if plan.stable() => "of the stable estimator".to_owned(),
        _ => match plan.hops().and_then(|plan| plan.lacking(&baseline.hops)) {
            Some(lacking) => lacking,
            None => return Ok(baseline),
        },
    };
    Err(format!("it has no values {lacking}, so E would have none either"))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    let unreadable = |source| RecordError::Read { path: path.to_owned(), source };
    let text = read_file(path).map_err(|e| unreadable(e.into()))?;
    Ok(serde_json::from_slice(&text).map_err(|e| unreadable(e.into()))?)
}
