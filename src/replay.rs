//! Runs checkpoints through the monitor's pipeline, one after the other, without a side thread.
//!
//! A replay of the checkpoints of a run, with that run's nodes, writes the numbers of the run bit
//! for bit.

mod descent;
mod log;
mod schedule;
mod series;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::analysis::Snapshot;
use crate::error::Error;
use crate::network::NetworkError;
use crate::pipeline::{
    Awaited, End, Follow, Listener, Nodes, Opened, Pipeline, RunBuilder, Settings, Start, Step,
    open,
};
use crate::record::{Cost, NODES, RecordedRun, Sampling, Summary, check_gap};
use crate::source::{Checkpoint, CheckpointFile};

use self::log::{Log, check_age, last_row, times};
use self::series::Series;

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
pub type Replay = RunBuilder<Files>;

/// The options of a replay alone.
#[derive(Debug, Default)]
pub struct Files {
    metrics: Option<PathBuf>,
}

impl RunBuilder<Files> {
    /// A replay into a folder, with the monitor's defaults: 10 samples of 64 neurons, seed 0, and
    /// the stable estimator over the whole network.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        RunBuilder::in_folder(folder.into(), Files::default())
    }

    /// Analyses checkpoints as the run in a folder analysed its weights: its network (one that was
    /// described by hand, too), drawn neurons, parameters and controls, against its baseline. The
    /// rows of the run's own checkpoints are then its rows, bit for bit.
    ///
    /// # Errors
    /// [`Error::Record`] when the folder holds no run that can be read.
    pub fn like(mut self, run: impl AsRef<Path>) -> Result<Self, Error> {
        let run = run.as_ref();
        let config = RecordedRun::read(run)?.config;
        let settings = &mut self.settings;
        settings.network = Some(config.network);
        settings.nodes = Nodes::File(run.join(NODES));
        settings.parameters = config.method;
        (settings.stable, settings.controls) = (config.stable, config.controls);
        (settings.layers, settings.neurons) = (config.layers, config.neurons);
        (settings.hops, settings.hops_estimated) = (config.hops, config.hops_estimated);
        if let Sampling::Drawn { seed, .. } = config.sampling {
            settings.hops_seed = seed;
        }
        settings.every_detail = Some(config.every_detail);
        settings.baseline = Some(run.to_owned());
        settings.first_edges = config.baseline_at_first_edges;
        Ok(self)
    }

    /// Joins a trainer's log to the run's metrics.csv by step: CSV, or an object of JSON in each line, with
    /// a column `step` (`global_step`, `iter`, ..). Steps up to the last checkpoint are taken, also those
    /// without a checkpoint. What is logged in trainer_state.json next to the weights needs no such file.
    pub fn metrics(mut self, file: impl Into<PathBuf>) -> Self {
        self.origin.metrics = Some(file.into());
        self
    }

    /// Resumes an interrupted replay of the same checkpoints.
    pub fn resume(mut self) -> Self {
        self.settings.start = Start::Resume(None);
        self
    }

    /// Analyses the checkpoints, in order of their steps.
    ///
    /// # Errors
    /// [`Error`] when there is no checkpoint, a file cannot be read, or the folder cannot be
    /// written. The rows of earlier checkpoints stay: repair the file and [`Self::resume`].
    pub fn run(self, checkpoints: &[Checkpoint]) -> Result<Summary, Error> {
        let mut ordered: Vec<&Checkpoint> = checkpoints.iter().collect();
        ordered.sort_by_key(|checkpoint| checkpoint.step);
        if let Some(pair) = ordered.windows(2).find(|pair| pair[0].step == pair[1].step) {
            let source = "another checkpoint has the same step: give each step once".into();
            return Err(Error::Checkpoints { path: pair[1].path.clone(), source });
        }
        schedule::check(&ordered);
        let mut feed = self.feed()?;
        for checkpoint in ordered {
            if feed.add(checkpoint)? == Added::OutOfOrder {
                return Err(Error::Checkpoints {
                    path: checkpoint.path.clone(),
                    source:
                        "its step lies before the recorded end and was not analysed: rows are in \
                          order of steps, so analyse all checkpoints again (overwrite)"
                            .into(),
                });
            }
        }
        feed.finish()
    }

    /// Begins a replay to which checkpoints are added one at a time.
    ///
    /// # Errors
    /// [`Error::Threads`] when its threads cannot be started.
    pub fn feed(self) -> Result<Feed, Error> {
        let Self { settings, listeners, origin } = self;
        let (pool, started) = (settings.pool()?, Instant::now());
        let log = Log::new(origin.metrics);
        Ok(Feed { settings, listeners, log, pool, started, work: None })
    }
}

