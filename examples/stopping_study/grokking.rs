//! Does a quantity move before the network groks? Alarms, their lead and their false alarms, as docs/stopping.md
//! defines them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Asked about: the measures of structure, and the companions that they have to beat.
pub const QUANTITIES: [&str; 10] = [
    "E",
    "E_stable",
    "width_excess",
    "alpha0_excess",
    "train_loss",
    "weight_norm",
    "norm_spread",
    "distance",
    "stable_rank",
    "tail_alpha",
];
const TEST_LOSS: &str = "test_loss";
/// Of the runs that do not grok, at most this share has an alarm where the limit is chosen.
const FALSE_ALARMS: f64 = 0.1;
/// Of a run: where its usual value and range are taken.
const BEGINNING: f64 = 0.1;
/// Seeds below this choose the limits.
const SEEDS_TO_CHOOSE: u64 = 4;

/// A run, by step.
#[derive(Debug)]
pub struct Run {
    /// What is drawn together.
    pub seed: u64,
    /// Each column at the steps where it has a value; ascending.
    pub columns: BTreeMap<String, Vec<(u64, f64)>>,
}

/// How early a quantity gives the alarm.
#[derive(Debug, PartialEq)]
pub struct Lead {
    pub quantity: &'static str,
    /// Ranges of the beginning that lie between its median and an alarm.
    pub limit: f64,
    /// Runs that do not grok, and those of them with an alarm.
    pub quiet: usize,
    pub false_alarms: usize,
    /// Runs that grok, and those of them with an alarm before.
    pub grok: usize,
    pub warned: usize,
    /// Steps from the alarm to grokking: the median, and its interval. Minus infinity where no alarm comes before.
    pub median: f64,
    pub interval: [f64; 2],
}

impl Run {
    /// Reads the tables of a run: what was logged, and what was computed.
    pub fn read(folder: &Path, seed: u64) -> Result<Self> {
        let mut columns = BTreeMap::new();
        for table in ["metrics.csv", "emergence.csv"] {
            add_table(&folder.join(table), &mut columns)?;
        }
        // Losses of analysed steps are in both.
        for values in columns.values_mut() {
            values.sort_by_key(|(step, _)| *step);
            values.dedup_by_key(|(step, _)| *step);
        }
        Ok(Self { seed, columns })
    }

    /// The first evaluation from which on the test loss stays below half of that before training.
    pub fn groks(&self) -> Option<u64> {
        let losses = self.columns.get(TEST_LOSS)?;
        let half = losses.first()?.1 / 2.0;
        let below = losses.iter().rev().take_while(|(_, loss)| *loss < half);
        below.last().map(|(step, _)| *step)
    }

    /// How far a quantity is from its median over the beginning, in parts of its range there, by step; after the
    /// beginning, where it is known.
    fn moves(&self, quantity: &str) -> Vec<(u64, f64)> {
        let Some(values) = self.columns.get(quantity) else { return Vec::new() };
        let last = values.last().map_or(0, |(step, _)| *step);
        let begins = |step: u64| step as f64 <= BEGINNING * last as f64;
        let (beginning, rest) = values.split_at(values.partition_point(|(step, _)| begins(*step)));
        let mut usual: Vec<f64> = beginning.iter().map(|(_, value)| *value).collect();
        usual.sort_unstable_by(f64::total_cmp);
        let (Some(low), Some(high)) = (usual.first(), usual.last()) else { return Vec::new() };
        let (middle, range) = (median(&usual), high - low);
        let away = |&(step, value): &(u64, f64)| (step, ((value - middle) / range).abs());
        rest.iter().map(away).collect()
    }

    /// The first step at which a quantity is farther away than this.
    fn alarm(&self, quantity: &str, limit: f64) -> Option<u64> {
        self.moves(quantity).into_iter().find(|(_, away)| *away > limit).map(|(step, _)| step)
    }
}

/// Adds the numbers of a table, by column.
fn add_table(path: &Path, columns: &mut BTreeMap<String, Vec<(u64, f64)>>) -> Result<()> {
    let mut table = csv::Reader::from_path(path).with_context(|| format!("{}", path.display()))?;
    let names = table.headers()?.clone();
    let step = names.iter().position(|name| name == "step").context("no column step")?;
    for row in table.records() {
        let row = row?;
        let at: u64 = row[step].parse()?;
        for (name, value) in names.iter().zip(&row) {
            if let Ok(value) = value.parse() {
                columns.entry(name.to_owned()).or_default().push((at, value));
            }
        }
    }
    Ok(())
}

