//! Resumes a recorded run.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::columns::{ROLLED_BACK, column, columns, own};
use super::config::{Difference, check_schema, difference};
use super::details::DETAILS;
use super::entries;
use super::files::{
    BASELINE, BOXES, DISTRIBUTIONS, EMERGENCE, ENTRIES, HASHES, HOPS, LAYERS, METRICS, NODES, RUN,
    SCALING, SPECTRA, SUMMARY, holds_run, read_json, remove_neurons, remove_run, remove_unfinished,
};
use super::folder::Folder;
use super::owned::owned;
use super::recorded::{LoggedRows, RecordedRows};
use super::rows::{Place, Rows, place};
use super::scaling::FITS;
use super::seen::{Digest, Seen};
use super::steps::{Count, END, StepRows, Steps};
use super::table::Table;
use super::thinning::Thinning;
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
    /// The first analysed step.
    pub first_step: u64,
    /// The weights of the analysed steps before it, each with the first step that had them.
    pub seen: HashMap<Digest, u64>,
    /// Those of the last one.
    pub last_seen: Option<(u64, Digest)>,
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
    let (stored, mut baseline) = read_same_run(folder, config, draw)?;
    let mut tables = Tables::read(&recorder.folder, at, due)?;
    tables.check_columns(folder)?;
    tables.check_metrics(folder)?;
    if recorder.folder.has(ENTRIES) {
        baseline.entries = entries::read(folder)?;
    } else if baseline.stable.is_some() {
        entries::say_missing(folder);
    }
    let complete = tables.complete_before(&recorder.folder, config)?;
    let next_step = at.unwrap_or(complete);
    let (lost, last_step) = (tables.lost(config), tables.last_step());
    check_gap(allows_gaps, complete.checked_sub(1), next_step)?;
    if let (Some(step @ ..=EARLY), Some(last)) = (at, last_step) {
        let rows = tables.metrics.removed;
        if rows > FEW {
            return Err(RecordError::Discards { path: folder.to_owned(), step, rows, last });
        }
    }
    let kept = next_step.min(complete);
    let Some(first_step) = tables.emergence.first.filter(|&first| first < kept) else {
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
    };
    // Nothing is changed before all that is needed was read.
    let places = tables.places(&recorder.folder, kept)?;
    let seen = match recorder.folder.has(HASHES) {
        true => Seen::read(Rows::within(&recorder.folder, HASHES, 0)?, kept)?,
        false => Seen::default(),
    };
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
    let last_logged = places[0].1;
    recorder.thinning = tables.thinning(config, kept);
    tables.open(places, kept, &mut recorder)?;
    if config.neurons {
        remove_neurons(&recorder.folder, kept)?;
    }
    let gap_from = (next_step > complete).then_some(complete);
    Ok(Some(Recorded {
        recorder,
        draw: stored,
        baseline,
        next_step,
        last_step: gap_from.map_or(last_logged, |_| Some(next_step - 1)),
        stopped_step: recorded_stop.filter(|&step| step < next_step),
        first_step,
        rolled_back: tables.metrics.rolled_back_after(seen.last.map(|(step, _)| step), kept),
        seen: seen.first,
        last_seen: seen.last,
        gap_from,
    }))
}

impl Recorded {
    /// The analysed steps before the one at which the run continues.
    pub(crate) fn rows(&self) -> Result<RecordedRows, RecordError> {
        Ok(RecordedRows::of(Rows::within(&self.recorder.folder, EMERGENCE, 0)?))
    }

    /// What the loop logged of these quantities, by step; steps without any of them are left out.
    pub(crate) fn logged(&self, names: Vec<String>) -> Result<LoggedRows, RecordError> {
        let folder = &self.recorder.folder;
        let rows = folder.has(METRICS).then(|| Rows::within(folder, METRICS, 0)).transpose()?;
        Ok(LoggedRows::of(rows, names))
    }
}

