//! Names of the files, and whole-file writing.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RecordError;

/// Resolved configuration.
pub const RUN: &str = "run.json";
/// Drawn neurons.
pub const NODES: &str = "nodes.json";
/// What step 0 measured.
pub const BASELINE: &str = "baseline.json";
/// What the loop logged.
pub const METRICS: &str = "metrics.csv";
/// One row for each analysed step.
pub const EMERGENCE: &str = "emergence.csv";
/// The published spectrum of each analysed step.
pub const SPECTRA: &str = "spectra.csv";
/// State of the stop rule.
pub const STATE: &str = "state.json";
/// Written at the end.
pub const SUMMARY: &str = "summary.json";
/// Locked by the process that writes the run.
pub(super) const LOCK: &str = ".lock";

/// Whether the folder holds a run.
pub fn holds_run(folder: &Path) -> bool {
    folder.join(RUN).is_file()
}

pub(super) fn write_error(path: &Path) -> impl Fn(std::io::Error) -> RecordError + '_ {
    |source| RecordError::Write { path: path.to_owned(), source }
}

pub(super) fn read_error(path: &Path, why: impl ToString) -> RecordError {
    RecordError::Read { path: path.to_owned(), why: why.to_string() }
}

/// Replaces a file whole: a reader, or a crash, meets the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let fail = write_error(path);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = std::fs::File::create(&beside).map_err(&fail)?;
    file.write_all(bytes).map_err(&fail)?;
    file.sync_data().map_err(&fail)?;
    std::fs::rename(&beside, path).map_err(&fail)
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RecordError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| write_error(path)(std::io::Error::other(e)))?;
    text.push(b'\n');
    replace(path, &text)
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RecordError> {
    let text = std::fs::read(path).map_err(|e| read_error(path, e))?;
    serde_json::from_slice(&text).map_err(|e| read_error(path, e))
}
