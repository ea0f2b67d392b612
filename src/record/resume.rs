//! Going on with a recorded run.

use std::path::Path;

use super::files::{
    BASELINE, EMERGENCE, METRICS, NODES, RUN, SPECTRA, SUMMARY, holds_run, read_json,
};
use super::row::COLUMNS;
use super::table::{Contents, Table};
use super::{RecordError, Recorder, RunConfig};
use crate::analysis::{Baseline, Status};
use crate::network::Draw;

/// A run that goes on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// Writes to the run's files.
    pub recorder: Recorder,
    /// The drawn neurons.
    pub draw: Draw,
    /// What the run compares against.
    pub baseline: Baseline,
    /// The first step that is not in the files.
    pub next_step: u64,
    /// The analysed steps before it.
    pub rows: Vec<RecordedRow>,
    /// When the files end before the step at which the run goes on: the first step they lack.
    pub gap_from: Option<u64>,
}

/// A row of emergence.csv, read back.
#[derive(Clone, Debug)]
pub struct RecordedRow {
    /// The step.
    pub step: u64,
    /// Its status; degenerate when the cell holds no status that this version knows.
    pub status: Status,
    values: Vec<(String, f64)>,
}

impl RecordedRow {
    /// The value of a computed or logged quantity.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }
}

/// Opens the run in a folder to go on with step `at` (where its files end, when `None`): cuts off
/// what a crash left half written and the rows from that step on. `due` says which steps the run
/// analyses. `Ok(None)` when there is no run to go on with, so that one can start anew.
///
/// # Errors
/// - [`RecordError::NothingToResume`] when `at` is beyond step 1 and there is no run;
/// - [`RecordError::Mismatch`] when the run's configuration, or its nodes against `draw`, differ;
/// - [`RecordError::Locked`], or the system refuses.
pub fn resume(
    folder: &Path,
    config: &RunConfig,
    draw: Option<&Draw>,
    at: Option<u64>,
    due: &dyn Fn(u64) -> bool,
) -> Result<Option<Recorded>, RecordError> {
    let none = || match at {
        Some(step) if step > 1 => {
            Err(RecordError::NothingToResume { path: folder.to_owned(), step })
        }
        _ => Ok(None),
    };
    if !holds_run(folder) {
        return none();
    }
    let mut recorder = Recorder::lock(folder)?;
    let stored: Draw = read_json(&folder.join(NODES))?;
    let mismatch = |(key, recorded, current)| RecordError::Mismatch {
        path: folder.to_owned(),
        key,
        recorded,
        current,
    };
    if let Some(difference) = config.difference(&read_json(&folder.join(RUN))?) {
        return Err(mismatch(difference));
    }
    if draw.is_some_and(|draw| *draw != stored) {
        let nodes = |whose: &str| format!("the neurons {whose}");
        return Err(mismatch((NODES.to_owned(), nodes("recorded"), nodes("given"))));
    }
    let files = [METRICS, SPECTRA, EMERGENCE].map(|name| folder.join(name));
    let read = |path: &std::path::PathBuf| {
        if path.exists() { Contents::read(path) } else { Ok(Contents::none()) }
    };
    let [mut metrics, mut spectra, mut emergence] =
        [read(&files[0])?, read(&files[1])?, read(&files[2])?];
    let points = config.method.check().map_or(0, |method| method.q().len());
    let complete = complete_before(&metrics, &spectra, &emergence, points, due);
    let next_step = at.unwrap_or(complete);
    for contents in [&mut metrics, &mut spectra, &mut emergence] {
        contents.keep_before(next_step.min(complete));
    }
    if emergence.rows.is_empty() {
        drop(recorder);
        super::recorder::remove_run(folder)?;
        return none();
    }
    let open = |contents: &Contents, path| match contents.columns.is_empty() {
        true => Ok(None),
        false => Table::open(path, contents).map(Some),
    };
    recorder.metrics = open(&metrics, &files[0])?;
    recorder.spectra = open(&spectra, &files[1])?;
    recorder.emergence = open(&emergence, &files[2])?;
    // The run is not at its end any more.
    let _ = std::fs::remove_file(folder.join(SUMMARY));
    Ok(Some(Recorded {
        recorder,
        draw: stored,
        baseline: read_json(&folder.join(BASELINE))?,
        next_step,
        rows: recorded_rows(&emergence),
        gap_from: (next_step > complete).then_some(complete),
    }))
}

/// The first step of which something is missing: a step is recorded in the order metrics, spectra,
/// emergence.
fn complete_before(
    metrics: &Contents,
    spectra: &Contents,
    emergence: &Contents,
    points: usize,
    due: &dyn Fn(u64) -> bool,
) -> u64 {
    let mut complete = metrics.last_step().unwrap_or(0).saturating_add(1);
    let alpha0 = emergence.column(COLUMNS[0]);
    let has_spectrum =
        |row: &super::table::StoredRow| alpha0.is_some_and(|column| !row.cells[column].is_empty());
    let mut stored = spectra.rows.iter().peekable();
    for row in &emergence.rows {
        let mut found = 0;
        while stored.next_if(|point| point.step <= row.step).is_some_and(|p| p.step <= row.step) {
            found += 1;
        }
        if found != if has_spectrum(row) { points } else { 0 } {
            complete = complete.min(row.step);
            break;
        }
    }
    let analysed = |step: u64| emergence.rows.binary_search_by_key(&step, |row| row.step).is_ok();
    let lost = metrics.rows.iter().find(|row| due(row.step) && !analysed(row.step));
    lost.map_or(complete, |row| complete.min(row.step))
}

fn recorded_rows(emergence: &Contents) -> Vec<RecordedRow> {
    let status = emergence.column("status");
    let row = |row: &super::table::StoredRow| RecordedRow {
        step: row.step,
        status: status.map_or(Status::Degenerate, |k| Status::read(&row.cells[k])),
        values: emergence
            .columns
            .iter()
            .zip(&row.cells)
            .filter_map(|(name, cell)| Some((name.clone(), cell.parse().ok()?)))
            .collect(),
    };
    emergence.rows.iter().map(row).collect()
}