/// The neurons and the baseline of a run, after its configuration was found to be the same.
fn read_same_run(
    folder: &Path,
    config: &RunConfig,
    draw: Option<&Draw>,
) -> Result<(Draw, Baseline), RecordError> {
    check_schema(folder)?;
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

/// The steps of the tables.
struct Tables {
    metrics: Metrics,
    details: [Steps; DETAILS.len()],
    emergence: Steps,
}

/// What a resume needs of metrics.csv.
#[derive(Default)]
struct Metrics {
    table: Steps, // without its steps
    last: Option<u64>,
    /// The first steps that were due and have no row in emergence.csv, before and after its last row.
    lost: [Option<u64>; 2],
    rollbacks: Vec<u64>, // steps, ascending
    removed: usize,      // rows of the step at which the run is to continue, and of later ones
}

impl Metrics {
    fn read(
        folder: &Folder,
        emergence: &Steps,
        at: Option<u64>,
        due: &dyn Fn(u64) -> bool,
    ) -> Result<Self, RecordError> {
        if !folder.has(METRICS) {
            return Ok(Self::default());
        }
        let mut rows = Rows::within(folder, METRICS, 0)?;
        let rolled_back = rows.column(ROLLED_BACK);
        let mut metrics = Self::default();
        let Self { table, last, lost, rollbacks, removed } = &mut metrics;
        table.columns = rows.columns().to_vec();
        table.valued = vec![None; table.columns.len()];
        while let Some(row) = rows.read()? {
            table.take(&row);
            table.first = table.first.or(Some(row.step));
            *last = Some(row.step);
            *removed += usize::from(at.is_some_and(|at| row.step >= at));
            rollbacks.extend(rolled_back.filter(|&k| !row.cells[k].is_empty()).map(|_| row.step));
            let lost = &mut lost[usize::from(Some(row.step) > emergence.last())];
            if lost.is_none() && due(row.step) && emergence.counts(row.step).is_none() {
                *lost = Some(row.step);
            }
        }
        Ok(metrics)
    }

    /// Whether a step after this one, and before `end`, has a rollback.
    fn rolled_back_after(&self, step: Option<u64>, end: u64) -> bool {
        self.rollbacks.iter().any(|&at| Some(at) > step && at < end)
    }
}

/// Of a row of emergence.csv: whether the step was dropped, and whether it has a spectrum.
const DROPPED: usize = 1;
const SPECTRUM: usize = 2;
const PARTS: usize = 4;

impl Tables {
    fn read(
        folder: &Folder,
        at: Option<u64>,
        due: &dyn Fn(u64) -> bool,
    ) -> Result<Self, RecordError> {
        let emergence = Steps::whole(folder, EMERGENCE, &of_emergence)?;
        let metrics = Metrics::read(folder, &emergence, at, due)?;
        let mut details = DETAILS.map(|_| Steps::default());
        for (table, detail) in details.iter_mut().zip(&DETAILS) {
            *table = Steps::at_the_end(folder, detail.file, END, &of_detail(detail.file))?;
        }
        Ok(Self { metrics, details, emergence })
    }

    /// Rejects tables whose columns differ from those of this version: new rows would not fit.
    fn check_columns(&self, folder: &Path) -> Result<(), RecordError> {
        let details = DETAILS.iter().zip(&self.details);
        let details = details.map(|(detail, table)| (detail.file, table, detail.columns()));
        let own = columns().map(|column| column.name).collect();
        for (file, table, own) in details.chain([(EMERGENCE, &self.emergence, own)]) {
            let logged = |name: &str| file == EMERGENCE && column(name).is_none();
            let names = table.columns.iter().map(String::as_str);
            let found: Vec<&str> = names.filter(|name| !logged(name)).collect();
            let at = |names: &[&str], k| names.get(k).copied().unwrap_or("absent").to_owned();
            let of = |k| (at(&found, k), at(&own, k));
            let differs = |k: &usize| table.first.is_some() && of(*k).0 != of(*k).1;
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
        let analysed = |row: &StepRows| row.counts[0] & DROPPED == 0;
        let lost = self.metrics.last.is_none() && self.metrics.table.columns != ["step"];
        if lost && self.emergence.steps.iter().skip(1).any(analysed) {
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
    /// in another way: it stays in the other tables. So a table is read back to a step that is
    /// complete in it.
    fn complete_before(&mut self, folder: &Folder, config: &RunConfig) -> Result<u64, RecordError> {
        // The first step is measured on attaching, and need not be logged.
        let last = self.metrics.last.max(self.emergence.first);
        let mut complete = last.map_or(0, |last| last.saturating_add(1));
        for (k, detail) in DETAILS.iter().enumerate() {
            let mut bytes = END;
            let (lacking, hole) = loop {
                let (lacking, hole, certain) = self.lacking(k, config);
                if certain {
                    break (lacking, hole);
                }
                bytes = bytes.saturating_mul(8);
                // What distributions.csv should hold is in layers.csv.
                for k in [k, LAYERS_AT] {
                    let file = DETAILS[k].file;
                    self.details[k] = Steps::at_the_end(folder, file, bytes, &of_detail(file))?;
                }
            };
            warn_of_hole(detail.file, hole);
            complete = lacking.map_or(complete, |step| complete.min(step));
        }
        let [before, after] = self.metrics.lost;
        warn_of_hole(EMERGENCE, before);
        Ok(after.map_or(complete, |step| complete.min(step)))
    }

    /// Of a table of details, among the steps that were read: the first one from which on it lacks
    /// rows up to its end, one that it lacks before others, and whether a step before those that were
    /// read cannot change that.
    fn lacking(&self, k: usize, config: &RunConfig) -> (Option<u64>, Option<u64>, bool) {
        let (file, table, layers) = (DETAILS[k].file, &self.details[k], &self.details[LAYERS_AT]);
        let all = self.expected(k, config);
        let from = if file == DISTRIBUTIONS { table.from.max(layers.from) } else { table.from };
        let (mut lacking, mut hole, mut certain) = (None, None, from == 0);
        let mut thinning = Thinning::new(if DETAILS[k].thinned { config.every_detail } else { 1 });
        // Where a repair has dropped rows, steps with details lie elsewhere than they would.
        let mut in_phase = from == 0;
        for row in self.emergence.steps.iter().filter(|row| row.counts[0] & DROPPED == 0) {
            let due = thinning.is_due();
            if row.step < from {
                thinning.add(due);
                continue;
            }
            let (found, all) = (table.counts(row.step).map_or(0, |c| c[0]), all(row));
            let spared = found == 0 && !(due && in_phase) && DETAILS[k].thinned;
            thinning.add(if all == 0 { due } else { found > 0 });
            in_phase |= found > 0;
            if found == all && all > 0 {
                certain = true;
                hole = hole.or(lacking.take());
                lacking = None;
            } else if found != all && !spared {
                lacking.get_or_insert(row.step);
            }
        }
        (lacking, hole, certain)
    }

    /// The state of the thinning before a step.
    fn thinning(&self, config: &RunConfig, step: u64) -> Thinning {
        let (spectra, all) = (&self.details[0], self.expected(0, config));
        let mut thinning = Thinning::new(config.every_detail);
        let rows = self.emergence.steps.iter().filter(|row| row.counts[0] & DROPPED == 0);
        for row in rows.take_while(|row| row.step < step) {
            let known = row.step >= spectra.from && all(row) > 0;
            let found = spectra.counts(row.step).is_some();
            thinning.add(if known { found } else { thinning.is_due() });
        }
        thinning
    }

    /// What a table of details has of an analysed step, if it has it.
    fn expected(&self, k: usize, config: &RunConfig) -> impl Fn(&StepRows) -> usize {
        let (file, layers) = (DETAILS[k].file, &self.details[LAYERS_AT]);
        let points = config.method.check().map_or(0, |method| method.q().len());
        let parts = if config.layers || config.neurons { Group::count(&config.network) } else { 0 };
        let hashes = if config.reads_all() { config.network.connections().len() } else { 0 };
        let sampled = if parts > 0 { NeuronBoxes::count(&config.network) } else { 0 };
        let hops = config.hops.saturating_sub(1);
        move |row: &StepRows| {
            let is = |flag: usize| row.counts[0] & flag != 0;
            let (present, expected) = match file {
                SPECTRA => (is(SPECTRUM), points),
                LAYERS => (is(PARTS), parts),
                HOPS => (!is(DROPPED), hops),
                SCALING => (is(SPECTRUM), FITS.len()),
                BOXES => (is(PARTS), sampled),
                HASHES => (!is(DROPPED), hashes),
                _ => (true, layers.counts(row.step).map_or(0, |counts| counts[1])),
            };
            if present { expected } else { 0 }
        }
    }

    /// The table without which a run of more than one step lacks its first.
    fn lost(&self, config: &RunConfig) -> Option<&'static str> {
        let begun = |table: &Steps| table.first != table.last();
        let logged = self.metrics.table.first != self.metrics.last;
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
        let (_, name) = named.into_iter().min_by_key(|(table, _)| table.rows)?;
        (logged || self.all().any(begun)).then_some(name)
    }

    fn last_step(&self) -> Option<u64> {
        self.all().filter_map(Steps::last).max().max(self.metrics.last)
    }

    fn all(&self) -> impl Iterator<Item = &Steps> {
        self.details.iter().chain([&self.emergence])
    }

    /// Where the rows of `step` and of later ones begin: in metrics.csv, the tables of details, and
    /// emergence.csv.
    fn places(&self, folder: &Folder, step: u64) -> Result<Vec<Place>, RecordError> {
        let Metrics { table, last, .. } = &self.metrics;
        let mut places = vec![match last {
            None => (0, None),
            Some(last) if *last < step => (table.end, Some(*last)),
            Some(_) => place(folder, METRICS, step)?,
        }];
        for (table, detail) in self.details.iter().zip(&DETAILS) {
            places.push(table.before(folder, detail.file, step)?);
        }
        places.push(self.emergence.before(folder, EMERGENCE, step)?);
        Ok(places)
    }

    /// Cuts the files to the rows before `step`, at these places, and to the columns that a run which
    /// ended there would have. metrics.csv comes first: should this be interrupted, the others are cut
    /// by it the next time. Without rows it is removed in the end.
    fn open(
        &self,
        places: Vec<Place>,
        step: u64,
        recorder: &mut Recorder,
    ) -> Result<(), RecordError> {
        let folder = &recorder.folder;
        let open = |name: &'static str, table: &Steps, place: Place, own: &[&str]| {
            let (end, Some(_)) = place else { return folder.remove(name).map(|()| None) };
            let used = |(name, valued): (&String, &Option<u64>)| {
                own.contains(&name.as_str()) || valued.is_some_and(|valued| valued < step)
            };
            let used: Vec<bool> = table.columns.iter().zip(&table.valued).map(used).collect();
            match used.contains(&false) {
                true => Table::without(folder, name, &used, end).map(Some),
                false => Table::cut(folder, name, table.columns.clone(), end).map(Some),
            }
        };
        let mut places = places.into_iter();
        let mut next = || places.next().expect("each table has one");
        let place = next();
        let empty = place.1.is_none();
        if empty && folder.has(METRICS) {
            folder.replace(METRICS, true, |file| file.write_all(b"step\n"))?;
        } else {
            recorder.metrics = open(METRICS, &self.metrics.table, place, &[])?;
        }
        for (k, detail) in DETAILS.iter().enumerate() {
            let own = detail.columns();
            recorder.details[k] = open(detail.file, &self.details[k], next(), &own)?;
        }
        recorder.emergence = open(EMERGENCE, &self.emergence, next(), &own())?;
        if empty {
            folder.remove(METRICS)?;
        }
        Ok(())
    }
}

/// The flags of a row of emergence.csv.
fn of_emergence(columns: &[String]) -> Count {
    let at = |name: &str| columns.iter().position(|column| column == name);
    let (alpha0, status) = (at("alpha0"), at("status"));
    Box::new(move |row| {
        let is = |of: Status| status.is_some_and(|k| row.cells[k] == of.as_str());
        let absent = is(Status::Dropped) || is(Status::NonFinite);
        let flag = |flag: usize, set: bool| if set { flag } else { 0 };
        let flags = flag(DROPPED, is(Status::Dropped))
            | flag(SPECTRUM, alpha0.is_some_and(|k| !row.cells[k].is_empty()))
            | flag(PARTS, status.is_some() && !absent);
        [flags, 0]
    })
}

/// What a row of a table of details counts for; of layers.csv also how many neurons the step's
/// distributions hold: the numbers of dimensions and of degrees of each layer and of the network.
fn of_detail(file: &'static str) -> impl Fn(&[String]) -> Count {
    move |columns| {
        let at = |name: &str| columns.iter().position(|column| column == name);
        let number = |cell: &str| cell.parse().unwrap_or(0);
        let neurons = at("neurons").filter(|_| file == DISTRIBUTIONS);
        let (what, mass) = (at("what"), at("mass"));
        let distributed = [at("scope"), at("dimension_neurons"), at("degree_neurons")];
        Box::new(move |row| {
            let cell = |k: usize| row.cells[k].as_str();
            let counts = match (neurons, what, mass) {
                (Some(k), ..) => number(cell(k)),
                (_, Some(k), _) => usize::from(FITS.contains(&cell(k))),
                (_, _, Some(k)) => usize::from(cell(k).is_empty()),
                _ => 1,
            };
            let parts = [Scope::Layer, Scope::Network].map(Scope::as_str);
            let of_step = match distributed {
                [Some(scope), Some(dimensions), Some(degrees)] if parts.contains(&cell(scope)) => {
                    number(cell(dimensions)) + number(cell(degrees))
                }
                _ => 0,
            };
            [counts, of_step]
        })
    }
}

fn warn_of_hole(file: &str, step: Option<u64>) {
    if let Some(step) = step {
        tracing::warn!(
            "{file} lacks rows of steps before its end, first of step {step}: they were removed or \
             damaged, and stay absent"
        );
    }
}

/// Where layers.csv is among the tables of details.
const LAYERS_AT: usize = 1;
