//! The recording thread: takes what the hook hands over and records it, in order.
//!
//! It has the priority of training and little to do: the analysis, which takes long, is the side
//! thread's. While training waits it analyses itself, so training never waits for a thread of low
//! priority, which on a busy machine may get no processor for seconds. It also does where the side
//! thread does not begin because other programs have the processors: the low priority is for
//! training, not for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use rayon::ThreadPool;

use super::clock::{Machine, thread_time};
use super::message::{Due, Ending, Failure, Inbox, Message, Verdicts, failure};
use super::side::{Done, Task, analyse_alone, panicked};
use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::{Analysed, End, Pipeline, Step};
use crate::record::{Cost, Summary};

/// While training waits, the side thread has this many times the processor time of an analysis to come
/// to the end of the one that it has begun.
const PATIENCE: u32 = 2;

/// A side thread that has a processor begins an analysis within this time.
const BEGINS: Duration = Duration::from_millis(10);

/// How often a disk that has refused rows is tried while no step comes.
const RETRY: Duration = Duration::from_millis(200);

/// Who analyses.
pub(super) enum Analysis {
    /// The pool of the hook, while training waits.
    Inline(Arc<ThreadPool>),
    /// The side thread, or this one. (Not a pool: on a busy machine each thread that
    /// is woken up waits for a processor, longer than an analysis takes.)
    Side {
        tasks: Sender<Arc<Task>>,
        given: Receiver<Arc<Task>>, // those that it has not begun
    },
}

pub(super) struct Recording {
    pub(super) pipeline: Pipeline,
    pub(super) inbox: Inbox,
    pub(super) analysis: Analysis,
    pub(super) free: Sender<Box<Snapshot>>,
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) usual: Duration, // processor time of an analysis
    pub(super) busy: Duration,
}

impl Recording {
    /// Records what comes, until nothing more can.
    pub(super) fn run(mut self) {
        if matches!(self.analysis, Analysis::Side { .. }) {
            analyse_alone(&self.verdicts);
        }
        loop {
            let pause = self.pipeline.keeps_rows().then_some(RETRY);
            let message = match self.inbox.next(pause) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.guarded(Pipeline::retry);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let start = Instant::now();
            match message {
                Message::Step(step, due) => self.step(step, due),
                Message::Flush(answer) => {
                    let result = self.guarded(|pipeline| pipeline.sync());
                    let _ = answer.send(result);
                }
                Message::Finish(ending, answer) => {
                    let _ = answer.send(self.finish(ending));
                }
                Message::Baseline(baseline, answer) => {
                    // A disk that refuses it is no failure: the run goes on without.
                    let adopted = match self.verdicts.failure() {
                        Some(why) => Err(why),
                        None => self.pipeline.adopt(*baseline).map_err(failure),
                    };
                    let _ = answer.send(adopted.map(|()| Arc::clone(self.pipeline.analyst())));
                }
                Message::Reached(answer) => {
                    let _ = answer.send(());
                }
            }
            self.busy += start.elapsed();
        }
    }

    /// Runs a task of the pipeline. After a failure there is no other: the files end where they
    /// are, and every later task fails in the same way. That a disk refuses what may be written later
    /// is no failure.
    fn guarded<T>(
        &mut self,
        task: impl FnOnce(&mut Pipeline) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        if let Some(why) = self.verdicts.failure() {
            return Err(why);
        }
        let pipeline = &mut self.pipeline;
        // The pipeline is not used again after a panic.
        let result = catch_unwind(AssertUnwindSafe(|| task(pipeline)));
        self.report(match result {
            Ok(Err(error)) if error.is_refusal() => return Err(failure(error)),
            Ok(result) => result.map_err(failure),
            Err(panic) => Err(failure(panicked(panic.as_ref()))),
        })
    }

