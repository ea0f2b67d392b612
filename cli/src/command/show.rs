//! `neuromfa show`

use std::path::PathBuf;

use clap::Args;
use neuromfa::internals::record::{Cells, csv_text};
use serde_json::{Map, Value};

use crate::output::{Outcome, Output, print, print_bytes, width};
use crate::report::{Part, part, table};

const EXAMPLES: &str = "Examples:
  neuromfa show runs/first                       as wide as the terminal
  neuromfa show runs/first --last 5 --columns loss,E,width_excess_p
  neuromfa show runs/first --step 400 --json     one row, every digit
  neuromfa show runs/first --csv --columns width_excess > excess.csv";

/// Print the table of a run: one row for each analysed step, then the verdict and the warnings.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Show {
    /// The run's folder.
    run: PathBuf,
    /// Only these columns of emergence.csv, after the step: NAME,NAME,..
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Only the last N rows.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Only the row of this step.
    #[arg(long, value_name = "S")]
    step: Option<u64>,
    /// Print rows as JSON, with every column and digit.
    #[arg(long)]
    json: bool,
    /// Print rows as CSV, with every column and digit.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Show {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let Self { run, columns, last, step, json, csv } = self;
        let wanted = Part { columns, last, step };
        if json {
            let (columns, rows) = part(&run, &wanted)?;
            let row = |cells: &Vec<String>| -> Map<String, Value> {
                columns.iter().cloned().zip(cells.iter().map(|cell| value(cell))).collect()
            };
            output.json(&rows.iter().map(row).collect::<Vec<_>>())?;
        } else if csv {
            let (columns, rows) = part(&run, &wanted)?;
            let lines: Vec<Cells> = std::iter::once(columns).chain(rows).collect();
            print_bytes(&csv_text(&lines))?;
        } else {
            print(&table(&run, &wanted, width())?)?;
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
