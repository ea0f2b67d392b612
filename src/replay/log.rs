//! What trainers logged next to the checkpoints of a series.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::schedule::written;
use crate::error::Error;
use crate::pipeline::Step;
use crate::record::{EMERGENCE, check_name, read_table};
use crate::source::{Checkpoint, Logged, metrics};

/// Warns of a checkpoint that was written to after its row. Files and rows have times of their own.
pub(super) fn check_age(checkpoint: &Checkpoint, times: &BTreeMap<u64, f64>) {
    const APART: Duration = Duration::from_secs(2);
    let recorded = times.get(&checkpoint.step).filter(|time| **time > 0.0 && **time < 1e12);
    let recorded = recorded.map(|time| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(*time));
    if recorded.zip(written(&checkpoint.path)).is_some_and(|(row, file)| file > row + APART) {
        tracing::warn!(
            "{} was written after step {} was analysed: if its weights are others now, analyse all \
             again (overwrite)",
            checkpoint.path.display(),
            checkpoint.step
        );
    }
}

/// The times of the rows in a run's folder, by step.
pub(super) fn times(folder: &Path) -> BTreeMap<u64, f64> {
    let Ok((columns, rows)) = read_table(&folder.join(EMERGENCE)) else { return BTreeMap::new() };
    let Some(at) = columns.iter().position(|column| column == "wall_time") else {
        return BTreeMap::new();
    };
    rows.iter().filter_map(|row| Some((row[0].parse().ok()?, row[at].parse().ok()?))).collect()
}

/// The last step that has a row in a run's folder.
pub(super) fn last_row(folder: &Path) -> Option<u64> {
    let (_, rows) = read_table(&folder.join(EMERGENCE)).ok()?;
    rows.last()?.first()?.parse().ok()
}

/// What trainers logged: in trainer_state.json next to each checkpoint, and in a file of the user's.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) file: Option<PathBuf>,
    pub(super) taken: Option<u64>, // the last step of which all is taken
    pub(super) refused: BTreeSet<String>,
}

impl Log {
    /// The steps that were logged since the last call, up to a checkpoint.
    pub(super) fn up_to(&mut self, checkpoint: &Checkpoint) -> Result<Vec<Step>, Error> {
        let mut logged = checkpoint.log();
        for (step, values) in self.file.as_deref().map_or(Ok(Logged::new()), metrics)? {
            let at = logged.entry(step).or_default();
            for (name, value) in values {
                if !at.iter().any(|(known, _)| *known == name) {
                    at.push((name, value));
                }
            }
        }
        let taken = self.taken.replace(checkpoint.step);
        let new = |step: &u64| taken.is_none_or(|taken| *step > taken) && *step <= checkpoint.step;
        let new: Vec<_> = logged.into_iter().filter(|(step, _)| new(step)).collect();
        let mut usable = |name: &String| match check_name(name) {
            Ok(()) => true,
            Err(why) => {
                if self.refused.insert(name.clone()) {
                    tracing::warn!("{}: {why}", checkpoint.path.display());
                }
                false
            }
        };
        let step = |(step, mut values): (u64, Vec<(String, f64)>)| {
            values.retain(|(name, _)| usable(name));
            Step::now(step, values)
        };
        Ok(new.into_iter().map(step).filter(|at| !at.scalars.is_empty()).collect())
    }
}
