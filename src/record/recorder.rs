//! Writing a run directory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::columns::{leading, own};
use super::details::{DETAILS, NEURON_COLUMNS, neuron_cells};
use super::files::{
    BASELINE, EMERGENCE, LOCK, METRICS, NEURONS, NODES, RUN, SPECTRA, STATE, SUMMARY, holds_run,
    neurons_file, remove_run, replace_in_passing, sync_names, without_run, write_error, write_json,
    write_json_in_passing,
};
use super::number::{number, time};
use super::row::Row;
use super::table::{Table, lines};
use super::tensorboard::EventFile;
use super::{RecordError, RunConfig, Summary};
use crate::analysis::Baseline;
use crate::network::Draw;

/// The files of a run that is being written. The folder is locked while it lives.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    _lock: File,
    pub(super) metrics: Option<Table>,
    pub(super) emergence: Option<Table>,
    pub(super) details: [Option<Table>; DETAILS.len()],
    events: Option<EventFile>,
}

impl Recorder {
    /// Makes the folder where it does not exist, and locks it for this process.
    ///
    /// # Errors
    /// [`RecordError`] when another process writes to it, or the system refuses.
    pub(super) fn lock(folder: &Path) -> Result<Self, RecordError> {
        std::fs::create_dir_all(folder).map_err(write_error(folder))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(write_error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RecordError::Locked { path: folder.to_owned() });
            }
            // The file system has no locks: the lock only guards against mistakes, and the run is
            // more important.
            Err(TryLockError::Error(_)) => {}
        }
        let folder = folder.to_owned();
        let details = Default::default();
        Ok(Self { folder, _lock: lock, metrics: None, emergence: None, details, events: None })
    }

    /// Begins a run: writes run.json, nodes.json and baseline.json. With `replace` a run that the
    /// folder holds is removed first.
    ///
    /// # Errors
    /// [`RecordError::Exists`] or [`RecordError::Unknown`] when the folder holds a run that is not
    /// to be replaced, or files that seem to be of one; or the system refuses.
    pub fn create(
        folder: &Path,
        config: &RunConfig,
        draw: &Draw,
        baseline: &Baseline,
        replace: bool,
    ) -> Result<Self, RecordError> {
        let recorder = Self::lock(folder)?;
        if holds_run(folder) && !replace {
            return Err(RecordError::Exists { path: folder.to_owned() });
        }
        if let Some(path) = without_run(folder).filter(|_| !replace) {
            return Err(RecordError::Unknown { path });
        }
        // Also removes what is left of a run that ended before its run.json was written.
        remove_run(folder)?;
        write_json(&folder.join(NODES), draw)?;
        write_json(&folder.join(BASELINE), baseline)?;
        write_json(&folder.join(RUN), config)?;
        Ok(recorder)
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends a row to metrics.csv. A name that is new becomes a new column.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn log_metrics(
        &mut self,
        step: u64,
        wall_time: f64,
        scalars: &[(String, f64)],
    ) -> Result<(), RecordError> {
        let names = names_of(scalars);
        let path = self.folder.join(METRICS);
        let table = table(&mut self.metrics, &path, &leading(), &[], &names)?;
        let cell = |name: &String| match name.as_str() {
            "step" => step.to_string(),
            "wall_time" => time(wall_time),
            name => {
                scalars.iter().find(|(n, _)| n == name).map(|(_, v)| number(*v)).unwrap_or_default()
            }
        };
        let cells = table.columns().iter().map(cell).collect();
        table.append(&[cells])?;
        self.show(|events| events.metrics(step, wall_time, scalars));
        Ok(())
    }

    /// Appends an analysed step: its neurons' file, its rows in the tables that have many for each
    /// step, then its row in emergence.csv.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn log_row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.write_neurons(row)?;
        for (detail, kept) in DETAILS.iter().zip(&mut self.details) {
            let rows = (detail.cells)(row);
            // A table that a run has no rows for is not made; spectra.csv is there from the start.
            if kept.is_none() && rows.is_empty() && detail.file != SPECTRA {
                continue;
            }
            let path = self.folder.join(detail.file);
            table(kept, &path, &(detail.columns)(), &[], &[])?.append(&rows)?;
        }
        let names = names_of(&row.scalars);
        let path = self.folder.join(EMERGENCE);
        let emergence = table(&mut self.emergence, &path, &leading(), &own(), &names)?;
        let cells = row.cells(emergence.columns());
        emergence.append(&[cells])?;
        self.show(|events| events.row(row));
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

    fn write_neurons(&self, row: &Row) -> Result<(), RecordError> {
        let rows = neuron_cells(row);
        if rows.is_empty() {
            return Ok(());
        }
        let folder = self.folder.join(NEURONS);
        std::fs::create_dir_all(&folder).map_err(write_error(&folder))?;
        let path = folder.join(neurons_file(row.step));
        let columns = NEURON_COLUMNS.map(str::to_owned).to_vec();
        replace_in_passing(&path, &lines(std::iter::once(&columns).chain(&rows)))
    }

    /// Replaces state.json.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn write_state(&self, state: &impl Serialize) -> Result<(), RecordError> {
        write_json_in_passing(&self.folder.join(STATE), state)
    }

    /// Replaces summary.json.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), RecordError> {
        write_json(&self.folder.join(SUMMARY), summary)
    }

    /// Waits until all rows are on the disk.
    ///
    /// # Errors
    /// [`RecordError::Write`] when the system refuses.
    pub fn sync(&self) -> Result<(), RecordError> {
        let details = self.details.iter().flatten();
        self.metrics.iter().chain(details).chain(&self.emergence).try_for_each(Table::sync)?;
        sync_names(&self.folder);
        Ok(())
    }
}

fn without_tensorboard(why: &RecordError) {
    tracing::warn!("the run continues without TensorBoard files: {why}");
}

fn names_of(scalars: &[(String, f64)]) -> Vec<&str> {
    scalars.iter().map(|(name, _)| name.as_str()).collect()
}

/// The table of a file, created if it is missing, with a column for each name between the `head`
/// columns and the `tail` columns.
fn table<'t>(
    table: &'t mut Option<Table>,
    path: &Path,
    head: &[&str],
    tail: &[&str],
    names: &[&str],
) -> Result<&'t mut Table, RecordError> {
    let table = match table {
        Some(table) => {
            for name in names {
                if !table.columns().iter().any(|column| column == *name) {
                    table.insert_column(table.columns().len() - tail.len(), name)?;
                }
            }
            table
        }
        None => {
            let columns = [head, names, tail].concat().into_iter().map(str::to_owned).collect();
            table.insert(Table::create(path, columns)?)
        }
    };
    Ok(table)
}
