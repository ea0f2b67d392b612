//! What a resume needs to know of a table: of each step, where its rows begin and what they count
//! for. Of a table with many rows for each step only the end is read.

use super::RecordError;
use super::folder::Folder;
use super::rows::{Place, Rows, StoredRow, length, place};

/// Bytes of the end of a table that are read at first.
pub(super) const END: u64 = 4 << 20;

/// What the rows of a step count for.
pub(super) type Counts = [usize; 2];

/// What a row counts for.
pub(super) type Count = Box<dyn Fn(&StoredRow) -> Counts>;

/// What the rows of a table with these columns count for.
pub(super) type Counter<'a> = &'a dyn Fn(&[String]) -> Count;

/// The steps of a table, or those at its end.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) columns: Vec<String>,
    pub(super) first: Option<u64>, // of all rows
    pub(super) from: u64,          // the first of which all rows were read
    pub(super) steps: Vec<StepRows>,
    pub(super) rows: usize, // that were read
    pub(super) end: u64,    // where the last row ends
    /// The first step at which each column has a value; of a whole table.
    pub(super) valued: Vec<Option<u64>>,
}

/// A step in a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepRows {
    pub(super) step: u64,
    pub(super) start: u64, // of its first row
    pub(super) counts: Counts,
}

impl Steps {
    /// The steps of a whole table; none of a file that is not there.
    pub(super) fn whole(
        folder: &Folder,
        name: &str,
        counter: Counter<'_>,
    ) -> Result<Self, RecordError> {
        Self::at_the_end(folder, name, u64::MAX, counter)
    }

    /// The steps in the last `bytes` of a table.
    pub(super) fn at_the_end(
        folder: &Folder,
        name: &str,
        bytes: u64,
        counter: Counter<'_>,
    ) -> Result<Self, RecordError> {
        if !folder.has(name) {
            return Ok(Self::default());
        }
        match length(folder, name)?.saturating_sub(bytes) {
            0 => Self::after(folder, name, 0, counter),
            byte => match Self::after(folder, name, byte, counter) {
                // By its line, if it is damaged.
                Err(RecordError::Row { .. }) => Self::after(folder, name, 0, counter),
                read => read,
            },
        }
    }

    fn after(
        folder: &Folder,
        name: &str,
        byte: u64,
        counter: Counter<'_>,
    ) -> Result<Self, RecordError> {
        let mut rows = Rows::within(folder, name, byte)?;
        let counts = counter(rows.columns());
        let mut table = Self { columns: rows.columns().to_vec(), ..Self::default() };
        table.valued = vec![None; table.columns.len()];
        while let Some(row) = rows.read()? {
            table.take(&row);
            if table.last() != Some(row.step) {
                table.steps.push(StepRows { step: row.step, start: row.start, counts: [0; 2] });
            }
            if let Some(step) = table.steps.last_mut() {
                let counts = counts(&row);
                step.counts = [step.counts[0] + counts[0], step.counts[1] + counts[1]];
            }
        }
        table.first = table.steps.first().map(|step| step.step);
        if rows.is_partial() {
            table.first = Rows::within(folder, name, 0)?.read()?.map(|row| row.step);
            // Some rows of the first step may come before.
            table.from = match table.first_known() {
                Some(first) => first + 1,
                None => return Self::after(folder, name, 0, counter),
            };
        }
        Ok(table)
    }

    /// Takes note of a row, whatever it counts for.
    pub(super) fn take(&mut self, row: &StoredRow) {
        (self.end, self.rows) = (row.end, self.rows + 1);
        for (valued, cell) in self.valued.iter_mut().zip(&row.cells) {
            if valued.is_none() && !cell.is_empty() {
                *valued = Some(row.step);
            }
        }
    }

    fn first_known(&self) -> Option<u64> {
        self.steps.first().map(|step| step.step)
    }

    /// Whether earlier steps were not read.
    pub(super) fn is_partial(&self) -> bool {
        self.from > 0
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.steps.last().map(|step| step.step)
    }

    /// Of a step that was read.
    pub(super) fn counts(&self, step: u64) -> Option<Counts> {
        let found = self.steps.binary_search_by_key(&step, |step| step.step).ok()?;
        Some(self.steps[found].counts)
    }

    /// Where the rows of `step` and of later ones begin, and the step before them.
    pub(super) fn before(
        &self,
        folder: &Folder,
        name: &str,
        step: u64,
    ) -> Result<Place, RecordError> {
        let kept = self.steps.partition_point(|known| known.step < step);
        match (kept, self.steps.get(kept)) {
            (0, _) if self.is_partial() => place(folder, name, step),
            (0, _) => Ok((0, None)),
            (_, next) => {
                let start = next.map_or(self.end, |next| next.start);
                Ok((start, Some(self.steps[kept - 1].step)))
            }
        }
    }
}
