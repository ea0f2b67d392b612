//! The hook's end of the monitor's threads.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};
use rayon::ThreadPool;

use super::message::{Message, Outbox, Unheard, Verdicts, messages};
use super::patience::{END, Patience};
use super::recording::{Analysis, Recording};
use super::side::Side;
use super::work::Work;
use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::{Analyst, Pipeline};

/// The most snapshots that exist at a time: one being taken while another is analysed.
pub(super) const SNAPSHOTS: usize = 2;

/// The hook's end of the monitor's threads.
pub(super) struct Worker {
    pub(super) outbox: Outbox,
    pub(super) free: Receiver<Box<Snapshot>>,
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) analyst: Arc<Analyst>,
    patience: Patience,
    recording: JoinHandle<()>,
}

impl Worker {
    /// Starts the recording thread and, where steps are not analysed inline, the side thread.
    pub(super) fn spawn(
        pipeline: Pipeline,
        work: Work,
        pool: &Arc<ThreadPool>, // of the hook
        start_side: impl FnOnce(Side) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let (outbox, inbox) = messages();
        let (give_back, free) = bounded(SNAPSHOTS);
        let verdicts = Arc::<Verdicts>::default();
        if let Some(stop) = pipeline.stop() {
            verdicts.update(|report| report.stop = Some(stop.clone()));
        }
        let analysis = match work {
            Work::Inline => Analysis::Inline(Arc::clone(pool)),
            Work::Background => {
                let (tasks, given) = bounded(1);
                start_side(Side {
                    tasks: given.clone(),
                    free: give_back.clone(),
                    verdicts: Arc::clone(&verdicts),
                })?;
                Analysis::Side { tasks, given }
            }
        };
        let analyst = Arc::clone(pipeline.analyst());
        let patience = Patience::new(Arc::clone(pipeline.disk()));
        let recording = Recording {
            pipeline,
            inbox,
            analysis,
            free: give_back,
            verdicts: Arc::clone(&verdicts),
            usual: Duration::ZERO,
            busy: Duration::ZERO,
        };
        let recording = std::thread::Builder::new()
            .name("neuromfa-record".to_owned())
            .spawn(move || recording.run())
            .map_err(|e| Error::Threads(e.into()))?;
        Ok(Self { outbox, free, verdicts, analyst, patience, recording })
    }

    /// Hands over a step.
    pub(super) fn send_step(&mut self, step: Message) -> Result<(), Unheard<Box<Message>>> {
        self.outbox.send_step(step, &mut self.patience)
    }

    /// Waits until the memory of a snapshot is free.
    pub(super) fn wait_for_free(&mut self) -> Result<Box<Snapshot>, Unheard<()>> {
        self.outbox.wait_for(&self.free, &mut self.patience)
    }

    /// Waits for word that a step is recorded.
    pub(super) fn wait_for(&mut self, word: &Receiver<()>) -> Result<(), Unheard<()>> {
        self.outbox.wait_for(word, &mut self.patience)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask<T>(&self, question: Message, answer: &Receiver<T>) -> Result<T, Unheard<()>> {
        self.outbox.ask(question, answer, &self.patience)
    }

    /// Waits until the recording thread has ended, for a time: a disk may not answer when files are
    /// closed. The side thread ends by itself.
    pub(super) fn join(self) {
        drop(self.outbox);
        let since = Instant::now();
        while !self.recording.is_finished() && since.elapsed() < END {
            std::thread::sleep(Duration::from_micros(200));
        }
        // Its panics are caught and reported as failures.
        if self.recording.is_finished() {
            let _ = self.recording.join();
        }
    }
}
