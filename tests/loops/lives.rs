//! Processes that run the loop of [`super::interrupted`], to be killed.
//!
//! A test file that uses them has this test, which is their program:
//!
//! ```ignore
//! #[test]
//! #[ignore = "started by the other tests, in a process of its own"]
//! fn child_loop() {
//!     lives::child_loop();
//! }
//! ```

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::interrupted::{builder, run_to};
use super::weights_at;

/// The last step of the loop.
pub const LAST: u64 = 300;
const RUN: &str = "NEUROMFA_TEST_RUN";
const UNTIL: &str = "NEUROMFA_TEST_UNTIL";

/// The loop of the processes that tests start and kill: they resume the run up to a step.
/// Before the last step they wait there to be killed.
pub fn child_loop() {
    let Some(run) = std::env::var_os(RUN) else { return };
    let until: u64 = std::env::var(UNTIL).unwrap().parse().unwrap();
    let weights = weights_at(0);
    let mut monitor = builder(Path::new(&run)).resume().attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, until);
    if until < LAST {
        std::fs::write(waiting(Path::new(&run)), "").unwrap();
        // The parent's end of the pipe is closed when the parent dies.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::abort();
    }
    monitor.finish().unwrap();
}

/// The file, next to the run, with which a child reports that it waits.
fn waiting(run: &Path) -> PathBuf {
    run.with_extension("waiting")
}

/// A process that resumes the run.
pub struct Life {
    child: Child,
    started: Instant,
    waiting: PathBuf,
}

impl Life {
    /// Starts one that resumes the run and stops at this step.
    pub fn start(run: &Path, until: u64) -> Self {
        let waiting = waiting(run);
        let _ = std::fs::remove_file(&waiting);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_loop", "--ignored", "--nocapture"])
            .env(RUN, run)
            .env(UNTIL, until.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, started: Instant::now(), waiting }
    }

    /// Waits until the moment has come, or until the process waits.
    pub fn wait_for(&mut self, has_come: impl Fn(Duration) -> bool) {
        while !has_come(self.started.elapsed()) && !self.waiting.exists() {
            assert!(self.child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::sleep(Duration::from_micros(20));
        }
    }

    /// Kills it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it at a moment, or when it waits.
    pub fn kill_when(mut self, has_come: impl Fn(Duration) -> bool) {
        self.wait_for(has_come);
        self.kill();
    }

    /// Ends the process by a signal, such as `TERM`.
    pub fn signal(mut self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill -s {name}");
        self.child.wait().unwrap();
    }

    /// Waits for the end of a process that reaches the last step.
    pub fn end(mut self) {
        assert!(self.child.wait().unwrap().success(), "the last child failed");
    }
}
