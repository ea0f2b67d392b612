//! How a run analyses its checkpoints, for the subcommands that write one.

use std::path::PathBuf;

use clap::Args;
use neuromfa::source::Checkpoint;
use neuromfa::{Controls, Replay, Samples};

use super::choice::Choice;

/// Which neurons, against what, and what is computed.
#[derive(Args)]
#[command(next_help_heading = "Method")]
pub struct Method {
    /// Neurons drawn from each layer.
    #[arg(long, default_value_t = 64, value_name = "N")]
    neurons: usize,
    /// How many samples are drawn.
    #[arg(long, default_value_t = 10, value_name = "S")]
    samples: usize,
    /// Seed of the draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Take checkpoints whose steps lie 10^9 or more apart.
    #[arg(long, help_heading = "Run")]
    allow_gaps: bool,
    /// Analyse the whole network instead of samples.
    #[arg(long, conflicts_with_all = ["neurons", "samples", "seed", "nodes"])]
    whole: bool,
    /// Take the neurons that a nodes.json names (another run's, say).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["neurons", "samples", "seed"])]
    nodes: Option<PathBuf>,
    /// Analyse as this run did: its network, neurons, parameters and baseline.
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "neurons", "samples", "seed", "whole", "nodes", "hops", "hops_estimate", "baseline",
        "architecture", "include", "exclude", "orient", "rename", "per_head", "no_controls", "rescaled_start",
        "every_neuron", "matrix_spectra", "baseline_at_first_edges", "network", "every_detail",
    ])]
    like: Option<PathBuf>,
    /// Also compute distances over 2 to K layers (hops.csv); K is 2 or 3.
    #[arg(long, default_value_t = 1, value_name = "K")]
    hops: usize,
    /// Also estimate these distances by sampling this many neurons of each layer in between.
    #[arg(long, value_name = "BUDGET")]
    hops_estimate: Option<usize>,
    /// Join a trainer's log to metrics.csv by step: CSV, or a JSON object in each line, with a column
    /// named step, global_step or iter.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Compare against this checkpoint, or this run's baseline, instead of the first checkpoint.
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    /// If the first checkpoint has no values, as weights that begin at zero, compare against the first
    /// one that has.
    #[arg(long, conflicts_with_all = ["baseline", "rescaled_start"])]
    baseline_at_first_edges: bool,
    #[command(flatten)]
    choice: Choice,
    /// Analyse the drawn neurons alone: leave out the stable estimator and the null controls, which need
    /// all weights. Of checkpoints on other machines, only the rows of drawn neurons are then read.
    #[arg(long, conflicts_with_all = ["whole", "rescaled_start", "like", "matrix_spectra"])]
    drawn_only: bool,
    /// Leave out the null controls.
    #[arg(long, conflicts_with = "rescaled_start", help_heading = "Method")]
    no_controls: bool,
    /// Also compute E of the first weights rescaled to the spread of each step: growth alone.
    #[arg(long, help_heading = "Method")]
    rescaled_start: bool,
    /// Also write every neuron's dimension and degree, to a file for each step.
    #[arg(long, help_heading = "Method")]
    every_neuron: bool,
    /// Also compute the stable rank of each matrix and the exponent of its spectrum's tail; slow.
    #[arg(long, help_heading = "Method")]
    matrix_spectra: bool,
    /// After the first 100 analysed steps, write layers, spectra, distributions, scaling and boxes at one
    /// step in N; 1 writes each [default: 10, or as the resumed run].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Run")]
    every_detail: Option<u64>,
    /// Also write the newest row to FILE, as text for Prometheus (node exporter's textfile collector).
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    prometheus: Option<PathBuf>,
    /// Threads to count with [default: all cores].
    #[arg(long, help_heading = "Run")]
    threads: Option<usize>,
}

impl Method {
    /// A replay into the folder `out`; `first` is the run's first checkpoint.
    pub fn replay(self, out: PathBuf, first: Option<&Checkpoint>) -> anyhow::Result<Replay> {
        let threads = |replay: Replay| match self.threads {
            Some(n) => replay.threads(n),
            None => replay,
        };
        let mut replay = Replay::new(out);
        if let Some(file) = self.metrics {
            replay = replay.metrics(file);
        }
        if self.allow_gaps {
            replay = replay.allow_gaps();
        }
        if let Some(n) = self.every_detail {
            replay = replay.every_detail(n);
        }
        if let Some(file) = self.prometheus {
            replay = replay.prometheus(file);
        }
        if let Some(run) = self.like {
            return Ok(threads(replay.like(run)?));
        }
        replay = match (self.whole, self.nodes) {
            (true, _) => replay.whole(),
            (_, Some(file)) => replay.nodes(file),
            _ => replay.sampled(Samples {
                neurons: self.neurons,
                samples: self.samples,
                seed: self.seed,
            }),
        };
        let controls = if self.no_controls { Controls::none() } else { Controls::default() };
        let controls = if self.rescaled_start { controls.with_rescaled_start() } else { controls };
        replay = replay.controls(controls).hops(self.hops);
        if self.drawn_only {
            replay = replay.without_stable();
        }
        if self.every_neuron {
            replay = replay.with_neurons();
        }
        if self.matrix_spectra {
            replay = replay.matrix_spectra();
        }
        if let Some(budget) = self.hops_estimate {
            replay = replay.hops_estimated(budget);
        }
        if self.baseline_at_first_edges {
            replay = replay.baseline_at_first_edges();
        }
        if let Some(path) = self.baseline {
            replay = replay.baseline(path);
        }
        if let Some(first) = first {
            replay = self.choice.apply(replay, first)?;
        }
        Ok(threads(replay))
    }
}
