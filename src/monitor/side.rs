//! The side thread: analyses snapshots at the lowest priority.
//!
//! It writes nothing and holds no lock while it works, so nobody has to wait for it: what it does not
//! finish is done again by a thread at the priority of training.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender};

use super::clock::thread_time;
use super::message::Verdicts;
use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::{Analysed, Analyst};

/// A snapshot to be analysed, possibly by two threads at a time.
pub(super) struct Task {
    pub(super) step: u64,
    pub(super) snapshot: Box<Snapshot>,
    pub(super) analyst: Arc<Analyst>,
    pub(super) answer: Sender<Done>, // of the side thread
}

/// What came of a task.
pub(super) struct Done {
    pub(super) result: Result<Analysed, String>,
    pub(super) took: Duration, // of processor time
}

impl Task {
    /// Analyses the snapshot on this thread. A panic is a failure like another.
    pub(super) fn analyse(&self) -> Done {
        let start = thread_time();
        let result =
            catch_unwind(AssertUnwindSafe(|| self.analyst.analyse(&self.snapshot, self.step)));
        let result = result.map_err(|panic| panicked(panic.as_ref()));
        Done { result, took: thread_time() - start }
    }

    /// Lets go of a task; the last to do so gives its memory back to the hook.
    pub(super) fn let_go(task: Arc<Self>, free: &Sender<Box<Snapshot>>) {
        if let Some(task) = Arc::into_inner(task) {
            let _ = free.send(task.snapshot);
        }
    }
}

/// The side thread's work.
pub(super) struct Side {
    pub(super) tasks: Receiver<Arc<Task>>,
    pub(super) free: Sender<Box<Snapshot>>,
    pub(super) verdicts: Arc<Verdicts>,
}

impl Side {
    /// Starts the thread. It ends when no more tasks can come. Nobody waits for that, which could
    /// take long at its priority.
    pub(super) fn start(self) -> Result<(), Error> {
        std::thread::Builder::new()
            .name("neuromfa-side".to_owned())
            .spawn(move || self.run())
            .map(drop)
            .map_err(|e| Error::Threads(e.into()))
    }

    fn run(self) {
        yield_to_training();
        analyse_alone(&self.verdicts);
        for task in &self.tasks {
            let done = task.analyse();
            self.verdicts.add_spent(done.took);
            let answer = task.answer.clone();
            // Before the answer: whoever hears it may need the memory.
            Task::let_go(task, &self.free);
            // Nobody listens any more where the task was done again meanwhile.
            let _ = answer.send(done);
        }
    }
}

/// Makes the calling thread analyse alone: the others belong to training.
pub(super) fn analyse_alone(verdicts: &Verdicts) {
    let own = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    if let Err(e) = own {
        verdicts.update(|report| report.failure = Some(Arc::new(e)));
    }
}

/// Gives this thread the lowest priority. libtorch's OpenMP threads spin while they wait for each
/// other: on a machine whose cores they fill, one more thread at their priority slows
/// training several times over. With a core to spare it makes no difference.
fn yield_to_training() {
    // Linux takes a thread's number where it says process; elsewhere this would be the program.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19) {
        tracing::debug!("the side thread keeps its priority: {error}");
    }
}

/// A panic of one of the monitor's threads, as a failure.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> String {
    format!("panic on a thread of the monitor: {}", words(panic))
}

/// The message of a panic.
pub(super) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
