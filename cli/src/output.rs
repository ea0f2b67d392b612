//! What the command prints, and how it ends.

use std::io::Write;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;

/// How a subcommand that could do its work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit status 0.
    Done,
    /// Exit status 1: what it checked is not in order, or there was nothing to work on.
    Found,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Found => 1,
        })
    }
}

/// Where a subcommand prints to.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Whether progress and closing lines are left out.
    pub quiet: bool,
}

/// Prints the requested output. A closed pipe (`| head`) is not an error.
pub fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

impl Output {
    /// Prints a value as JSON.
    pub fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        print(&format!("{}\n", serde_json::to_string_pretty(value)?))
    }

    /// Prints the closing lines of a command that writes files; not when quiet.
    pub fn closing(self, text: &str) -> anyhow::Result<()> {
        if self.quiet { Ok(()) } else { print(text) }
    }

    /// A bar of progress, drawn on a terminal only: indicatif hides it elsewhere.
    pub fn bar(self, length: u64) -> ProgressBar {
        let bar = ProgressBar::new(length);
        if self.quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar
    }
}
