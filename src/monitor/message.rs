//! What passes between the hook and the monitor's threads.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use super::patience::Patience;
use crate::analysis::{Baseline, Snapshot};
use crate::pipeline::{Analyst, Step};
use crate::record::{BudgetRecord, Summary};
use crate::stop::Stop;

/// Steps that may wait to be recorded before the hook waits.
const QUEUE: usize = 4096;
/// Values that may wait in them.
const VALUES: usize = 1 << 21;

/// Why monitoring has failed. Every later call returns it, so it is shared.
pub(super) type Failure = Arc<dyn Error + Send + Sync>;

/// A failure that is only words.
pub(super) fn failure(why: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
    Arc::from(why.into())
}

/// What the hook hands over.
pub(super) enum Message {
    /// A step of the loop.
    Step(Step, Due),
    /// Asks for everything so far to be on the disk.
    Flush(Sender<Result<(), Failure>>),
    /// The end.
    Finish(Ending, Sender<Result<Summary, Failure>>),
    /// Asks for this baseline from the next step on.
    Baseline(Box<Baseline>, Sender<Result<Arc<Analyst>, Failure>>),
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
    pub(super) repeated_calls: u64,
    pub(super) lost_steps: u64,
}

/// Why a message was not taken, or not answered.
pub(super) enum Unheard<T> {
    /// The recording thread has ended.
    Ended,
    /// The disk does not answer.
    Stalled(T),
}

/// The hook's way to the recording thread, which learns from it whether training is waiting.
pub(super) struct Outbox {
    messages: Sender<Message>,
    values: Arc<AtomicUsize>, // that wait
    names: Arc<Mutex<Vec<String>>>,
    waiting: Arc<AtomicBool>,
    bell: Sender<()>, // rung when training begins to wait
}

/// The recording thread's end of it.
pub(super) struct Inbox {
    messages: Receiver<Message>,
    values: Arc<AtomicUsize>,
    names: Arc<Mutex<Vec<String>>>, // of the loop's quantities, ahead of the steps that log them
    waiting: Arc<AtomicBool>,
    pub(super) bell: Receiver<()>,
}

/// Both ends of a bounded queue of messages.
pub(super) fn messages() -> (Outbox, Inbox) {
    let (send, messages) = bounded(QUEUE);
    let (ring, bell) = bounded(1);
    let (waiting, values) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let names = Arc::<Mutex<Vec<String>>>::default();
    let inbox = Inbox {
        messages,
        values: Arc::clone(&values),
        names: Arc::clone(&names),
        waiting: Arc::clone(&waiting),
        bell,
    };
    (Outbox { messages: send, values, names, waiting, bell: ring }, inbox)
}

impl Outbox {
    /// Hands over a step.
    pub(super) fn send_step(
        &self,
        step: Message,
        patience: &mut Patience,
    ) -> Result<(), Unheard<Box<Message>>> {
        if self.messages.len() < QUEUE / 2 {
            patience.rest();
        }
        let mut held = Some(step);
        let mut attempt = |timeout| self.attempt(&mut held, timeout);
        let sent = attempt(Duration::ZERO);
        match sent.or_else(|| self.wait(|| patience.within_step(attempt))) {
            Some(true) => Ok(()),
            Some(false) => Err(Unheard::Ended),
            None => Err(held.map_or(Unheard::Ended, |step| Unheard::Stalled(Box::new(step)))),
        }
    }

