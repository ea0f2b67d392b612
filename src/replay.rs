//! Checkpoints through the monitor's own pipeline, one after the other, with no side thread.
//!
//! A replay of the checkpoints of a run, with that run's nodes, writes the numbers of the run bit
//! for bit.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::{
    Follow, Listener, Opened, Pipeline, Settings, Start, Step, open, run_settings,
};
use crate::record::{Cost, RecordError, Summary, check_name};
use crate::source::{Checkpoint, CheckpointFile};

/// Analyses checkpoints into a run directory. The first one, by step, is the baseline.
///
/// ```no_run
/// use neuromfa::{Replay, source::Checkpoint};
///
/// let checkpoints = Checkpoint::find(&["runs/mine/checkpoints"])?;
/// let summary = Replay::new("analysed").run(&checkpoints)?;
/// println!("{summary}");
/// # Ok::<(), neuromfa::Error>(())
/// ```
#[must_use = "a replay does nothing until it is run"]
pub struct Replay {
    settings: Settings,
    listeners: Vec<Listener>,
}

impl Replay {
    /// A replay into a folder, with the monitor's defaults: 10 samples of 64 neurons, seed 0, and
    /// the stable estimator over the whole network.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { settings: Settings::new(folder.into()), listeners: Vec::new() }
    }

    run_settings!();

    /// Goes on with a replay of the same checkpoints that was interrupted.
    pub fn resume(mut self) -> Self {
        self.settings.start = Start::Resume(None);
        self
    }

    /// Analyses the checkpoints, in order of their steps.
    ///
    /// # Errors
    /// [`Error`] when there is no checkpoint, a file cannot be read, or the folder cannot be
    /// written. The rows of the checkpoints before it stay: mend the file and [`Self::resume`].
    pub fn run(self, checkpoints: &[Checkpoint]) -> Result<Summary, Error> {
        let started = Instant::now();
        let pool = self.settings.pool()?;
        let mut ordered: Vec<&Checkpoint> = checkpoints.iter().collect();
        ordered.sort_by_key(|checkpoint| checkpoint.step);
        let steps: BTreeSet<u64> = ordered.iter().map(|checkpoint| checkpoint.step).collect();
        let Some((first, rest)) = ordered.split_first() else {
            let path = self.settings.folder;
            return Err(Error::Checkpoints { path, why: "no checkpoints to analyse".to_owned() });
        };
        if steps.len() < ordered.len() {
            let twice = ordered.windows(2).find(|pair| pair[0].step == pair[1].step);
            let path = twice.map_or(self.settings.folder, |pair| pair[1].path.clone());
            let why = "another checkpoint has the same step: give each step once".to_owned();
            return Err(Error::Checkpoints { path, why });
        }
        let due = |step| steps.contains(&step);
        let follow = Follow { schedule: "checkpoints".into(), due: &due, log_first: true };
        let source = CheckpointFile::open(&first.path)?;
        let opened = open(&self.settings, follow, &source, &pool, step(first), self.listeners)?;
        let Opened { mut pipeline, resumed_at, .. } = opened;
        if resumed_at.is_none() && first.step > 0 && self.settings.baseline.is_none() {
            tracing::warn!(
                "the first checkpoint is step {}: E compares against it, not against the \
                 initial weights",
                first.step
            );
        }
        let mut work = Work {
            snapshot: Snapshot::new(pipeline.plan()),
            reading: Duration::ZERO,
            analysed: u64::from(resumed_at.is_none()),
        };
        for checkpoint in rest {
            if resumed_at.is_none_or(|next| checkpoint.step >= next) {
                work.analyse(&mut pipeline, checkpoint, &pool)?;
            } else if !pipeline.analysed_before(checkpoint.step) {
                return Err(Error::Checkpoints {
                    path: checkpoint.path.clone(),
                    why:
                        "its step lies before the recorded end and was not analysed: rows stand in \
                          order of steps, so analyse all checkpoints anew (overwrite)"
                            .to_owned(),
                });
            }
        }
        let cost = Cost {
            live: false,
            run_seconds: started.elapsed().as_secs_f64(),
            hook_seconds: work.reading.as_secs_f64(),
            side_thread_seconds: (started.elapsed() - work.reading).as_secs_f64(),
            analysed: work.analysed,
        };
        pipeline.finish(ordered.last().map(|checkpoint| checkpoint.step), None, cost)
    }
}

/// What is carried from one checkpoint to the next.
struct Work {
    snapshot: Snapshot,
    reading: Duration,
    analysed: u64,
}

impl Work {
    fn analyse(
        &mut self,
        pipeline: &mut Pipeline,
        checkpoint: &Checkpoint,
        pool: &ThreadPool,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let source = CheckpointFile::open(&checkpoint.path)?;
        let read = pipeline.plan().snapshot(&source, pool, &mut self.snapshot);
        read.map_err(|error| Error::Checkpoints {
            path: checkpoint.path.clone(),
            why: error.to_string(),
        })?;
        let took = start.elapsed();
        self.reading += took;
        let at = step(checkpoint);
        pipeline.log(&at)?;
        pool.install(|| pipeline.analyse(at, &self.snapshot, took.as_secs_f64() * 1e3))?;
        self.analysed += 1;
        Ok(())
    }
}

/// The step of a checkpoint with what its trainer logged.
fn step(checkpoint: &Checkpoint) -> Step {
    let logged = checkpoint.logged().into_iter();
    let usable = logged.filter(|(name, _)| {
        let warn = |why: &RecordError| tracing::warn!("{}: {why}", checkpoint.path.display());
        check_name(name).inspect_err(warn).is_ok()
    });
    Step::now(checkpoint.step, usable.collect())
}
