//! Resumes a recorded run.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::columns::{ROLLED_BACK, column, columns, own};
use super::config::{Difference, difference};
use super::details::DETAILS;
use super::files::{
    BASELINE, BOXES, DISTRIBUTIONS, EMERGENCE, HASHES, HOPS, LAYERS, METRICS, NODES, RUN, SCALING,
    SPECTRA, SUMMARY, holds_run, read_json, remove_neurons, remove_run, remove_unfinished,
};
use super::folder::Folder;
use super::owned::owned;
use super::recorded::RecordedRow;
use super::scaling::FITS;
use super::table::{Contents, StoredRow, Table};
use super::{RecordError, Recorder, RunConfig, Summary};
use crate::analysis::{Baseline, Group, NeuronBoxes, Scope, Status};
use crate::network::Draw;

/// A run that is being resumed.
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
    /// The last step that was reported, or lost; none when only the first was measured.
    pub last_step: Option<u64>,
    /// The step at which the stop rule ended training, if it did.
    pub stopped_step: Option<u64>,
    /// The analysed steps before it.
    pub rows: Vec<RecordedRow>,
    /// What the loop logged before it, each quantity with its steps, ascending; for a stop rule or a
    /// second axis only.
    pub metrics: BTreeMap<String, Vec<(u64, f64)>>,
    /// The hashes of their tensors, by step, in the order of the tensors.
    pub hashes: BTreeMap<u64, Vec<u64>>,
    /// Whether weights were set back after the last of these steps.
    pub rolled_back: bool,
    /// If the files end before the step at which the run continues: the first missing step.
    pub gap_from: Option<u64>,
}

/// Steps that lie this far apart are a mistake, unless the program says that they are none.
const GAP: u64 = 1_000_000_000;

/// Refuses a step that lies so far after the last one that it must be a mistake.
pub(crate) fn check_gap(allowed: bool, last: Option<u64>, step: u64) -> Result<(), RecordError> {
    match last {
        Some(last) if !allowed && step.saturating_sub(last) >= GAP => {
            Err(RecordError::Gap { step, last })
        }
        _ => Ok(()),
    }
}

/// A resume at this step or before leaves next to nothing of a run.
const EARLY: u64 = 2;
/// So many steps of a run may be removed by such a resume.
const FEW: usize = 100;

/// Opens the run in a folder to continue with step `at` (after its last recorded step, when
/// `None`). Removes incomplete lines that a crash left, and the rows from that step on. `due` says
/// which steps the run analyses. `Ok(None)` when there is no run to resume, so that a new one can
/// begin.
///
/// # Errors
/// - [`RecordError::NothingToResume`] when `at` is beyond step 1 and there is no run;
/// - [`RecordError::Gap`] when `at` lies so far after the last recorded step that it must be a mistake;
/// - [`RecordError::Discards`] when `at` would remove nearly all of a long run;
/// - [`RecordError::Mismatch`] when the run's configuration, or its nodes against `draw`, differ;
/// - [`RecordError::Locked`], [`RecordError::Row`], or a file cannot be read. Nothing has then been
///   changed;
/// - [`RecordError::Write`] when the system refuses.
pub fn resume(
    folder: &Path,
    config: &RunConfig,
    draw: Option<&Draw>,
    (at, allows_gaps): (Option<u64>, bool),
    due: &dyn Fn(u64) -> bool,
) -> Result<Option<Recorded>, RecordError> {
    let nothing = |step| RecordError::NothingToResume { path: folder.to_owned(), step };
    let beyond = at.filter(|&step| step > 1);
    if !holds_run(folder) {
        return beyond.map_or(Ok(None), |step| Err(nothing(step)));
    }
    let mut recorder = Recorder::lock(folder)?;
    let own = owned(&recorder.folder)?;
    let (stored, baseline) = read_same_run(folder, config, draw)?;
    let mut tables = Tables::read(&recorder.folder)?;
    tables.check_columns(folder)?;
    tables.check_metrics(folder)?;
    let complete = tables.complete_before(config, due);
    let next_step = at.unwrap_or(complete);
    let (lost, last_step) = (tables.lost(config), tables.last_step());
    check_gap(allows_gaps, complete.checked_sub(1), next_step)?;
    if let (Some(step @ ..=EARLY), Some(last)) = (at, last_step) {
        let removed = |row: &&StoredRow| row.step >= step;
        let rows = tables.metrics.rows.iter().filter(removed).count();
        if rows > FEW {
            return Err(RecordError::Discards { path: folder.to_owned(), step, rows, last });
        }
    }
    tables.keep_before(next_step.min(complete));
    if tables.emergence.rows.is_empty() {
        if let Some(step) = beyond {
            return Err(nothing(step));
        }
        if let Some(path) = lost.filter(|_| next_step >= complete) {
            let source = "its rows from the first step on are not there".into();
            return Err(RecordError::Damaged { path: folder.join(path), source });
        }
        // The process was killed while it wrote its first step.
        remove_run(&recorder.folder, &own)?;
        return Ok(None);
    }
    if next_step >= complete && last_step > Some(complete) {
        tracing::warn!(
            "the files of the run in {} are complete only before step {complete}: the rows \
             from that step on are removed",
            folder.display()
        );
    }
    let summary = folder.join(SUMMARY);
    let recorded_stop =
        read_json::<Summary>(&summary).ok().and_then(|summary| summary.stop?.stopped_step);
    // The run is no longer finished.
    recorder.folder.remove(SUMMARY)?;
    remove_unfinished(&recorder.folder)?;
    tables.open(&mut recorder)?;
    if config.neurons {
        remove_neurons(&recorder.folder, next_step.min(complete))?;
    }
    let gap_from = (next_step > complete).then_some(complete);
    let hashes = tables.hashes();
    Ok(Some(Recorded {
        recorder,
        draw: stored,
        baseline,
        next_step,
        last_step: gap_from.map_or(tables.metrics.last_step(), |_| Some(next_step - 1)),
        stopped_step: recorded_stop.filter(|&step| step < next_step),
        rows: recorded_rows(&tables.emergence),
        metrics: match config.stop_rule.is_null() && config.axis.is_none() {
            true => BTreeMap::new(),
            false => tables.metrics.series(),
        },
        rolled_back: tables.rolled_back_after(hashes.last_key_value().map(|(step, _)| *step)),
        hashes,
        gap_from,
    }))
}

