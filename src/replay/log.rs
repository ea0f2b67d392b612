//! What trainers logged next to the checkpoints of a series.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::schedule::written;
use crate::error::Error;
use crate::pipeline::Step;
use crate::record::{EMERGENCE, check_name, read_last_step, read_table};
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
    let (_, rows) = read_last_step(&folder.join(EMERGENCE)).ok()?;
    Some(rows.last()?.step)
}

/// What trainers logged: in trainer_state.json next to each checkpoint, and in a file of the user's.
#[derive(Debug, Default)]
pub(super) struct Log {
    file: Option<PathBuf>,
    pub(super) taken: Option<u64>, // the last step of which all is taken
    refused: BTreeSet<String>,
    read: Logged,         // what the file held
    as_of: Option<Stamp>, // when that was read
    said: bool,           // what there is to say of it
}

/// Length and time of a file.
type Stamp = (u64, Option<SystemTime>);

impl Log {
    /// With a file of the user's, if there is one.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, ..Self::default() }
    }

    /// The steps that were logged since the last call, up to a checkpoint.
    pub(super) fn up_to(&mut self, checkpoint: &Checkpoint) -> Result<Vec<Step>, Error> {
        self.read_file()?;
        let taken = self.taken.replace(checkpoint.step);
        let new = |step: &u64| taken.is_none_or(|taken| *step > taken) && *step <= checkpoint.step;
        let mut logged = checkpoint.log();
        logged.retain(|step, _| new(step));
        for (step, values) in self.read.iter().filter(|(step, _)| new(step)) {
            let at = logged.entry(*step).or_default();
            for (name, value) in values {
                if !at.iter().any(|(known, _)| known == name) {
                    at.push((name.clone(), *value));
                }
            }
        }
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
            Step::now(step, values.into_iter().map(|(name, value)| (name.into(), value)).collect())
        };
        Ok(logged.into_iter().map(step).filter(|at| !at.scalars.is_empty()).collect())
    }

    /// Reads the user's file, if it has changed.
    fn read_file(&mut self) -> Result<(), Error> {
        let Some(path) = &self.file else { return Ok(()) };
        let stamp = std::fs::metadata(path).ok().map(|data| (data.len(), data.modified().ok()));
        if stamp.is_none() || stamp != self.as_of {
            let (read, said) = metrics(path)?;
            (self.read, self.as_of) = (read, stamp);
            if !said.is_empty() && !std::mem::replace(&mut self.said, true) {
                said.iter().for_each(|said| tracing::warn!("{said}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.csv");
        let mut log = Log::new(Some(path.clone()));
        let mut steps = |text: &str, step: u64| -> Vec<u64> {
            std::fs::write(&path, text).unwrap();
            let checkpoint = Checkpoint::new(step, dir.path().join("model.pt"));
            log.up_to(&checkpoint).unwrap().iter().map(|step| step.step).collect()
        };
        assert_eq!(steps("step,loss\n1,3\n2,2.5\n", 1), [1]);
        assert_eq!(steps("step,loss\n1,3\n2,2.5\n3,2\n9,1\n", 3), [2, 3]);
        assert_eq!(steps("step,loss\n1,3\n2,2.5\n3,2\n9,1\n", 8), [0; 0]);
    }
}
