//! The gate between the counting of live weights and their next update.
//!
//! In [`Work::Overlapped`](super::Work) the hook lends the weights to a thread of its own and
//! returns; forward and backward run, which only read them. Before the weights are updated the loop
//! passes the gate, which waits until the counting is done and hands the counts over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};
use rayon::ThreadPool;

use super::clock::thread_time;
use super::message::{Due, Message, Outbox};
use super::side::words;
use crate::analysis::{Plan, Snapshot};
use crate::error::Error;
use crate::pipeline::Step;
use crate::source::{Lent, Source};

/// What a loop passes before it updates weights that may still be being counted; clones are the
/// same gate. See [`Monitor::gate`](super::Monitor::gate).
#[derive(Clone, Debug)]
pub struct Gate(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    waited: AtomicU64,  // ns that updates waited at the gate
    counted: AtomicU64, // ns of processor time that counting took meanwhile
}

#[derive(Default)]
struct State {
    passed: bool, // since the last step was reported
    pending: Option<Pending>,
    outbox: Option<Outbox>,       // none once the monitor is finished
    spare: Option<Box<Snapshot>>, // of a step that was not counted to the end
    failure: Option<Error>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pending = self.pending.as_ref().map(|pending| pending.at.step);
        f.debug_struct("State").field("passed", &self.passed).field("pending", &pending).finish()
    }
}

/// A step whose weights are being counted.
struct Pending {
    at: Step,
    lending: Duration, // what the hook took for it
    done: Receiver<Counted>,
}

/// A counting that has come to its end.
struct Counted {
    lent: Box<dyn Lent>,
    snapshot: Box<Snapshot>,
    result: Result<(), Error>,
    took: Duration, // of processor time
}

impl Counted {
    /// The snapshot, if it is of the weights that were lent; else the error, and its memory.
    fn checked(mut self, step: u64) -> Result<Box<Snapshot>, (Error, Box<Snapshot>)> {
        let unchanged = || guarded(step, || Ok(self.lent.unchanged()));
        let result = self.result.and_then(|()| match unchanged()? {
            true => Ok(()),
            false => Err(Error::Updated { step }),
        });
        match result {
            Ok(()) => Ok(self.snapshot),
            Err(error) => {
                // It may have been counted from weights of two steps.
                self.snapshot.forget();
                Err((error, self.snapshot))
            }
        }
    }
}

impl Gate {
    pub(super) fn new(outbox: Outbox) -> Self {
        let gate = Self(Arc::default());
        gate.lock().outbox = Some(outbox);
        gate
    }

    /// Waits until no weights are being read. Call it before each update, if the optimizer is not
    /// one from [`Monitor::gated`](super::Monitor::gated); it costs nothing when nothing is read.
    pub fn pass(&self) {
        let mut state = self.lock();
        state.passed = true;
        let waited = self.settle(&mut state);
        self.0.waited.fetch_add(waited.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Whether the gate was passed since this was last asked.
    pub(super) fn take_passed(&self) -> bool {
        std::mem::take(&mut self.lock().passed)
    }

    /// Waits for a counting that is still going on, though the loop did not pass the gate. Gives the
    /// error of the last counting, if there was one.
    pub(super) fn catch_up(&self) -> Option<Error> {
        let mut state = self.lock();
        self.settle(&mut state);
        state.failure.take()
    }

    /// The memory of a step that was not counted to the end.
    pub(super) fn spare(&self) -> Option<Box<Snapshot>> {
        self.lock().spare.take()
    }

    /// How long updates waited here, and the processor time of counting.
    pub(super) fn times(&self) -> (Duration, Duration) {
        let of = |ns: &AtomicU64| Duration::from_nanos(ns.load(Ordering::Relaxed));
        (of(&self.0.waited), of(&self.0.counted))
    }

    /// Lets go of the recording thread.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        self.settle(&mut state);
        state.outbox = None;
    }

    /// Begins to count lent weights in the pool.
    pub(super) fn begin(
        &self,
        at: Step,
        lent: Box<dyn Lent>,
        mut snapshot: Box<Snapshot>,
        (plan, pool): (&Arc<Plan>, &Arc<ThreadPool>),
        since: Instant,
    ) {
        let (send, done) = bounded(1);
        let (step, plan, within) = (at.step, Arc::clone(plan), Arc::clone(pool));
        // A clone of the gate must not be passed between the two.
        let mut state = self.lock();
        pool.spawn(move || {
            let start = thread_time();
            let result = count(&plan, lent.as_ref(), &within, step, &mut snapshot);
            // The pool's threads share the work.
            let took = (thread_time() - start) * within.current_num_threads() as u32;
            // The gate waits for it for as long as it is there.
            let _ = send.send(Counted { lent, snapshot, result, took });
        });
        state.pending = Some(Pending { at, lending: since.elapsed(), done });
    }

    /// Waits for the counting that is going on, if one is; how long that took.
    fn settle(&self, state: &mut State) -> Duration {
        let Some(Pending { at, lending, done }) = state.pending.take() else {
            return Duration::ZERO;
        };
        let start = Instant::now();
        let counted = done.recv();
        let waited = start.elapsed();
        let step = at.step;
        let counted = counted.map(|counted| {
            self.0.counted.fetch_add(counted.took.as_nanos() as u64, Ordering::Relaxed);
            counted.checked(step)
        });
        let snapshot = match counted {
            Ok(Ok(snapshot)) => Ok(snapshot),
            Ok(Err((error, snapshot))) => {
                state.spare = Some(snapshot);
                Err(error)
            }
            Err(_) => Err(Error::Snapshot { step, why: "no answer".to_owned() }),
        };
        let due = match snapshot {
            Ok(snapshot) => {
                let snapshot_ms = (lending + waited).as_secs_f64() * 1e3;
                Due::Analyse { snapshot, snapshot_ms }
            }
            Err(error) => {
                let why = error.to_string();
                state.failure = Some(error);
                Due::Dropped { why }
            }
        };
        // A recording thread that has ended is reported by the next call of the hook.
        if let Some(outbox) = &state.outbox {
            outbox.send(Message::Step(at, due));
        }
        waited
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done where a panic could come from.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts weights into a snapshot. After a panic the layers that were not counted to the end are
/// counted anew, so nothing is left behind.
pub(super) fn count(
    plan: &Plan,
    source: &dyn Source,
    pool: &ThreadPool,
    step: u64,
    snapshot: &mut Snapshot,
) -> Result<(), Error> {
    guarded(step, || Ok(plan.snapshot(source, pool, snapshot)?))
}

/// Runs what calls the framework or the source; a panic there is an error like another.
pub(super) fn guarded<T>(step: u64, task: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(task)) {
        Ok(result) => result,
        Err(panic) => Err(Error::Snapshot { step, why: words(panic.as_ref()) }),
    }
}
