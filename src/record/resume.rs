//! Resumes a recorded run.

use std::collections::HashMap;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::config::{Difference, check_schema, difference};
use super::entries;
use super::files::{
    BASELINE, EMERGENCE, ENTRIES, HASHES, METRICS, NODES, RUN, SUMMARY, holds_run, read_json,
    remove_neurons, remove_run, remove_unfinished,
};
use super::owned::owned;
use super::recorded::{LoggedRows, RecordedRows};
use super::resumable::Tables;
use super::rows::Rows;
use super::seen::{Digest, Seen};
use super::{RecordError, Recorder, RunConfig, Summary};
use crate::analysis::Baseline;
use crate::network::Draw;

/// A run that is being resumed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// Writes to the run's files.
    pub recorder: Recorder,
    /// The drawn neurons.
    pub draw: Draw,
    /// What the run compares against.
    pub baseline: Baseline,
    /// The first step that is not in the files.
    pub next_step: u64,
    /// The last step that was reported, or lost; none when only the first was measured.
    pub last_step: Option<u64>,
    /// The step at which the stop rule ended training, if it did.
    pub stopped_step: Option<u64>,
    /// The first analysed step.
    pub first_step: u64,
    /// The weights of the analysed steps before it, each with the first step that had them.
    pub seen: HashMap<Digest, u64>,
    /// Those of the last one.
    pub last_seen: Option<(u64, Digest)>,
    /// Whether weights were set back after the last of these steps.
    pub rolled_back: bool,
    /// If the files end before the step at which the run continues: the first missing step.
    pub gap_from: Option<u64>,
}

/// Steps that lie this far apart are a mistake, unless the program says that they are none.
const GAP: u64 = 1_000_000_000;

/// Refuses a step that lies so far after the last one that it must be a mistake.
pub(crate) fn check_gap(allowed: bool, last: Option<u64>, step: u64) -> Result<(), RecordError> {
    match last {
        Some(last) if !allowed && step.saturating_sub(last) >= GAP => {
            Err(RecordError::Gap { step, last })
        }
        _ => Ok(()),
    }
}

/// A resume at this step or before leaves next to nothing of a run.
const EARLY: u64 = 2;
/// So many steps of a run may be removed by such a resume.
const FEW: usize = 100;

