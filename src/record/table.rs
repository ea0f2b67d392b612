//! A CSV file to which complete rows are appended.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};
use std::path::Path;

use super::RecordError;
use super::cell::{Cells, encode};
use super::error::{read_error, write_error};
use super::folder::{Folder, RunFile};
use super::lines::{Line, Lines};
use super::regular;

/// A CSV file whose first column is the step, ascending.
#[derive(Debug)]
pub(super) struct Table {
    folder: Folder,
    name: &'static str,
    file: RunFile,
    columns: Vec<String>,
}

/// The contents of a table when it was opened.
pub(super) struct Contents {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<StoredRow>,
    end: u64,       // where the last complete row ends
    reshaped: bool, // columns were taken out: the file's text is not that of the rows
}

pub(super) struct StoredRow {
    pub(super) step: u64,
    pub(super) cells: Cells,
    start: u64,
}

impl Table {
    /// A new file with a header; replaces an old one.
    pub(super) fn create(
        folder: &Folder,
        name: &'static str,
        columns: Vec<String>,
    ) -> Result<Self, RecordError> {
        folder.begin(name, &lines([&columns]))?;
        Self::append_to(folder, name, columns)
    }

    fn append_to(
        folder: &Folder,
        name: &'static str,
        columns: Vec<String>,
    ) -> Result<Self, RecordError> {
        Ok(Self { folder: folder.clone(), name, file: folder.append(name)?, columns })
    }

