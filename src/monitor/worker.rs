//! The side thread: takes what the hook hands over, analyses and records it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use rayon::ThreadPool;

use super::clock::thread_time;
use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::{Pipeline, Step};
use crate::record::{BudgetRecord, Cost, Summary};
use crate::stop::Stop;

/// The most snapshots that exist at a time: one being taken while another is analysed.
pub(super) const SNAPSHOTS: usize = 2;
/// Steps that may wait to be recorded before the hook waits for the side thread.
const QUEUE: usize = 4096;

/// What the hook hands over.
pub(super) enum Message {
    /// A step of the loop.
    Step(Step, Due),
    /// Asks for everything so far to be on the disk.
    Flush(Sender<Result<(), String>>),
    /// The end.
    Finish(Ending, Sender<Result<Summary, String>>),
    /// Asks for word that all before this has been done.
    Reached(Sender<()>),
}

/// Whether a step is analysed.
pub(super) enum Due {
    No,
    Analyse { snapshot: Box<Snapshot>, snapshot_ms: f64 },
    Dropped { why: String },
}

/// What the hook knows of the run's end.
pub(super) struct Ending {
    pub(super) last_step: Option<u64>,
    pub(super) stopped_step: Option<u64>,
    pub(super) run: Duration,
    pub(super) hook: Duration,
    pub(super) budget: Option<BudgetRecord>,
}

/// What the side thread tells the hook.
#[derive(Default)]
pub(super) struct Verdicts {
    news: AtomicBool, // there is a stop or a failure
    told: Mutex<Told>,
    analysed: AtomicU64,
    spent: AtomicU64, // ns of processor time
}

#[derive(Clone, Default)]
pub(super) struct Told {
    pub(super) stop: Option<Stop>,
    pub(super) failure: Option<String>,
}

impl Verdicts {
    /// What the side thread has to say; cheap while that is nothing.
    pub(super) fn told(&self) -> Option<Told> {
        self.news.load(Ordering::Acquire).then(|| self.lock().clone())
    }