/// Opens the run in a folder to continue with step `at` (after its last recorded step, when
/// `None`). Removes incomplete lines that a crash left, and the rows from that step on. `due` says
/// which steps the run analyses. `Ok(None)` when there is no run to resume, so that a new one can
/// begin.
///
/// # Errors
/// - [`RecordError::NothingToResume`] when `at` is beyond step 1 and there is no run;
/// - [`RecordError::Gap`] when `at` lies so far after the last recorded step that it must be a mistake;
/// - [`RecordError::Discards`] when `at` would remove nearly all of a long run;
/// - [`RecordError::Mismatch`] when the run's configuration, or its nodes against `draw`, differ;
/// - [`RecordError::Locked`], [`RecordError::Row`], or a file cannot be read. Nothing has then been
///   changed;
/// - [`RecordError::Write`] when the system refuses.
pub fn resume(
    folder: &Path,
    config: &RunConfig,
    draw: Option<&Draw>,
    (at, allows_gaps): (Option<u64>, bool),
    due: &dyn Fn(u64) -> bool,
) -> Result<Option<Recorded>, RecordError> {
    let nothing = |step| RecordError::NothingToResume { path: folder.to_owned(), step };
    let beyond = at.filter(|&step| step > 1);
    if !holds_run(folder) {
        return beyond.map_or(Ok(None), |step| Err(nothing(step)));
    }
    let mut recorder = Recorder::lock(folder)?;
    let own = owned(&recorder.folder)?;
    let (stored, mut baseline) = read_same_run(folder, config, draw)?;
    let mut tables = Tables::read(&recorder.folder, at, due)?;
    tables.check_columns(folder)?;
    tables.check_metrics(folder)?;
    if recorder.folder.has(ENTRIES) {
        baseline.entries = entries::read(folder)?;
    } else if baseline.stable.is_some() {
        entries::say_missing(folder);
    }
    let complete = tables.complete_before(&recorder.folder, config)?;
    let next_step = at.unwrap_or(complete);
    let (lost, last_step) = (tables.lost(config), tables.last_step());
    check_gap(allows_gaps, complete.checked_sub(1), next_step)?;
    if let (Some(step @ ..=EARLY), Some(last)) = (at, last_step) {
        let rows = tables.metrics.removed;
        if rows > FEW {
            return Err(RecordError::Discards { path: folder.to_owned(), step, rows, last });
        }
    }
    let kept = next_step.min(complete);
    let Some(first_step) = tables.emergence.first.filter(|&first| first < kept) else {
        if let Some(step) = beyond {
            return Err(nothing(step));
        }
        if let Some(path) = lost.filter(|_| next_step >= complete) {
            let source = "its rows from the first step on are not there".into();
            return Err(RecordError::Damaged { path: folder.join(path), source });
        }
        // The process was killed while it wrote its first step.
        remove_run(&recorder.folder, &own)?;
        return Ok(None);
    };
    // Nothing is changed before all that is needed was read.
    let places = tables.places(&recorder.folder, kept)?;
    let seen = match recorder.folder.has(HASHES) {
        true => Seen::read(Rows::within(&recorder.folder, HASHES, 0)?, kept)?,
        false => Seen::default(),
    };
    if next_step >= complete && last_step > Some(complete) {
        tracing::warn!(
            "the files of the run in {} are complete only before step {complete}: the rows \
             from that step on are removed",
            folder.display()
        );
    }
    let summary = folder.join(SUMMARY);
    let recorded_stop =
        read_json::<Summary>(&summary).ok().and_then(|summary| summary.stop?.stopped_step);
    // The run is no longer finished.
    recorder.folder.remove(SUMMARY)?;
    remove_unfinished(&recorder.folder)?;
    let last_logged = places[0].1;
    recorder.thinning = tables.thinning(config, kept);
    tables.open(places, kept, &mut recorder)?;
    if config.neurons {
        remove_neurons(&recorder.folder, kept)?;
    }
    let gap_from = (next_step > complete).then_some(complete);
    Ok(Some(Recorded {
        recorder,
        draw: stored,
        baseline,
        next_step,
        last_step: gap_from.map_or(last_logged, |_| Some(next_step - 1)),
        stopped_step: recorded_stop.filter(|&step| step < next_step),
        first_step,
        rolled_back: tables.metrics.rolled_back_after(seen.last.map(|(step, _)| step), kept),
        seen: seen.first,
        last_seen: seen.last,
        gap_from,
    }))
}

impl Recorded {
    /// The analysed steps before the one at which the run continues.
    pub(crate) fn rows(&self) -> Result<RecordedRows, RecordError> {
        Ok(RecordedRows::of(Rows::within(&self.recorder.folder, EMERGENCE, 0)?))
    }

    /// What the loop logged of these quantities, by step; steps without any of them are left out.
    pub(crate) fn logged(&self, names: Vec<String>) -> Result<LoggedRows, RecordError> {
        let folder = &self.recorder.folder;
        let rows = folder.has(METRICS).then(|| Rows::within(folder, METRICS, 0)).transpose()?;
        Ok(LoggedRows::of(rows, names))
    }
}

/// The neurons and the baseline of a run, after its configuration was found to be the same.
fn read_same_run(
    folder: &Path,
    config: &RunConfig,
    draw: Option<&Draw>,
) -> Result<(Draw, Baseline), RecordError> {
    check_schema(folder)?;
    let stored: Draw = needed(folder, NODES)?;
    let nodes = || draw.and_then(|draw| difference("nodes", &stored, draw));
    match config.difference(&needed(folder, RUN)?).or_else(nodes) {
        Some(Difference { key, recorded, current }) => {
            Err(RecordError::Mismatch { path: folder.to_owned(), key, recorded, current })
        }
        None => Ok((stored, needed(folder, BASELINE)?)),
    }
}

fn needed<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, RecordError> {
    let path = folder.join(name);
    read_json(&path).map_err(|source| RecordError::Damaged { path, source })
}