    /// Cuts a file to what `contents` kept of it and opens it for appending. Without rows it is
    /// removed; its first row creates it again.
    pub(super) fn open(
        folder: &Folder,
        name: &'static str,
        contents: &Contents,
    ) -> Result<Option<Self>, RecordError> {
        if contents.rows.is_empty() {
            return folder.remove(name).map(|()| None);
        }
        if contents.reshaped {
            let rows = contents.rows.iter().map(|row| &row.cells);
            let text = lines(std::iter::once(&contents.columns).chain(rows));
            folder.replace(name, true, |file| file.write_all(&text))?;
        }
        let mut table = Self::append_to(folder, name, contents.columns.clone())?;
        if !contents.reshaped {
            table.file.set_len(contents.end).map_err(write_error(&folder.join(name)))?;
        }
        Ok(Some(table))
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Appends rows with one write.
    pub(super) fn append(&mut self, rows: &[Cells]) -> Result<(), RecordError> {
        self.file.append(&lines(rows))
    }

    /// Adds a column before the `at`-th; existing rows have no value in it. The file is replaced
    /// atomically.
    pub(super) fn insert_column(&mut self, at: usize, name: &str) -> Result<(), RecordError> {
        let contents = Contents::of_file(self.folder.read(self.name)?, &self.file.path())?;
        let mut columns = self.columns.clone();
        columns.insert(at, name.to_owned());
        let mut all = vec![columns];
        all.extend(contents.rows.into_iter().map(|mut row| {
            row.cells.insert(at, String::new());
            row.cells
        }));
        self.folder.replace(self.name, true, |file| file.write_all(&lines(&all)))?;
        // Not before: should this fail, the column is added again.
        self.columns = all.swap_remove(0);
        self.file.was_replaced()
    }

    /// Fails when the run's folder no longer holds this file.
    pub(super) fn check(&self) -> Result<(), RecordError> {
        self.file.check()
    }

    pub(super) fn sync(&self) -> Result<(), RecordError> {
        match self.file.sync_data() {
            // A pipe or a device such as /dev/full has nothing to sync.
            Err(e) if e.kind() != std::io::ErrorKind::InvalidInput => {
                Err(write_error(&self.file.path())(e))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn lines<'a>(rows: impl IntoIterator<Item = &'a Cells>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer
            .write_record(row.iter().map(|cell| encode(cell).into_owned()))
            .expect("rows of one length are written to memory");
    }
    writer.into_inner().expect("memory takes all")
}

impl Contents {
    /// Of metrics.csv: each logged quantity with its steps, ascending.
    pub(super) fn series(&self) -> BTreeMap<String, Vec<(u64, f64)>> {
        let mut series: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
        for row in &self.rows {
            // After the step and the time.
            for (name, cell) in self.columns.iter().zip(&row.cells).skip(2) {
                if let Ok(value) = cell.parse() {
                    series.entry(name.clone()).or_default().push((row.step, value));
                }
            }
        }
        series
    }

    /// The contents of a missing file.
    pub(super) fn none() -> Self {
        Self { columns: Vec::new(), rows: Vec::new(), end: 0, reshaped: false }
    }

    /// Reads the rows of a file. What is no row after the last one, a crash has left (zeros after a
    /// power loss, say): it is not part of the contents. Without a whole header there are none.
    ///
    /// # Errors
    /// [`RecordError::Row`] when whole rows follow a line that is none, or a step does not ascend.
    pub(super) fn read(path: &Path) -> Result<Self, RecordError> {
        let file = regular::open(path, OpenOptions::new().read(true), false);
        Self::of_file(file.map_err(|e| read_error(path, e))?, path)
    }

    pub(super) fn of_file(file: File, path: &Path) -> Result<Self, RecordError> {
        let fail = |e| read_error(path, e);
        let damaged = |line, why| RecordError::Row { path: path.to_owned(), line, why };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (mut lines, wrong) = Lines::of(BufReader::new(file), name).map_err(fail)?;
        let mut contents = Self { columns: lines.columns.clone(), ..Self::none() };
        let (mut bad, mut unfit) = (None, None);
        while let Some(Line { number, start, end, row, fits }) = lines.next().map_err(fail)? {
            match (row, bad.take()) {
                (Ok((step, cells)), None) => {
                    let last = contents.last_step();
                    if let Some(last) = last.filter(|last| lines.out_of_order(*last, step)) {
                        let why = format!("its step {step} comes after step {last}");
                        return Err(damaged(number, why));
                    }
                    contents.rows.push(StoredRow { step, cells, start });
                    contents.end = end;
                }
                (Ok(_), Some((line, why))) => return Err(damaged(line, why)),
                (Err(why), earlier) => {
                    unfit = unfit.or_else(|| (!fits).then(|| format!("line {number}: {why}")));
                    bad = earlier.or(Some((number, why)));
                }
            }
        }
        match unfit.filter(|_| contents.rows.is_empty()) {
            Some(unfit) => Err(damaged(1, wrong.unwrap_or(unfit))),
            None => Ok(contents),
        }
    }

    /// Keeps the rows before `step`.
    pub(super) fn keep_before(&mut self, step: u64) {
        let kept = self.rows.iter().position(|row| row.step >= step);
        if let Some(first) = kept {
            self.end = self.rows[first].start;
            self.rows.truncate(first);
        }
    }

    /// Removes the columns other than `own` that have no value in the rows: a run that ended with
    /// the last of these rows would not have them.
    pub(super) fn drop_unused_columns(&mut self, own: &[&str]) {
        let used = |(k, name): (usize, &String)| {
            own.contains(&name.as_str()) || self.rows.iter().any(|row| !row.cells[k].is_empty())
        };
        let used: Vec<bool> = self.columns.iter().enumerate().map(used).collect();
        if used.iter().all(|used| *used) {
            return;
        }
        let keep = |cells: &mut Cells| {
            let mut used = used.iter();
            cells.retain(|_| used.next().is_some_and(|used| *used));
        };
        keep(&mut self.columns);
        self.rows.iter_mut().for_each(|row| keep(&mut row.cells));
        self.reshaped = true;
    }

    pub(super) fn last_step(&self) -> Option<u64> {
        self.rows.last().map(|row| row.step)
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }
}

/// Rows of cells as the text of a CSV file.
pub fn csv_text(rows: &[Cells]) -> Vec<u8> {
    lines(rows)
}

/// The header and the complete rows of one of a run's CSV files, also while the run is in progress.
///
/// # Errors
/// [`RecordError::Read`] when the file cannot be read, [`RecordError::Row`] when a row is damaged.
pub fn read_table(path: &Path) -> Result<(Vec<String>, Vec<Cells>), RecordError> {
    let contents = Contents::read(path)?;
    Ok((contents.columns, contents.rows.into_iter().map(|row| row.cells).collect()))
}
