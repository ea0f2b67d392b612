//! `neuromfa analyze`

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use neuromfa::Replay;
use neuromfa::analysis::Controls;
use neuromfa::source::Checkpoint;

use crate::choice::Choice;

/// Analyse checkpoints into a run directory, the same as the monitor's.
///
/// Each CHECKPOINT is a file (safetensors; .pt, .pth, .bin of PyTorch; .ckpt of Lightning; .ot of tch),
/// the index of a sharded one, a folder that holds model.safetensors or pytorch_model.bin, or a folder
/// of checkpoints: checkpoint-N/, stepN/, *-stepN.safetensors, ckpt_N.pt, epoch=0-step=N.ckpt. They are
/// ordered by step; the first is the baseline that E compares against.
#[derive(Args)]
pub struct Analyze {
    /// Checkpoints, or folders of them.
    #[arg(required = true, value_name = "CHECKPOINT")]
    checkpoints: Vec<PathBuf>,
    /// Folder to write the run to.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Neurons drawn from each layer.
    #[arg(long, default_value_t = 64, value_name = "N")]
    neurons: usize,
    /// How many samples are drawn.
    #[arg(long, default_value_t = 10, value_name = "S")]
    samples: usize,
    /// Seed of the draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Take the whole network in place of samples.
    #[arg(long, conflicts_with_all = ["neurons", "samples", "seed", "nodes"])]
    whole: bool,
    /// Take the neurons that a nodes.json names (another run's, say).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["neurons", "samples", "seed"])]
    nodes: Option<PathBuf>,
    /// Compute the distances over 2 to K layers, too (hops.csv): K is 2 or 3.
    #[arg(long, default_value_t = 1, value_name = "K")]
    hops: usize,
    /// Estimate those distances, too, through this many drawn neurons of each layer between.
    #[arg(long, value_name = "BUDGET")]
    hops_estimate: Option<usize>,
    /// Compare against this checkpoint, or this run's baseline, in place of the first checkpoint.
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
    /// Leave out the null controls.
    #[arg(long, conflicts_with = "rescaled_start")]
    no_controls: bool,
    /// Also compute E of the first weights rescaled to the spread of each step: growth alone.
    #[arg(long)]
    rescaled_start: bool,
    /// Also write every neuron's dimension and degree, to a file for each step.
    #[arg(long)]
    every_neuron: bool,
    /// Replace a run that the folder holds.
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// Go on with an analysis of the same checkpoints that was interrupted.
    #[arg(long)]
    resume: bool,
    /// Threads to count with [default: all cores].
    #[arg(long)]
    threads: Option<usize>,
}

impl Analyze {
    pub fn run(self) -> anyhow::Result<()> {
        let checkpoints = Checkpoint::find(&self.checkpoints)?;
        // Drawn on a terminal only: indicatif hides it elsewhere.
        let bar = ProgressBar::new(checkpoints.len() as u64);
        let style = "{bar:30} {pos}/{len} checkpoints, {elapsed} so far, {eta} to go {msg}";
        bar.set_style(ProgressStyle::with_template(style)?);
        let progress = bar.clone();
        let replay = self.replay(&checkpoints)?.on_row(move |row| {
            progress.set_message(format!("(step {})", row.step));
            progress.inc(1);
        });
        bar.tick();
        let summary = replay.run(&checkpoints);
        bar.finish_and_clear();
        crate::print(&format!("{}\n", summary?))
    }

    fn replay(self, checkpoints: &[Checkpoint]) -> anyhow::Result<Replay> {
        let mut replay = Replay::new(self.out);
        replay = match (self.whole, self.nodes) {
            (true, _) => replay.whole(),
            (_, Some(file)) => replay.nodes(file),
            _ => replay.sampled(self.neurons, self.samples, self.seed),
        };
        let controls = if self.no_controls { Controls::none() } else { Controls::default() };
        replay = replay
            .controls(Controls { rescaled_start: self.rescaled_start, ..controls })
            .neurons(self.every_neuron);
        replay = replay.hops(self.hops);
        if let Some(budget) = self.hops_estimate {
            replay = replay.hops_estimated(budget);
        }
        if let Some(path) = self.baseline {
            replay = replay.baseline(path);
        }
        if let Some(first) = checkpoints.first() {
            replay = replay.selection(self.choice.selection(first)?);
        }
        if self.overwrite {
            replay = replay.overwrite();
        }
        if self.resume {
            replay = replay.resume();
        }
        Ok(match self.threads {
            Some(n) => replay.threads(n),
            None => replay,
        })
    }
}
