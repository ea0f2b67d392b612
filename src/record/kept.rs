//! Rows that the disk does not take: they are kept in memory, in order, until it does.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::details::{DETAILS, neuron_cells};
use super::error::RecordError;
use super::row::Row;
use super::scalar::Scalar;
use super::table::lines;

/// Bytes of rows that are kept at most; a step that has begun is kept whole.
const MOST: usize = 64 << 20;
/// How long a disk that has refused is left alone.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// Whether a step has rows in the tables that are thinned.
pub(super) type Detailed = bool;

/// A row that is to be written.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// Of metrics.csv.
    Metrics { step: u64, wall_time: f64, scalars: Cow<'a, [Scalar]> },
    /// Of an analysed step, in the other tables.
    Row(&'a Row, Detailed),
    /// Such a row that is kept.
    KeptRow(Box<Row>, Detailed),
}

impl Entry<'_> {
    fn into_owned(self) -> Entry<'static> {
        match self {
            Self::Metrics { step, wall_time, scalars } => {
                Entry::Metrics { step, wall_time, scalars: Cow::Owned(scalars.into_owned()) }
            }
            Self::Row(row, detailed) => Entry::KeptRow(Box::new(row.clone()), detailed),
            Self::KeptRow(row, detailed) => Entry::KeptRow(row, detailed),
        }
    }

    /// About the memory that it takes: for a row, the length of its text.
    fn bytes(&self) -> usize {
        match self {
            Self::Metrics { scalars, .. } => 64 + size_of_val(&**scalars),
            Self::Row(row, detailed) => text_length(row, *detailed),
            Self::KeptRow(row, detailed) => text_length(row, *detailed),
        }
    }
}

fn text_length(row: &Row, detailed: Detailed) -> usize {
    let written = DETAILS.iter().filter(|detail| detailed || !detail.thinned);
    let details = written.map(|detail| lines(&(detail.cells)(row)).len());
    2048 + lines(&neuron_cells(row)).len() + details.sum::<usize>()
}

/// The rows that are kept.
pub(super) struct Kept {
    entries: VecDeque<(Entry<'static>, usize)>,
    bytes: usize,
    most: usize,
    tried: Instant, // when the disk last refused
    count: u64,     // entries since it first refused
    dropped: u64,   // steps, ever
    decided: Option<(u64, bool)>,
    full: bool, // whether that was said
    say: Box<dyn Fn(&str) + Send>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Kept {
    pub(super) fn new(say: impl Fn(&str) + Send + 'static) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            most: MOST,
            tried: Instant::now(),
            count: 0,
            dropped: 0,
            decided: None,
            full: false,
            say: Box::new(say),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is time to try again.
    pub(super) fn may_try(&self) -> bool {
        self.tried.elapsed() >= PAUSE
    }

    /// Steps that were not recorded because the limit was reached.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Keeps a row after those that are kept.
    pub(super) fn push(&mut self, entry: Entry<'_>) {
        let bytes = entry.bytes();
        self.bytes += bytes;
        self.count += 1;
        self.entries.push_back((entry.into_owned(), bytes));
    }

    pub(super) fn pop(&mut self) -> Option<(Entry<'static>, usize)> {
        let first = self.entries.pop_front()?;
        self.bytes -= first.1;
        Some(first)
    }

    /// Takes the first row back, which the disk has not taken.
    pub(super) fn put_back(&mut self, (entry, bytes): (Entry<'static>, usize)) {
        self.bytes += bytes;
        self.tried = Instant::now();
        self.entries.push_front((entry, bytes));
    }

    /// The disk has refused for the first time.
    pub(super) fn refused(&mut self, why: &RecordError) {
        self.tried = Instant::now();
        let most = self.most >> 20;
        (self.say)(&format!(
            "{why}. Training continues; up to {most} MiB of rows are kept in memory until the disk \
             takes them"
        ));
    }

    /// The disk has taken all rows.
    pub(super) fn written(&mut self) {
        let count = plural(self.count, "row");
        (self.say)(&format!("the disk takes rows again, and has taken {count} from memory"));
        (self.count, self.full) = (0, false);
    }

    /// Whether a step can be recorded; the answer is the same for all of its rows.
    pub(super) fn admits(&mut self, step: u64) -> bool {
        if let Some((decided, admitted)) = self.decided
            && decided == step
        {
            return admitted;
        }
        let admitted = self.bytes < self.most;
        self.decided = Some((step, admitted));
        if !admitted {
            self.dropped += 1;
            if !self.full {
                self.full = true;
                let kept = plural(self.len() as u64, "row");
                (self.say)(&format!(
                    "{kept} are kept in memory, which is the limit: step {step} and later ones are \
                     not recorded until the disk takes rows again (summary.json counts them)"
                ));
            }
        }
        admitted
    }
}

fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
