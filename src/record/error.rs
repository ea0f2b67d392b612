//! The error of this module.

use std::fmt;
use std::path::{Path, PathBuf};

/// A run directory that cannot be written, read or resumed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason: an [`std::io::Error`] where the system refuses, else what is wrong in the
        /// file.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder without a readable run.json.
    #[error("cannot read {}: {source} (is it a run's folder?)", path.display())]
    NotARun {
        /// The file.
        path: PathBuf,
        /// The reason, as above.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A run that a newer version wrote.
    #[error(
        "{} has schema {schema}, written by neuromfa {version}; this version knows schemas up to \
         {known}. Update neuromfa", path.display()
    )]
    Newer {
        /// The run.json.
        path: PathBuf,
        /// Version of the run directory's layout.
        schema: u32,
        /// The newest that this version knows.
        known: u32,
        /// The version of neuromfa that wrote it.
        version: String,
    },
    /// The folder holds a run already.
    #[error(
        "{} already holds a run. Resume it (.resume(), --resume), replace it (.overwrite(), \
         --overwrite), or use another folder (.numbered() and --numbered take the next free one)",
        path.display()
    )]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing to resume from.
    #[error(
        "{} has no run that can resume at step {step}: the results of step 0 are missing. Begin \
         a new run (without resume), with the weights of step 0 as its baseline file if you have \
         them", path.display()
    )]
    NothingToResume {
        /// The folder.
        path: PathBuf,
        /// The step asked for.
        step: u64,
    },
    /// A resume that would remove nearly all of a long run.
    #[error(
        "resume_at({step}) would remove {rows} recorded steps of the run in {}, up to step {last}. \
         To continue, resume after its last step (resume) or after your checkpoint's; to begin \
         again, use another folder or replace the run (overwrite)", path.display()
    )]
    Discards {
        /// The folder.
        path: PathBuf,
        /// The step asked for.
        step: u64,
        /// How many recorded steps would be removed.
        rows: usize,
        /// The last of them.
        last: u64,
    },
    /// A step that lies far after the last one.
    #[error(
        "step {step} is {} steps after step {last}, the last one: is it a step number? If \
         it is, allow that (allow_gaps; --allow-gaps)", step - last
    )]
    Gap {
        /// The step given.
        step: u64,
        /// The last step before it.
        last: u64,
    },
    /// A file that no run wrote, with a name that the run would write to.
    #[error(
        "cannot replace {}: neuromfa did not write it. Use another folder, or move the file to \
         another one", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file of a run, without the run.json of that run.
    #[error(
        "cannot begin a run next to {}, a file of a run without a run.json: use another folder, \
         restore run.json and resume the run (resume), or replace it (overwrite)",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A file without which a run cannot continue.
    #[error(
        "the run cannot continue without {}: {source}. Restore it from a copy, or begin a new run \
         (in another folder, or overwrite)", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason, as of [`Read`](Self::Read).
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row that is damaged, in a file with whole rows after it.
    #[error("cannot read line {line} of {}: {why}. {}", path.display(), repair(path, *line))]
    Row {
        /// The file.
        path: PathBuf,
        /// The line, from 1 on.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Another process, or another monitor of this one, writes to the folder.
    #[error(
        "{} is writing to the run in {}: wait until it ends, or use another folder",
        if *here { "another monitor of this process" } else { "another process" }, path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Whether this process does.
        here: bool,
    },
    /// The run's folder, or a file of it, was removed, renamed or replaced while it was written.
    #[error(
        "{} was removed, renamed or replaced while the run was writing to it: rows written since \
         then are lost. Leave a run's folder where it is until the run ends", path.display()
    )]
    Gone {
        /// The folder or file.
        path: PathBuf,
    },
    /// Rows that the disk has not taken.
    #[error("{rows} rows are kept in memory: {source}")]
    Unwritten {
        /// How many.
        rows: usize,
        /// Why the last attempt failed.
        source: Box<RecordError>,
    },
    /// The run was recorded with another model or configuration.
    #[error(
        "the run in {} does not match: its {key} is {recorded}, that of this program is {current}. \
         Resume with the same model, configuration and version of neuromfa, or begin a new run (in \
         another folder, or overwrite)", path.display()
    )]
    Mismatch {
        /// The folder.
        path: PathBuf,
        /// Where in run.json the two differ, or in nodes.json (`nodes`).
        key: String,
        /// The recorded value, in words.
        recorded: String,
        /// The value of this program, in words.
        current: String,
    },
    /// A name that cannot be a column.
    #[error("{name:?} cannot be logged: {why}")]
    Name {
        /// The name.
        name: String,
        /// The reason.
        why: &'static str,
    },
}

/// The sentence: it is what a `main` that returns the error prints.
impl fmt::Debug for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl RecordError {
    /// Whether the system refused, so that a later attempt may succeed.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Read { .. } | Self::Unwritten { .. })
    }
}

pub(super) fn write_error(path: &Path) -> impl Fn(std::io::Error) -> RecordError + '_ {
    |source| RecordError::Write { path: path.to_owned(), source }
}

pub(super) fn read_error(path: &Path, error: std::io::Error) -> RecordError {
    RecordError::Read { path: path.to_owned(), source: error.into() }
}

/// The way out of [`RecordError::Row`].
fn repair(path: &Path, line: u64) -> String {
    if line == 1 {
        return "Restore the header, or the file from a copy".to_owned();
    }
    let folder = path.parent().unwrap_or(Path::new("")).display();
    format!(
        "Restore the file from a copy, or drop what is damaged and keep the rest: neuromfa repair \
         {folder}; in a program, repair() before the run is resumed"
    )
}
