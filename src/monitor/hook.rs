//! The hook itself: all that training waits for.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};
use rayon::ThreadPool;

use super::budget::Budget;
use super::builder::{Live, MonitorBuilder};
use super::group::Rank;
use super::message::{Due, Ending, Failure, Message, Unheard, failure};
use super::patience::{END, STEP};
use super::policy::{BackPressure, OnFailure};
use super::schedule::Schedule;
use super::side::Side;
use super::terminal::{LastRow, Terminal, watched};
use super::work::Work;
use super::worker::Worker;
use crate::analysis::{Elsewhere, Plan, Snapshot};
use crate::error::Error;
use crate::network::Network;
use crate::pipeline::{Awaited, Follow, Opened, Step, open};
use crate::record::{Row, StopRecord, Summary};
use crate::source::Source;
use crate::stop::Stop;

/// A training thread may own a monitor.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Monitor>();
};

/// A monitor that is attached to a model.
///
/// Dropping it does what [`Monitor::finish`] does; an error is then only logged.
#[must_use = "a monitor that is dropped at once monitors nothing"]
pub struct Monitor {
    pub(super) source: Box<dyn Source>,
    pub(super) plan: Arc<Plan>,
    pub(super) pool: Arc<ThreadPool>,
    pub(super) group: Option<Rank>,
    pub(super) elsewhere: Option<Arc<dyn Elsewhere>>, // that count layers
    pub(super) schedule: Schedule,
    pub(super) budget: Option<Budget>,
    pub(super) work: Work,
    pub(super) back_pressure: BackPressure,
    pub(super) on_failure: OnFailure,
    pub(super) worker: Option<Worker>, // none once finished
    pub(super) known_names: HashSet<Arc<str>>,
    pub(super) new_names: Vec<String>, // since the last step that was handed over
    pub(super) last_names: Vec<Arc<str>>, // of the last call that logged other names than the one before
    pub(super) next_step: u64,
    pub(super) last_step: Option<u64>,
    pub(super) stop: Option<StopRecord>,
    pub(super) failed: Option<Failure>,
    pub(super) snapshots: usize,             // that exist
    pub(super) spare: Option<Box<Snapshot>>, // of a step that could not be counted
    pub(super) started: Instant,
    pub(super) in_hook: Duration,
    pub(super) analysing: Duration, // of the time in the hook
    pub(super) due_here: u64,       // due steps reported in this process, where there is a budget
    pub(super) terminal: Terminal,
    pub(super) said_added: bool, // that the model has new parameters
    pub(super) warnings: Vec<String>,
    last_row: LastRow,
    pub(super) updates: bool, // whether a repeated step is an update
    pub(super) held: Option<(Step, Due)>, // the last step, where repeated steps are updates
    pub(super) repeated: u64, // calls that updated a step
    lost: u64,                // steps that were not handed over because the disk did not answer
    said_stalled: bool,
    pub(super) said_unread: bool,
    pub(super) said_not_finite: bool, // of a value that the loop logged
    process: u32,                     // that attached
    pub(super) rolled_back: Option<u64>, // to be said with the next step
    pub(super) awaited: Option<Awaited>, // a baseline, if the run has none
    pub(super) allows_gaps: bool,
}

/// Why the recording thread did not do what it was asked.
pub(super) enum Unwritten {
    /// Monitoring has failed.
    Failed(Failure),
    /// The disk refuses what was recorded.
    Refused(Failure),
    /// The disk does not answer.
    Stalled,
}

fn ended() -> Failure {
    failure("the recording thread has ended")
}

/// What a step call says to the loop.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "the verdict says whether the stop rule wants to stop"]
pub struct Verdict {
    stop: Option<StopRecord>,
}

impl Verdict {
    /// Whether the stop rule says that training should stop. Stays true once it is.
    pub fn should_stop(&self) -> bool {
        self.stop.is_some()
    }

