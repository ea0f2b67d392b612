//! Rules tuned on the runs that they are not judged on.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::entrant::{Entrant, Setting};
use super::error::StudyError;
use super::field::Field;
use super::history::History;
use super::judged::{Judged, Stopped};

/// A run of a comparison.
#[derive(Debug)]
pub struct StudyRun {
    pub(super) history: History,
    pub(super) family: String,
    pub(super) group: String,
}

impl StudyRun {
    /// Reads a run that is judged by this loss.
    ///
    /// # Errors
    /// As [`History::read`].
    pub fn read(
        folder: &Path,
        judge: &str,
        family: String,
        group: String,
    ) -> Result<Self, StudyError> {
        let history = History::with_loss(folder, Some(judge), "--judge")?;
        Ok(Self { history, family, group })
    }
}

/// The groups that are judged together, and their name; rules are tuned on all the others.
pub(super) type Fold = (String, Range<usize>);

pub(super) fn folds(field: &Field) -> Result<Vec<Fold>, StudyError> {
    let families: Vec<Fold> =
        field.families().map(|(name, _, groups)| (name.to_owned(), groups)).collect();
    match families.as_slice() {
        [(_, groups)] if groups.len() < 2 => Err(StudyError::OneGroup),
        [(_, groups)] => {
            Ok(groups.clone().map(|g| (field.group(g).0.to_owned(), g..g + 1)).collect())
        }
        _ => Ok(families),
    }
}

/// A rule with the settings that were chosen for it.
pub(super) struct Tried {
    pub(super) stopped: Vec<Stopped>,           // of each run
    pub(super) settings: Vec<(String, String)>, // of each fold, with its name
    pub(super) fold: Vec<usize>,                // of each run
}

/// Chooses the cheapest setting on the runs outside each fold, and stops the runs of the fold with it.
pub(super) fn try_out(
    entrant: &Entrant,
    runs: &[StudyRun],
    field: &Field,
    folds: &[Fold],
) -> Tried {
    let mut known: Vec<(Setting, Vec<Stopped>)> = Vec::new();
    let mut tried = Tried {
        // Without a setting, no run is stopped.
        stopped: field.runs().iter().map(|run| run.at(None)).collect(),
        settings: Vec::new(),
        fold: vec![0; runs.len()],
    };
    for (k, (name, judged)) in folds.iter().enumerate() {
        let of_groups = |inside: bool| {
            let groups = (0..field.group_counts().iter().sum())
                .filter(move |g| judged.contains(g) == inside);
            groups.flat_map(|group| field.group(group).1.iter().copied())
        };
        let training: Vec<&History> = of_groups(false).map(|run| &runs[run].history).collect();
        let settings = entrant.settings(&training);
        let mut best: Option<(f64, usize)> = None;
        for setting in settings {
            let place = known.iter().position(|(other, _)| *other == setting);
            let place = place.unwrap_or_else(|| {
                let stops =
                    |(run, judged): (&StudyRun, &Judged)| setting.stops(&run.history, judged);
                let all = runs.par_iter().zip(field.runs()).map(stops).collect();
                known.push((setting, all));
                known.len() - 1
            });
            let stopped = &known[place].1;
            let cost = mean_outside(field, judged, |run| field.worth(run, &stopped[run]).cost);
            if best.is_none_or(|(lowest, _)| cost < lowest) {
                best = Some((cost, place));
            }
        }
        let Some((_, place)) = best else { continue };
        let (setting, stopped) = &known[place];
        for run in of_groups(true) {
            (tried.stopped[run], tried.fold[run]) = (stopped[run], k);
        }
        tried.settings.push((name.clone(), setting.words()));
    }
    tried
}

/// The mean over the families, of the groups outside a fold.
fn mean_outside(field: &Field, fold: &Range<usize>, value: impl Fn(usize) -> f64) -> f64 {
    let by_group = field.by_group(value);
    let means = field.families().filter_map(|(_, _, groups)| {
        let outside: Vec<f64> = groups.filter(|g| !fold.contains(g)).map(|g| by_group[g]).collect();
        (!outside.is_empty()).then(|| outside.iter().sum::<f64>() / outside.len() as f64)
    });
    let means: Vec<f64> = means.collect();
    means.iter().sum::<f64>() / means.len() as f64
}
