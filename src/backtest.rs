//! Tries stop rules on recorded runs: would stopping have been right?
//!
//! A rule sees the rows of a run's emergence.csv in order, and what was logged between them, as a live rule did,
//! and stops where it would have stopped. Compared with the complete run, this
//!
//! - saves the steps after the row that led to the verdict, and
//! - gives up loss: the lowest loss logged up to that row, less the lowest of the complete run.
//!
//! A rule that never stops saves nothing and gives up nothing. Losses are those of metrics.csv, all
//! steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::pipeline::{Judge, Logged};
use crate::record::{METRICS, RecordError, RecordedRow, RecordedRun};
use crate::stop::{Mode, StopRule};

/// Names of a loss, in search order; losses on held-out data first.
const LOSSES: [&str; 4] = ["eval_loss", "val_loss", "validation_loss", "loss"];

/// Nothing can fail any more.
const READ: &str = "the run has been read";

/// A recorded run, as a stop rule sees it.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
    rows: Vec<RecordedRow>,
    metrics: BTreeMap<String, Vec<(u64, f64)>>, // each with its steps, ascending
    loss: String,
    losses: Vec<(u64, f64)>, // finite; ascending steps
    last_step: u64,
}

/// The rules to try: every patience with every minimum change.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Grid {
    /// The quantity.
    pub monitor: String,
    /// Which direction is better.
    pub mode: Mode,
    /// Analysed steps without improvement.
    pub patience: Vec<u64>,
    /// The least change that is an improvement.
    pub min_delta: Vec<f64>,
    /// Steps before this one are ignored.
    pub start_from_step: u64,
}

/// A rule of the grid, with its outcome on each run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trial {
    /// The quantity.
    pub monitor: String,
    /// Which direction is better.
    pub mode: Mode,
    /// Analysed steps without improvement.
    pub patience: u64,
    /// The least change that is an improvement.
    pub min_delta: f64,
    /// Whether this is a rule on the loss, to compare with.
    pub baseline: bool,
    /// One for each run, in their order.
    pub outcomes: Vec<Outcome>,
}

/// The outcome of a rule on one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The run's folder.
    pub run: PathBuf,
    /// The analysed step that led to the verdict; none when the rule does not stop the run.
    pub stop: Option<u64>,
    /// Why.
    pub reason: Option<String>,
    /// Steps of the run after it.
    pub saved: u64,
    /// Their share of the run, 0 to 1.
    pub saved_share: f64,
    /// The lowest loss up to the stop.
    pub loss: Option<f64>,
    /// How much higher that is than the lowest of the run.
    pub given_up: Option<f64>,
}

impl History {
    /// Reads a run. Without a name, the loss is the first that was logged of eval_loss, val_loss,
    /// validation_loss and loss.
    ///
    /// # Errors
    /// [`RecordError::Read`] when a file cannot be read, or no such loss was logged; it names those
    /// that were.
    pub fn read(folder: &Path, loss: Option<&str>) -> Result<Self, RecordError> {
        let RecordedRun { folder, rows, metrics, last_step, .. } = RecordedRun::read(folder)?;
        let name = match loss {
            Some(name) => Some(name).filter(|&name| metrics.contains_key(name)),
            None => LOSSES.into_iter().find(|&name| metrics.contains_key(name)),
        };
        let Some((name, mut losses)) =
            name.and_then(|name| Some((name, metrics.get(name)?.clone())))
        else {
            let wanted = loss.map_or(LOSSES.join(", "), str::to_owned);
            let logged = metrics.into_keys().collect::<Vec<_>>().join(", ");
            let why =
                format!("it has no column {wanted}; logged were: {logged} (name one with --loss)");
            return Err(RecordError::Read { path: folder.join(METRICS), source: why.into() });
        };
        losses.retain(|(_, loss)| loss.is_finite());
        let (loss, last_step) = (name.to_owned(), last_step.unwrap_or(0));
        Ok(Self { folder, rows, metrics, loss, losses, last_step })
    }

    /// The name of the loss.
    pub fn loss(&self) -> &str {
        &self.loss
    }

    /// Whether this quantity was computed or logged.
    pub fn has(&self, quantity: &str) -> bool {
        self.rows.iter().any(|row| row.value(quantity).is_some())
            || self.metrics.contains_key(quantity)
    }

