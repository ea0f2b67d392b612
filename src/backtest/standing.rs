//! The result of a comparison of rules.

use std::path::PathBuf;

use serde::Serialize;

use super::resample::Estimate;

/// Rules compared on families of runs.
#[derive(Clone, Debug, Serialize)]
pub struct Study {
    /// The loss that the runs are judged by, and no rule sees.
    pub judge: String,
    /// Evaluations in its moving mean.
    pub smooth: usize,
    /// A run is worse than the full budget above this, in parts of the gain.
    pub epsilon: f64,
    /// The price of all steps of a run, in parts of the gain.
    pub full_cost: f64,
    /// The families of runs.
    pub families: Vec<FamilyOfRuns>,
    /// Which runs a rule was tuned on.
    pub tuned_on: &'static str,
    /// The rules, the cheapest first; those that never stop come last.
    pub standings: Vec<Standing>,
    /// Rules that these runs cannot judge, with the reason.
    pub not_judged: Vec<(String, String)>,
}

/// A family of runs.
#[derive(Clone, Debug, Serialize)]
pub struct FamilyOfRuns {
    /// Its name.
    pub name: String,
    /// How many runs it has.
    pub runs: usize,
    /// How many groups (seeds) it has.
    pub groups: usize,
    /// The unit of losses: the first judged loss less the lowest, mean over its runs.
    pub gain: f64,
}

/// A rule or baseline in the comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Its place; none if it never stops.
    pub rank: Option<usize>,
    /// Its name.
    pub rule: String,
    /// Whether rules are compared with it.
    pub baseline: bool,
    /// How many runs it stops.
    pub stopped: usize,
    /// Over all families.
    pub all: Measures,
    /// In each family, in their order.
    pub families: Vec<Measures>,
    /// What was chosen for each part of the runs that was left out of the tuning.
    pub settings: Vec<(String, String)>,
    /// Against each baseline; of rules that are none.
    pub tests: Vec<Test>,
    /// The stop of each run.
    #[serde(skip)]
    pub stops: Vec<RunStop>,
}

/// What a rule does, mean over families; losses in parts of the gain, none above the first of its run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measures {
    /// Regret, and the price of the trained steps.
    pub cost: Estimate,
    /// Judged loss at the stop less the lowest of the run.
    pub regret: Estimate,
    /// Judged loss at the stop less that at the end.
    pub against_end: Estimate,
    /// Share of the steps that is saved.
    pub saved: Estimate,
    /// Share of the runs that are worse than the full budget by more than ε.
    pub worse: Estimate,
    /// Share of the runs whose regret is lower than with patience 3 on the validation loss; ties count
    /// half.
    pub wins: Option<Estimate>,
    /// How much lower the regret is than that of stops at random, drawn from this rule's own times.
    pub timing: Estimate,
}

/// A rule against a baseline, by cost.
#[derive(Clone, Debug, Serialize)]
pub struct Test {
    /// The baseline.
    pub against: String,
    /// The rule's cost less the baseline's, of the same runs.
    pub difference: Estimate,
    /// How often chance alone goes as far, by signs of the groups' differences.
    pub p: f64,
    /// The same, corrected for all tests of the comparison (Holm).
    pub p_holm: f64,
}

impl Test {
    /// Whether the rule is cheaper than the baseline, and not by chance.
    pub fn better(&self) -> bool {
        self.difference.value < 0.0 && self.p_holm < 0.05
    }

    /// Whether it is dearer, and not by chance.
    pub fn worse(&self) -> bool {
        self.difference.value > 0.0 && self.p_holm < 0.05
    }
}

/// The stop of a run.
#[derive(Clone, Debug)]
pub struct RunStop {
    /// The run's family.
    pub family: String,
    /// Its group.
    pub group: String,
    /// Its folder.
    pub run: PathBuf,
    /// What was chosen without this run.
    pub setting: String,
    /// The analysed step that led to the verdict; none when the rule does not stop the run.
    pub stop: Option<u64>,
    /// The share of the steps that is saved.
    pub saved: f64,
    /// The judged loss there.
    pub loss: f64,
    /// Less the lowest of the run, in parts of the gain.
    pub regret: f64,
    /// Less that at the end of the run, in parts of the gain.
    pub against_end: f64,
}
