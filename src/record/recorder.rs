//! Writing a run directory.

use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::about;
use super::columns::{leading, own};
use super::details::{DETAILS, NEURON_COLUMNS, neuron_cells};
use super::disk::Disk;
use super::entries;
use super::files::{
    BASELINE, EMERGENCE, METRICS, NEURONS, NODES, RUN, SPECTRA, STATE, SUMMARY, neurons_file,
    without_run, write_json,
};
use super::folder::Folder;
use super::kept::{Detailed, Entry, Kept, PAUSE};
use super::lock::Lock;
use super::logged::{table, with_scalars};
use super::number::time;
use super::owned::{make_room, owned};
use super::row::Row;
use super::scalar::Scalar;
use super::table::{Table, lines};
use super::tensorboard::EventFile;
use super::thinning::Thinning;
use super::{RecordError, RunConfig, Summary};
use crate::analysis::{Baseline, Status};
use crate::network::Draw;

/// The files of a run that is being written. The folder is locked while it lives.
#[derive(Debug)]
pub struct Recorder {
    pub(super) folder: Folder,
    _lock: Lock,
    pub(super) metrics: Option<Table>,
    pub(super) emergence: Option<Table>,
    pub(super) details: [Option<Table>; DETAILS.len()],
    neurons: Option<Folder>,
    events: Option<EventFile>,
    pub(super) thinning: Thinning,
    kept: Option<Kept>,    // none where a failure to write is an error
    done: usize,           // tables in `details` that have the row which is being written
    expected: Vec<String>, // names that rows to come log
    unsynced: Option<(PathBuf, std::io::ErrorKind)>, // what the disk lost at a sync
    checked: Instant,      // when the files were last seen to be in their places
}

/// How often it is checked at most that the files are in their places, but for a flush and the end.
const CHECKED: Duration = Duration::from_secs(1);

impl Recorder {
    /// Makes the folder where it does not exist, and locks it for this process.
    ///
    /// # Errors
    /// [`RecordError`] when another process writes to it, or the system refuses.
    pub(super) fn lock(folder: &Path) -> Result<Self, RecordError> {
        let folder = Folder::open(folder)?;
        let lock = Lock::take(&folder)?;
        Ok(Self {
            folder,
            _lock: lock,
            metrics: None,
            emergence: None,
            details: Default::default(),
            neurons: None,
            events: None,
            thinning: Thinning::new(1),
            kept: None,
            done: 0,
            expected: Vec::new(),
            unsynced: None,
            checked: Instant::now(),
        })
    }

    /// Begins a run: writes run.json, nodes.json and baseline.json. With `replace` a run that the
    /// folder holds is removed first.
    ///
    /// # Errors
    /// [`RecordError::Exists`] or [`RecordError::Unknown`] when the folder holds a run that is not
    /// to be replaced, or files of one; [`RecordError::Foreign`] when it holds files that no run
    /// wrote and this one would replace; or the system refuses.
    pub fn create(
        folder: &Path,
        config: &RunConfig,
        draw: &Draw,
        baseline: &Baseline,
        replace: bool,
    ) -> Result<Self, RecordError> {
        let mut recorder = Self::lock(folder)?;
        recorder.thinning = Thinning::new(config.every_detail);
        let folder = &recorder.folder;
        if folder.has(RUN) && !replace {
            return Err(RecordError::Exists { path: folder.path().to_owned() });
        }
        let own = owned(folder)?;
        if let Some(path) = without_run(folder, &own).filter(|_| !replace) {
            return Err(RecordError::Unknown { path });
        }
        // Also removes what is left of a run that ended before its run.json was written.
        let files = make_room(folder, &own, &serde_json::to_value(config).unwrap_or_default())?;
        about::write(folder, &files, config)?;
        write_json(folder, NODES, true, draw)?;
        recorder.write_baseline(baseline)?;
        write_json(folder, RUN, true, config)?;
        Ok(recorder)
    }

