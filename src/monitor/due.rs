//! What the hook does with a step that is due.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::budget::Now;
use super::hook::{Monitor, Unwritten};
use super::message::{Due, Failure, Message, Unheard, failure};
use super::policy::BackPressure;
use super::side::words;
use super::step::When;
use super::work::Work;
use super::worker::SNAPSHOTS;
use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::Step;

/// How many names a warning lists.
const LISTED: usize = 3;

impl Monitor {
    /// Whether the budget has room for a due step.
    pub(super) fn can_pay(&mut self, step: u64) -> bool {
        if self.budget.is_none() {
            return true;
        }
        self.due_here += 1;
        let (done, spent) = self.spent();
        let now = Now {
            step,
            number: self.schedule.number_of(step),
            due_here: self.due_here,
            elapsed: self.started.elapsed().as_secs_f64(),
            spent,
            done,
        };
        self.budget.as_mut().is_none_or(|budget| budget.takes(now))
    }

    /// Analyses so far, and the seconds that they are charged: what training waited for them, and the
    /// processor time of other threads.
    pub(super) fn spent(&self) -> (u64, f64) {
        let (done, side) =
            self.worker.as_ref().map_or((0, Duration::ZERO), |worker| worker.verdicts.spent());
        (done, (self.analysing + side).as_secs_f64())
    }

    /// Informs the budget that a step which it let through is not analysed.
    pub(super) fn pass_over(&mut self, when: When) {
        if let (When::Scheduled, Some(budget)) = (when, &mut self.budget) {
            budget.passed_over();
        }
    }

    /// Counts the weights of a due step and hands them over; returns the error with
    /// which it was dropped, if it was.
    pub(super) fn take(&mut self, at: Step, when: When) -> Result<Option<Error>, Error> {
        let step = at.step;
        let mut snapshot = match self.free_snapshot() {
            Ok(snapshot) => snapshot,
            Err(why) => {
                self.pass_over(when);
                let why = why.to_owned();
                return self.hand_over(at, Due::Dropped { why }).map(|()| None);
            }
        };
        let start = Instant::now();
        if let Err(error) = self.count(step, &mut snapshot) {
            self.spare = Some(snapshot);
            self.pass_over(when);
            let why = error.to_string();
            return self.hand_over(at, Due::Dropped { why }).map(|()| Some(error));
        }
        if let Err(why) = self.look_for_baseline(step, &mut snapshot) {
            return self.failure(why).map(|_| None);
        }
        let snapshot_ms = start.elapsed().as_secs_f64() * 1e3;
        self.look_for_added();
        self.hand_over(at, Due::Analyse { snapshot, snapshot_ms })?;
        if self.work == Work::Inline
            && let Some(why) = self.hear(step)
        {
            return self.failure(why).map(|_| None);
        }
        Ok(None)
    }

    /// Counts the weights into a snapshot. A panic of the framework or the source is an error like
    /// another: the layers that were not counted to the end are counted again at the next step.
    fn count(&self, step: u64, snapshot: &mut Snapshot) -> Result<(), Error> {
        let counted = catch_unwind(AssertUnwindSafe(|| {
            let elsewhere = self.elsewhere.as_deref();
            self.plan.snapshot_with(elsewhere, self.source.as_ref(), &self.pool, snapshot)
        }));
        match counted {
            Ok(result) => Ok(result?),
            Err(panic) => Err(Error::Snapshot { step, why: words(panic.as_ref()) }),
        }
    }

    /// Makes this step the baseline if the run waits for one and the step has values. It is then
    /// counted again, against itself. Where the disk does not take the baseline, a later step may be.
    fn look_for_baseline(&mut self, step: u64, snapshot: &mut Snapshot) -> Result<(), Failure> {
        let (Some(awaited), Some(worker)) = (&self.awaited, &self.worker) else { return Ok(()) };
        let found = || awaited.found(&worker.analyst, snapshot, step);
        let Some(baseline) = self.pool.install(found) else { return Ok(()) };
        let analyst = match self.ask(|answer| Message::Baseline(Box::new(baseline), answer)) {
            Ok(analyst) => analyst,
            Err(Unwritten::Failed(why)) => return Err(why),
            Err(Unwritten::Refused(_) | Unwritten::Stalled) => return Ok(()),
        };
        self.plan = Arc::clone(analyst.plan());
        if let Some(worker) = &mut self.worker {
            worker.analyst = analyst;
        }
        self.awaited = None;
        self.terminal.say(&format!("step {step} is the baseline, the first with values"));
        self.count(step, snapshot).map_err(failure)
    }

    /// Says, once, that the model has parameters that it had not at `attach`.
    fn look_for_added(&mut self) {
        if self.said_added {
            return;
        }
        let added = catch_unwind(AssertUnwindSafe(|| self.source.added())).unwrap_or_default();
        if !added.is_empty() {
            self.said_added = true;
            let more = match added.len().saturating_sub(LISTED) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let listed = added[..added.len().min(LISTED)].join(", ");
            let warning = format!(
                "added to the model after attach, and not analysed: {listed}{more}. E is against \
                 step 0 of the same network: attach once the model is complete, or finish() this run and \
                 attach again to begin another (.numbered())"
            );
            self.terminal.warn(&warning);
            self.warnings.push(warning);
        }
    }

    /// Memory for a snapshot; waits for an earlier step where the policy says so. Otherwise, why the
    /// step is to be dropped.
    fn free_snapshot(&mut self) -> Result<Box<Snapshot>, &'static str> {
        let back = || self.worker.as_ref()?.free.try_recv().ok();
        if let Some(snapshot) = self.spare.take().or_else(back) {
            return Ok(snapshot);
        }
        // Made when first needed: a side thread that keeps up needs one only.
        if self.snapshots < SNAPSHOTS {
            self.snapshots += 1;
            return Ok(Box::new(Snapshot::new(&self.plan)));
        }
        match (self.back_pressure, &mut self.worker) {
            (BackPressure::Block, Some(worker)) => {
                worker.wait_for_free().map_err(|why| match why {
                    Unheard::Ended => "the recording thread has ended",
                    Unheard::Stalled(()) => {
                        self.disk_stalls();
                        "the disk did not answer"
                    }
                })
            }
            _ => Err("the side thread was busy with earlier steps"),
        }
    }
}
