//! `neuromfa compare`

use std::path::PathBuf;

use clap::Args;
use neuromfa::internals::record::RecordedRun;
use serde_json::{Value, json};

use crate::compare;
use crate::output::{Outcome, Output};
use crate::report;

const EXAMPLES: &str = "Examples:
  neuromfa compare runs/first runs/second
  neuromfa compare runs/* --csv runs.csv
  neuromfa compare runs/* --json --quiet";

/// Compare runs: the verdict on each, E at the end and at its best, the onset and the plateau, and the
/// layers that differ.
///
/// Verdict: whether the network differs from its shuffled weights, by width_excess and
/// alpha0_excess. Onset: the first of three steps in a row at which one of the two has p < 0.001.
/// Plateau: the first step from which E_stable stays close to its last value, within 5 % of its range.
/// Warns if the runs cannot be compared.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Compare {
    /// Folders of runs.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Also write one row for each run to this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print JSON: the runs, their layers, and why they do not compare.
    #[arg(long)]
    json: bool,
}

impl Compare {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let runs: Vec<RecordedRun> =
            self.runs.iter().map(|folder| RecordedRun::read(folder)).collect::<Result<_, _>>()?;
        let differences = compare::differences(&runs);
        for why in &differences {
            tracing::warn!("the runs do not compare: {why}");
        }
        let layers = compare::layers(&runs)?;
        let compared: Vec<compare::Compared> = runs.iter().map(compare::compare).collect();
        if let Some(path) = &self.csv {
            let rows: Vec<Value> = compared.iter().map(|run| flat(&json!(run))).collect();
            super::csv::write(path, &rows)?;
        }
        if self.json {
            let all = json!({ "runs": compared, "layers": layers, "differences": differences });
            output.json(&all)?;
        } else {
            crate::output::print(&report::compared(&compared, &layers))?;
        }
        Ok(Outcome::Done)
    }
}

/// The columns of a run: a value with its step becomes two.
fn flat(run: &Value) -> Value {
    const WITH_STEP: [&str; 6] =
        ["E", "E_best", "E_stable", "E_stable_best", "width_excess", "alpha0_excess"];
    let mut columns = serde_json::Map::new();
    for (name, value) in run.as_object().into_iter().flatten() {
        if WITH_STEP.contains(&name.as_str()) {
            columns.insert(name.clone(), value["value"].clone());
            columns.insert(format!("{name}_step"), value["step"].clone());
        } else {
            columns.insert(name.clone(), value.clone());
        }
    }
    columns.into()
}
