//! What rules came to, with intervals and tests.

use rayon::prelude::*;

use super::entrant::{Entrant, Kind};
use super::field::{Field, Worth};
use super::judged::Judged;
use super::resample::Resamples;
use super::signs::{holm, sign_test};
use super::standing::{FamilyOfRuns, Measures, RunStop, Standing, Test};
use super::tuning::{StudyRun, Tried};

/// Draws of the bootstrap, and of the signs of a test.
const DRAWS: usize = 4000;
const SIGNS: usize = 9999;
const SEED: u64 = 0;

/// Runs and what is drawn of their groups.
pub(super) struct Scores<'a> {
    field: &'a Field,
    runs: &'a [StudyRun],
    epsilon: f64,
    all: Resamples,
    families: Vec<Resamples>,
}

/// Of each run.
struct Outcome {
    worth: Vec<Worth>,
    chance: Vec<f64>, // cost of stops at random
}

impl<'a> Scores<'a> {
    pub(super) fn new(field: &'a Field, runs: &'a [StudyRun], epsilon: f64) -> Self {
        let counts = field.group_counts();
        let all = Resamples::new(&counts, DRAWS, SEED);
        let families = counts.iter().map(|&n| Resamples::new(&[n], DRAWS, SEED)).collect();
        Self { field, runs, epsilon, all, families }
    }

    pub(super) fn families(&self) -> Vec<FamilyOfRuns> {
        let of = |(name, gain, groups): (&str, f64, std::ops::Range<usize>)| FamilyOfRuns {
            name: name.to_owned(),
            runs: groups.clone().map(|group| self.field.group(group).1.len()).sum(),
            groups: groups.len(),
            gain,
        };
        self.field.families().map(of).collect()
    }

    /// The entrants by cost; those that never stop last.
    pub(super) fn standings(&self, entrants: &[Entrant], tried: &[Tried]) -> Vec<Standing> {
        let outcomes: Vec<Outcome> = tried.par_iter().map(|tried| self.outcome(tried)).collect();
        let reference = entrants.iter().position(|entrant| entrant.kind == Kind::Patience);
        let reference = reference.map(|k| &outcomes[k]);
        let mut standings: Vec<Standing> = entrants
            .par_iter()
            .zip(tried)
            .zip(&outcomes)
            .map(|((entrant, tried), outcome)| {
                let (all, families) = self.measures(outcome, reference);
                Standing {
                    rank: None,
                    rule: entrant.name(),
                    baseline: entrant.baseline,
                    stopped: tried.stopped.iter().filter(|stop| stop.step.is_some()).count(),
                    all,
                    families,
                    settings: tried.settings.clone(),
                    tests: if entrant.baseline {
                        Vec::new()
                    } else {
                        self.tests(outcome, entrants, &outcomes)
                    },
                    stops: self.stops(tried, outcome),
                }
            })
            .collect();
        correct(&mut standings);
        standings.sort_by(|a, b| {
            let cost = |standing: &Standing| standing.all.cost.value;
            (a.stopped == 0).cmp(&(b.stopped == 0)).then(cost(a).total_cmp(&cost(b)))
        });
        let stopping = standings.iter_mut().filter(|standing| standing.stopped > 0);
        stopping.enumerate().for_each(|(k, standing)| standing.rank = Some(k + 1));
        standings
    }

    fn outcome(&self, tried: &Tried) -> Outcome {
        let worth = |(run, stopped)| self.field.worth(run, stopped);
        let worth = tried.stopped.iter().enumerate().map(worth).collect();
        // Each stop as a share of its run; of no stop, the end.
        let mut shares: Vec<(Option<f64>, f64)> = Vec::new();
        for ((stopped, run), weight) in
            tried.stopped.iter().zip(self.runs).zip(self.field.weights())
        {
            let last = run.history.last_step().max(1);
            let share = stopped.step.map(|step| step as f64 / last as f64);
            match shares.iter_mut().find(|(other, _)| *other == share) {
                Some((_, sum)) => *sum += weight,
                None => shares.push((share, weight)),
            }
        }
        let chance = |(run, judged): (usize, &Judged)| -> f64 {
            let cost = |(share, weight): &(Option<f64>, f64)| {
                let stopped = share.map_or_else(|| judged.at(None), |share| judged.at_share(share));
                weight * self.field.worth(run, &stopped).cost
            };
            shares.iter().map(cost).sum()
        };
        Outcome { worth, chance: self.field.runs().iter().enumerate().map(chance).collect() }
    }

