//! Snapshots in; rows, calls of the listeners and verdicts out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::analyst::{Analysed, Analyst};
use super::axis::Axis;
use super::judge::Judge;
use super::tally::{Seen, Tally};
use super::watched::Watched;
use crate::analysis::{Baseline, Concern, Emergence, Entries, Plan, Status, WarningKind};
use crate::error::Error;
use crate::record::{
    BudgetRecord, Cost, Digest, Disk, ROLLED_BACK, Recorder, Row, Scalar, StopRecord, Summary,
    digest,
};
use crate::source::{Source, SourceError};
use crate::stop::Stop;

/// How long a flush tries to write rows that the disk refuses.
const FLUSH: Duration = Duration::from_secs(1);
/// How long the end of the run does.
const FINISH: Duration = Duration::from_secs(5);

/// Called with each analysed row.
pub(crate) type Listener = Box<dyn FnMut(&Row) + Send>;

/// A step of the run, as the caller reports it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) step: u64,
    pub(crate) wall_time: f64, // seconds since 1970
    pub(crate) scalars: Vec<Scalar>,
}

impl Step {
    /// A step that is reported now.
    pub(crate) fn now(step: u64, scalars: Vec<Scalar>) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self { step, wall_time: since.map_or(0.0, |d| d.as_secs_f64()), scalars }
    }
}

/// The end of a run, as its owner reports it.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) last_step: Option<u64>,
    /// The step at which the stop was reported to the loop.
    pub(crate) stopped_step: Option<u64>,
    pub(crate) cost: Cost,
    pub(crate) budget: Option<BudgetRecord>,
    /// Calls that reported a step again.
    pub(crate) repeated_calls: u64,
    /// Steps that were not handed over because the disk did not answer.
    pub(crate) lost_steps: u64,
}

/// A run being analysed and recorded.
pub(crate) struct Pipeline {
    pub(super) analyst: Arc<Analyst>,
    pub(super) recorder: Recorder,
    pub(super) judge: Option<Judge>,
    pub(super) unseen_checked: bool, // whether the rule's quantities were looked for in a row
    pub(super) listeners: Vec<Listener>,
    pub(super) tally: Tally,
    pub(super) warned: Vec<WarningKind>,
    pub(super) recorded: Vec<u64>, // the steps of all rows, ascending
    pub(super) seen: HashMap<Digest, u64>, // of all tensors, and the first step that had it
    pub(super) last_seen: Option<(u64, Digest)>, // of the last row
    pub(super) rolled_back: bool,  // since the last row, as the loop says
    pub(super) last_entries: Arc<Entries>, // of the last row with finite weights
    pub(super) watched: Vec<Watched>,
    pub(super) axis: Option<Axis>,
}

impl Pipeline {
    /// Whether there is a row of this step.
    pub(crate) fn has_row(&self, step: u64) -> bool {
        self.recorded.binary_search(&step).is_ok()
    }

    /// The last step of which there is a row.
    pub(crate) fn last_row(&self) -> Option<u64> {
        self.recorded.last().copied()
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.analyst.plan
    }

    /// Takes a baseline for the rows from now on. Snapshots are then those of the new [`Self::plan`].
    pub(crate) fn adopt(&mut self, baseline: Baseline) -> Result<(), Error> {
        self.recorder.write_baseline(&baseline)?;
        tracing::info!("the baseline is step {}, the first with values", baseline.step);
        self.analyst = Arc::new(self.analyst.against(baseline));
        Ok(())
    }

    /// Whether the weights of the last row are not known, as after a resume, and wanted.
    pub(crate) fn lacks_last(&self) -> bool {
        self.plan().stable() && self.last_entries.is_empty()
    }

    /// The last row had these weights: the update of the next one is measured from them, if they are
    /// finite.
    pub(crate) fn follow(&mut self, source: &dyn Source) -> Result<(), SourceError> {
        let entries = self.plan().entries(source)?;
        if entries.values().flatten().all(|value| value.is_finite()) {
            self.last_entries = Arc::new(entries);
        }
        Ok(())
    }