/// The neurons and the baseline of a run, after its configuration was found to be the same.
fn read_same_run(
    folder: &Path,
    config: &RunConfig,
    draw: Option<&Draw>,
) -> Result<(Draw, Baseline), RecordError> {
    let stored: Draw = needed(folder, NODES)?;
    let nodes = || draw.and_then(|draw| difference("nodes", &stored, draw));
    match config.difference(&needed(folder, RUN)?).or_else(nodes) {
        Some(Difference { key, recorded, current }) => {
            Err(RecordError::Mismatch { path: folder.to_owned(), key, recorded, current })
        }
        None => Ok((stored, needed(folder, BASELINE)?)),
    }
}

fn needed<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, RecordError> {
    let path = folder.join(name);
    read_json(&path).map_err(|source| RecordError::Damaged { path, source })
}

/// The contents of the tables.
struct Tables {
    metrics: Contents,
    details: [Contents; DETAILS.len()],
    emergence: Contents,
}

impl Tables {
    fn read(folder: &Folder) -> Result<Self, RecordError> {
        let read = |name| match folder.has(name) {
            true => Contents::of_file(folder.read(name)?, &folder.join(name)),
            false => Ok(Contents::none()),
        };
        let mut details = DETAILS.map(|_| Contents::none());
        for (contents, detail) in details.iter_mut().zip(&DETAILS) {
            *contents = read(detail.file)?;
        }
        Ok(Self { metrics: read(METRICS)?, details, emergence: read(EMERGENCE)? })
    }

    /// Rejects tables whose columns differ from those of this version: new rows would not fit.
    fn check_columns(&self, folder: &Path) -> Result<(), RecordError> {
        let details = DETAILS.iter().zip(&self.details);
        let details = details.map(|(detail, table)| (detail.file, table, (detail.columns)()));
        let own = columns().map(|column| column.name).collect();
        for (file, table, own) in details.chain([(EMERGENCE, &self.emergence, own)]) {
            let logged = |name: &str| file == EMERGENCE && column(name).is_none();
            let names = table.columns.iter().map(String::as_str);
            let found: Vec<&str> = names.filter(|name| !logged(name)).collect();
            let at = |names: &[&str], k| names.get(k).copied().unwrap_or("absent").to_owned();
            let of = |k| (at(&found, k), at(&own, k));
            let differs = |k: &usize| !table.rows.is_empty() && of(*k).0 != of(*k).1;
            if let Some(k) = (0..own.len().max(found.len())).find(differs) {
                let (path, (recorded, current)) = (folder.to_owned(), of(k));
                let key = format!("column {} of {file}", k + 1);
                return Err(RecordError::Mismatch { path, key, recorded, current });
            }
        }
        Ok(())
    }

