//! What the hook does with a step that is due.

use std::time::{Duration, Instant};

use crossbeam::channel::bounded;

use super::budget::Now;
use super::builder::BackPressure;
use super::gate::{count, guarded};
use super::hook::Monitor;
use super::message::{Due, Message};
use super::work::Work;
use super::worker::SNAPSHOTS;
use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::Step;
use crate::source::Lent;

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
        let (waited, counting) = self.gate.times();
        let (done, side) =
            self.worker.as_ref().map_or((0, Duration::ZERO), |worker| worker.verdicts.spent());
        // While updates wait at the gate, counting takes nothing from training.
        (done, (self.analysing + waited.max(counting) + side).as_secs_f64())
    }

    /// Tells the budget that a step which it let through is not analysed.
    pub(super) fn pass_over(&mut self) {
        if let Some(budget) = &mut self.budget {
            budget.passed_over();
        }
    }

    /// Has the weights of a due step counted and analysed as the monitor is told to; the error with
    /// which it was dropped, if it was.
    pub(super) fn take(&mut self, at: Step) -> Result<Option<Error>, Error> {
        let step = at.step;
        let Some(mut snapshot) = self.free_snapshot() else {
            self.pass_over();
            let why = "the side thread was busy with earlier steps".to_owned();
            return self.send(at, Due::Dropped { why }).map(|()| None);
        };
        let start = Instant::now();
        if let Some(lent) = self.lend(step) {
            self.gate.begin(at, lent, snapshot, (&self.plan, &self.pool), start);
            return Ok(None);
        }
        if let Err(error) = count(&self.plan, self.source.as_ref(), &self.pool, step, &mut snapshot)
        {
            self.spare = Some(snapshot);
            self.pass_over();
            let why = error.to_string();
            return self.send(at, Due::Dropped { why }).map(|()| Some(error));
        }
        let snapshot_ms = start.elapsed().as_secs_f64() * 1e3;
        self.send(at, Due::Analyse { snapshot, snapshot_ms })?;
        if self.work == Work::Inline {
            let (answer, reached) = bounded(1);
            let _ = self.ask(Message::Reached(answer), || reached.recv().ok().map(Ok));
            if let Some(why) = self.hear(step) {
                return self.failure(why).map(|_| None);
            }
        }
        Ok(None)
    }

    /// The weights for another thread to read, where the monitor is told so, the loop passed the gate
    /// before this step's update, and they can be lent.
    fn lend(&mut self, step: u64) -> Option<Box<dyn Lent>> {
        if self.work != Work::Overlapped {
            return None;
        }
        let passed = self.passed;
        let names = || self.plan.tensors().map(String::as_str).collect::<Vec<_>>();
        let lent = match passed {
            true => guarded(step, || Ok(self.source.lend(&names()))).unwrap_or_else(|error| {
                tracing::error!("{error}");
                None
            }),
            false => None,
        };
        if lent.is_none() && !self.told_of_gate {
            self.told_of_gate = true;
            let why = match passed {
                true => "they cannot be lent: not contiguous, or not in the computer's own memory",
                false => {
                    "the loop has not passed the gate since its last step: call \
                     Monitor::before_update before each update, or take the optimizer from \
                     Monitor::gated"
                }
            };
            tracing::warn!(step, "weights are counted in the hook, not beside training: {why}");
        }
        lent
    }

    /// Memory for a snapshot; waits for an earlier step where the policy says so. None when the
    /// step is to be dropped, or the recording thread has ended.
    fn free_snapshot(&mut self) -> Option<Box<Snapshot>> {
        let spare = self.spare.take().or_else(|| self.gate.spare());
        let back = || self.worker.as_ref()?.free.try_recv().ok();
        if let Some(snapshot) = spare.or_else(back) {
            return Some(snapshot);
        }
        // Made when first needed: a side thread that keeps up needs one only.
        if self.snapshots < SNAPSHOTS {
            self.snapshots += 1;
            return Some(Box::new(Snapshot::new(&self.plan)));
        }
        match self.back_pressure {
            BackPressure::Block => {
                let worker = self.worker.as_ref()?;
                worker.outbox.wait(|| worker.free.recv().ok())
            }
            BackPressure::DropNewest => None,
        }
    }
}
