//! `neuromfa show`

use std::io::Write;
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
        let text = neuromfa::report::table(&self.run)?;
        match std::io::stdout().write_all(text.as_bytes()) {
            // A reader that has seen enough (`| head`) is no error.
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }
}
