//! Runs in families and groups, and what a stop of each is worth.

use super::error::StudyError;
use super::judged::{Judged, Stopped};
use super::resample::ranges;

/// A run's place, and how it is judged.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its family: the same task and data.
    pub family: String,
    /// Its group in the family, mostly a seed: what is drawn together.
    pub group: String,
    /// Its held-out loss.
    pub judged: Judged,
}

/// Runs that rules are compared on, family by family, and in each group by group.
#[derive(Debug)]
pub struct Field {
    runs: Vec<Judged>,
    ends: Vec<[f64; 2]>,               // first and lowest judged loss of each run
    gains: Vec<f64>,                   // of the family of each run
    groups: Vec<(String, Vec<usize>)>, // with their runs
    families: Vec<Family>,
    full_cost: f64,
}

/// Runs of the same task.
#[derive(Debug)]
struct Family {
    name: String,
    groups: usize,
    gain: f64, // mean over its runs of the first judged loss less the lowest
}

/// What a stop comes to; losses in parts of the family's gain. A loss above the first of its run counts as
/// the first: nothing of the gain is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Worth {
    /// The judged loss at the stop less the lowest of the run.
    pub regret: f64,
    /// The judged loss at the stop less that at the end of the run.
    pub against_end: f64,
    /// The share of the steps that is saved.
    pub saved: f64,
    /// The regret, and the price of the steps that were trained.
    pub cost: f64,
}

impl Field {
    /// Entries in the order of their families and groups. `full_cost` is the price of all steps of a run, in parts of the gain.
    ///
    /// # Errors
    /// [`StudyError::NoGain`] for a family whose judged loss falls in none of its runs.
    pub fn new(entries: Vec<Entry>, full_cost: f64) -> Result<Self, StudyError> {
        let mut field = Self {
            runs: Vec::new(),
            ends: Vec::new(),
            gains: Vec::new(),
            groups: Vec::new(),
            families: Vec::new(),
            full_cost,
        };
        let mut gains: Vec<Vec<f64>> = Vec::new();
        let mut last: Option<(String, String)> = None;
        for (k, Entry { family, group, judged }) in entries.into_iter().enumerate() {
            let ends = judged.ends();
            let new_family = last.as_ref().is_none_or(|(last, _)| *last != family);
            if new_family {
                field.families.push(Family { name: family.clone(), groups: 0, gain: 0.0 });
                gains.push(Vec::new());
            }
            if new_family || last.as_ref().is_none_or(|(_, last)| *last != group) {
                field.groups.push((group.clone(), Vec::new()));
                field.families.last_mut().expect("begun").groups += 1;
            }
            field.groups.last_mut().expect("begun").1.push(k);
            gains.last_mut().expect("begun").push(ends[0] - ends[1]);
            field.ends.push(ends);
            field.runs.push(judged);
            last = Some((family, group));
        }
        for (family, gains) in field.families.iter_mut().zip(gains) {
            let runs = gains.len();
            family.gain = gains.iter().sum::<f64>() / runs as f64;
            if family.gain <= 0.0 {
                return Err(StudyError::NoGain { family: family.name.clone() });
            }
            field.gains.extend(std::iter::repeat_n(family.gain, runs));
        }
        Ok(field)
    }

    /// The runs.
    pub(super) fn runs(&self) -> &[Judged] {
        &self.runs
    }

    /// The name of each family, its gain and its groups.
    pub(super) fn families(&self) -> impl Iterator<Item = (&str, f64, std::ops::Range<usize>)> {
        let families = self.families.iter().zip(ranges(&self.group_counts()));
        families.map(|(family, groups)| (family.name.as_str(), family.gain, groups))
    }

    /// How many groups each family has.
    pub fn group_counts(&self) -> Vec<usize> {
        self.families.iter().map(|family| family.groups).collect()
    }

    /// The name of a group, and its runs.
    pub(super) fn group(&self, group: usize) -> (&str, &[usize]) {
        (&self.groups[group].0, &self.groups[group].1)
    }

    /// The mean of a value over the runs of each group.
    pub fn by_group(&self, value: impl Fn(usize) -> f64) -> Vec<f64> {
        let mean = |(_, runs): &(String, Vec<usize>)| {
            runs.iter().map(|&run| value(run)).sum::<f64>() / runs.len() as f64
        };
        self.groups.iter().map(mean).collect()
    }

    /// The weight of each run: families weigh the same, so do groups of a family and runs of a group.
    pub(super) fn weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.runs.len()];
        for (_, _, groups) in self.families() {
            let share = 1.0 / (self.families.len() * groups.len()) as f64;
            for (_, runs) in &self.groups[groups] {
                runs.iter().for_each(|&run| weights[run] = share / runs.len() as f64);
            }
        }
        weights
    }

    /// What a stop of a run is worth.
    pub fn worth(&self, run: usize, stopped: &Stopped) -> Worth {
        let [first, lowest] = self.ends[run];
        let above = |other: f64| (stopped.loss.min(first) - other.min(first)) / self.gains[run];
        let regret = above(lowest);
        Worth {
            regret,
            against_end: above(self.runs[run].at(None).loss),
            saved: stopped.saved,
            cost: regret + self.full_cost * (1.0 - stopped.saved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that is judged at steps 0, 10, 20 ..
    fn run(losses: &[f64]) -> Judged {
        let steps: Vec<u64> = (0..losses.len() as u64).map(|k| 10 * k).collect();
        let evaluations: Vec<(u64, f64)> = steps.iter().copied().zip(losses.to_vec()).collect();
        let last = *steps.last().unwrap();
        Judged::new(&evaluations, 1, steps, last).unwrap()
    }

    /// One family of two groups with these runs, a price of 0.1.
    fn field(runs: [&[f64]; 2]) -> Field {
        let entry = |(k, losses): (usize, &&[f64])| Entry {
            family: "f".to_owned(),
            group: k.to_string(),
            judged: run(losses),
        };
        Field::new(runs.iter().enumerate().map(entry).collect(), 0.1).unwrap()
    }

    #[test]
    fn a_loss_above_the_first_counts_as_the_first() {
        // Memorises, then groks; the other run only memorises: gains 3 and 1, mean 2.
        let runs: [&[f64]; 2] = [&[3.0, 90.0, 40.0, 0.0, 0.5], &[3.0, 2.0, 70.0, 80.0, 60.0]];
        let field = field(runs);
        let at = |k: usize, step| field.worth(k, &run(runs[k]).at(step));
        let [early, end] = [at(0, Some(10)), at(0, None)];
        assert_eq!([early.regret, early.against_end, early.saved], [1.5, 1.25, 0.75]);
        assert!((early.cost - 1.525).abs() < 1e-12 && (end.cost - 0.35).abs() < 1e-12);
        let [low, late] = [at(1, Some(10)), at(1, Some(20))];
        assert_eq!([low.regret, low.against_end], [0.0, -0.5]);
        assert_eq!([late.regret, late.against_end], [0.5, 0.0], "both are above the first");
    }

    #[test]
    fn stops_before_training_have_a_mean_regret_of_one() {
        let runs: [&[f64]; 2] = [&[5.0, 1.0, 7.0], &[2.0, 2.0, 2.5]];
        let field = field(runs);
        let regrets = field.by_group(|k| field.worth(k, &run(runs[k]).at(Some(0))).regret);
        assert_eq!(regrets, [2.0, 0.0]);
    }
}
