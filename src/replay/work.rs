//! A run of checkpoints that has begun: what is known of each becomes its rows, in the order of the steps.

use std::path::Path;
use std::sync::Arc;

use super::examine::Examined;
use super::facts::Facts;
use super::series::Series;
use crate::error::Error;
use crate::network::NetworkError;
use crate::pipeline::{Follow, Opened, Pipeline, Settings, Step};
use crate::source::Checkpoint;

/// The part of a replay in which each row depends on those before it.
pub(super) struct Work {
    pub(super) pipeline: Pipeline,
    pub(super) series: Series,
}

/// What was logged up to a checkpoint since the one before: at earlier steps, and at its own.
pub(super) fn at_its_step(mut logged: Vec<Step>, step: u64) -> (Vec<Step>, Step) {
    let at = logged.pop_if(|last| last.step == step);
    (logged, at.unwrap_or_else(|| Step::now(step, Vec::new())))
}

impl Work {
    /// Of a run that was just begun with its first checkpoint.
    pub(super) fn begun(opened: Opened, first: &Facts) -> Result<Self, Error> {
        let mut work = Self { pipeline: opened.pipeline, series: Series::new(first) };
        work.judge(first)?;
        Ok(work)
    }

    /// Refuses a checkpoint that is none of the series, and says what speaks against it.
    pub(super) fn judge(&mut self, facts: &Facts) -> Result<(), Error> {
        let plan = Arc::clone(self.pipeline.plan());
        self.series.check(facts, plan.network())?;
        facts.doubt.iter().for_each(|doubt| tracing::warn!("{doubt}"));
        self.series.descend(facts);
        Ok(())
    }

    /// Records what was logged since the last checkpoint, and the row of this one.
    pub(super) fn record(
        &mut self,
        (earlier, mut at): (Vec<Step>, Step),
        examined: Examined,
    ) -> Result<(), Error> {
        let Examined { adopted, analysed, snapshot_ms } = examined;
        if let Some(baseline) = adopted {
            self.pipeline.adopt(baseline)?;
        }
        for mut step in earlier {
            self.pipeline.log(&mut step)?;
        }
        self.pipeline.log(&mut at)?;
        self.pipeline.record_analysed(at, analysed, snapshot_ms)
    }
}

/// What a run of checkpoints follows, with what was logged before the first.
pub(super) fn follow(earlier: Vec<Step>) -> Follow<'static> {
    let schedule = "checkpoints".into();
    Follow { schedule, budget: None, due: &|_| true, log_first: true, earlier, live: false }
}

/// Names the checkpoint in which there is nothing to analyse.
pub(super) fn no_matrices(error: Error, first: &Checkpoint) -> Error {
    match error {
        Error::Network(why @ NetworkError::NoMatrices { .. }) => {
            Error::Checkpoints { path: first.path.clone(), source: why.into() }
        }
        other => other,
    }
}

/// Says what of a series is not read, by its first checkpoint.
pub(super) fn say_left_out(path: &Path, left_out: Option<String>) {
    if let Some(left_out) = left_out {
        tracing::warn!("{}: {left_out}", path.display());
    }
}

/// Warns of a first checkpoint that does not have the initial weights.
pub(super) fn say_of_first(settings: &Settings, step: u64) {
    if step > 0 && settings.baseline.is_none() {
        tracing::warn!(
            "the first checkpoint is step {step}: E compares against it, not against the initial weights"
        );
    }
}
