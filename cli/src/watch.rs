//! Analyses checkpoints while a trainer writes them.
//!
//! The folder is polled ([`Arrivals`]); each complete checkpoint is analysed ([`Feed`]). The files
//! are those of a [`Replay`] of the same checkpoints. With [`resume`](Replay::resume), a watch
//! continues a run that was ended or killed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use neuromfa::source::{Checkpoint, CheckpointFile};
use neuromfa::{Added, Error, Feed, Replay, Summary};

use crate::arrivals::Arrivals;
use crate::steps::StepPattern;

/// Analyses the checkpoints of a folder as they appear.
///
/// | setting | default |
/// |---|---|
/// | [`every`](Self::every) | 1 s between two checks |
/// | [`give_up_after`](Self::give_up_after) | 30 checks of a checkpoint that does not open |
/// | [`until_step`](Self::until_step), [`idle`](Self::idle), [`process`](Self::process) | until `stop` is set |
#[derive(Clone, Debug)]
#[must_use = "a watch does nothing until it is run"]
pub struct Watch {
    folder: PathBuf,
    every: Duration,
    tries: u32,
    steps: StepPattern,
    copies: PathBuf,
    until_step: Option<u64>,
    idle: Option<Duration>,
    process: Option<u32>,
}

impl Watch {
    /// A watch over a folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            every: Duration::from_secs(1),
            tries: 30,
            steps: StepPattern::default(),
            copies: std::env::temp_dir(),
            until_step: None,
            idle: None,
            process: None,
        }
    }

    /// Time between two checks of the folder.
    pub fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }

    /// Leaves out a checkpoint that is complete but did not open at this many checks.
    pub fn give_up_after(mut self, looks: u32) -> Self {
        self.tries = looks;
        self
    }

    /// How steps are found in names.
    pub fn steps(mut self, steps: StepPattern) -> Self {
        self.steps = steps;
        self
    }

    /// The folder for copies of checkpoints (default: the system's for temporary files).
    pub fn copies(mut self, folder: impl Into<PathBuf>) -> Self {
        self.copies = folder.into();
        self
    }

    /// Ends once this step, or a later one, is analysed.
    pub fn until_step(mut self, step: u64) -> Self {
        self.until_step = Some(step);
        self
    }

    /// Ends when nothing was written for this long.
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = Some(time);
        self
    }

    /// Ends when this process, the trainer, has ended and what it wrote is analysed.
    pub fn process(mut self, id: u32) -> Self {
        self.process = Some(id);
        self
    }

    /// Watches until an end that was set, or until `stop` is true; then writes the summary. `replay`
    /// is called with the first checkpoint. None when there was no checkpoint.
    ///
    /// Checkpoints that cannot be read, and those of a lower step than one that is analysed, are
    /// reported once (`tracing`, level warn) and left out; so are those that were removed too early,
    /// written again after they were analysed, or say no step.
    ///
    /// # Errors
    /// What `replay` returns, and any [`Error`] that ends a replay. The rows so far stay.
    pub fn run<E: From<Error>>(
        &self,
        replay: impl FnOnce(&Checkpoint) -> Result<Replay, E>,
        stop: &AtomicBool,
    ) -> Result<Option<Summary>, E> {
        let mut arrivals = Arrivals::new(&self.folder).give_up_after(self.tries);
        arrivals = arrivals.steps(self.steps.clone()).copies(&self.copies);
        let (mut replay, mut feed) = (Some(replay), None);
        let mut analysed = BTreeMap::new();
        let mut active = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            // Read before the check, so that the check finds everything that the process wrote.
            let over = self.process.is_some_and(|id| !is_running(id));
            let arrived = arrivals.look();
            for (path, why) in &arrived.unreadable {
                tracing::warn!("{} is left out: {why}", path.display());
            }
            arrived.notes.iter().for_each(|note| tracing::warn!("{note}"));
            let more = arrived.complete.is_some();
            if let Some((checkpoint, file)) = &arrived.complete {
                if let Some(replay) = replay.take() {
                    feed = Some(replay(checkpoint)?.feed()?);
                }
                if let Some(feed) = &mut feed {
                    add(feed, checkpoint, file, &mut analysed)?;
                }
            }
            if arrived.changed || more {
                active = Instant::now();
            }
            let last = feed.as_ref().and_then(Feed::last_step);
            let reached = self.until_step.is_some_and(|until| last.is_some_and(|l| l >= until));
            let idle = self.idle.is_some_and(|idle| active.elapsed() >= idle);
            if reached || idle || over && arrived.pending == 0 {
                break;
            }
            if !more {
                rest(self.every, stop);
            }
        }
        arrivals.left().iter().for_each(|left| tracing::warn!("{left}"));
        match feed.filter(|feed| feed.last_step().is_some()) {
            Some(feed) => Ok(Some(feed.finish()?)),
            None => Ok(None),
        }
    }
}

/// Adds a checkpoint; `analysed` has the paths of those that were, by their steps.
fn add(
    feed: &mut Feed,
    checkpoint: &Checkpoint,
    file: &CheckpointFile,
    analysed: &mut BTreeMap<u64, PathBuf>,
) -> Result<(), Error> {
    let path = checkpoint.path.display();
    match feed.add_opened(checkpoint, file) {
        Ok(Added::Analysed) => {
            analysed.insert(checkpoint.step, checkpoint.path.clone());
            Ok(())
        }
        Ok(Added::Recorded) => {
            if let Some(other) = analysed.get(&checkpoint.step).filter(|p| **p != checkpoint.path) {
                tracing::warn!(
                    "{path} is left out: {} was analysed as step {}",
                    other.display(),
                    checkpoint.step
                );
            }
            Ok(())
        }
        Ok(Added::OutOfOrder) => {
            let last = feed.last_step().unwrap_or_default();
            tracing::warn!(
                "{path} is left out: its step {} lies before step {last}, which is analysed",
                checkpoint.step
            );
            Ok(())
        }
        Ok(_) => Ok(()),
        // Another network, say.
        Err(error @ (Error::Source(_) | Error::Checkpoints { .. })) => {
            tracing::warn!("{path} is left out: {error}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Waits, in intervals short enough to react to `stop` soon.
fn rest(time: Duration, stop: &AtomicBool) {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed())
        && !left.is_zero()
        && !stop.load(Ordering::Relaxed)
    {
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}

/// Whether a process exists and has not ended. If the system cannot be asked, it counts as running.
fn is_running(id: u32) -> bool {
    if cfg!(target_os = "linux") {
        // A process that nobody waits for stays in the list as a zombie.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        let state = |s: &String| s.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        return stat.as_ref().ok().and_then(state).is_some_and(|state| !"ZX".contains(state));
    }
    let asked = if cfg!(windows) {
        Command::new("tasklist").args(["/NH", "/FI", &format!("PID eq {id}")]).output()
    } else {
        Command::new("ps").args(["-p", &id.to_string(), "-o", "stat="]).output()
    };
    asked.map_or(true, |output| {
        let text = String::from_utf8_lossy(&output.stdout);
        let words = text.split_whitespace();
        if cfg!(windows) {
            words.into_iter().any(|word| word == id.to_string())
        } else {
            words.into_iter().next().is_some_and(|state| !state.starts_with('Z'))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_process_is_running_until_it_has_ended() {
        assert!(is_running(std::process::id()));
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(is_running(child.id()));
        child.kill().unwrap();
        // Ended, and not waited for.
        let start = Instant::now();
        while is_running(child.id()) && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!is_running(child.id()));
        child.wait().unwrap();
        assert!(!is_running(child.id()));
    }
}