    fn measures(
        &self,
        outcome: &Outcome,
        reference: Option<&Outcome>,
    ) -> (Measures, Vec<Measures>) {
        let Outcome { worth, chance } = outcome;
        let by_group = |value: &dyn Fn(usize) -> f64| self.field.by_group(value);
        let cost = by_group(&|run| worth[run].cost);
        let regret = by_group(&|run| worth[run].regret);
        let against_end = by_group(&|run| worth[run].against_end);
        let saved = by_group(&|run| worth[run].saved);
        let worse = by_group(&|run| f64::from(u8::from(worth[run].against_end > self.epsilon)));
        let timing = by_group(&|run| chance[run] - worth[run].cost);
        let wins = reference.map(|reference| {
            by_group(&|run| {
                let [own, other] = [outcome, reference].map(|of| of.worth[run].regret);
                if own == other { 0.5 } else { f64::from(u8::from(own < other)) }
            })
        });
        let of = |resamples: &Resamples, groups: std::ops::Range<usize>| {
            let estimate = |values: &[f64]| resamples.estimate(&values[groups.clone()]);
            Measures {
                cost: estimate(&cost),
                regret: estimate(&regret),
                against_end: estimate(&against_end),
                saved: estimate(&saved).of_share(),
                worse: estimate(&worse).of_share(),
                wins: wins.as_deref().map(|wins| estimate(wins).of_share()),
                timing: estimate(&timing),
            }
        };
        let families = self.field.families().zip(&self.families);
        let families = families.map(|((_, _, groups), resamples)| of(resamples, groups));
        (of(&self.all, 0..cost.len()), families.collect())
    }

    /// Against each baseline and against stops at random.
    fn tests(&self, own: &Outcome, entrants: &[Entrant], outcomes: &[Outcome]) -> Vec<Test> {
        let baselines = entrants.iter().zip(outcomes).filter(|(entrant, _)| entrant.baseline);
        let against = |name: String, cost: &dyn Fn(usize) -> f64| {
            let differences = self.field.by_group(|run| own.worth[run].cost - cost(run));
            let p = sign_test(&self.field.group_counts(), &differences, SIGNS, SEED);
            let difference = self.all.estimate(&differences);
            Test { against: name, difference, p, p_holm: p }
        };
        let chance = against("random stops".to_owned(), &|run| own.chance[run]);
        let of_baseline = |(entrant, other): (&Entrant, &Outcome)| {
            against(entrant.name(), &|run| other.worth[run].cost)
        };
        baselines.map(of_baseline).chain([chance]).collect()
    }

    fn stops(&self, tried: &Tried, outcome: &Outcome) -> Vec<RunStop> {
        let setting = |fold: usize| tried.settings.get(fold).map(|(_, words)| words.clone());
        let of = |(run, at): (usize, &StudyRun)| {
            let StudyRun { history, family, group } = at;
            let (stopped, worth) = (&tried.stopped[run], &outcome.worth[run]);
            RunStop {
                family: family.clone(),
                group: group.clone(),
                run: history.folder().to_owned(),
                setting: setting(tried.fold[run]).unwrap_or_default(),
                stop: stopped.step,
                saved: stopped.saved,
                loss: stopped.loss,
                regret: worth.regret,
                against_end: worth.against_end,
            }
        };
        self.runs.iter().enumerate().map(of).collect()
    }
}

/// Corrects each p for all tests of the comparison.
fn correct(standings: &mut [Standing]) {
    let mut tests: Vec<&mut Test> =
        standings.iter_mut().flat_map(|standing| &mut standing.tests).collect();
    let p: Vec<f64> = tests.iter().map(|test| test.p).collect();
    for (test, p) in tests.iter_mut().zip(holm(&p)) {
        test.p_holm = p;
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Entry;
    use super::*;

    #[test]
    fn of_two_stops_above_the_first_loss_none_wins() {
        // The loss rises and then falls below the first one: the other rule stops at its peak.
        let judged = |losses: [f64; 4]| {
            let evaluations: Vec<(u64, f64)> = (0..).step_by(10).zip(losses).collect();
            Judged::new(&evaluations, 1, vec![0, 10, 20, 30], 30).unwrap()
        };
        let runs = [judged([3.0, 90.0, 40.0, 1.0]), judged([3.0, 2.0, 40.0, 1.0])];
        let entry = |(k, judged): (usize, &Judged)| Entry {
            family: "f".to_owned(),
            group: k.to_string(),
            judged: judged.clone(),
        };
        let field = Field::new(runs.iter().enumerate().map(entry).collect(), 0.1).unwrap();
        let stopped = |step| Outcome {
            worth: (0..2).map(|run| field.worth(run, &runs[run].at(Some(step)))).collect(),
            chance: vec![0.0; 2],
        };
        let wins = |own, other| {
            let scores = Scores::new(&field, &[], 0.01);
            scores.measures(&stopped(own), Some(&stopped(other))).0.wins.unwrap().value
        };
        // A tie in the first run, where 40 and 90 are both above 3; 40 loses to 2 in the other.
        assert_eq!([wins(20, 10), wins(10, 20)], [0.25, 0.75]);
        assert_eq!(wins(30, 20), 1.0);
    }
}
