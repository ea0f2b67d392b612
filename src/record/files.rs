//! Names of the files, and atomic replacement of files.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RecordError;

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
/// Layers, blocks and roles of each analysed step.
pub const LAYERS: &str = "layers.csv";
/// Each analysed step over several hops, for each number of hops.
pub const HOPS: &str = "hops.csv";
/// How degrees and dimensions are distributed over neurons, at each analysed step.
pub const DISTRIBUTIONS: &str = "distributions.csv";
/// What the published spectrum of each analysed step is fitted to, and the fits.
pub const SCALING: &str = "scaling.csv";
/// What the dimensions of some neurons are fitted to at each analysed step, and the fits.
pub const BOXES: &str = "boxes.csv";
/// A hash of each tensor at each analysed step.
pub const HASHES: &str = "hashes.csv";
/// A folder with a file for each analysed step: every neuron's numbers.
pub const NEURONS: &str = "neurons";
/// The weights of step 0, for the rescaled start.
pub const START: &str = "start.safetensors";
/// State of the stop rule.
pub const STATE: &str = "state.json";
/// Written at the end.
pub const SUMMARY: &str = "summary.json";
/// TensorBoard's event files.
pub const TENSORBOARD: &str = "tb";
/// Locked by the process that writes the run.
pub(super) const LOCK: &str = ".lock";

/// Begins the names of event files.
pub(super) const PREFIX: &str = "events.out.tfevents.";
/// Used instead of a host name: marks the monitor's own files.
pub(super) const OWN: &str = "neuromfa";

/// A run's files, newest first: run.json is written before the files above it, after those below
/// it.
const FILES: [&str; 15] = [
    SUMMARY,
    STATE,
    METRICS,
    EMERGENCE,
    HASHES,
    BOXES,
    SCALING,
    HOPS,
    DISTRIBUTIONS,
    LAYERS,
    SPECTRA,
    RUN,
    START,
    BASELINE,
    NODES,
];

/// Whether the folder holds a run.
pub fn holds_run(folder: &Path) -> bool {
    folder.join(RUN).is_file()
}

/// A file that a run begins with run.json, in a folder that has none.
pub(super) fn without_run(folder: &Path) -> Option<PathBuf> {
    if holds_run(folder) {
        return None;
    }
    let mut later = FILES.iter().take_while(|name| **name != RUN).map(|name| folder.join(name));
    later.find(|path| path.exists())
}

pub(super) fn write_error(path: &Path) -> impl Fn(std::io::Error) -> RecordError + '_ {
    |source| RecordError::Write { path: path.to_owned(), source }
}

pub(super) fn read_error(path: &Path, error: std::io::Error) -> RecordError {
    RecordError::Read { path: path.to_owned(), source: error.into() }
}

/// Replaces a file atomically: after a crash or power loss, and for any reader, there is either the
/// old file or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    write_and_rename(path, bytes, File::sync_data)
}

fn write_and_rename(
    path: &Path,
    bytes: &[u8],
    sync: fn(&File) -> std::io::Result<()>,
) -> Result<(), RecordError> {
    let fail = write_error(path);
    let temporary = temporary_path(path);
    let mut file = File::create(&temporary).map_err(&fail)?;
    file.write_all(bytes).map_err(&fail)?;
    sync(&file).map_err(&fail)?;
    std::fs::rename(&temporary, path).map_err(&fail)
}

/// The temporary path of a file, before it is renamed.
fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> Result<(), RecordError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(write_error(path)(e)),
        _ => Ok(()),
    }
}

/// Removes the files of a run; other files of the folder stay. If interrupted, it leaves a run
/// without rows, or the files of a run that ended before its run.json was written.
pub(super) fn remove_run(folder: &Path) -> Result<(), RecordError> {
    remove_neurons(folder, 0)?;
    remove_events(folder)?;
    FILES.iter().try_for_each(|name| remove(&folder.join(name)))?;
    remove_unfinished(folder)
}

/// Removes the event files of a run; others in `tb/` stay.
fn remove_events(run: &Path) -> Result<(), RecordError> {
    let folder = run.join(TENSORBOARD);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if rest.is_some_and(|rest| rest.split('.').nth(1) == Some(OWN)) {
            remove(&entry.path())?;
        }
    }
    // Not empty where files of others stay.
    let _ = std::fs::remove_dir(&folder);
    Ok(())
}

/// The file of a step in neurons/.
pub fn neurons_file(step: u64) -> String {
    format!("step-{step}.csv")
}

/// Removes the files of this step and later ones in neurons/, and the folder when it is empty.
pub(super) fn remove_neurons(folder: &Path, step: u64) -> Result<(), RecordError> {
    let neurons = folder.join(NEURONS);
    let Ok(entries) = std::fs::read_dir(&neurons) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let of_step =
            name.to_str().and_then(|n| n.strip_prefix("step-")?.split('.').next()?.parse().ok());
        if of_step.is_some_and(|of: u64| of >= step) {
            remove(&entry.path())?;
        }
    }
    // Not empty where files of earlier steps, or of others, stay.
    let _ = std::fs::remove_dir(&neurons);
    Ok(())
}

/// Removes temporary files of a process that ended while it replaced a file.
pub(super) fn remove_unfinished(folder: &Path) -> Result<(), RecordError> {
    FILES.iter().try_for_each(|name| remove(&temporary_path(&folder.join(name))))
}

/// Waits until the names of new files are on the disk, on systems that support it.
pub(super) fn sync_names(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RecordError> {
    replace(path, &json(path, value)?)
}

/// As [`write_json`], for a file that is written often and that a resume writes again. It does not
/// wait for the disk, so a power loss may leave neither the old nor the new file.
pub(super) fn write_json_in_passing(
    path: &Path,
    value: &impl Serialize,
) -> Result<(), RecordError> {
    replace_in_passing(path, &json(path, value)?)
}

/// As [`replace`], without waiting for the disk.
pub(super) fn replace_in_passing(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    write_and_rename(path, bytes, |_| Ok(()))
}

fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, RecordError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| write_error(path)(std::io::Error::other(e)))?;
    text.push(b'\n');
    Ok(text)
}

pub(super) fn read_json<T: DeserializeOwned>(
    path: &Path,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
