//! Runs checkpoints through the monitor's pipeline, one after the other, without a side thread.
//!
//! A replay of the checkpoints of a run, with that run's nodes, writes the numbers of the run bit
//! for bit.

mod descent;
mod examine;
mod facts;
mod log;
pub(crate) mod merge;
mod schedule;
mod series;
pub(crate) mod shard;
pub(crate) mod shard_file;
mod work;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use crate::error::Error;
use crate::pipeline::{End, Follow, Listener, Nodes, Pipeline, RunBuilder, Settings, Start, open};
use crate::record::{Cost, NODES, RecordedRun, Summary, check_gap};
use crate::source::{Checkpoint, CheckpointFile, SourceError};

use self::examine::Examiner;
use self::facts::Facts;
use self::log::{Log, check_age, last_row, times};
use self::schedule::in_order;
use self::series::Series;
use self::work::{Work, at_its_step, follow, no_matrices, say_left_out, say_of_first};

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
    opener: Opener,
}

/// Opens checkpoints: by their paths, or by a function.
#[derive(Default)]
struct Opener(Option<Box<Open>>);

type Open = dyn Fn(&Checkpoint) -> Result<CheckpointFile, SourceError> + Send + Sync;

impl Opener {
    fn open(&self, checkpoint: &Checkpoint) -> Result<CheckpointFile, SourceError> {
        match &self.0 {
            Some(open) => open(checkpoint),
            None => CheckpointFile::open(&checkpoint.path),
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
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
        self.settings.analyse_like(RecordedRun::read(run)?.config);
        self.settings.nodes = Nodes::File(run.join(NODES));
        self.settings.baseline = Some(run.to_owned());
        Ok(self)
    }

    /// Joins a trainer's log to the run's metrics.csv by step: CSV, or an object of JSON in each line, with
    /// a column `step` (`global_step`, `iter`, ..). Steps up to the last checkpoint are taken, also those
    /// without a checkpoint. What is logged in trainer_state.json next to the weights needs no such file.
    pub fn metrics(mut self, file: impl Into<PathBuf>) -> Self {
        self.origin.metrics = Some(file.into());
        self
    }

    /// Opens checkpoints in this way: those on other machines, say, whose paths are addresses.
    #[doc(hidden)]
    pub fn opened_by(
        mut self,
        open: impl Fn(&Checkpoint) -> Result<CheckpointFile, SourceError> + Send + Sync + 'static,
    ) -> Self {
        self.origin.opener = Opener(Some(Box::new(open)));
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
        let ordered = in_order(checkpoints)?;
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
        let opener = origin.opener;
        Ok(Feed { settings, listeners, log, opener, pool, started, work: None })
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
    opener: Opener,
    pool: ThreadPool,
    started: Instant,
    work: Option<Ongoing>, // none before the first checkpoint
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
        if let Some(work) = self.work.as_mut().filter(|work| work.has_row(checkpoint)) {
            let opener = &self.opener;
            let open = |run: &mut Pipeline| run.follow(&opener.open(checkpoint)?);
            return Ok(work.pass(checkpoint, open));
        }
        let file = self.opener.open(checkpoint)?;
        self.add_opened(checkpoint, &file)
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
                let (allowed, last) = (self.settings.allows_gaps, work.work.pipeline.last_row());
                check_gap(allowed, last, checkpoint.step)?;
                work.add(checkpoint, file, &self.pool, &mut self.log)
            }
            None => unreachable!("it has begun"),
        }
    }

    /// The last step that has a row.
    pub fn last_step(&self) -> Option<u64> {
        self.work.as_ref().and_then(|work| work.work.pipeline.last_row())
    }

    /// Ends the run: writes its summary.
    ///
    /// # Errors
    /// [`Error::Checkpoints`] when no checkpoint was added; or the folder cannot be written.
    pub fn finish(self) -> Result<Summary, Error> {
        let Some(Ongoing { work, reading, analysed, .. }) = self.work else {
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
        let mut pipeline = work.pipeline;
        pipeline.finish(End { last_step: pipeline.last_row(), cost, ..End::default() })
    }

    /// Begins or resumes the run; returns whether this analysed `first`.
    fn begin(&mut self, first: &Checkpoint, source: &CheckpointFile) -> Result<bool, Error> {
        say_left_out(&first.path, source.left_out());
        // What was logged after the last row is logged again, before the next one.
        let last = match self.settings.start {
            Start::Resume(_) => last_row(&self.settings.folder),
            _ => None,
        };
        let (earlier, at) = at_its_step(self.log.up_to(first)?, first.step);
        let follow = Follow { due: &|step| last.is_none_or(|last| step > last), ..follow(earlier) };
        let listeners = &mut self.listeners;
        let opened = open(&self.settings, follow, source, &self.pool, at, listeners);
        let mut opened = opened.map_err(|error| no_matrices(error, first))?;
        let new = opened.resumed_at.is_none();
        if new {
            say_of_first(&self.settings, first.step);
        }
        let facts = Facts::of(first, source, opened.pipeline.plan().network());
        let examiner = Examiner::new(Arc::clone(opened.pipeline.analyst()), opened.awaited.take());
        let work = if new {
            Work::begun(opened, &facts)?
        } else {
            self.log.taken = opened.pipeline.last_row();
            let mut series = Series::new(&facts);
            series.check(&facts, opened.pipeline.plan().network())?;
            Work { pipeline: opened.pipeline, series }
        };
        let times = if new { BTreeMap::new() } else { times(&self.settings.folder) };
        let (reading, analysed) = (Duration::ZERO, u64::from(new));
        self.work = Some(Ongoing { work, examiner, times, reading, analysed });
        Ok(new)
    }
}

