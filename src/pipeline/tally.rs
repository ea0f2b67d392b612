//! Counts and extremes over the rows of a run.

use std::path::Path;

use crate::analysis::Status;
use crate::record::{Best, Conclusion, Cost, RecordedRow, StopRecord, Summary};

/// A row as the tally sees it.
pub(super) struct Seen<'a> {
    pub(super) step: u64,
    pub(super) status: Status,
    pub(super) value: &'a dyn Fn(&str) -> Option<f64>,
    pub(super) codes: &'a str,
}

/// Running counts and extremes over the rows of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    rows: u64,
    dropped: u64,
    without_value: u64,
    e: Extremes,
    e_stable: Extremes,
    e_excess: Option<(Best, Option<f64>)>,
    conclusion: Conclusion,
}

#[derive(Clone, Copy, Debug, Default)]
struct Extremes {
    best: Option<Best>,
    last: Option<Best>,
}

impl Extremes {
    fn add(&mut self, step: u64, value: Option<f64>) {
        let Some(value) = value else { return };
        let here = Best { step, value };
        self.last = Some(here);
        if self.best.is_none_or(|best| value > best.value) {
            self.best = Some(here);
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, row: &Seen<'_>) {
        let &Seen { step, status, value, codes } = row;
        self.rows += 1;
        match status {
            Status::Ok => {}
            Status::Dropped => self.dropped += 1,
            _ => self.without_value += 1,
        }
        self.e.add(step, value("E"));
        self.e_stable.add(step, value("E_stable"));
        if let Some(excess) = value("E_excess") {
            self.e_excess = Some((Best { step, value: excess }, value("E_excess_p")));
        }
        self.conclusion.add(step, status, value, codes);
    }

    /// Of a row that was read back.
    pub(super) fn add_recorded(&mut self, row: &RecordedRow) {
        self.add(&Seen {
            step: row.step,
            status: row.status,
            value: &|name| row.value(name),
            codes: &row.codes,
        });
    }

    pub(super) fn summary(
        &self,
        folder: &Path,
        last_step: Option<u64>,
        stop: Option<StopRecord>,
        cost: Cost,
    ) -> Summary {
        Summary {
            folder: folder.to_owned(),
            last_step,
            rows: self.rows,
            dropped: self.dropped,
            without_value: self.without_value,
            conclusion: self.conclusion.clone(),
            best_e: self.e.best,
            last_e: self.e.last,
            best_e_stable: self.e_stable.best,
            last_e_stable: self.e_stable.last,
            last_e_excess: self.e_excess.map(|(last, _)| last),
            last_e_excess_p: self.e_excess.and_then(|(_, p)| p),
            stop,
            repeated_calls: 0,
            lost_steps: 0,
            unseen: Vec::new(),
            unseen_axis: None,
            hook_share: cost.hook_share(),
            cost,
            budget: None,
        }
    }
}
