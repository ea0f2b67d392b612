//! A recorded run as a stop rule sees it, and where a rule stops it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::pipeline::{Judge, Logged};
use crate::record::{METRICS, RecordError, RecordedRow, RecordedRun, computed_quantities};
use crate::stop::{Stop, StopRule, StopRuleError};

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
        Self::with_loss(folder, loss, "--loss")
    }

    /// As [`read`](Self::read); `option` of the command names the loss.
    pub(super) fn with_loss(
        folder: &Path,
        loss: Option<&str>,
        option: &str,
    ) -> Result<Self, RecordError> {
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
            let why = format!(
                "it has no column {wanted}; logged were: {logged} (name one with {option})"
            );
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

    /// A computed or logged quantity, at the steps that have it.
    pub(super) fn series(&self, quantity: &str) -> Vec<(u64, f64)> {
        match self.metrics.get(quantity) {
            Some(logged) => logged.clone(),
            None => {
                let rows = self.rows.iter();
                rows.filter_map(|row| Some((row.step, row.value(quantity)?))).collect()
            }
        }
    }

    /// The analysed steps, ascending.
    pub(super) fn analysed(&self) -> impl Iterator<Item = u64> {
        self.rows.iter().map(|row| row.step)
    }

    /// The last step that was reported or analysed.
    pub(super) fn last_step(&self) -> u64 {
        self.last_step
    }

    /// The run's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether this quantity was computed or logged.
    pub fn has(&self, quantity: &str) -> bool {
        self.rows.iter().any(|row| row.value(quantity).is_some())
            || self.metrics.contains_key(quantity)
    }

    /// The outcome of a rule on this run. The rule sees what a live one saw.
    ///
    /// # Errors
    /// [`StopRuleError`] for a rule that a monitor refuses.
    pub fn try_rule(&self, rule: &StopRule) -> Result<Outcome, StopRuleError> {
        rule.check(&computed_quantities())?;
        Ok(self.outcome(rule))
    }

    /// The verdict of a rule that was checked.
    pub(super) fn stop(&self, rule: &StopRule) -> Option<Stop> {
        let mut judge = Judge::new(rule.clone());
        let mut logged = Logged::of(&judge, &self.metrics);
        for row in &self.rows {
            logged.up_to(row.step, &mut judge).expect(READ);
            judge.judge(row.step, row.status, &|name| row.value(name));
            if judge.stop().is_some() {
                break; // it is final
            }
        }
        logged.up_to(self.last_step, &mut judge).expect(READ);
        judge.stop().cloned()
    }

    /// The outcome of a rule that was checked.
    pub(super) fn outcome(&self, rule: &StopRule) -> Outcome {
        let stop = self.stop(rule);
        let stop = stop.as_ref();
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

impl Outcome {
    /// The loss that it gives up, relative to the run's lowest loss; none if that is 0 or not
    /// known.
    pub fn given_up_share(&self) -> Option<f64> {
        let (given_up, best) = (self.given_up?, self.loss? - self.given_up?);
        (best != 0.0).then(|| given_up / best.abs())
    }
}
