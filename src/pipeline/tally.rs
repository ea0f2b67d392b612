//! Counts and extremes over the rows of a run.

use std::path::Path;

use crate::analysis::Status;
use crate::record::{
    BEST, Best, Conclusion, Cost, LAST, Named, Older, RecordedRow, StopRecord, Summary,
};

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
    last: Named,
    best: Named,
    conclusion: Conclusion,
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
        for name in LAST {
            if let Some(value) = value(name) {
                self.last.insert(name.to_owned(), Best { step, value });
            }
        }
        for name in BEST {
            let higher = |value: &f64| self.best.get(name).is_none_or(|best| *value > best.value);
            if let Some(value) = value(name).filter(higher) {
                self.best.insert(name.to_owned(), Best { step, value });
            }
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
            last: self.last.clone(),
            best: self.best.clone(),
            older: Older::default(),
            stop,
            share: None,
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