    /// Waits for what the monitor's threads send.
    pub(super) fn wait_for<T>(
        &self,
        what: &Receiver<T>,
        patience: &mut Patience,
    ) -> Result<T, Unheard<()>> {
        heard(self.wait(|| patience.within_step(received(what))))
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask<T>(
        &self,
        question: Message,
        answer: &Receiver<T>,
        patience: &Patience,
    ) -> Result<T, Unheard<()>> {
        let mut held = Some(question);
        let sent = self.wait(|| patience.to_the_end(|tick| self.attempt(&mut held, tick)));
        heard(sent.map(|taken| taken.then_some(())))?;
        heard(self.wait(|| patience.to_the_end(received(answer))))
    }

    /// Attempts to hand over the message that is held: whether the recording thread takes messages;
    /// none when it has no room yet.
    fn attempt(&self, held: &mut Option<Message>, timeout: Duration) -> Option<bool> {
        let message = held.take()?;
        let values = message.values();
        if values > 0 && self.values.load(Ordering::SeqCst) > VALUES {
            *held = Some(message);
            std::thread::sleep(timeout);
            return None;
        }
        match self.messages.send_timeout(message, timeout) {
            Ok(()) => {
                self.values.fetch_add(values, Ordering::SeqCst);
                Some(true)
            }
            Err(SendTimeoutError::Timeout(message)) => {
                *held = Some(message);
                None
            }
            Err(SendTimeoutError::Disconnected(_)) => Some(false),
        }
    }

    /// Messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.messages.len()
    }

    /// Says that a step which waits logs new names.
    pub(super) fn announce(&self, names: Vec<String>) {
        if !names.is_empty() {
            self.names.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
        }
    }

    /// Waits for something that the monitor's threads do; they know that training waits meanwhile.
    pub(super) fn wait<T>(&self, until: impl FnOnce() -> T) -> T {
        self.waiting.store(true, Ordering::SeqCst);
        // One that was rung and not yet heard does as well.
        let _ = self.bell.try_send(());
        let result = until();
        self.waiting.store(false, Ordering::SeqCst);
        result
    }
}

/// Attempts to receive, for a time: what came, if more can come at all; none when nothing has come yet.
fn received<T>(from: &Receiver<T>) -> impl Fn(Duration) -> Option<Option<T>> {
    |timeout| match from.recv_timeout(timeout) {
        Err(RecvTimeoutError::Timeout) => None,
        came => Some(came.ok()),
    }
}

/// What attempts came to that were made as long as patience lasted.
fn heard<T>(came: Option<Option<T>>) -> Result<T, Unheard<()>> {
    came.ok_or(Unheard::Stalled(()))?.ok_or(Unheard::Ended)
}

impl Message {
    fn values(&self) -> usize {
        match self {
            Self::Step(step, _) => 1 + step.scalars.len(),
            _ => 0,
        }
    }
}

impl Inbox {
    /// The next message; none where `timeout` is over first, or no more can come.
    pub(super) fn next(&self, timeout: Option<Duration>) -> Result<Message, RecvTimeoutError> {
        let next = match timeout {
            Some(timeout) => self.messages.recv_timeout(timeout)?,
            None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected)?,
        };
        self.values.fetch_sub(next.values(), Ordering::SeqCst);
        Ok(next)
    }

    /// The names that were announced since the last call.
    pub(super) fn announced(&self) -> Vec<String> {
        std::mem::take(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether training is waiting.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// What the monitor's threads report to the hook.
#[derive(Default)]
pub(super) struct Verdicts {
    news: AtomicBool, // there is a stop or a failure
    report: Mutex<Report>,
    analysed: AtomicU64,
    spent: AtomicU64, // ns of processor time
}

#[derive(Clone, Default)]
pub(super) struct Report {
    pub(super) stop: Option<Stop>,
    pub(super) failure: Option<Failure>,
}

impl Verdicts {
    /// What there is to say; cheap while that is nothing.
    pub(super) fn report(&self) -> Option<Report> {
        self.news.load(Ordering::Acquire).then(|| self.lock().clone())
    }

    /// Steps analysed so far, and the processor time that they took next to training.
    pub(super) fn spent(&self) -> (u64, Duration) {
        let spent = Duration::from_nanos(self.spent.load(Ordering::Relaxed));
        (self.analysed.load(Ordering::Relaxed), spent)
    }

    /// A step has been analysed and recorded.
    pub(super) fn add_analysed(&self) {
        self.analysed.fetch_add(1, Ordering::Relaxed);
    }

    /// An analysis took processor time next to training.
    pub(super) fn add_spent(&self, time: Duration) {
        self.spent.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock());
        self.news.store(true, Ordering::Release);
    }

    /// Why monitoring has failed, if it has.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.lock().failure.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
