//! How the steps of checkpoints are found, as the subcommands' options say.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use neuromfa::internals::source::{OpenFor, Steps, find_checkpoints};
use neuromfa::source::{Checkpoint, CheckpointFile};
use regex_lite::Regex;

/// How the steps are found.
#[derive(Args, Clone, Debug, Default)]
pub struct StepOptions {
    /// The steps of the checkpoints, in the order in which they are given; in a folder, in the order of the
    /// names.
    #[arg(long, value_name = "STEP,..", value_delimiter = ',', conflicts_with = "step_pattern")]
    steps: Vec<u64>,
    #[command(flatten)]
    pattern: StepPattern,
}

/// How the steps are found in names.
#[derive(Args, Clone, Debug, Default)]
pub struct StepPattern {
    /// Find the step in each name with this regular expression: its first group, or all that it matches.
    #[arg(long, value_name = "REGEX")]
    step_pattern: Option<Regex>,
}

impl StepPattern {
    /// Calls with the way in which steps are found.
    pub fn with<T>(&self, call: impl FnOnce(Steps<'_>) -> T) -> T {
        match &self.step_pattern {
            None => call(Steps::Names),
            Some(regex) => call(Steps::Pattern(&|name| {
                let found = regex.captures(name)?;
                found.get(1).or(found.get(0))?.as_str().parse().ok()
            })),
        }
    }
}

impl StepOptions {
    /// The steps that were listed, if they were.
    #[cfg(feature = "remote")]
    pub fn listed(&self) -> &[u64] {
        &self.steps
    }

    /// The checkpoints among files and folders.
    pub fn find(&self, paths: &[PathBuf]) -> anyhow::Result<Vec<Checkpoint>> {
        self.find_by(paths, &|path| CheckpointFile::open(path))
    }

    /// The same; those whose names say no step are opened in this way.
    pub fn find_by(&self, paths: &[PathBuf], open: OpenFor<'_>) -> anyhow::Result<Vec<Checkpoint>> {
        let found = match &self.steps[..] {
            [] => self.pattern.with(|steps| find_checkpoints(paths, steps, open))?,
            steps => find_checkpoints(paths, Steps::Listed(steps), open)?,
        };
        found.first().context("no checkpoints to analyse")?;
        Ok(found)
    }
}