    /// Writes baseline.json, and the entries that the baseline keeps.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn write_baseline(&self, baseline: &Baseline) -> Result<(), RecordError> {
        if !baseline.entries.is_empty() {
            entries::write(&self.folder, &baseline.entries)?;
        }
        let without = Baseline { entries: Arc::default(), ..baseline.clone() };
        write_json(&self.folder, BASELINE, true, &without)
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// From now on, rows that the disk does not take are kept in memory, up to a limit, and written
    /// when it takes them again; `say` says so. Before, and in a replay, that is an error.
    pub fn keep_rows(&mut self, say: impl Fn(&str) + Send + 'static) {
        self.kept = Some(Kept::new(say));
    }

    /// Whether rows are kept that the disk has not taken.
    pub fn keeps(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| !kept.is_empty())
    }

    /// Whether a step can be recorded: not when the disk has not taken so many rows that no more are
    /// kept. Asked before its first row.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub fn admits(&mut self, step: u64) -> Result<bool, RecordError> {
        self.retry()?;
        Ok(self.kept.as_mut().is_none_or(|kept| kept.admits(step)))
    }

    /// Steps that were not recorded because no more rows could be kept.
    pub fn dropped(&self) -> u64 {
        self.kept.as_ref().map_or(0, Kept::dropped)
    }

    /// What the disk of the run is doing.
    pub(crate) fn disk(&self) -> &Arc<Disk> {
        self.folder.disk()
    }

    /// Rows with these names are about to come. The file that is replaced for the first of them gets
    /// columns for all, so that many new names in a row replace it once.
    pub(crate) fn expect(&mut self, names: Vec<String>) {
        self.expected.extend(names);
    }

    /// Appends a row to metrics.csv. A name that is new becomes a new column.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses and rows are not kept; [`RecordError::Gone`].
    pub fn log_metrics(
        &mut self,
        step: u64,
        wall_time: f64,
        scalars: &[Scalar],
    ) -> Result<(), RecordError> {
        self.put(Entry::Metrics { step, wall_time, scalars: Cow::Borrowed(scalars) })?;
        self.show(|events| events.metrics(step, wall_time, scalars));
        Ok(())
    }

    /// Appends an analysed step: its neurons' file, its rows in the tables that have many for each
    /// step, then its row in emergence.csv.
    ///
    /// # Errors
    /// As [`log_metrics`](Self::log_metrics).
    pub fn log_row(&mut self, row: &Row) -> Result<(), RecordError> {
        let detailed = self.thinning.is_due();
        if row.emergence.status != Status::Dropped {
            self.thinning.add(detailed);
        }
        self.put(Entry::Row(row, detailed))?;
        self.show(|events| events.row(row, detailed));
        Ok(())
    }

    /// Writes a row, or keeps it after those that are kept.
    fn put(&mut self, entry: Entry<'_>) -> Result<(), RecordError> {
        if !self.keeps() {
            let written = self.write(&entry);
            match (written, &mut self.kept) {
                (Err(why), Some(kept)) if why.is_refusal() => kept.refused(&why),
                (written, _) => return written,
            }
        }
        if let Some(kept) = &mut self.kept {
            kept.push(entry);
        }
        Ok(())
    }

    /// Writes the rows that are kept, if it is time to try again.
    ///
    /// # Errors
    /// When it makes no sense to try again: [`RecordError::Gone`], [`RecordError::Damaged`].
    pub fn retry(&mut self) -> Result<(), RecordError> {
        match self.kept.as_ref().is_some_and(Kept::may_try) {
            true => {
                self.write_kept().or_else(|why| if why.is_refusal() { Ok(()) } else { Err(why) })
            }
            false => Ok(()),
        }
    }

    fn write_kept(&mut self) -> Result<(), RecordError> {
        let Some(mut kept) = self.kept.take() else { return Ok(()) };
        let any = !kept.is_empty();
        let mut result = Ok(());
        while let Some((entry, bytes)) = kept.pop() {
            result = self.write(&entry);
            if result.is_err() {
                kept.put_back((entry, bytes));
                break;
            }
        }
        if any && result.is_ok() {
            kept.written();
        }
        self.kept = Some(kept);
        result
    }

    /// Writes a row. After a failure, the next call for the same row continues with what is missing.
    fn write(&mut self, entry: &Entry<'_>) -> Result<(), RecordError> {
        let written = self.check_at_times().and_then(|()| match entry {
            Entry::Metrics { step, wall_time, scalars } => {
                self.append_metrics(*step, *wall_time, scalars)
            }
            Entry::Row(row, detailed) => self.append_row(row, *detailed),
            Entry::KeptRow(row, detailed) => self.append_row(row, *detailed),
        });
        self.in_place(written)
    }

    fn append_metrics(
        &mut self,
        step: u64,
        wall_time: f64,
        scalars: &[Scalar],
    ) -> Result<(), RecordError> {
        let (file, columns) = ((&self.folder, METRICS), (&leading()[..], &[][..]));
        let table = table(&mut self.metrics, file, columns, scalars, &mut self.expected)?;
        let head = [step.to_string(), time(wall_time)];
        table.append(&[with_scalars(table, head, scalars)])
    }

    fn append_row(&mut self, row: &Row, detailed: Detailed) -> Result<(), RecordError> {
        self.write_neurons(row)?;
        for (detail, kept) in DETAILS.iter().zip(&mut self.details).skip(self.done) {
            let written = detailed || !detail.thinned;
            let rows = if written { (detail.cells)(row) } else { Vec::new() };
            // A table that a run has no rows for is not made; spectra.csv is there from the start.
            if kept.is_some() || !rows.is_empty() || detail.file == SPECTRA {
                let (file, columns) = ((&self.folder, detail.file), detail.columns());
                table(kept, file, (&columns, &[]), &[], &mut Vec::new())?.append(&rows)?;
            }
            self.done += 1;
        }
        let (file, own) = ((&self.folder, EMERGENCE), own());
        let columns = (&leading()[..], &own[..]);
        let emergence = table(&mut self.emergence, file, columns, &row.scalars, &mut Vec::new())?;
        let mut head = row.cells();
        let tail = head.split_off(head.len() - own.len());
        let mut cells = with_scalars(emergence, head, &row.scalars);
        cells.splice(cells.len() - own.len().., tail);
        emergence.append(&[cells])?;
        self.done = 0;
        Ok(())
    }

    /// From now on, rows are also written for TensorBoard, to a new file in `tb/`. A resumed run
    /// makes TensorBoard discard what it was shown from step `resumed_at` on. If the files cannot
    /// be written, this is logged (`tracing`, level warn) and the run continues.
    pub fn show_in_tensorboard(&mut self, resumed_at: Option<u64>) {
        match EventFile::create(&self.folder, resumed_at) {
            Ok(events) => self.events = Some(events),
            Err(why) => without_tensorboard(&why),
        }
    }

    fn show(&mut self, write: impl FnOnce(&mut EventFile) -> Result<(), RecordError>) {
        let Some(events) = &mut self.events else { return };
        if let Err(why) = write(events) {
            without_tensorboard(&why);
            self.events = None;
        }
    }

    fn write_neurons(&mut self, row: &Row) -> Result<(), RecordError> {
        let rows = neuron_cells(row);
        if rows.is_empty() {
            return Ok(());
        }
        let folder = match &mut self.neurons {
            Some(folder) => folder,
            none => none.insert(self.folder.within(NEURONS)?),
        };
        let columns = NEURON_COLUMNS.map(|field| field.name.to_owned()).to_vec();
        let text = lines(std::iter::once(&columns).chain(&rows));
        folder.replace(&neurons_file(row.step), false, |file| file.write_all(&text))
    }

    /// Replaces state.json.
    ///
    /// # Errors
    /// As [`log_metrics`](Self::log_metrics).
    pub fn write_state(&self, state: &impl Serialize) -> Result<(), RecordError> {
        match self.in_place(write_json(&self.folder, STATE, false, state)) {
            // It is replaced again at the next row, and at the end.
            Err(why) if why.is_refusal() && self.kept.is_some() => Ok(()),
            written => written,
        }
    }

    /// Replaces state.json at the end of the run. A disk that refuses is tried again for so long.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn write_last_state(
        &self,
        state: &impl Serialize,
        patience: Duration,
    ) -> Result<(), RecordError> {
        again(patience, || self.in_place(write_json(&self.folder, STATE, false, state)))
    }

    /// Replaces summary.json.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn write_summary(&mut self, summary: &Summary) -> Result<(), RecordError> {
        self.show(|events| events.end(summary));
        self.in_place(write_json(&self.folder, SUMMARY, true, summary))
    }

    /// Writes the rows that are kept, for so long, and waits until all are on the disk.
    ///
    /// # Errors
    /// [`RecordError::Unwritten`] when rows are still kept; [`RecordError::Write`] when the system
    /// refuses.
    pub fn sync(&mut self, patience: Duration) -> Result<(), RecordError> {
        match again(patience, || self.write_kept().and_then(|()| self.check())) {
            Err(why) if why.is_refusal() => {
                let rows = self.kept.as_ref().map_or(0, Kept::len);
                return Err(RecordError::Unwritten { rows, source: Box::new(why) });
            }
            written => written?,
        }
        // Not tried again: a second attempt may succeed although the first has lost something.
        if self.unsynced.is_none() {
            let details = self.details.iter().flatten();
            let mut tables = self.metrics.iter().chain(details).chain(&self.emergence);
            match tables.try_for_each(Table::sync) {
                Err(RecordError::Write { path, source }) => {
                    self.unsynced = Some((path, source.kind()))
                }
                other => other?,
            }
        }
        if let Some((path, kind)) = &self.unsynced {
            return Err(RecordError::Write { path: path.clone(), source: (*kind).into() });
        }
        self.show(EventFile::write_kept);
        self.folder.sync_names();
        Ok(())
    }

    /// Of a folder or file that is no longer in its place, an error says that.
    fn in_place(&self, result: Result<(), RecordError>) -> Result<(), RecordError> {
        result.map_err(|error| match self.check() {
            Err(gone @ RecordError::Gone { .. }) => gone,
            _ => error,
        })
    }

    fn check_at_times(&mut self) -> Result<(), RecordError> {
        if self.checked.elapsed() < CHECKED {
            return Ok(());
        }
        self.checked = Instant::now();
        if let Some(Err(why @ RecordError::Gone { .. })) =
            self.events.as_ref().map(EventFile::check)
        {
            without_tensorboard(&why);
            self.events = None;
        }
        self.check()
    }

    /// Fails when the folder or a file of it is no longer in its place.
    fn check(&self) -> Result<(), RecordError> {
        self.folder.check()?;
        self.neurons.iter().try_for_each(Folder::check)?;
        let details = self.details.iter().flatten();
        self.metrics.iter().chain(details).chain(&self.emergence).try_for_each(Table::check)
    }
}

