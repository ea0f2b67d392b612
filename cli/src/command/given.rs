//! The checkpoints that a subcommand is given: of this machine, or of others.

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;
use neuromfa::Replay;
use neuromfa::source::{Checkpoint, CheckpointFile, SourceError};

#[cfg(feature = "remote")]
use crate::remote::{RemoteOptions, Series, is_address};
use crate::steps::StepOptions;

/// How checkpoints on other machines are read.
#[derive(Args)]
pub struct Reading {
    #[cfg(feature = "remote")]
    #[command(flatten)]
    remote: RemoteOptions,
}

/// Checkpoints, and how they are opened.
pub struct Given {
    pub checkpoints: Vec<Checkpoint>,
    #[cfg(feature = "remote")]
    series: Option<Series>,
}

impl Reading {
    /// The checkpoints at these paths or addresses. The bar says how much is read of other machines.
    #[cfg(feature = "remote")]
    pub fn find(
        &self,
        paths: &[PathBuf],
        steps: &StepOptions,
        bar: &ProgressBar,
    ) -> anyhow::Result<Given> {
        if !paths.iter().any(|path| is_address(path)) {
            self.remote.check_local()?;
            return Ok(Given { checkpoints: steps.find(paths)?, series: None });
        }
        let series = self.remote.find(paths, steps, bar)?;
        Ok(Given { checkpoints: series.checkpoints.clone(), series: Some(series) })
    }

    /// The checkpoints at these paths.
    #[cfg(not(feature = "remote"))]
    pub fn find(
        &self,
        paths: &[PathBuf],
        steps: &StepOptions,
        _: &ProgressBar,
    ) -> anyhow::Result<Given> {
        if let Some(path) = paths.iter().find(|path| path.to_string_lossy().contains("://")) {
            anyhow::bail!(
                "{}: this neuromfa was built without the feature remote: install it with cargo install \
                 --features remote, or download the files",
                path.display()
            );
        }
        Ok(Given { checkpoints: steps.find(paths)? })
    }
}

impl Given {
    /// Opens one of the checkpoints.
    pub fn open(&self, checkpoint: &Checkpoint) -> Result<CheckpointFile, SourceError> {
        #[cfg(feature = "remote")]
        if let Some(series) = &self.series {
            return series.open(checkpoint);
        }
        CheckpointFile::open(&checkpoint.path)
    }

    /// A replay that opens them.
    pub fn opened(&self, replay: Replay) -> Replay {
        #[cfg(feature = "remote")]
        if let Some(series) = self.series.clone() {
            return replay.opened_by(move |checkpoint| series.open(checkpoint));
        }
        replay
    }

    /// What was read of other machines, as a line; empty if nothing.
    pub fn counted(&self) -> String {
        #[cfg(feature = "remote")]
        if let Some(series) = &self.series {
            return format!("{}\n", series.counted());
        }
        String::new()
    }
}
