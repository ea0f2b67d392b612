//! From a checkpoint's file to its numbers: the part of a replay that depends on no earlier row, so that
//! another process may do it.

use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;
use serde::{Deserialize, Serialize};

use crate::analysis::{Baseline, Snapshot};
use crate::error::Error;
use crate::pipeline::{Analysed, Analyst, Awaited};
use crate::source::{Checkpoint, CheckpointFile};

/// Analyses the checkpoints of a series.
pub(super) struct Examiner {
    pub(super) analyst: Arc<Analyst>,
    snapshot: Snapshot,
    awaited: Option<Awaited>,
}

/// The numbers of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Examined {
    /// The baseline that the series has from this step on, if it waited for one.
    pub(super) adopted: Option<Baseline>,
    pub(super) analysed: Analysed,
    pub(super) snapshot_ms: f64,
}

impl Examiner {
    pub(super) fn new(analyst: Arc<Analyst>, awaited: Option<Awaited>) -> Self {
        Self { snapshot: Snapshot::new(analyst.plan()), analyst, awaited }
    }

    /// Whether the series has no baseline yet.
    pub(super) fn waits(&self) -> bool {
        self.awaited.is_some()
    }

    pub(super) fn examine(
        &mut self,
        checkpoint: &Checkpoint,
        file: &CheckpointFile,
        pool: &ThreadPool,
    ) -> Result<Examined, Error> {
        let start = Instant::now();
        let adopted = self.pass(checkpoint, file, pool)?;
        let snapshot_ms = start.elapsed().as_secs_f64() * 1e3;
        let analysed = pool.install(|| self.analyst.analyse(&self.snapshot, checkpoint.step));
        Ok(Examined { adopted, analysed, snapshot_ms })
    }

    /// Takes the weights of a checkpoint; returns the baseline that the series has from here on, if it
    /// waited for one.
    pub(super) fn pass(
        &mut self,
        checkpoint: &Checkpoint,
        file: &CheckpointFile,
        pool: &ThreadPool,
    ) -> Result<Option<Baseline>, Error> {
        self.read(checkpoint, file, pool)?;
        let Some(awaited) = &self.awaited else { return Ok(None) };
        let found = || awaited.found(&self.analyst, &self.snapshot, checkpoint.step);
        let Some(baseline) = pool.install(found) else { return Ok(None) };
        self.awaited = None;
        self.analyst = Arc::new(self.analyst.against(baseline.clone()));
        self.snapshot = Snapshot::new(self.analyst.plan());
        self.read(checkpoint, file, pool)?;
        Ok(Some(baseline))
    }

    fn read(
        &mut self,
        checkpoint: &Checkpoint,
        file: &CheckpointFile,
        pool: &ThreadPool,
    ) -> Result<(), Error> {
        let read = self.analyst.plan().snapshot(file, pool, &mut self.snapshot);
        read.map_err(|error| Error::Checkpoints {
            path: checkpoint.path.clone(),
            source: error.into(),
        })
    }
}
