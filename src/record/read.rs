//! Reads a run directory, whether the run is finished, in progress or interrupted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cell::Cells;
use super::error::read_error;
use super::files::{EMERGENCE, METRICS};
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

/// Bytes of a table that are read whole, and about as many of a larger one.
const WHOLE: u64 = 8 << 20;
/// Steps of a larger table that are read at most.
const STEPS: u64 = 256;

/// As [`read_table`]; of a large file only the rows of some steps: the first and the last one, and
/// between them as many as fit, evenly by their place in the file. What is wrong between them is not seen.
///
/// # Errors
/// As [`read_table`].
pub fn read_some_steps(path: &Path) -> Result<(Vec<String>, Vec<Cells>), RecordError> {
    let length = std::fs::metadata(path).map_err(|e| read_error(path, e))?.len();
    if length <= WHOLE {
        return read_table(path);
    }
    match some_steps(path, length) {
        // By its line, if it is damaged.
        Err(RecordError::Row { .. }) => read_table(path),
        read => read,
    }
}

fn some_steps(path: &Path, length: u64) -> Result<(Vec<String>, Vec<Cells>), RecordError> {
    let mut rows = Rows::open(path)?;
    let columns = rows.columns().to_vec();
    let mut taken = next_step(&mut rows, None)?;
    let bytes: u64 = taken.iter().map(|row| row.end - row.start).sum();
    let mut take = |step: Vec<StoredRow>| {
        let last = taken.last().map(|row| row.step);
        if step.first().is_some_and(|row| last.is_none_or(|last| row.step > last)) {
            taken.extend(step);
        }
    };
    let places = (WHOLE / bytes.max(1)).clamp(2, STEPS);
    for place in 1..places {
        let mut rows = Rows::after(path, length / places * place)?;
        // Rows of its step may lie before it.
        let Some(partial) = rows.read()? else { continue };
        take(next_step(&mut rows, Some(partial.step))?);
    }
    take(read_last_step(path)?.1);
    Ok((columns, taken.into_iter().map(|row| row.cells).collect()))
}

/// The rows of the next step, or of the next one after `step`.
fn next_step(rows: &mut Rows, step: Option<u64>) -> Result<Vec<StoredRow>, RecordError> {
    let mut next: Vec<StoredRow> = Vec::new();
    while let Some(row) = rows.read()? {
        if next.first().is_some_and(|first| first.step != row.step) {
            break;
        }
        if step.is_none_or(|step| row.step > step) {
            next.push(row);
        }
    }
    Ok(next)
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
        let config = RunConfig::read(folder)?;
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

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Four rows for each of 2000 steps, more of them with each step, in 12 MB.
    fn large() -> String {
        let mut text = "step,layer,value\n".to_owned();
        for step in 0..2000 {
            for layer in 0..4 {
                let _ = writeln!(text, "{},{layer},{}", 10 * step, "7".repeat(500 + step));
            }
        }
        text
    }

    fn read(text: &str) -> Result<(Vec<String>, Vec<Cells>), RecordError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layers.csv");
        std::fs::write(&path, text).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > WHOLE);
        read_some_steps(&path)
    }

    #[test]
    fn of_a_large_table_whole_steps_are_read_from_end_to_end() {
        let (columns, rows) = read(&large()).unwrap();
        assert_eq!(columns, ["step", "layer", "value"]);
        let steps: Vec<&[Cells]> = rows.chunk_by(|a, b| a[0] == b[0]).collect();
        assert_eq!(steps.len(), STEPS as usize + 1);
        for step in &steps {
            let layers: Vec<&str> = step.iter().map(|row| row[1].as_str()).collect();
            assert_eq!(layers, ["0", "1", "2", "3"], "step {}", step[0][0]);
        }
        let numbers: Vec<u64> = steps.iter().map(|step| step[0][0].parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!((numbers[0], numbers[numbers.len() - 1]), (0, 19_990));
        // Evenly by place: rows at the end are five times as long.
        assert!(numbers.windows(2).all(|pair| pair[1] - pair[0] <= 250), "{numbers:?}");
    }

    #[test]
    fn damage_in_a_large_table_is_told_by_its_line() {
        // All but the first and the last rows.
        let text = large().replace(",1,7", ",1,7,8");
        match read(&text).unwrap_err() {
            RecordError::Row { line, .. } => assert_eq!(line, 3),
            other => panic!("{other}"),
        }
    }
}
