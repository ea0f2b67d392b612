//! `neuromfa show`

use std::path::PathBuf;

use clap::Args;
use neuromfa::internals::record::{EMERGENCE, read_table};
use serde_json::{Map, Value};

use crate::output::{Outcome, Output};

/// Print the table of a run: one row for each analysed step, then the verdict and the warnings.
#[derive(Args)]
pub struct Show {
    /// The run's folder.
    run: PathBuf,
    /// Print JSON: a list of all rows of emergence.csv, with every column and digit.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        if self.json {
            let (columns, rows) = read_table(&self.run.join(EMERGENCE))?;
            let row = |cells: &Vec<String>| -> Map<String, Value> {
                columns.iter().cloned().zip(cells.iter().map(|cell| value(cell))).collect()
            };
            output.json(&rows.iter().map(row).collect::<Vec<_>>())?;
        } else {
            crate::output::print(&crate::report::table(&self.run)?)?;
        }
        Ok(Outcome::Done)
    }
}

/// An empty cell is null. JSON has no NaN and no infinity: these stay text.
fn value(cell: &str) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    let whole = cell.parse::<u64>().map(Value::from).ok();
    let number = || cell.parse::<f64>().ok().filter(|x| x.is_finite()).map(Value::from);
    whole.or_else(number).unwrap_or_else(|| cell.into())
}
