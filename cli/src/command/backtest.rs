//! `neuromfa backtest`

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use neuromfa::Mode;
use neuromfa::backtest::{Grid, History};

use super::png::PngWriter;
use super::rules::Comparison;
use crate::output::write_file;
use crate::report::{self, SvgFile};

const EXAMPLES: &str = "Examples:
  neuromfa backtest runs/first runs/second
  neuromfa backtest runs/* --monitor width_excess --patience 3,5
  neuromfa backtest runs/first --loss val_loss --csv rules.csv
  neuromfa backtest study/ --judge test_loss     many runs: which rules hold";

/// Try stop rules on recorded runs: where each would have stopped, the steps it saves, and the loss it
/// gives up, next to the same rules on the loss.
///
/// Rules that give up no more than the tolerance come first, by the steps they save. A rule stops here
/// where it would have stopped live; each --patience is tried with each --min-delta.
///
/// With --judge, rules are compared on many runs: tuned on other tasks than they are judged on, by a loss
/// that they do not see, with intervals and tests.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Backtest {
    /// The runs' folders; with --judge also folders that hold runs.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The quantity that the rules watch: a column of emergence.csv [default: E_stable]. With --judge
    /// several, separated by commas [default: E,E_stable,width_excess,alpha0_excess].
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    monitor: Vec<String>,
    /// Which direction is better.
    #[arg(long, default_value = "max", conflicts_with = "judge")]
    mode: Direction,
    /// Analysed steps without improvement, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "3,5,10",
        value_name = "N,..",
        conflicts_with = "judge"
    )]
    patience: Vec<u64>,
    /// The least change that is an improvement, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,0.001",
        value_name = "X,..",
        conflicts_with = "judge"
    )]
    min_delta: Vec<f64>,
    /// Ignore steps before this one.
    #[arg(long, default_value_t = 0, value_name = "STEP", conflicts_with = "judge")]
    start_from_step: u64,
    /// The loss that is given up: a column of metrics.csv [default: eval_loss, val_loss,
    /// validation_loss or loss, the first that is there]. With --judge: the loss that patience
    /// watches, never that of training.
    #[arg(long, value_name = "NAME")]
    loss: Option<String>,
    /// Loss that may be given up, in parts of the lowest.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE", conflicts_with = "judge")]
    tolerance: f64,
    /// Also write one line for each rule and run to this file; with --judge for each rule and family.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Also draw the rules to this file: steps saved against loss given up.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// The same as a PNG file.
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Print JSON: a list of rules, best first, each with its outcomes.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    comparison: Comparison,
}

#[derive(Clone, Copy, ValueEnum)]
enum Direction {
    Min,
    Max,
}

impl Backtest {
    pub fn run(self) -> anyhow::Result<()> {
        let writer = self.png.is_some().then(PngWriter::new).transpose()?;
        if self.comparison.wanted() {
            return self.compare(writer);
        }
        let read = |run: &PathBuf| History::read(run, self.loss.as_deref());
        let runs: Vec<History> = self.runs.iter().map(read).collect::<Result<_, _>>()?;
        let mode = match self.mode {
            Direction::Min => Mode::Min,
            Direction::Max => Mode::Max,
        };
        let monitor = match self.monitor.as_slice() {
            [] => "E_stable",
            [one] => one,
            _ => bail!("--monitor: give one quantity, or compare several with --judge LOSS"),
        };
        let mut grid = Grid::on(monitor, mode);
        (grid.patience, grid.min_delta) = (self.patience.clone(), self.min_delta.clone());
        grid.start_from_step = self.start_from_step;
        for (run, folder) in runs.iter().zip(&self.runs) {
            ensure!(
                run.has(&grid.monitor),
                "{}: no analysed step has a value of {:?}: name a column of emergence.csv with numbers \
                 (--monitor)",
                folder.display(),
                grid.monitor
            );
        }
        let trials = grid.try_on(&runs, self.tolerance)?;
        if let Some(path) = &self.csv {
            write_file(path, &report::backtest_csv(&trials))?;
        }
        self.draw(writer, || {
            report::backtest_picture(&trials, self.tolerance).context(
                "--svg and --png have nothing to draw: no run's loss is known at a stop, or its lowest \
                 is 0 (--loss NAME takes another column of metrics.csv)",
            )
        })?;
        if self.json {
            return crate::output::print(&format!("{}\n", serde_json::to_string_pretty(&trials)?));
        }
        crate::output::print(&report::backtest(&trials))
    }

    /// Rules that are judged on other runs than they are tuned on.
    fn compare(self, writer: Option<PngWriter>) -> anyhow::Result<()> {
        let study = self.comparison.compare(&self.runs, self.monitor.clone(), self.loss.clone())?;
        if let Some(path) = &self.csv {
            write_file(path, &report::study_csv(&study))?;
        }
        self.draw(writer, || Ok(report::study_picture(&study)))?;
        if self.json {
            return crate::output::print(&format!("{}\n", serde_json::to_string_pretty(&study)?));
        }
        crate::output::print(&report::study(&study, crate::output::width()))
    }

    /// Draws what is wanted as a file.
    fn draw(
        &self,
        writer: Option<PngWriter>,
        picture: impl FnOnce() -> anyhow::Result<SvgFile>,
    ) -> anyhow::Result<()> {
        if self.svg.is_none() && self.png.is_none() {
            return Ok(());
        }
        let picture = picture()?;
        if let Some(path) = &self.svg {
            write_file(path, picture.svg.as_bytes())?;
        }
        if let (Some(path), Some(writer)) = (&self.png, writer) {
            write_file(path, &writer.png(&picture)?)?;
        }
        Ok(())
    }
}