    /// Reports a failure to the hook.
    fn report<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.inspect_err(|why| {
            self.verdicts.update(|report| report.failure = Some(Arc::clone(why)))
        })
    }

    fn step(&mut self, mut step: Step, due: Due) {
        self.pipeline.expect(self.inbox.announced());
        match due {
            // `guarded` has reported a failure to the hook.
            Due::No => drop(self.guarded(|pipeline| pipeline.log(&mut step))),
            Due::Dropped { why } => drop(self.guarded(|pipeline| {
                pipeline.log(&mut step)?;
                pipeline.drop_row(step, &why)
            })),
            Due::Analyse { snapshot, snapshot_ms } => {
                let (answer, done) = bounded(1);
                let analyst = Arc::clone(self.pipeline.analyst());
                let task = Arc::new(Task { step: step.step, snapshot, analyst, answer });
                let logged = self.guarded(|pipeline| pipeline.log(&mut step));
                let analysed = logged.and_then(|()| self.analyse(&task, &done));
                // A hook that waits need not wait for the row. One that drops steps never waits, and
                // has its memory back when the row is written, so that rows do not pile up.
                let held = match self.inbox.is_awaited() {
                    true => {
                        Task::let_go(task, &self.free);
                        None
                    }
                    false => Some(task),
                };
                if let Ok(analysed) = analysed {
                    self.record(step, analysed, snapshot_ms);
                }
                if let Some(task) = held {
                    Task::let_go(task, &self.free);
                }
            }
        }
        if let Some(stop) = self.pipeline.stop() {
            self.verdicts.update(|report| report.stop = Some(stop.clone()));
        }
    }

    fn record(&mut self, step: Step, analysed: Analysed, snapshot_ms: f64) {
        let before = thread_time();
        let record = |p: &mut Pipeline| p.record_analysed(step, analysed, snapshot_ms);
        let recorded = self.guarded(record);
        self.verdicts.add_spent(thread_time() - before);
        if recorded.is_ok() {
            self.verdicts.add_analysed();
        }
    }

    /// Has a snapshot analysed; a failure is reported to the hook.
    fn analyse(&mut self, task: &Arc<Task>, done: &Receiver<Done>) -> Result<Analysed, Failure> {
        let done = match &self.analysis {
            Analysis::Inline(pool) => pool.install(|| task.analyse()),
            Analysis::Side { tasks, given } => {
                self.ask_side(task, done, tasks, given).unwrap_or_else(|| {
                    let awaited = self.inbox.is_awaited();
                    let done = task.analyse();
                    // While training waits this takes nothing from it but that time.
                    self.verdicts.add_spent(if awaited { Duration::ZERO } else { done.took });
                    done
                })
            }
        };
        self.usual = done.took;
        self.report(done.result.map_err(failure))
    }

    /// The side thread's answer; none where this thread has to analyse itself: training waits and the
    /// side thread has not begun, or takes longer than one does that has a processor; or it has not
    /// begun because other programs have the processors.
    fn ask_side(
        &self,
        task: &Arc<Task>,
        done: &Receiver<Done>,
        tasks: &Sender<Arc<Task>>,
        given: &Receiver<Arc<Task>>,
    ) -> Option<Done> {
        if self.inbox.is_awaited() || tasks.send(Arc::clone(task)).is_err() {
            return None;
        }
        let (since, mut look, mut again) = (Instant::now(), Machine::now(), BEGINS);
        loop {
            select! {
                recv(done) -> done => return done.ok(),
                recv(self.inbox.bell) -> rung => if rung.is_err() || self.inbox.is_awaited() {
                    break;
                },
                default(again) => if look.others_have_the_processors() && given.try_recv().is_ok() {
                    return None;
                } else {
                    (look, again) = (Machine::now(), again * 2);
                },
            }
        }
        match given.try_recv() {
            Ok(_) => None,
            Err(_) => done.recv_deadline(since + PATIENCE * self.usual).ok(),
        }
    }

    fn finish(&mut self, ending: Ending) -> Result<Summary, Failure> {
        let cost = Cost {
            live: true,
            run_seconds: ending.run.as_secs_f64(),
            hook_seconds: ending.hook.as_secs_f64(),
            side_thread_seconds: self.busy.as_secs_f64(),
            analysed: self.verdicts.spent().0,
        };
        let Ending { last_step, stopped_step, budget, repeated_calls, lost_steps, .. } = ending;
        let end = End { last_step, stopped_step, cost, budget, repeated_calls, lost_steps };
        self.guarded(|pipeline| pipeline.finish(end))
    }
}