    /// Rejects a metrics.csv without rows where analysed steps follow the first: a crash leaves none
    /// so, but while all of its rows are being removed.
    fn check_metrics(&self, folder: &Path) -> Result<(), RecordError> {
        let status = self.emergence.column("status");
        let analysed =
            |row: &StoredRow| status.is_none_or(|k| row.cells[k] != Status::Dropped.as_str());
        let lost = self.metrics.rows.is_empty() && self.metrics.columns != ["step"];
        if lost && self.emergence.rows.iter().skip(1).any(analysed) {
            let source = "its rows are not there".into();
            return Err(RecordError::Damaged { path: folder.join(METRICS), source });
        }
        Ok(())
    }

    /// The first step of which something is missing: a step is recorded in the order metrics,
    /// details, emergence. An analysed step has a row for each q in spectra.csv and for each part
    /// of the network in layers.csv; the neurons in distributions.csv are as many as layers.csv
    /// says. hops.csv has a row for each number of hops, also without values. scaling.csv ends a
    /// step with its fits, boxes.csv a neuron with its fit, also without values.
    ///
    /// A crash leaves tables that end early. A step that a table lacks before one that it has was lost
    /// in another way: it stays in the other tables.
    fn complete_before(&self, config: &RunConfig, due: &dyn Fn(u64) -> bool) -> u64 {
        let Self { metrics, details, emergence } = self;
        // The first step is measured on attaching, and need not be logged.
        let first = emergence.rows.first().map(|row| row.step);
        let mut complete = metrics.last_step().max(first).map_or(0, |last| last.saturating_add(1));
        let (alpha0, status) = (emergence.column("alpha0"), emergence.column("status"));
        let has_spectrum =
            |row: &StoredRow| alpha0.is_some_and(|column| !row.cells[column].is_empty());
        let absent = [Status::Dropped, Status::NonFinite].map(Status::as_str);
        let has_parts =
            |row: &StoredRow| status.is_some_and(|k| !absent.contains(&row.cells[k].as_str()));
        let numbers = config.hops.saturating_sub(1);
        let dropped =
            |row: &StoredRow| status.is_some_and(|k| row.cells[k] == Status::Dropped.as_str());
        let points = config.method.check().map_or(0, |method| method.q().len());
        let parts = if config.layers || config.neurons { Group::count(&config.network) } else { 0 };
        let distributed = distributed(&details[1]);
        let hashes = if config.reads_all() { config.network.connections().len() } else { 0 };
        let sampled = if parts > 0 { NeuronBoxes::count(&config.network) } else { 0 };
        for (detail, contents) in DETAILS.iter().zip(details) {
            // What a row of the table counts for.
            let neurons = contents.column("neurons").filter(|_| detail.file == DISTRIBUTIONS);
            let (what, mass) = (contents.column("what"), contents.column("mass"));
            let counts = |point: &StoredRow| match (neurons, what, mass) {
                (Some(k), ..) => point.cells[k].parse().unwrap_or(0),
                (_, Some(k), _) => usize::from(FITS.contains(&point.cells[k].as_str())),
                (_, _, Some(k)) => usize::from(point.cells[k].is_empty()),
                _ => 1,
            };
            let mut stored = contents.rows.iter().peekable();
            let (mut lacking, mut holes) = (None, Vec::new());
            for row in &emergence.rows {
                let mut found = 0;
                while let Some(point) = stored.next_if(|point| point.step <= row.step) {
                    found += if point.step == row.step { counts(point) } else { 0 };
                }
                let (present, expected) = match detail.file {
                    SPECTRA => (has_spectrum(row), points),
                    LAYERS => (has_parts(row), parts),
                    HOPS => (!dropped(row), numbers),
                    SCALING => (has_spectrum(row), FITS.len()),
                    BOXES => (has_parts(row), sampled),
                    HASHES => (!dropped(row), hashes),
                    _ => (true, distributed.get(&row.step).copied().unwrap_or(0)),
                };
                let expected = if present { expected } else { 0 };
                if found != expected {
                    lacking.get_or_insert(row.step);
                } else if expected > 0 {
                    holes.extend(lacking.take());
                }
            }
            warn_of_hole(detail.file, holes.first());
            complete = lacking.map_or(complete, |step| complete.min(step));
        }
        let analysed =
            |step: u64| emergence.rows.binary_search_by_key(&step, |row| row.step).is_ok();
        let lost = |row: &&StoredRow| due(row.step) && !analysed(row.step);
        let (before, after) = metrics
            .rows
            .split_at(metrics.rows.partition_point(|row| Some(row.step) <= emergence.last_step()));
        warn_of_hole(EMERGENCE, before.iter().find(lost).map(|row| &row.step));
        after.iter().find(lost).map_or(complete, |row| complete.min(row.step))
    }

