//! `neuromfa repair`

use std::path::PathBuf;

use clap::Args;
use neuromfa::internals::record::repair;

use crate::output::{Outcome, Output};

const EXAMPLES: &str = "Examples:
  neuromfa repair runs/first";

/// Drop the damaged rows of a run's tables, so that it can be shown and resumed.
///
/// Only rows that cannot be read, or whose steps are out of order, are dropped; the other tables keep
/// the rows of these steps. A file with damaged rows is kept with the ending .damaged.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Repair {
    /// The run's folder.
    run: PathBuf,
}

impl Repair {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let repaired = repair(&self.run)?;
        for table in &repaired {
            output.closing(&format!("{table}\n"))?;
        }
        if repaired.is_empty() {
            output.closing(&format!("{}: no damaged rows\n", self.run.display()))?;
        }
        Ok(Outcome::Done)
    }
}