    /// What analyses the run's snapshots: any number of them, in any order, on any thread.
    pub(crate) fn analyst(&self) -> &Arc<Analyst> {
        &self.analyst
    }

    /// The stop rule's verdict so far.
    pub(crate) fn stop(&self) -> Option<&Stop> {
        self.judge.as_ref().and_then(Judge::stop)
    }

    /// From now on rows that the disk does not take are kept; `say` says so.
    pub(crate) fn keep_rows(&mut self, say: impl Fn(&str) + Send + 'static) {
        self.recorder.keep_rows(say);
    }

    /// Whether rows are kept.
    pub(crate) fn keeps_rows(&self) -> bool {
        self.recorder.keeps()
    }

    /// Writes the rows that are kept, if the disk takes them now.
    pub(crate) fn retry(&mut self) -> Result<(), Error> {
        Ok(self.recorder.retry()?)
    }

    /// What the disk of the run is doing.
    pub(crate) fn disk(&self) -> &Arc<Disk> {
        self.recorder.disk()
    }

    /// Steps that log these names for the first time are about to come.
    pub(crate) fn expect(&mut self, names: Vec<String>) {
        self.recorder.expect(names);
    }

    /// Records what the loop logged at a step, and adds to it what is carried forward.
    pub(crate) fn log(&mut self, at: &mut Step) -> Result<(), Error> {
        self.carry(at);
        if !self.recorder.admits(at.step)? {
            return Ok(());
        }
        if let Some(judge) = &mut self.judge {
            judge.log(at.step, at.scalars.iter().map(|(name, value)| (&**name, *value)));
        }
        self.rolled_back |= at.scalars.iter().any(|(name, _)| **name == *ROLLED_BACK);
        Ok(self.recorder.log_metrics(at.step, at.wall_time, &at.scalars)?)
    }

    fn carry(&mut self, at: &mut Step) {
        if let Some(axis) = &mut self.axis {
            axis.carry(&mut at.scalars);
        }
    }

    /// Records the row of a snapshot that has been analysed. Rows are recorded in the order of steps.
    pub(crate) fn record_analysed(
        &mut self,
        mut at: Step,
        analysed: Analysed,
        snapshot_ms: f64,
    ) -> Result<(), Error> {
        // Later rows have the weights of a row that is in the files, not of one that finds no room.
        if !self.recorder.admits(at.step)? {
            return Ok(());
        }
        self.carry(&mut at);
        let Analysed { mut emergence, entries, milliseconds } = analysed;
        if !entries.is_empty() {
            emergence.add_update(self.plan(), &entries, &self.last_entries);
            self.last_entries = entries;
        }
        let mut row = Row::new(at.step, at.wall_time, at.scalars, emergence);
        row.first = self.recorded.is_empty();
        self.recognise(&mut row);
        self.watch(&mut row);
        row.snapshot_ms = Some(snapshot_ms);
        row.analysis_ms = Some(milliseconds);
        self.record(&row)
    }

    /// Marks a row whose weights are those of an earlier one.
    fn recognise(&mut self, row: &mut Row) {
        if row.emergence.hashes.is_empty() {
            return;
        }
        let hashes: Vec<u64> = row.emergence.hashes.iter().map(|(_, hash)| *hash).collect();
        let hashes = digest(&hashes);
        let first = *self.seen.entry(hashes).or_insert(row.step);
        let said = std::mem::take(&mut self.rolled_back);
        let last = self.last_seen.replace((row.step, hashes));
        if first == row.step {
            return;
        }
        row.emergence.same_as = Some(first);
        let mut text = format!("the weights are those of step {first}, bit for bit");
        if let Some((step, _)) = last.filter(|(_, last)| *last != hashes && !said) {
            text += &format!(
                ", and step {step} had others: if they were loaded, call \
                 monitor.rolled_back({first}) before the next step"
            );
            row.returned = Some(text.clone());
        }
        row.emergence.trust.warn(WarningKind::Repeated, text);
    }

