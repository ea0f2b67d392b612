//! `neuromfa sensitivity`

use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressStyle;
use neuromfa::source::{CheckpointFile, Source};

use super::choice::Choice;
use crate::output::{Outcome, Output};
use crate::report;
use crate::sensitivity;
use crate::steps::StepOptions;

const EXAMPLES: &str = "Examples:
  neuromfa sensitivity step-0.safetensors step-900.safetensors
  neuromfa sensitivity checkpoints/ --json > cases.json";

/// Show how sensitive alpha0, w and E are to the method's parameters: ranges, sample sizes, radius
/// steps and transfer functions.
///
/// Each CHECKPOINT is anything that analyze accepts. With several, E compares each with the first.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Sensitivity {
    /// Checkpoints, or folders of them.
    #[arg(required = true, value_name = "CHECKPOINT")]
    checkpoints: Vec<PathBuf>,
    #[command(flatten)]
    steps: StepOptions,
    #[command(flatten)]
    choice: Choice,
    /// How many samples are drawn.
    #[arg(long, default_value_t = 10, value_name = "S", help_heading = "Method")]
    samples: usize,
    /// Seed of the draw.
    #[arg(long, default_value_t = 0, help_heading = "Method")]
    seed: u64,
    /// Threads to count with [default: all cores].
    #[arg(long, help_heading = "Method")]
    threads: Option<usize>,
    /// Print JSON: a list of cases, each with its points.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl Sensitivity {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let checkpoints = self.steps.find(&self.checkpoints)?;
        let Some(first) = checkpoints.first() else {
            anyhow::bail!("no checkpoints to analyse");
        };
        let parameters = CheckpointFile::open(&first.path)?.parameters();
        let network = self.choice.network(first, &parameters)?;
        let analysis = sensitivity::Sensitivity::new().samples(self.samples, self.seed);
        let analysis = match self.threads {
            Some(n) => analysis.threads(n),
            None => analysis,
        };
        let bar = output.bar(0);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {eta} to go")?);
        let cases = analysis.run(&checkpoints, &network, |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        let cases = cases?;
        if self.json {
            output.json(&cases)?;
            return Ok(Outcome::Done);
        }
        crate::output::print(&report::sensitivity(&cases))?;
        Ok(Outcome::Done)
    }
}
