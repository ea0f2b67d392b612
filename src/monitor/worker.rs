//! The hook's end of the monitor's threads.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, bounded};
use rayon::ThreadPool;

use super::message::{Outbox, Verdicts, messages};
use super::recording::{Analysis, Recording};
use super::side::Side;
use super::work::Work;
use crate::analysis::Snapshot;
use crate::error::Error;
use crate::pipeline::Pipeline;

/// The most snapshots that exist at a time: one being taken while another is analysed.
pub(super) const SNAPSHOTS: usize = 2;

/// The hook's end of the monitor's threads.
pub(super) struct Worker {
    pub(super) outbox: Outbox,
    pub(super) free: Receiver<Box<Snapshot>>,
    pub(super) verdicts: Arc<Verdicts>,
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
                    analyst: Arc::clone(pipeline.analyst()),
                    free: give_back.clone(),
                    verdicts: Arc::clone(&verdicts),
                })?;
                Analysis::Side { tasks, given }
            }
        };
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
        Ok(Self { outbox, free, verdicts, recording })
    }

    /// Waits until the recording thread has ended. The side thread ends by itself.
    pub(super) fn join(self) {
        drop(self.outbox);
        // Its panics are caught and reported as failures.
        let _ = self.recording.join();
    }
}