    /// The outcome of a rule on this run. The rule sees what a live one saw.
    pub fn try_rule(&self, rule: &StopRule) -> Outcome {
        let mut judge = Judge::new(rule.clone());
        let mut logged = Logged::of(&judge, &self.metrics);
        for row in &self.rows {
            logged.up_to(row.step, &mut judge).expect(READ);
            judge.judge(row.step, row.status, &|name| row.value(name));
        }
        logged.up_to(self.last_step, &mut judge).expect(READ);
        let stop = judge.stop();
        let end = stop.map_or(self.last_step, |stop| stop.measured_step);
        let lowest = |last: u64| {
            let until = self.losses.iter().take_while(|(step, _)| *step <= last);
            until.map(|&(_, loss)| loss).reduce(f64::min)
        };
        let loss = lowest(end);
        let saved = self.last_step - end.min(self.last_step);
        Outcome {
            run: self.folder.clone(),
            stop: stop.map(|stop| stop.measured_step),
            reason: stop.map(|stop| stop.reason.clone()),
            saved,
            saved_share: if self.last_step == 0 {
                0.0
            } else {
                saved as f64 / self.last_step as f64
            },
            loss,
            given_up: loss.zip(lowest(u64::MAX)).map(|(at_stop, best)| at_stop - best),
        }
    }
}

impl Grid {
    /// The default rule on a quantity, as of [`StopRule::on`], in one direction.
    pub fn on(monitor: impl Into<String>, mode: Mode) -> Self {
        let (patience, min_delta) = (vec![3], vec![0.0]);
        Self { monitor: monitor.into(), mode, patience, min_delta, start_from_step: 0 }
    }

    /// Tries every rule of the grid on every run, and the same grid on the runs' loss (lower is
    /// better). The result is ranked: first the rules that give up no more than `tolerance` of the
    /// run's lowest loss (mean over the runs), by the share of steps that they save; then the
    /// others, by the loss that they give up.
    pub fn try_on(&self, runs: &[History], tolerance: f64) -> Vec<Trial> {
        let mut trials = Vec::new();
        let own = (self.monitor.as_str(), self.mode);
        let loss = runs.first().map(|run| (run.loss.as_str(), Mode::Min));
        for (monitor, mode) in std::iter::once(own).chain(loss.filter(|&loss| loss != own)) {
            for &patience in &self.patience {
                for &min_delta in &self.min_delta {
                    let rule = StopRule::on(monitor)
                        .mode(mode)
                        .patience(patience)
                        .min_delta(min_delta)
                        .start_from_step(self.start_from_step)
                        .into();
                    trials.push(Trial {
                        monitor: monitor.to_owned(),
                        mode,
                        patience,
                        min_delta,
                        baseline: Some((monitor, mode)) == loss,
                        outcomes: runs.iter().map(|run| run.try_rule(&rule)).collect(),
                    });
                }
            }
        }
        let key = |trial: &Trial| {
            let given_up = trial.given_up_share().unwrap_or(0.0);
            let within = given_up <= tolerance;
            let order = if within { -trial.saved_share() } else { given_up };
            (!within, order)
        };
        trials.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        trials
    }
}

impl Outcome {
    /// The loss that it gives up, relative to the run's lowest loss; none if that is 0 or not
    /// known.
    pub fn given_up_share(&self) -> Option<f64> {
        let (given_up, best) = (self.given_up?, self.loss? - self.given_up?);
        (best != 0.0).then(|| given_up / best.abs())
    }
}

impl Trial {
    /// How many of the runs it stops.
    pub fn stopped(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.stop.is_some()).count()
    }

    /// The share of steps that it saves, mean over the runs.
    pub fn saved_share(&self) -> f64 {
        let n = self.outcomes.len().max(1) as f64;
        self.outcomes.iter().map(|outcome| outcome.saved_share).sum::<f64>() / n
    }

    /// The loss that it gives up, relative to the lowest loss, mean over the runs that have a loss.
    pub fn given_up_share(&self) -> Option<f64> {
        let shares = self.outcomes.iter().filter_map(Outcome::given_up_share);
        let shares: Vec<f64> = shares.collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}