    /// Marks a row at which a quantity that the stop rule wants to rise has never risen.
    fn watch(&mut self, row: &mut Row) {
        for watched in &mut self.watched {
            if let Some(text) = row.value(watched.quantity()).and_then(|value| watched.add(value)) {
                row.emergence.trust.warn(WarningKind::OnlyFalls, text);
            }
        }
    }

    /// Records a step that was due and is not analysed.
    pub(crate) fn drop_row(&mut self, mut at: Step, why: &str) -> Result<(), Error> {
        self.carry(&mut at);
        let emergence = Emergence::absent(Status::Dropped, why);
        self.record(&Row::new(at.step, at.wall_time, at.scalars, emergence))
    }

    fn record(&mut self, row: &Row) -> Result<(), Error> {
        if !self.recorder.admits(row.step)? {
            return Ok(());
        }
        if let Some(why) = &row.emergence.why {
            tracing::warn!(step = row.step, status = %row.emergence.status, "{why}");
        }
        for warning in &row.emergence.trust.warnings {
            if warning.kind.concern() == Concern::Conclusion && !self.warned.contains(&warning.kind)
            {
                self.warned.push(warning.kind);
                let (step, code) = (row.step, warning.kind.code());
                tracing::warn!(step, code, "{} (said once; see the column codes)", warning.text);
            }
        }
        for hop in &row.emergence.hops {
            if let Some(why) = hop.why() {
                tracing::warn!(step = row.step, status = %hop.status, "{why}");
            }
        }
        self.recorder.log_row(row)?;
        self.recorded.push(row.step);
        let seen = Seen {
            step: row.step,
            status: row.emergence.status,
            value: &|name| row.value(name),
            codes: &row.emergence.trust.codes().join(" "),
        };
        self.tally.add(&seen);
        self.judge(row)?;
        self.listeners.iter_mut().for_each(|listener| listener(row));
        Ok(())
    }

    fn judge(&mut self, row: &Row) -> Result<(), Error> {
        let Some(judge) = &mut self.judge else { return Ok(()) };
        judge.judge(row.step, row.emergence.status, &|name| row.value(name));
        if !self.unseen_checked && !row.scalars.is_empty() {
            self.unseen_checked = true;
            for name in judge.unseen().iter().filter(|name| judge.to_log().contains(name)) {
                tracing::warn!(
                    "the stop rule watches {name:?}, which the loop has not logged up to step {}: \
                     without it the rule cannot stop the run",
                    row.step
                );
            }
        }
        Ok(self.recorder.write_state(judge.state())?)
    }

    /// Waits until all that was recorded is on the disk. One that refuses is tried again for a while.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        Ok(self.recorder.sync(FLUSH)?)
    }

    /// Ends the run: writes summary.json.
    pub(crate) fn finish(&mut self, end: End) -> Result<Summary, Error> {
        let End { last_step, stopped_step, cost, budget, repeated_calls, lost_steps } = end;
        self.recorder.sync(FINISH)?;
        let stop = self.stop().map(|stop| StopRecord { stop: stop.clone(), stopped_step });
        let mut summary = self.tally.summary(self.recorder.folder(), last_step, stop, cost);
        (summary.budget, summary.repeated_calls) = (budget, repeated_calls);
        summary.share = Some(self.plan().network().share());
        summary.lost_steps = lost_steps + self.recorder.dropped();
        summary.unseen = self.judge.as_ref().map(Judge::unseen).unwrap_or_default();
        summary.unseen_axis = self.axis.as_ref().and_then(Axis::never_logged).map(str::to_owned);
        if let Some(judge) = &self.judge {
            self.recorder.write_last_state(judge.state(), FINISH)?;
        }
        self.recorder.write_summary(&summary)?;
        self.recorder.sync(Duration::ZERO)?;
        Ok(summary)
    }
}
