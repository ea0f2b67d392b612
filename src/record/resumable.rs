//! What the tables of a run hold: up to which step they are complete, and where each is cut for a resume.

use std::io::Write;
use std::path::Path;

use super::columns::{ROLLED_BACK, column, columns, own};
use super::details::DETAILS;
use super::files::{
    BOXES, DISTRIBUTIONS, EMERGENCE, HASHES, HOPS, LAYERS, METRICS, SCALING, SPECTRA,
};
use super::folder::Folder;
use super::rows::{Place, Rows, place};
use super::scaling::FITS;
use super::steps::{Count, END, StepRows, Steps};
use super::table::Table;
use super::thinning::Thinning;
use super::{RecordError, Recorder, RunConfig};
use crate::analysis::{Group, NeuronBoxes, Scope, Status};

/// The steps of the tables.
pub(super) struct Tables {
    pub(super) metrics: Metrics,
    details: [Steps; DETAILS.len()],
    pub(super) emergence: Steps,
}

/// What a resume needs of metrics.csv.
#[derive(Default)]
pub(super) struct Metrics {
    table: Steps, // without its steps
    last: Option<u64>,
    /// The first steps that were due and have no row in emergence.csv, before and after its last row.
    lost: [Option<u64>; 2],
    rollbacks: Vec<u64>,       // steps, ascending
    pub(super) removed: usize, // rows of the step at which the run is to continue, and of later ones
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
    pub(super) fn rolled_back_after(&self, step: Option<u64>, end: u64) -> bool {
        self.rollbacks.iter().any(|&at| Some(at) > step && at < end)
    }
}

/// Of a row of emergence.csv: whether the step was dropped, and whether it has a spectrum.
const DROPPED: usize = 1;
const SPECTRUM: usize = 2;
const PARTS: usize = 4;

impl Tables {
    pub(super) fn read(
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
    pub(super) fn check_columns(&self, folder: &Path) -> Result<(), RecordError> {
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
    pub(super) fn check_metrics(&self, folder: &Path) -> Result<(), RecordError> {
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
    pub(super) fn complete_before(
        &mut self,
        folder: &Folder,
        config: &RunConfig,
    ) -> Result<u64, RecordError> {
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
    pub(super) fn thinning(&self, config: &RunConfig, step: u64) -> Thinning {
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
    pub(super) fn lost(&self, config: &RunConfig) -> Option<&'static str> {
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

    pub(super) fn last_step(&self) -> Option<u64> {
        self.all().filter_map(Steps::last).max().max(self.metrics.last)
    }

    fn all(&self) -> impl Iterator<Item = &Steps> {
        self.details.iter().chain([&self.emergence])
    }

    /// Where the rows of `step` and of later ones begin: in metrics.csv, the tables of details, and
    /// emergence.csv.
    pub(super) fn places(&self, folder: &Folder, step: u64) -> Result<Vec<Place>, RecordError> {
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
    pub(super) fn open(
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
