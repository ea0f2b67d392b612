//! Rows that were recorded.

use std::collections::HashMap;
use std::sync::Arc;

use super::RecordError;
use super::rows::Rows;
use crate::analysis::Status;

/// A row of emergence.csv, read back.
#[derive(Clone, Debug)]
pub struct RecordedRow {
    /// The step.
    pub step: u64,
    /// Its status; degenerate if this version does not know the status in the cell.
    pub status: Status,
    /// The codes of its warnings, as in the column `codes`.
    pub codes: String,
    columns: Arc<HashMap<String, usize>>,
    values: Vec<Option<f64>>, // one for each column
}

impl RecordedRow {
    /// The value of a computed or logged quantity.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.columns.get(name).and_then(|&column| self.values[column])
    }
}

/// Reads the rows of emergence.csv, one after the other.
#[derive(Debug)]
pub(crate) struct RecordedRows {
    rows: Rows,
    columns: Arc<HashMap<String, usize>>,
}

impl RecordedRows {
    pub(super) fn of(rows: Rows) -> Self {
        let columns = Arc::new(rows.columns().iter().cloned().zip(0..).collect());
        Self { rows, columns }
    }
}

impl Iterator for RecordedRows {
    type Item = Result<RecordedRow, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let values = row.cells.iter().map(|cell| cell.parse().ok()).collect();
        let status = self.columns.get("status").map(|&k| Status::read(&row.cells[k]));
        let codes = self.columns.get("codes").map(|&k| std::mem::take(&mut row.cells[k]));
        Some(Ok(RecordedRow {
            step: row.step,
            status: status.unwrap_or(Status::Degenerate),
            codes: codes.unwrap_or_default(),
            columns: Arc::clone(&self.columns),
            values,
        }))
    }
}

/// Reads what the loop logged of some quantities, one row after the other; rows without any of them
/// are left out.
pub(crate) struct LoggedRows {
    rows: Option<Rows>,
    places: Vec<(String, usize)>,
}

impl LoggedRows {
    pub(super) fn of(rows: Option<Rows>, names: Vec<String>) -> Self {
        let place = |name: String| Some((rows.as_ref()?.column(&name)?, name));
        let places = names.into_iter().filter_map(place).map(|(k, name)| (name, k)).collect();
        Self { rows, places }
    }
}

impl Iterator for LoggedRows {
    type Item = Result<(u64, Vec<(String, f64)>), RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.places.is_empty() {
            return None;
        }
        for row in self.rows.as_mut()? {
            let row = match row {
                Ok(row) => row,
                Err(error) => return Some(Err(error)),
            };
            let value = |(name, k): &(String, usize)| {
                Some((name.clone(), row.cells.get(*k)?.parse().ok()?))
            };
            let values: Vec<(String, f64)> = self.places.iter().filter_map(value).collect();
            if !values.is_empty() {
                return Some(Ok((row.step, values)));
            }
        }
        None
    }
}