/// A replay in progress. The first checkpoint that is added begins the run, and is the baseline.
///
/// ```no_run
/// use neuromfa::{Replay, source::Checkpoint};
///
/// let mut feed = Replay::new("analysed").feed()?;
/// for checkpoint in Checkpoint::find(&["runs/mine/checkpoints"])? {
///     feed.add(&checkpoint)?;
/// }
/// println!("{}", feed.finish()?);
/// # Ok::<(), neuromfa::Error>(())
/// ```
#[must_use = "a replay that is not finished has no summary"]
pub struct Feed {
    settings: Settings,
    listeners: Vec<Listener>, // until the run begins
    log: Log,
    pool: ThreadPool,
    started: Instant,
    work: Option<Work>, // none before the first checkpoint
}

/// The result of adding a checkpoint to a [`Feed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Added {
    /// It was analysed and has a row now.
    Analysed,
    /// The resumed run already had a row for it.
    Recorded,
    /// Its step is before the last row and has no row. Rows are in order of steps, so it is left
    /// out.
    OutOfOrder,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("settings", &self.settings)
            .field("last_step", &self.last_step())
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Analyses a checkpoint and records its row.
    ///
    /// # Errors
    /// [`Error::Source`] or [`Error::Checkpoints`] when it cannot be read: nothing is recorded for
    /// it, and the replay can continue with the next one. Any other [`Error`] ends the replay.
    pub fn add(&mut self, checkpoint: &Checkpoint) -> Result<Added, Error> {
        if let Some(work) = self.work.as_ref().filter(|work| work.has_row(checkpoint)) {
            check_age(checkpoint, &work.times);
            return Ok(Added::Recorded);
        }
        self.add_opened(checkpoint, &CheckpointFile::open(&checkpoint.path)?)
    }

    /// As [`Self::add`], with the checkpoint's file, which is open already.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_opened(
        &mut self,
        checkpoint: &Checkpoint,
        file: &CheckpointFile,
    ) -> Result<Added, Error> {
        if self.work.is_none() && self.begin(checkpoint, file)? {
            return Ok(Added::Analysed);
        }
        match &mut self.work {
            Some(work) => {
                let (allowed, last) = (self.settings.allows_gaps, work.pipeline.last_row());
                check_gap(allowed, last, checkpoint.step)?;
                work.add(checkpoint, file, &self.pool, &mut self.log)
            }
            None => unreachable!("it has begun"),
        }
    }

    /// The last step that has a row.
    pub fn last_step(&self) -> Option<u64> {
        self.work.as_ref().and_then(|work| work.pipeline.last_row())
    }

    /// Ends the run: writes its summary.
    ///
    /// # Errors
    /// [`Error::Checkpoints`] when no checkpoint was added; or the folder cannot be written.
    pub fn finish(self) -> Result<Summary, Error> {
        let Some(Work { mut pipeline, reading, analysed, .. }) = self.work else {
            let path = self.settings.folder;
            return Err(Error::Checkpoints { path, source: "no checkpoints to analyse".into() });
        };
        let cost = Cost {
            live: false,
            run_seconds: self.started.elapsed().as_secs_f64(),
            hook_seconds: reading.as_secs_f64(),
            side_thread_seconds: (self.started.elapsed() - reading).as_secs_f64(),
            analysed,
        };
        pipeline.finish(End { last_step: pipeline.last_row(), cost, ..End::default() })
    }

    /// Begins or resumes the run; returns whether this analysed `first`.
    fn begin(&mut self, first: &Checkpoint, source: &CheckpointFile) -> Result<bool, Error> {
        // What was logged after the last row is logged again, before the next one.
        let last = match self.settings.start {
            Start::Resume(_) => last_row(&self.settings.folder),
            _ => None,
        };
        let mut series = Series::new(first, source);
        let mut earlier = self.log.up_to(first)?;
        let at = match earlier.pop_if(|step| step.step == first.step) {
            Some(at) => at,
            None => Step::now(first.step, Vec::new()),
        };
        let follow = Follow {
            schedule: "checkpoints".into(),
            budget: None,
            due: &|step| last.is_none_or(|last| step > last),
            log_first: true,
            earlier,
            live: false,
        };
        let listeners = &mut self.listeners;
        let opened = open(&self.settings, follow, source, &self.pool, at, listeners);
        let opened = opened.map_err(|error| match error {
            Error::Network(why @ NetworkError::NoMatrices { .. }) => {
                Error::Checkpoints { path: first.path.clone(), source: why.into() }
            }
            other => other,
        })?;
        let Opened { pipeline, resumed_at, awaited, .. } = opened;
        let new = resumed_at.is_none();
        if new && first.step > 0 && self.settings.baseline.is_none() {
            tracing::warn!(
                "the first checkpoint is step {}: E compares against it, not against the \
                 initial weights",
                first.step
            );
        }
        if new {
            first.doubt(source).inspect(|doubt| tracing::warn!("{doubt}"));
            series.descend(first, source, pipeline.plan().network());
        } else {
            self.log.taken = pipeline.last_row();
            series.check(first, source, pipeline.plan().network())?;
        }
        let snapshot = Snapshot::new(pipeline.plan());
        let (reading, analysed) = (Duration::ZERO, u64::from(new));
        let times = if new { BTreeMap::new() } else { times(&self.settings.folder) };
        self.work = Some(Work { pipeline, series, times, snapshot, awaited, reading, analysed });
        Ok(new)
    }
}