    /// Steps analysed so far, and the processor time of the side thread that they took.
    pub(super) fn spent(&self) -> (u64, Duration) {
        let spent = Duration::from_nanos(self.spent.load(Ordering::Relaxed));
        (self.analysed.load(Ordering::Relaxed), spent)
    }

    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.lock());
        self.news.store(true, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hook's end of the side thread.
pub(super) struct Worker {
    pub(super) messages: Sender<Message>,
    pub(super) free: Receiver<Box<Snapshot>>,
    pub(super) verdicts: Arc<Verdicts>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the side thread. With a pool it analyses in that, not at the lowest priority.
    pub(super) fn spawn(pipeline: Pipeline, pool: Option<Arc<ThreadPool>>) -> Result<Self, Error> {
        let (messages, inbox) = bounded(QUEUE);
        let (give_back, free) = bounded(SNAPSHOTS);
        let verdicts = Arc::<Verdicts>::default();
        if let Some(stop) = pipeline.stop() {
            verdicts.tell(|told| told.stop = Some(stop.clone()));
        }
        let mut side =
            Side { pipeline, give_back, verdicts: Arc::clone(&verdicts), busy: Duration::ZERO };
        let thread = std::thread::Builder::new()
            .name("neuromfa-side".to_owned())
            .spawn(move || side.run(&inbox, pool))
            .map_err(|e| Error::Threads(e.to_string()))?;
        Ok(Self { messages, free, verdicts, thread })
    }

    /// Waits until the side thread has ended.
    pub(super) fn join(self) {
        drop(self.messages);
        // Its panics are caught and told as failures.
        let _ = self.thread.join();
    }
}

struct Side {
    pipeline: Pipeline,
    give_back: Sender<Box<Snapshot>>,
    verdicts: Arc<Verdicts>,
    busy: Duration,
}

impl Side {
    fn run(&mut self, inbox: &Receiver<Message>, pool: Option<Arc<ThreadPool>>) {
        yield_to_training();
        if pool.is_none() {
            // Analysis runs on this thread alone: the others belong to training.
            let own = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            if let Err(e) = own {
                self.verdicts.tell(|told| told.failure = Some(e.to_string()));
            }
        }
        for message in inbox {
            let start = Instant::now();
            match message {
                Message::Step(step, due @ Due::Analyse { .. }) => {
                    let before = thread_time();
                    match &pool {
                        Some(pool) => pool.install(|| self.step(step, due)),
                        None => self.step(step, due),
                    }
                    let spent = (thread_time() - before).as_nanos() as u64;
                    self.verdicts.spent.fetch_add(spent, Ordering::Relaxed);
                }
                Message::Step(step, due) => self.step(step, due),
                Message::Flush(answer) => {
                    let result = self.guarded(|pipeline| pipeline.sync());
                    let _ = answer.send(result);
                }
                Message::Finish(ending, answer) => {
                    let _ = answer.send(self.finish(ending));
                }
                Message::Reached(answer) => {
                    let _ = answer.send(());
                }
            }
            self.busy += start.elapsed();
        }
    }

    /// Runs a task of the pipeline. After a failure there is no other: the files end where they
    /// are, and every later task fails in the same way.
    fn guarded<T>(
        &mut self,
        task: impl FnOnce(&mut Pipeline) -> Result<T, Error>,
    ) -> Result<T, String> {
        if let Some(why) = self.verdicts.lock().failure.clone() {
            return Err(why);
        }
        let pipeline = &mut self.pipeline;
        // The pipeline is not used again after a panic.
        let result = catch_unwind(AssertUnwindSafe(|| task(pipeline)));
        let why = match result {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("panic on the side thread: {}", words(panic.as_ref())),
        };
        self.verdicts.tell(|told| told.failure = Some(why.clone()));
        Err(why)
    }

    fn step(&mut self, step: Step, due: Due) {
        match due {
            // A failure has been told to the hook by `guarded`.
            Due::No => drop(self.guarded(|pipeline| pipeline.log(&step))),
            Due::Dropped { why } => drop(self.guarded(|pipeline| {
                pipeline.log(&step)?;
                pipeline.drop_row(step, &why)
            })),
            Due::Analyse { snapshot, snapshot_ms } => {
                let analysed = self.guarded(|pipeline| {
                    pipeline.log(&step)?;
                    pipeline.analyse(step, &snapshot, snapshot_ms)
                });
                let one = u64::from(analysed.is_ok());
                self.verdicts.analysed.fetch_add(one, Ordering::Relaxed);
                // Whatever happened: the hook may be waiting for it.
                let _ = self.give_back.send(snapshot);
            }
        }
        if let Some(stop) = self.pipeline.stop() {
            self.verdicts.tell(|told| told.stop = Some(stop.clone()));
        }
    }

    fn finish(&mut self, ending: Ending) -> Result<Summary, String> {
        let cost = Cost {
            live: true,
            run_seconds: ending.run.as_secs_f64(),
            hook_seconds: ending.hook.as_secs_f64(),
            side_thread_seconds: self.busy.as_secs_f64(),
            analysed: self.verdicts.spent().0,
        };
        let Ending { last_step, stopped_step, budget, .. } = ending;
        self.guarded(|pipeline| pipeline.finish(last_step, stopped_step, cost, budget))
    }
}

/// Gives this thread the lowest priority. libtorch's OpenMP threads spin while they wait for each
/// other: on a machine whose cores they fill, one thread beside them at their own priority slows
/// training several times over. With a core to spare it makes no difference.
pub(super) fn yield_to_training() {
    // Linux takes a thread's number where it says process; elsewhere this would be the program.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19) {
        tracing::debug!("the side thread keeps its priority: {error}");
    }
}

/// The message of a panic.
pub(super) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
