//! Compares stop rules on families of runs that they were not tuned on.

use rayon::prelude::*;

use super::entrant::{Entrant, Kind};
use super::error::StudyError;
use super::field::{Entry, Field};
use super::judged::Judged;
use super::scores::Scores;
use super::standing::Study;
use super::tuning::{StudyRun, Tried, folds, try_out};
use crate::network::natural_order;
use crate::record::computed_quantities;
use crate::stop::StopRule;

/// Quantities of the weights whose plateaus rules are compared with.
const COMPANIONS: [&str; 5] =
    ["weight_norm", "distance", "E_stable_shuffled", "stable_rank", "tail_alpha"];
const VALIDATION: [&str; 3] = ["val_loss", "eval_loss", "validation_loss"];
const TRAINING: [&str; 2] = ["train_loss", "loss"];

/// Rules that cannot be judged, with the reason.
type LeftOut = Vec<(String, String)>;

/// How rules are compared.
#[derive(Clone, Debug)]
pub struct StudyOptions {
    /// The loss that the runs are judged by.
    pub judge: String,
    /// Evaluations in its moving mean; odd.
    pub smooth: usize,
    /// A run is worse than the full budget above this, in parts of the gain.
    pub epsilon: f64,
    /// The price of all steps of a run, in parts of the gain.
    pub full_cost: f64,
    /// The quantities whose rules are tested.
    pub monitors: Vec<String>,
    /// The validation loss; by default the first of `VALIDATION` that was logged.
    pub loss: Option<String>,
    /// The training loss; by default the first of `TRAINING` that was logged.
    pub train_loss: Option<String>,
}

impl StudyOptions {
    /// Compares the rules on the runs.
    ///
    /// # Errors
    /// [`StudyError`] for rules or runs that allow no fair comparison.
    pub fn compare(&self, mut runs: Vec<StudyRun>) -> Result<Study, StudyError> {
        self.check()?;
        runs.sort_by(|a, b| {
            natural_order(&a.family, &b.family)
                .then_with(|| natural_order(&a.group, &b.group))
                .then_with(|| a.history.folder().cmp(b.history.folder()))
        });
        let entry = |run: &StudyRun| {
            let history = &run.history;
            let (analysed, last) = (history.analysed().collect(), history.last_step());
            let judged = Judged::new(&history.series(&self.judge), self.smooth, analysed, last);
            let judged = judged.ok_or_else(|| StudyError::NotEvaluated {
                run: history.folder().to_owned(),
                judge: self.judge.clone(),
            })?;
            Ok(Entry { family: run.family.clone(), group: run.group.clone(), judged })
        };
        let entries = runs.iter().map(entry).collect::<Result<Vec<_>, StudyError>>()?;
        let field = Field::new(entries, self.full_cost)?;
        let folds = folds(&field)?;
        let (entrants, not_judged) = self.entrants(&runs)?;
        let tried: Vec<Tried> =
            entrants.par_iter().map(|entrant| try_out(entrant, &runs, &field, &folds)).collect();
        let scores = Scores::new(&field, &runs, self.epsilon);
        Ok(Study {
            judge: self.judge.clone(),
            smooth: self.smooth,
            epsilon: self.epsilon,
            full_cost: self.full_cost,
            families: scores.families(),
            tuned_on: if field.group_counts().len() > 1 {
                "the other families"
            } else {
                "the other groups"
            },
            standings: scores.standings(&entrants, &tried),
            not_judged,
        })
    }

    /// Refuses a rule on the judge, and what a monitor refuses.
    fn check(&self) -> Result<(), StudyError> {
        let monitors = self.monitors.iter().map(|name| (name, "--monitor"));
        let losses = self.loss.iter().map(|name| (name, "--loss"));
        let training = self.train_loss.iter().map(|name| (name, "--train-loss"));
        for (name, option) in monitors.chain(losses).chain(training) {
            StopRule::from(StopRule::on(name)).check(&computed_quantities())?;
            if *name == self.judge {
                return Err(StudyError::Judge { name: name.clone(), option });
            }
        }
        Ok(())
    }

    /// The rules and baselines that all runs have the quantities of; the others, with the reason.
    fn entrants(&self, runs: &[StudyRun]) -> Result<(Vec<Entrant>, LeftOut), StudyError> {
        let found = |named: &Option<String>, usual: &[&str]| {
            let logged =
                |name: &&&str| **name != self.judge && runs.iter().any(|run| run.history.has(name));
            let first = usual.iter().find(logged).or(usual.first());
            named.clone().or_else(|| first.map(|&name| name.to_owned()))
        };
        let of = |kind, quantity: Option<String>, baseline| Entrant { quantity, kind, baseline };
        let mut all = Vec::new();
        for name in &self.monitors {
            all.push(of(Kind::Plateau, Some(name.clone()), false));
            all.push(of(Kind::Threshold, Some(name.clone()), false));
        }
        let validation = found(&self.loss, &VALIDATION);
        all.push(of(Kind::Full, None, true));
        all.push(of(Kind::Share, None, true));
        all.push(of(Kind::Patience, validation.clone(), true));
        all.push(of(Kind::Loss, validation, true));
        all.push(of(Kind::Loss, found(&self.train_loss, &TRAINING), true));
        let companions = COMPANIONS.map(str::to_owned);
        let companions = companions.into_iter().filter(|name| !self.monitors.contains(name));
        all.extend(companions.map(|name| of(Kind::Plateau, Some(name), true)));
        let mut not_judged = Vec::new();
        all.retain(|entrant| match lacking(entrant, runs, &self.judge) {
            Some(why) => {
                not_judged.push((entrant.name(), why));
                false
            }
            None => true,
        });
        if all.iter().all(|entrant| entrant.baseline) {
            let why = not_judged.iter().map(|(name, why)| format!("{name}: {why}"));
            return Err(StudyError::NoQuantity { why: why.collect::<Vec<_>>().join("; ") });
        }
        Ok((all, not_judged))
    }
}

/// Why these runs cannot judge a rule.
fn lacking(entrant: &Entrant, runs: &[StudyRun], judge: &str) -> Option<String> {
    let quantity = entrant.quantity.as_deref()?;
    if quantity == judge {
        return Some("the runs are judged by it".to_owned());
    }
    let without: Vec<&StudyRun> = runs.iter().filter(|run| !run.history.has(quantity)).collect();
    match (without.len(), without.first()) {
        (_, None) => None,
        (n, _) if n == runs.len() => Some("no run has it".to_owned()),
        (n, Some(first)) => {
            let first = first.history.folder().display();
            Some(format!("{n} of {} runs do not have it, such as {first}", runs.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companions_are_columns() {
        assert!(COMPANIONS.iter().all(|name| computed_quantities().contains(name)));
    }
}