    /// The table without which a run of more than one step lacks its first.
    fn lost(&self, config: &RunConfig) -> Option<&'static str> {
        let begun =
            |contents: &Contents| contents.rows.first().map(|row| row.step) != contents.last_step();
        // layers.csv says what distributions.csv should hold, so that none is lost where both are.
        let mut named = vec![(&self.emergence, EMERGENCE), (&self.details[0], DETAILS[0].file)];
        let asked_for = |file| match file {
            HOPS => config.hops > 1,
            SCALING => true,
            HASHES => config.reads_all(),
            _ => config.layers || config.neurons,
        };
        let more = self.details.iter().zip(DETAILS.map(|detail| detail.file)).skip(1);
        named.extend(more.filter(|(_, file)| asked_for(*file)));
        let (_, name) = named.into_iter().min_by_key(|(contents, _)| contents.rows.len())?;
        self.all().any(begun).then_some(name)
    }

    /// What hashes.csv holds of each step.
    fn hashes(&self) -> BTreeMap<u64, Vec<u64>> {
        let mut hashes: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let of_file = DETAILS.iter().zip(&self.details).find(|(detail, _)| detail.file == HASHES);
        let Some((_, contents)) = of_file else { return hashes };
        for row in &contents.rows {
            if let Some(Ok(hash)) = row.cells.last().map(|cell| u64::from_str_radix(cell, 16)) {
                hashes.entry(row.step).or_default().push(hash);
            }
        }
        hashes
    }

    /// Whether a step after this one has a rollback.
    fn rolled_back_after(&self, step: Option<u64>) -> bool {
        let column = self.metrics.column(ROLLED_BACK);
        let later = self.metrics.rows.iter().filter(|row| Some(row.step) > step);
        column.is_some_and(|k| later.into_iter().any(|row| !row.cells[k].is_empty()))
    }

    fn last_step(&self) -> Option<u64> {
        self.all().filter_map(Contents::last_step).max()
    }

    fn all(&self) -> impl Iterator<Item = &Contents> {
        std::iter::once(&self.metrics).chain(&self.details).chain([&self.emergence])
    }

    /// Keeps the rows before `step`, and the columns that a run which ended there would have.
    fn keep_before(&mut self, step: u64) {
        let details = self.details.iter_mut();
        for contents in details.chain([&mut self.metrics, &mut self.emergence]) {
            contents.keep_before(step);
        }
        self.metrics.drop_unused_columns(&[]);
        self.emergence.drop_unused_columns(&own());
    }

    /// Cuts the files to what is kept of them. metrics.csv comes first: should this be
    /// interrupted, the others are cut by it the next time. Without rows it is removed in the end.
    fn open(&self, recorder: &mut Recorder) -> Result<(), RecordError> {
        let folder = &recorder.folder;
        let empty = self.metrics.rows.is_empty();
        if empty && folder.has(METRICS) {
            folder.replace(METRICS, true, |file| file.write_all(b"step\n"))?;
        } else {
            recorder.metrics = Table::open(folder, METRICS, &self.metrics)?;
        }
        for (k, detail) in DETAILS.iter().enumerate() {
            recorder.details[k] = Table::open(folder, detail.file, &self.details[k])?;
        }
        recorder.emergence = Table::open(folder, EMERGENCE, &self.emergence)?;
        if empty {
            recorder.metrics = Table::open(folder, METRICS, &self.metrics)?;
        }
        Ok(())
    }
}

/// How many neurons a step's distributions hold: the numbers of dimensions and of degrees of each
/// layer and of the network in layers.csv, together.
fn distributed(layers: &Contents) -> BTreeMap<u64, usize> {
    let columns = ["scope", "dimension_neurons", "degree_neurons"].map(|name| layers.column(name));
    let [Some(scope), Some(dimensions), Some(degrees)] = columns else { return BTreeMap::new() };
    let mut sums = BTreeMap::new();
    for row in &layers.rows {
        if [Scope::Layer, Scope::Network].map(Scope::as_str).contains(&row.cells[scope].as_str()) {
            let of = |k: usize| row.cells[k].parse().unwrap_or(0);
            *sums.entry(row.step).or_default() += of(dimensions) + of(degrees);
        }
    }
    sums
}

fn warn_of_hole(file: &str, step: Option<&u64>) {
    if let Some(step) = step {
        tracing::warn!(
            "{file} lacks rows of steps before its end, first of step {step}: they were removed or \
             damaged, and stay absent"
        );
    }
}

pub(super) fn recorded_rows(emergence: &Contents) -> Vec<RecordedRow> {
    let (status, codes) = (emergence.column("status"), emergence.column("codes"));
    let row = |row: &StoredRow| RecordedRow {
        codes: codes.map(|k| row.cells[k].clone()).unwrap_or_default(),
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
