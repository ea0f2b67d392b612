//! What the steps and the times of a series of checkpoints say: steps that are missing, files that are older
//! than those of earlier steps.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::source::Checkpoint;

/// Steps that a message lists.
const LISTED: usize = 6;
/// File times closer together than this have no order.
const APART: Duration = Duration::from_secs(2);

/// Warns of what contradicts the order of the steps; `ordered` is in their order.
pub(super) fn check(ordered: &[&Checkpoint]) {
    let steps: Vec<u64> = ordered.iter().map(|checkpoint| checkpoint.step).collect();
    if let Some((every, missing)) = missing(&steps) {
        let shown: Vec<String> = missing.iter().take(LISTED).map(u64::to_string).collect();
        let more = if missing.len() > LISTED { ", .." } else { "" };
        tracing::warn!(
            "the checkpoints are {every} steps apart, and {} are missing: steps {}{more}",
            missing.len(),
            shown.join(", ")
        );
    }
    let times: Vec<Option<SystemTime>> = ordered.iter().map(|c| written(&c.path)).collect();
    let earlier = times.windows(2).position(|pair| match pair {
        [Some(one), Some(next)] => next.checked_add(APART).is_some_and(|next| next < *one),
        _ => false,
    });
    if let Some(k) = earlier {
        let (one, next) = (ordered[k], ordered[k + 1]);
        tracing::warn!(
            "{} (step {}) was written before {} (step {}), by the times of the files: if they were not \
             copied in this order, the steps or the files are not those of one run",
            next.path.display(),
            next.step,
            one.path.display(),
            one.step
        );
    }
}

/// The checkpoints in the order of their steps.
pub(super) fn in_order(checkpoints: &[Checkpoint]) -> Result<Vec<&Checkpoint>, Error> {
    let mut ordered: Vec<&Checkpoint> = checkpoints.iter().collect();
    ordered.sort_by_key(|checkpoint| checkpoint.step);
    match ordered.windows(2).find(|pair| pair[0].step == pair[1].step) {
        Some(pair) => {
            let source = "another checkpoint has the same step: give each step once".into();
            Err(Error::Checkpoints { path: pair[1].path.clone(), source })
        }
        None => Ok(ordered),
    }
}

/// The distance of steps in a regular schedule, and the steps that it lacks.
fn missing(steps: &[u64]) -> Option<(u64, Vec<u64>)> {
    let distances: Vec<u64> = steps.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let count = |every: u64| distances.iter().filter(|d| **d == every).count();
    let every = distances.iter().copied().max_by_key(|d| (count(*d), u64::MAX - d))?;
    if count(every) < 3 || 3 * count(every) < 2 * distances.len() {
        return None;
    }
    let gap = |pair: &[u64]| pair[1] - pair[0] > every && (pair[1] - pair[0]).is_multiple_of(every);
    let within =
        |pair: &[u64]| (pair[0]..pair[1]).step_by(every as usize).skip(1).take(1000).collect();
    let missing: Vec<u64> = steps
        .windows(2)
        .filter(|pair| gap(pair))
        .flat_map(|pair| -> Vec<u64> { within(pair) })
        .collect();
    (!missing.is_empty()).then_some((every, missing))
}

/// When a checkpoint was last written to.
pub(super) fn written(path: &Path) -> Option<SystemTime> {
    let time = |path: &Path| std::fs::metadata(path).ok()?.modified().ok();
    if !path.is_dir() {
        return time(path);
    }
    let entries = std::fs::read_dir(path).ok()?.flatten();
    entries.filter(|entry| entry.path().is_file()).filter_map(|entry| time(&entry.path())).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_a_regular_schedule_are_found() {
        assert_eq!(
            missing(&[0, 100, 200, 300, 500, 800, 900, 1000]),
            Some((100, vec![400, 600, 700]))
        );
        for steps in [
            &[0, 100, 200, 300][..],
            &[0, 1, 2, 4, 8, 16, 32, 64],
            &[0, 100, 200, 350, 450],
            &[0, 500],
            &[5],
            &[],
        ] {
            assert_eq!(missing(steps), None, "{steps:?}");
        }
    }
}
