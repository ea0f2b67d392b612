//! Names of the files, and what is done with all of them.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{RecordError, write_error};
use super::folder::{Folder, UNFINISHED, temporary_name};
use super::regular::read_file;

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
/// Entries of the baseline's matrices.
pub const ENTRIES: &str = "entries.safetensors";
/// State of the stop rule.
pub const STATE: &str = "state.json";
/// Written at the end.
pub const SUMMARY: &str = "summary.json";
/// Says what the files are.
pub(super) const README: &str = "README.md";
/// Says what the columns of the tables are.
pub(super) const COLUMNS: &str = "columns.json";
/// TensorBoard's event files.
pub const TENSORBOARD: &str = "tb";
/// Lists the files of the run.
pub(super) const LIST: &str = ".neuromfa";
/// Locked by the process that writes the run.
pub(super) const LOCK: &str = ".lock";

/// Begins the names of event files.
pub(super) const PREFIX: &str = "events.out.tfevents.";
/// Used instead of a host name: marks the monitor's own files.
pub(super) const OWN: &str = "neuromfa";

/// A run's files, newest first: run.json is written before the files above it, after those below
/// it.
pub(super) const FILES: [&str; 19] = [
    SUMMARY,
    STATE,
    NEURONS,
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
    ENTRIES,
    BASELINE,
    NODES,
    COLUMNS,
    README,
];

/// Whether the folder holds a run, or something else in place of its run.json.
pub fn holds_run(folder: &Path) -> bool {
    folder.join(RUN).symlink_metadata().is_ok()
}

/// A run's `own` file that it begins with run.json, in a folder that has none.
pub(super) fn without_run(folder: &Folder, own: &[&str]) -> Option<PathBuf> {
    if folder.has(RUN) {
        return None;
    }
    let mut later = FILES.iter().take_while(|name| **name != RUN);
    later.find(|name| own.contains(name) && folder.has(name)).map(|name| folder.join(name))
}

/// Removes the files of a run that are its `own`; others of the folder stay. If interrupted, it
/// leaves a run without rows, or the files of a run that ended before its run.json was written.
pub(super) fn remove_run(folder: &Folder, own: &[&str]) -> Result<(), RecordError> {
    remove_events(folder)?;
    FILES.iter().filter(|name| own.contains(name)).try_for_each(|name| match *name {
        NEURONS => remove_neurons(folder, 0),
        name => folder.remove(name),
    })?;
    remove_unfinished(folder)
}

/// Removes the event files of a run; others in `tb/` stay.
fn remove_events(run: &Folder) -> Result<(), RecordError> {
    remove_within(run, TENSORBOARD, |name| {
        let rest = name.strip_prefix(PREFIX);
        rest.is_some_and(|rest| rest.split('.').nth(1) == Some(OWN))
    })
}

/// The file of a step in neurons/.
pub fn neurons_file(step: u64) -> String {
    format!("step-{step}.csv")
}

/// Removes the files of this step and later ones in neurons/, and the folder when it is empty.
pub(super) fn remove_neurons(run: &Folder, step: u64) -> Result<(), RecordError> {
    remove_within(run, NEURONS, |name| {
        let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
        let of = name.strip_prefix("step-").and_then(|n| n.strip_suffix(".csv")?.parse().ok());
        of.is_some_and(|of: u64| of >= step && neurons_file(of) == name)
    })
}

/// Removes the files of a folder whose names are `own`, and then the folder if it is empty: files of
/// earlier steps, or of others, stay.
fn remove_within(run: &Folder, name: &str, own: impl Fn(&str) -> bool) -> Result<(), RecordError> {
    let Ok(folder) = run.existing(name) else { return Ok(()) };
    let Ok(names) = folder.names() else { return Ok(()) };
    names.iter().filter(|name| own(name)).try_for_each(|name| folder.remove(name))?;
    run.remove_empty(name);
    Ok(())
}

/// Removes temporary files of a process that ended while it replaced a file.
pub(super) fn remove_unfinished(folder: &Folder) -> Result<(), RecordError> {
    let mut files = FILES.iter().chain([&LIST]);
    files.try_for_each(|name| folder.remove(&temporary_name(name)))
}

/// Replaces a JSON file. A file that is written often and that a resume writes again needs no
/// `sync`: a power loss may then leave neither the old nor the new one.
pub(super) fn write_json(
    folder: &Folder,
    name: &str,
    sync: bool,
    value: &impl Serialize,
) -> Result<(), RecordError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| write_error(&folder.join(name))(std::io::Error::other(e)))?;
    text.push(b'\n');
    folder.replace(name, sync, |file| file.write_all(&text))
}

pub(super) fn read_json<T: DeserializeOwned>(
    path: &Path,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    Ok(serde_json::from_slice(&read_file(path)?)?)
}