/// Of each quantity that every run has. Limits are chosen on the runs of seeds 0 to 3, the rest is of the others.
pub fn leads(runs: &[Run]) -> Result<Vec<Lead>> {
    let (choose, judge): (Vec<&Run>, Vec<&Run>) =
        runs.iter().partition(|run| run.seed < SEEDS_TO_CHOOSE);
    let quiet = |of: &[&Run]| of.iter().filter(|run| run.groks().is_none()).count();
    ensure!(
        quiet(&choose) > 0 && quiet(&judge) > 0 && quiet(&judge) < judge.len(),
        "of the runs of seeds 0 to 3 {} of {} do not grok, of those of the other seeds {} of {}: both need \
         runs that do not, and the other seeds runs that do",
        quiet(&choose),
        choose.len(),
        quiet(&judge),
        judge.len()
    );
    let has = |quantity: &&str| runs.iter().all(|run| run.columns.contains_key(*quantity));
    let of = |quantity| {
        let limit = limit(&choose, quantity);
        let (grok, quiet): (Vec<&Run>, Vec<&Run>) =
            judge.iter().partition(|run| run.groks().is_some());
        let lead = |run: &Run| {
            let (groks, alarm) = (run.groks()?, run.alarm(quantity, limit)?);
            (alarm < groks).then(|| (groks - alarm) as f64)
        };
        let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for run in &grok {
            by_seed.entry(run.seed).or_default().push(lead(run).unwrap_or(f64::NEG_INFINITY));
        }
        let seeds: Vec<Vec<f64>> = by_seed.into_values().collect();
        let all = seeds.concat();
        Lead {
            quantity,
            limit,
            quiet: quiet.len(),
            false_alarms: quiet.iter().filter(|run| run.alarm(quantity, limit).is_some()).count(),
            grok: grok.len(),
            warned: all.iter().filter(|lead| lead.is_finite()).count(),
            median: sorted_median(all),
            interval: interval(&seeds),
        }
    };
    Ok(QUANTITIES.into_iter().filter(has).map(of).collect())
}

/// The smallest limit with an alarm in at most a tenth of the runs that do not grok.
fn limit(runs: &[&Run], quantity: &str) -> f64 {
    let quiet = runs.iter().filter(|run| run.groks().is_none());
    let farthest =
        |run: &&Run| run.moves(quantity).iter().map(|(_, away)| *away).fold(0.0, f64::max);
    let mut farthest: Vec<f64> = quiet.map(farthest).collect();
    farthest.sort_unstable_by(f64::total_cmp);
    let allowed = (FALSE_ALARMS * farthest.len() as f64) as usize;
    farthest[farthest.len() - 1 - allowed]
}

/// 95 % interval of the median, of all ways to draw the seeds with replacement.
fn interval(seeds: &[Vec<f64>]) -> [f64; 2] {
    let n = seeds.len();
    let ways = n.pow(n as u32);
    let draw = |way: usize| (0..n).map(move |k| &seeds[way / n.pow(k as u32) % n]);
    let mut medians: Vec<f64> =
        (0..ways).map(|way| sorted_median(draw(way).flatten().copied().collect())).collect();
    medians.sort_unstable_by(f64::total_cmp);
    [0.025, 0.975].map(|p| medians[((ways - 1) as f64 * p).round() as usize])
}

fn sorted_median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    median(&values)
}

/// Of ascending values, at least one; of an even number the lower of the two in the middle, if the other is no
/// number of steps.
fn median(sorted: &[f64]) -> f64 {
    let [low, high] = [(sorted.len() - 1) / 2, sorted.len() / 2].map(|k| sorted[k]);
    if low.is_finite() { (low + high) / 2.0 } else { low }
}

impl fmt::Display for Lead {
    /// A row of a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = |lead: f64| if lead.is_finite() { lead.to_string() } else { "none".to_owned() };
        let [low, high] = self.interval.map(steps);
        let Self { quantity, limit, quiet, false_alarms, grok, warned, median, .. } = self;
        write!(
            f,
            "| {quantity} | {limit:.1} | {false_alarms} of {quiet} | {warned} of {grok} | {} | {low} to {high} |",
            steps(*median)
        )
    }
}