/// What a disk refuses is tried again for so long.
fn again(
    patience: Duration,
    mut write: impl FnMut() -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let since = Instant::now();
    loop {
        match write() {
            Err(why) if why.is_refusal() && since.elapsed() < patience => {
                std::thread::sleep(PAUSE);
            }
            written => return written,
        }
    }
}

fn without_tensorboard(why: &RecordError) {
    tracing::warn!("the run continues without TensorBoard files: {why}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Cells, read_table};

    fn scalars(names: std::ops::Range<u64>) -> Vec<Scalar> {
        names.map(|k| (format!("metric {k}").into(), k as f64)).collect()
    }

    fn rewrites(recorder: &Recorder) -> usize {
        recorder.metrics.as_ref().map_or(0, Table::rewrites)
    }

    #[test]
    fn many_new_names_replace_the_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::lock(dir.path()).unwrap();
        recorder.log_metrics(1, 0.0, &scalars(0..2)).unwrap();
        recorder.log_metrics(2, 0.0, &scalars(1..101)).unwrap();
        assert_eq!(rewrites(&recorder), 1, "of one row");
        recorder.expect(scalars(50..103).into_iter().map(|(name, _)| name.to_string()).collect());
        for step in 3..52 {
            recorder.log_metrics(step, 0.0, &scalars(50 + step..52 + step)).unwrap();
        }
        assert_eq!(rewrites(&recorder), 2, "of rows that were announced");
        let (columns, rows) = read_table(&dir.path().join(METRICS)).unwrap();
        let expected: Vec<String> =
            scalars(0..103).into_iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(columns[2..], expected);
        assert_eq!(rows.len(), 51);
        let there = |row: &Cells| row.iter().filter(|cell| !cell.is_empty()).count();
        assert_eq!(rows.iter().map(there).sum::<usize>(), 51 * 4 + 98);
        assert_eq!(rows[1][2..5], ["", "1.0", "2.0"]);
    }
}
