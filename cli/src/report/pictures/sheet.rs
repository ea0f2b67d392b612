//! A table of a run directory.

use std::path::Path;

use neuromfa::RecordError;
use neuromfa::internals::analysis::{Concern, WarningKind};
use neuromfa::internals::record::{Cells, ROLLED_BACK, column, read_some_steps};

use super::panel::Values;

/// A table; one that is not there has no rows.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Cells>,
}

impl Sheet {
    /// The rows that pictures need of a table with many rows for each step.
    pub(super) fn of_steps(path: &Path) -> Result<Self, RecordError> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let (columns, rows) = read_some_steps(path)?;
        Ok(Self { columns, rows })
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The cell of a row; empty where the column is not there.
    pub(super) fn cell<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        self.column(name).and_then(|k| row.get(k)).map_or("", String::as_str)
    }

    /// The finite number in a row.
    pub(super) fn number(&self, row: &[String], name: &str) -> Option<f64> {
        finite(self.cell(row, name))
    }

    /// The finite numbers of a column.
    pub(super) fn numbers(&self, name: &str) -> Values {
        self.rows.iter().map(|row| self.number(row, name)).collect()
    }

    /// The finite numbers of the column with its error, or else its deviation over the samples; none
    /// where it has neither.
    pub(super) fn spread(&self, name: &str) -> Option<Values> {
        let spread = ["_se", "_std"].iter().find_map(|suffix| column(&format!("{name}{suffix}")));
        spread.map(|column| self.numbers(column.name))
    }

    /// The steps.
    pub(super) fn steps(&self) -> Vec<f64> {
        self.numbers("step").into_iter().map(Option::unwrap_or_default).collect()
    }

    /// What the loop logged, by name.
    pub(super) fn logged(&self) -> Vec<&str> {
        logged(&self.columns)
    }

    /// The kinds of a row's warnings that concern the conclusion; `warning` in a run of an older
    /// version, which has no codes.
    pub(super) fn kinds(&self, row: &[String]) -> String {
        if self.column("codes").is_none() {
            return if self.cell(row, "warning").is_empty() { "" } else { "warning" }.to_owned();
        }
        let concerning = |code: &&str| {
            WarningKind::ALL.iter().any(|k| k.code() == *code && k.concern() == Concern::Conclusion)
        };
        let codes: Vec<&str> = self.cell(row, "codes").split(' ').filter(concerning).collect();
        codes.join(", ")
    }
}

/// The columns that the loop logged.
pub(super) fn logged(columns: &[String]) -> Vec<&str> {
    let logged = |name: &&str| column(name).is_none() && *name != ROLLED_BACK;
    columns.iter().map(String::as_str).filter(logged).collect()
}

pub(super) fn finite(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|v: &f64| v.is_finite())
}
