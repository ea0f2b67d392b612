//! How the steps of checkpoints are found, as the subcommands' options say.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use neuromfa::internals::source::{Steps, find_checkpoints};
use neuromfa::source::Checkpoint;
use regex_lite::Regex;

/// How the steps are found.
#[derive(Args, Clone, Debug)]
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
    /// The checkpoints among files and folders.
    pub fn find(&self, paths: &[PathBuf]) -> anyhow::Result<Vec<Checkpoint>> {
        let found = match &self.steps[..] {
            [] => self.pattern.with(|steps| find_checkpoints(paths, steps))?,
            steps => find_checkpoints(paths, Steps::Listed(steps))?,
        };
        found.first().context("no checkpoints to analyse")?;
        Ok(found)
    }
}
