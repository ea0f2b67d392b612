//! `neuromfa backtest --judge`: rules on families of runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use neuromfa::internals::backtest::{Study, StudyOptions, StudyRun};
use neuromfa::internals::record::holds_run;
use regex_lite::Regex;

use crate::output::write_file;
use crate::report;

/// Quantities whose rules are tested.
const MONITORS: [&str; 4] = ["E", "E_stable", "width_excess", "alpha0_excess"];
/// How deep runs may lie in a folder that is given.
const DEPTH: usize = 3;

#[derive(Args)]
#[command(next_help_heading = "Compare rules on many runs")]
pub struct Comparison {
    /// Judge by this loss, which no rule may watch: a column of metrics.csv, on data that takes no
    /// part in training.
    #[arg(long, value_name = "NAME")]
    judge: Option<String>,
    /// The family of a run: what this regular expression finds in its path, or its first group.
    /// Rules are judged on a family with settings chosen on the others [default: the name of the
    /// folder that holds the run].
    #[arg(long, value_name = "REGEX", requires = "judge")]
    family: Option<Regex>,
    /// Runs of a family that share what this finds in the run's name are drawn together; others are
    /// drawn alone.
    #[arg(long, value_name = "REGEX", requires = "judge", default_value = "seed[-_=]?([0-9]+)")]
    group: Regex,
    /// The judged loss is the mean of N evaluations, the middle one at its step.
    #[arg(long, value_name = "N", requires = "judge", default_value_t = 5)]
    smooth: usize,
    /// A run is worse than its full budget above this, in parts of what training gains.
    #[arg(long, value_name = "SHARE", requires = "judge", default_value_t = 0.02)]
    epsilon: f64,
    /// What training to the end costs, in parts of what it gains: rules are tuned and ranked by the
    /// loss they give up and this price of the steps they train.
    #[arg(long, value_name = "SHARE", requires = "judge", default_value_t = 0.1)]
    full_cost: f64,
    /// The loss of training [default: train_loss or loss].
    #[arg(long, value_name = "NAME", requires = "judge")]
    train_loss: Option<String>,
    /// Also write one line for each rule and run to this file.
    #[arg(long, value_name = "FILE", requires = "judge")]
    runs_csv: Option<PathBuf>,
}

impl Comparison {
    pub fn wanted(&self) -> bool {
        self.judge.is_some()
    }

    /// Compares the rules on the runs in these folders.
    pub fn compare(
        &self,
        folders: &[PathBuf],
        monitors: Vec<String>,
        loss: Option<String>,
    ) -> anyhow::Result<Study> {
        ensure!(self.smooth % 2 == 1, "--smooth {}: give an odd number, 1 for none", self.smooth);
        for (option, value) in [("--epsilon", self.epsilon), ("--full-cost", self.full_cost)] {
            ensure!(value.is_finite() && value >= 0.0, "{option} {value}: give a number from 0 on");
        }
        let judge = self.judge.clone().unwrap_or_default();
        let read = |folder: &PathBuf| -> anyhow::Result<StudyRun> {
            let [family, group] = self.place(folder)?;
            Ok(StudyRun::read(folder, &judge, family, group)?)
        };
        let runs = runs(folders)?.iter().map(read).collect::<Result<_, _>>()?;
        let monitors = match monitors.is_empty() {
            true => MONITORS.map(str::to_owned).to_vec(),
            false => monitors,
        };
        let options = StudyOptions {
            judge,
            smooth: self.smooth,
            epsilon: self.epsilon,
            full_cost: self.full_cost,
            monitors,
            loss,
            train_loss: self.train_loss.clone(),
        };
        let study = options.compare(runs)?;
        if let Some(path) = &self.runs_csv {
            write_file(path, &report::study_runs_csv(&study))?;
        }
        Ok(study)
    }

    /// The family and the group of a run.
    fn place(&self, folder: &Path) -> anyhow::Result<[String; 2]> {
        let found = |pattern: &Regex, text: &str| {
            let groups = pattern.captures(text)?;
            Some(groups.get(1).or(groups.get(0))?.as_str().to_owned())
        };
        let whole = folder.canonicalize().with_context(|| folder.display().to_string())?;
        let last = |path: &Path| {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let family = match &self.family {
            None => last(whole.parent().unwrap_or(Path::new(""))),
            Some(pattern) => found(pattern, &whole.to_string_lossy()).with_context(|| {
                format!("--family {pattern}: it finds nothing in {}", whole.display())
            })?,
        };
        let name = last(&whole);
        let group = found(&self.group, &name).unwrap_or(name);
        Ok([family, group])
    }
}

/// The runs in these folders and below them, each once.
fn runs(folders: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut runs = Vec::new();
    for folder in folders {
        let before = runs.len();
        collect(folder, DEPTH, &mut runs)?;
        if runs.len() == before {
            bail!("{}: it is no run, and no run lies below it", folder.display());
        }
    }
    let mut seen = BTreeSet::new();
    for run in &runs {
        ensure!(seen.insert(run.canonicalize()?), "{}: this run was given twice", run.display());
    }
    Ok(runs)
}

fn collect(folder: &Path, depth: usize, runs: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if holds_run(folder) {
        runs.push(folder.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut inside: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    inside.retain(|path| path.is_dir());
    inside.sort();
    if depth > 0 {
        inside.iter().try_for_each(|inner| collect(inner, depth - 1, runs))?;
    }
    Ok(())
}
