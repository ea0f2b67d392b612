//! Rows that were recorded.

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
    pub(super) values: Vec<(String, f64)>,
}

impl RecordedRow {
    /// The value of a computed or logged quantity.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }
}