/// A run that has begun, and the state that is kept from one checkpoint to the next.
struct Work {
    pipeline: Pipeline,
    series: Series,
    times: BTreeMap<u64, f64>, // of the rows that were there before
    snapshot: Snapshot,
    awaited: Option<Awaited>,
    reading: Duration,
    analysed: u64,
}

impl Work {
    fn has_row(&self, checkpoint: &Checkpoint) -> bool {
        self.pipeline.has_row(checkpoint.step)
    }

    fn add(
        &mut self,
        checkpoint: &Checkpoint,
        file: &CheckpointFile,
        pool: &ThreadPool,
        log: &mut Log,
    ) -> Result<Added, Error> {
        if self.has_row(checkpoint) {
            check_age(checkpoint, &self.times);
            return Ok(Added::Recorded);
        }
        if self.pipeline.last_row().is_some_and(|last| checkpoint.step < last) {
            return Ok(Added::OutOfOrder);
        }
        self.analyse(checkpoint, file, pool, log)?;
        Ok(Added::Analysed)
    }

    fn read(
        &mut self,
        checkpoint: &Checkpoint,
        source: &CheckpointFile,
        pool: &ThreadPool,
    ) -> Result<(), Error> {
        let read = self.pipeline.plan().snapshot(source, pool, &mut self.snapshot);
        read.map_err(|error| Error::Checkpoints {
            path: checkpoint.path.clone(),
            source: error.into(),
        })
    }

    fn analyse(
        &mut self,
        checkpoint: &Checkpoint,
        source: &CheckpointFile,
        pool: &ThreadPool,
        log: &mut Log,
    ) -> Result<(), Error> {
        let start = Instant::now();
        self.series.check(checkpoint, source, self.pipeline.plan().network())?;
        checkpoint.doubt(source).inspect(|doubt| tracing::warn!("{doubt}"));
        self.series.descend(checkpoint, source, self.pipeline.plan().network());
        self.read(checkpoint, source, pool)?;
        if let Some(awaited) = &self.awaited {
            let (analyst, snapshot) = (self.pipeline.analyst(), &self.snapshot);
            let found = || awaited.found(analyst, snapshot, checkpoint.step);
            if let Some(baseline) = pool.install(found) {
                self.awaited = None;
                self.pipeline.adopt(baseline)?;
                self.snapshot = Snapshot::new(self.pipeline.plan());
                self.read(checkpoint, source, pool)?;
            }
        }
        let took = start.elapsed();
        self.reading += took;
        let mut at = Step::now(checkpoint.step, Vec::new());
        for mut logged in log.up_to(checkpoint)? {
            match logged.step == checkpoint.step {
                true => at = logged,
                false => self.pipeline.log(&mut logged)?,
            }
        }
        self.pipeline.log(&mut at)?;
        let snapshot_ms = took.as_secs_f64() * 1e3;
        pool.install(|| self.pipeline.analyse(at, &self.snapshot, snapshot_ms))?;
        self.analysed += 1;
        Ok(())
    }
}
