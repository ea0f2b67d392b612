//! Reads a run directory, whether the run is finished, in progress or interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cell::Cells;
use super::error::read_error;
use super::files::{EMERGENCE, METRICS, RUN, read_json};
use super::recorded::{RecordedRow, RecordedRows};
use super::rows::{Rows, StoredRow};
use super::{RecordError, RunConfig};

/// The contents of a run directory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedRun {
    /// The run's folder.
    pub folder: PathBuf,
    /// The configuration of the run.
    pub config: RunConfig,
    /// The analysed steps, ascending: emergence.csv.
    pub rows: Vec<RecordedRow>,
    /// What the loop logged, each quantity with its steps, ascending: metrics.csv.
    pub metrics: BTreeMap<String, Vec<(u64, f64)>>,
    /// The last step that was reported or analysed.
    pub last_step: Option<u64>,
}

/// The analysed steps of the run in a folder, ascending: emergence.csv alone, also of an older version.
///
/// # Errors
/// [`RecordError::Read`] when the file cannot be read.
pub fn read_rows(folder: &Path) -> Result<Vec<RecordedRow>, RecordError> {
    RecordedRows::of(Rows::open(&folder.join(EMERGENCE))?).collect()
}

/// The header and the complete rows of one of a run's CSV files, also while the run is in progress.
///
/// # Errors
/// [`RecordError::Read`] when the file cannot be read, [`RecordError::Row`] when a row is damaged.
pub fn read_table(path: &Path) -> Result<(Vec<String>, Vec<Cells>), RecordError> {
    let rows = Rows::open(path)?;
    let columns = rows.columns().to_vec();
    Ok((columns, rows.map(|row| Ok(row?.cells)).collect::<Result<_, _>>()?))
}

/// The header of a table, and the rows of its last step; only the end of the file is read.
///
/// # Errors
/// As [`read_table`].
pub fn read_last_step(path: &Path) -> Result<(Vec<String>, Vec<StoredRow>), RecordError> {
    let length = std::fs::metadata(path).map_err(|e| read_error(path, e))?.len();
    let mut bytes: u64 = 1 << 16;
    loop {
        let mut rows = Rows::after(path, length.saturating_sub(bytes))?;
        let whole = bytes >= length;
        match last_step(&mut rows) {
            // Of a damaged line, its number is known to who reads all.
            Err(RecordError::Row { .. }) if !whole => bytes = length,
            Ok((_, others)) if !whole && !others => bytes = bytes.saturating_mul(8),
            read => return read.map(|(last, _)| (rows.columns().to_vec(), last)),
        }
    }
}

/// The rows of the last step, and whether there are others.
fn last_step(rows: &mut Rows) -> Result<(Vec<StoredRow>, bool), RecordError> {
    let (mut last, mut others) = (Vec::<StoredRow>::new(), false);
    while let Some(row) = rows.read()? {
        if last.first().is_some_and(|first| first.step != row.step) {
            last.clear();
            others = true;
        }
        last.push(row);
    }
    Ok((last, others))
}

impl RecordedRun {
    /// Reads the run in a folder.
    ///
    /// # Errors
    /// [`RecordError`] when the folder holds no run or a file of it cannot be read.
    pub fn read(folder: &Path) -> Result<Self, RecordError> {
        let run = folder.join(RUN);
        let config =
            read_json(&run).map_err(|source| RecordError::NotARun { path: run, source })?;
        let (emergence, logged) = (folder.join(EMERGENCE), folder.join(METRICS));
        let rows: Vec<RecordedRow> = match emergence.exists() {
            true => read_rows(folder)?,
            false => Vec::new(),
        };
        let mut metrics: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
        let mut last_step = rows.last().map(|row| row.step);
        if logged.exists() {
            let mut rows = Rows::open(&logged)?;
            let mut series = vec![Vec::new(); rows.columns().len()];
            while let Some(row) = rows.read()? {
                last_step = last_step.max(Some(row.step));
                // After the step and the time.
                for (series, cell) in series.iter_mut().zip(&row.cells).skip(2) {
                    series.extend(cell.parse().ok().map(|value| (row.step, value)));
                }
            }
            let named = rows.columns().iter().cloned().zip(series);
            metrics.extend(named.filter(|(_, series)| !series.is_empty()));
        }
        Ok(Self { folder: folder.to_owned(), config, rows, metrics, last_step })
    }

    /// A computed or logged quantity at the analysed steps that have it.
    pub fn series(&self, name: &str) -> Vec<(u64, f64)> {
        self.rows.iter().filter_map(|row| Some((row.step, row.value(name)?))).collect()
    }
}
