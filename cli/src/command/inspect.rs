//! `neuromfa inspect`

use std::path::PathBuf;

use crate::report;
use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use neuromfa::source::Source;

use super::choice::Choice;
use super::given::Reading;
use crate::output::{Outcome, Output};
use crate::steps::StepOptions;

const EXAMPLES: &str = "Examples:
  neuromfa inspect model.safetensors
  neuromfa inspect checkpoints/ --all
  neuromfa inspect hf://EleutherAI/pythia-160m@step1000
  neuromfa inspect model.pt --architecture bert --json > network.json";

/// Show how a checkpoint would be read: its neuron layers, connections, and what is left out.
///
/// Reads names and shapes, no weights. CHECKPOINT is anything that analyze accepts; of several
/// checkpoints the first is shown.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Inspect {
    /// A checkpoint.
    checkpoint: PathBuf,
    #[command(flatten)]
    steps: StepOptions,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    choice: Choice,
    /// Neurons that a sample would draw from each layer.
    #[arg(long, default_value_t = 64, value_name = "N", help_heading = "Output")]
    neurons: usize,
    /// List every layer, connection and parameter; repeated blocks are not grouped.
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// Print the network as JSON, as in run.json.
    #[arg(long, conflicts_with_all = ["all", "neurons"], help_heading = "Output")]
    json: bool,
}

impl Inspect {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let asked = std::slice::from_ref(&self.checkpoint);
        let given = self.reading.find(asked, &self.steps, &ProgressBar::hidden())?;
        let checkpoint = &given.checkpoints[0]; // the options find one, or fail
        let file = given.open(checkpoint)?;
        let parameters = file.parameters();
        let network = self.choice.network(checkpoint, &parameters);
        let network =
            network.with_context(|| format!("cannot analyse {}", checkpoint.path.display()))?;
        if self.json {
            output.json(&network)?;
            return Ok(Outcome::Done);
        }
        let mut text = report::network(&network, &parameters, self.neurons, self.all);
        report::not_read(&mut text, file.not_read(), self.all);
        crate::output::print(&text)?;
        Ok(Outcome::Done)
    }
}
