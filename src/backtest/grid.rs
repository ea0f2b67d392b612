//! Rules tried on recorded runs, ranked.

use serde::Serialize;

use super::history::{History, Outcome};
use crate::stop::{Mode, StopRule, StopRuleError};

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

impl Grid {
    /// The default rule on a quantity, as of [`StopRule::on`], in one direction.
    pub fn on(monitor: impl Into<String>, mode: Mode) -> Self {
        let (patience, min_delta) = (vec![3], vec![0.0]);
        Self { monitor: monitor.into(), mode, patience, min_delta, start_from_step: 0 }
    }

    /// Tries every rule of the grid on every run, and the same grid on the runs' loss (lower is
    /// better). The result is ranked: first the rules that give up no more than `tolerance` of the
    /// run's lowest loss (mean over the runs), by the share of steps that they save; then the
    /// others, by the loss that they give up. Rules that stop none of the runs come last.
    ///
    /// # Errors
    /// [`StopRuleError`] for a rule that a monitor refuses.
    pub fn try_on(&self, runs: &[History], tolerance: f64) -> Result<Vec<Trial>, StopRuleError> {
        let mut trials = Vec::new();
        let own = (self.monitor.as_str(), self.mode);
        let loss = runs.first().map(|run| (run.loss(), Mode::Min));
        for (monitor, mode) in std::iter::once(own).chain(loss.filter(|&loss| loss != own)) {
            for &patience in &self.patience {
                for &min_delta in &self.min_delta {
                    let rule = StopRule::on(monitor)
                        .mode(mode)
                        .patience(patience)
                        .min_delta(min_delta)
                        .start_from_step(self.start_from_step)
                        .into();
                    let outcomes = runs.iter().map(|run| run.try_rule(&rule));
                    trials.push(Trial {
                        monitor: monitor.to_owned(),
                        mode,
                        patience,
                        min_delta,
                        baseline: Some((monitor, mode)) == loss,
                        outcomes: outcomes.collect::<Result<_, _>>()?,
                    });
                }
            }
        }
        let key = |trial: &Trial| {
            let given_up = trial.given_up_share().unwrap_or(0.0);
            let within = given_up <= tolerance;
            let order = if within { -trial.saved_share() } else { given_up };
            (trial.stopped() == 0, !within, order)
        };
        trials.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
        });
        Ok(trials)
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
