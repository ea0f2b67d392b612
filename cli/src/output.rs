//! What the command prints, and how it ends.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget};
use neuromfa::internals::record::{printable, printable_lines};
use neuromfa::{Error, RecordError};
use serde::Serialize;

use crate::wording::in_options;

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

/// How many characters a line holds: COLUMNS where it is set, else what the terminal says, and no
/// limit where the output goes elsewhere.
pub fn width() -> usize {
    if let Some(columns) = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()) {
        return columns;
    }
    match std::io::stdout().is_terminal() {
        true => {
            ratatui::crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns))
        }
        false => usize::MAX,
    }
}

/// Prints the requested output, without characters that a terminal acts on. A closed pipe (`| head`)
/// is not an error.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_script(&printable_lines(text))
}

/// Prints a text that this program made of itself, and another program reads.
pub fn print_script(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// As [`print_script`], of text that is not in memory as a string.
pub fn print_bytes(text: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// Prints one line to standard error. If that is closed, nobody reads it.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "neuromfa: {}", printable(text));
}

/// What could not be done, then why. A message that names its cause does so once.
pub fn described(error: &anyhow::Error) -> String {
    let text = error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    });
    in_options(&text)
}

/// The exit status of a failure: 1 where a row of a run is damaged.
pub fn status(error: &anyhow::Error) -> u8 {
    let row = |error: &RecordError| matches!(error, RecordError::Row { .. });
    let damaged = match error.downcast_ref() {
        Some(Error::Record(error)) => row(error),
        _ => error.downcast_ref().is_some_and(row),
    };
    if damaged { 1 } else { 2 }
}

/// Removes what a command that was killed has left.
fn left_over(path: &std::ffi::OsStr) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Writes a file that the user named. A failure leaves an earlier one as it was. A device, or what
/// a link leads to, is written to directly.
pub fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".neuromfa-new");
    let written = match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => std::fs::write(path, bytes),
        _ => left_over(&new)
            .and_then(|()| std::fs::File::create_new(&new))
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| std::fs::rename(&new, path))
            .inspect_err(|_| {
                let _ = std::fs::remove_file(&new);
            }),
    };
    written.with_context(|| format!("cannot write {}", path.display()))
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
