//! `neuromfa show`

use std::path::PathBuf;

use clap::Args;

/// Print the table of a run: one row for each analysed step.
#[derive(Args)]
pub struct Show {
    /// The run's folder.
    run: PathBuf,
}

impl Show {
    pub fn run(self) -> anyhow::Result<()> {
        crate::print(&neuromfa::report::table(&self.run)?)
    }
}
