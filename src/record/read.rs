//! Reads a run directory, whether the run is finished, in progress or interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{EMERGENCE, METRICS, RUN, read_json};
use super::recorded::RecordedRow;
use super::resume::recorded_rows;
use super::table::Contents;
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
    Ok(recorded_rows(&Contents::read(&folder.join(EMERGENCE))?))
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
        let table = |name| match folder.join(name) {
            path if path.exists() => Contents::read(&path),
            _ => Ok(Contents::none()),
        };
        let (emergence, logged) = (table(EMERGENCE)?, table(METRICS)?);
        let metrics = logged.series();
        let (folder, rows) = (folder.to_owned(), recorded_rows(&emergence));
        let last_step = logged.last_step().max(emergence.last_step());
        Ok(Self { folder, config, rows, metrics, last_step })
    }

    /// A computed or logged quantity at the analysed steps that have it.
    pub fn series(&self, name: &str) -> Vec<(u64, f64)> {
        self.rows.iter().filter_map(|row| Some((row.step, row.value(name)?))).collect()
    }
}