/// A run that has begun, and the state that is kept from one checkpoint to the next.
struct Ongoing {
    work: Work,
    examiner: Examiner,
    times: BTreeMap<u64, f64>, // of the rows that were there before
    reading: Duration,
    analysed: u64,
}

impl Ongoing {
    fn has_row(&self, checkpoint: &Checkpoint) -> bool {
        self.work.pipeline.has_row(checkpoint.step)
    }

    /// Passes over a checkpoint that has a row. After a resume, the update of the next row is measured
    /// from the last of them; `open` opens it.
    fn pass(
        &mut self,
        checkpoint: &Checkpoint,
        open: impl FnOnce(&mut Pipeline) -> Result<(), SourceError>,
    ) -> Added {
        check_age(checkpoint, &self.times);
        let pipeline = &mut self.work.pipeline;
        if pipeline.last_row() == Some(checkpoint.step)
            && pipeline.lacks_last()
            && let Err(why) = open(pipeline)
        {
            tracing::warn!("the first update after the resume is left empty: {why}");
        }
        Added::Recorded
    }

    fn add(
        &mut self,
        checkpoint: &Checkpoint,
        file: &CheckpointFile,
        pool: &ThreadPool,
        log: &mut Log,
    ) -> Result<Added, Error> {
        if self.has_row(checkpoint) {
            return Ok(self.pass(checkpoint, |run| run.follow(file)));
        }
        let last = self.work.pipeline.last_row();
        if last.is_some_and(|last| checkpoint.step < last) {
            return Ok(Added::OutOfOrder);
        }
        let network = self.examiner.analyst.plan().network();
        self.work.judge(&Facts::of(checkpoint, file, network))?;
        let logged = at_its_step(log.up_to(checkpoint)?, checkpoint.step);
        let examined = self.examiner.examine(checkpoint, file, pool)?;
        self.reading += Duration::from_secs_f64(examined.snapshot_ms / 1e3);
        self.work.record(logged, examined)?;
        self.examiner.analyst = Arc::clone(self.work.pipeline.analyst());
        self.analysed += 1;
        Ok(Added::Analysed)
    }
}