    /// Why, and the step measured.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref().map(|stop| &stop.stop)
    }

    /// The step of the call that first said to stop.
    pub fn stopped_step(&self) -> Option<u64> {
        self.stop.as_ref()?.stopped_step
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("schedule", &self.schedule)
            .field("next_step", &self.next_step)
            .field("stop", &self.stop)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl Monitor {
    /// Configures a monitor that writes to a folder.
    pub fn builder(folder: impl Into<PathBuf>) -> MonitorBuilder {
        MonitorBuilder::in_folder(folder.into(), Live::default())
    }

    pub(super) fn start(builder: MonitorBuilder, source: Box<dyn Source>) -> Result<Self, Error> {
        Self::start_with(builder, source, Side::start)
    }

    /// Starts a monitor whose side thread is started by `start_side`.
    pub(super) fn start_with(
        builder: MonitorBuilder,
        source: Box<dyn Source>,
        start_side: impl FnOnce(Side) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let MonitorBuilder { settings, mut listeners, origin } = builder;
        let Live { schedule, budget, quiet, .. } = &origin;
        let (budget, quiet) = (*budget, *quiet);
        let last_row = LastRow::default();
        let terminal = Terminal::new(quiet);
        listeners.insert(0, last_row.listener(terminal));
        schedule.check()?;
        if let Some(share) = budget.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
            return Err(Error::Budget { share });
        }
        // Which steps a budget passed over is not known afterwards.
        let due = |step| budget.is_none() && schedule.is_due(step);
        let text = serde_json::to_value(schedule).unwrap_or_default();
        let earlier = Vec::new();
        let follow =
            Follow { schedule: text, budget, due: &due, log_first: false, earlier, live: true };
        let first = Step::now(0, Vec::new());
        // In a separate pool: the memory that its threads keep for a measurement is freed when they end.
        let opening = settings.pool()?;
        let opened = open(&settings, follow, source.as_ref(), &opening, first, &mut listeners)?;
        drop(opening);
        let pool = Arc::new(settings.pool()?);
        let Opened { mut pipeline, folder, resumed_at, last_step, stopped_step, .. } = opened;
        let Opened { analysis_seconds, config, mut warnings, awaited, .. } = opened;
        warnings.extend(last_row.warnings(awaited.is_some()));
        let folder = folder.display().to_string();
        let stop = pipeline.stop().map(|stop| StopRecord { stop: stop.clone(), stopped_step });
        let plan = Arc::clone(pipeline.plan());
        pipeline.keep_rows(move |text| terminal.warn(text));
        let worker = Worker::spawn(pipeline, origin.work, &pool, start_side)?;
        terminal.attached(&watched(plan.network(), &config, &folder, warnings.len()), &warnings);
        let mut monitor = Self::idle(source, plan, pool, origin);
        monitor.budget = budget.map(|share| Budget::new(share, analysis_seconds));
        monitor.worker = Some(worker);
        (monitor.next_step, monitor.last_step) = (resumed_at.unwrap_or(1), last_step);
        (monitor.stop, monitor.warnings, monitor.last_row) = (stop, warnings, last_row);
        (monitor.awaited, monitor.allows_gaps) = (awaited, settings.allows_gaps);
        monitor.elsewhere = settings.elsewhere;
        Ok(monitor)
    }

    /// A monitor that has no threads yet.
    pub(super) fn idle(
        source: Box<dyn Source>,
        plan: Arc<Plan>,
        pool: Arc<ThreadPool>,
        origin: Live,
    ) -> Self {
        let Live { schedule, work, back_pressure, on_failure, quiet, updates, .. } = origin;
        Self {
            source,
            plan,
            pool,
            group: None,
            elsewhere: None,
            schedule,
            budget: None,
            work,
            back_pressure,
            on_failure,
            worker: None,
            known_names: HashSet::new(),
            new_names: Vec::new(),
            last_names: Vec::new(),
            next_step: 1,
            last_step: None,
            stop: None,
            failed: None,
            snapshots: 0,
            spare: None,
            started: Instant::now(),
            in_hook: Duration::ZERO,
            analysing: Duration::ZERO,
            due_here: 0,
            terminal: Terminal::new(quiet),
            said_added: false,
            warnings: Vec::new(),
            last_row: LastRow::default(),
            updates,
            held: None,
            repeated: 0,
            lost: 0,
            said_stalled: false,
            said_unread: false,
            said_not_finite: false,
            process: std::process::id(),
            rolled_back: None,
            awaited: None,
            allows_gaps: false,
        }
    }

    /// The network that is analysed.
    pub fn network(&self) -> &Network {
        self.plan.network()
    }

    /// What is wrong, each a sentence or more: how the network was read, layers that can never count,
    /// the warnings about step 0, variables that were added after `attach`, and weights that went back
    /// to those of an earlier step.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The last row that is recorded; none after a resume, until the next. In the background mode
    /// it may be of an earlier step than the last one reported ([`flush`](Self::flush) waits).
    pub fn last_row(&self) -> Option<Row> {
        self.last_row.get()
    }

    /// Whether the schedule analyses this step. A budget may pass it over.
    pub fn is_due(&self, step: u64) -> bool {
        self.schedule.is_due(step)
    }

    /// The first step that is not in the files: 1 for a new run, after a resume the step to
    /// continue with, later the step after the last one reported.
    pub fn next_step(&self) -> u64 {
        self.next_step
    }

    /// Takes note of what the monitor's threads have to say; their failure, if they failed.
    pub(super) fn hear(&mut self, step: u64) -> Option<Failure> {
        self.warnings.append(&mut self.last_row.take_hints());
        let report = self.worker.as_ref().and_then(|worker| worker.verdicts.report())?;
        // Ranks of a group hear of it together.
        let apart = self.group.as_ref().is_some_and(|group| !group.shared);
        let known = apart || self.stop.as_ref().is_some_and(|stop| stop.stopped_step.is_some());
        if let (Some(stop), false) = (report.stop, known) {
            self.stop = Some(StopRecord { stop, stopped_step: Some(step) });
        }
        report.failure
    }

    pub(super) fn send(&mut self, at: Step, due: Due) -> Result<(), Error> {
        let new_names = std::mem::take(&mut self.new_names);
        let sent = self.worker.as_mut().map(|worker| worker.send_step(Message::Step(at, due)));
        match sent.unwrap_or(Err(Unheard::Ended)) {
            Ok(()) => {
                if let Some(worker) = &self.worker {
                    worker.outbox.announce(new_names);
                }
                Ok(())
            }
            Err(Unheard::Ended) => self.failure(ended()).map(drop),
            Err(Unheard::Stalled(message)) => {
                if let Message::Step(_, Due::Analyse { snapshot, .. }) = *message {
                    self.spare = Some(snapshot);
                }
                self.lost += 1;
                self.disk_stalls();
                Ok(())
            }
        }
    }

    /// Says, once, that the disk does not answer.
    pub(super) fn disk_stalls(&mut self) {
        if !std::mem::replace(&mut self.said_stalled, true) {
            self.terminal.warn(&format!(
                "the disk has not answered for {} s, and training continues: steps wait in memory, \
                 due steps are dropped, and steps that find no room are lost (summary.json counts \
                 them)",
                STEP.as_secs()
            ));
        }
    }

    /// Waits until all that was handed over is recorded, or the disk does not answer.
    pub(super) fn wait_for_record(&mut self) {
        let (answer, reached) = bounded(1);
        let Some(worker) = &mut self.worker else { return };
        let asked = worker.send_step(Message::Reached(answer)).map_err(|_| ());
        if let Err(Unheard::Stalled(())) = asked.map_or(Ok(()), |()| worker.wait_for(&reached)) {
            self.disk_stalls();
        }
    }

    /// What the last call said. Before the first call after a resume: whether the recorded run
    /// was to stop, so that a loop that is started once more need not run a step to learn it.
    pub fn verdict(&self) -> Verdict {
        Verdict { stop: self.stop.clone() }
    }

    /// Keeps the first failure, and does with it what the caller asked for.
    pub(super) fn failure(&mut self, why: Failure) -> Result<Verdict, Error> {
        if self.failed.is_none() {
            self.terminal.error(&format!("monitoring has stopped, training continues: {why}"));
            self.failed = Some(Arc::clone(&why));
        }
        match self.on_failure {
            OnFailure::Report => Err(Error::Failed { source: why }),
            OnFailure::KeepTraining => Ok(self.verdict()),
        }
    }

    /// Waits until everything that was reported is on the disk. Call it before a checkpoint is
    /// saved: a run that is resumed from that checkpoint then lacks nothing.
    ///
    /// # Errors
    /// [`Error::Failed`] when the monitor has failed; [`Error::NotWritten`] when the disk refuses rows
    /// for a second, or writes nothing for 30 seconds: monitoring continues. Neither with
    /// [`OnFailure::KeepTraining`].
    pub fn flush(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        if let Err(Error::Failed { source }) = self.check_process() {
            return self.failure(source).map(drop);
        }
        if self.follows() {
            return self.failed.clone().map_or(Ok(()), |why| self.failure(why).map(drop));
        }
        self.release()?;
        let result = self.ask(Message::Flush);
        self.in_hook += start.elapsed();
        result.or_else(|why| self.unwritten(why))
    }

    /// A flush that did not come to its end.
    fn unwritten(&mut self, why: Unwritten) -> Result<(), Error> {
        let source = match why {
            Unwritten::Failed(why) => return self.failure(why).map(drop),
            Unwritten::Refused(why) => why,
            Unwritten::Stalled => self.stalled("wait to be written"),
        };
        match self.on_failure {
            OnFailure::Report => Err(Error::NotWritten { source }),
            OnFailure::KeepTraining => {
                self.terminal.warn(&Error::NotWritten { source }.to_string());
                Ok(())
            }
        }
    }

    /// Why nothing is written.
    fn stalled(&self, what: &str) -> Failure {
        let waiting = self.worker.as_ref().map_or(0, |worker| worker.outbox.waiting());
        failure(format!(
            "the disk has not answered for {} s; about {waiting} more reports {what}",
            END.as_secs()
        ))
    }

    /// Asks the recording thread.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(Sender<Result<T, Failure>>) -> Message,
    ) -> Result<T, Unwritten> {
        let (answer, answered) = bounded(1);
        let asked = self.worker.as_ref().map(|worker| worker.ask(question(answer), &answered));
        match asked.unwrap_or(Err(Unheard::Ended)) {
            Ok(result) => result.map_err(|why| match why.downcast_ref::<Error>() {
                Some(error) if error.is_refusal() => Unwritten::Refused(why),
                _ => Unwritten::Failed(why),
            }),
            Err(Unheard::Ended) => {
                Err(Unwritten::Failed(self.failed.clone().unwrap_or_else(ended)))
            }
            Err(Unheard::Stalled(())) => Err(Unwritten::Stalled),
        }
    }

    /// Ends monitoring: waits until all is recorded, writes summary.json, and reports.
    ///
    /// # Errors
    /// [`Error::Failed`] when the monitor has failed at any time; [`Error::NotWritten`] when the disk
    /// refuses rows for five seconds, or writes nothing for 30 seconds. Training may be complete
    /// nevertheless.
    pub fn finish(mut self) -> Result<Summary, Error> {
        self.close()
    }

    /// Fails in a forked child: the monitor's threads, and the run, are the parent's.
    pub(super) fn check_process(&mut self) -> Result<(), Error> {
        if self.process == std::process::id() {
            return Ok(());
        }
        // To drop these could wait for locks that threads of the parent held.
        std::mem::forget(self.worker.take());
        std::mem::forget(Arc::clone(&self.pool));
        self.process = std::process::id();
        let why = failure(
            "this is a forked child of the process that attached the monitor, which records the run",
        );
        self.failed = Some(Arc::clone(&why));
        Err(Error::Failed { source: why })
    }

    fn close(&mut self) -> Result<Summary, Error> {
        self.check_process()?;
        if self.follows() {
            return self.follow_to_the_end();
        }
        // What is still to be done counts as waiting, too. A failure comes again below.
        let start = Instant::now();
        let flushed = self.release().map(|()| self.ask::<()>(Message::Flush));
        self.in_hook += start.elapsed();
        let run = self.started.elapsed();
        let spent = self.spent().1;
        let ending = Ending {
            last_step: self.last_step,
            stopped_step: self.stop.as_ref().and_then(|stop| stop.stopped_step),
            run,
            hook: self.in_hook,
            repeated_calls: self.repeated,
            lost_steps: self.lost,
            budget: self.budget.as_ref().map(|budget| budget.record(spent, run.as_secs_f64())),
        };
        let result = match flushed {
            Ok(Err(Unwritten::Stalled)) => Err(Unwritten::Stalled),
            _ => self.ask(|answer| Message::Finish(ending, answer)),
        };
        let summary = match result {
            Ok(summary) => Ok(summary),
            Err(Unwritten::Failed(source)) => Err(Error::Failed { source }),
            Err(Unwritten::Refused(source)) => Err(Error::NotWritten { source }),
            Err(Unwritten::Stalled) => {
                let source = self.stalled("are lost if the program ends before it does");
                // Its thread ends when the disk answers.
                self.worker = None;
                Err(Error::NotWritten { source })
            }
        };
        if let Some(worker) = self.worker.take() {
            worker.join();
        }
        self.tell_the_end(&summary)?;
        let summary = summary?;
        self.terminal.finished(&summary);
        Ok(summary)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let child = self.check_process().is_err();
        if let (false, true) = (child, self.worker.is_some())
            && let Err(error) = self.close()
        {
            self.terminal.error(&error.to_string());
        }
    }
}
