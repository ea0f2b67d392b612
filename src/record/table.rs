//! A CSV file to which complete rows are appended.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
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
    places: HashMap<String, usize>, // of the columns
    rewrites: usize,
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
        let (file, places) = (folder.append(name)?, places(&columns));
        Ok(Self { folder: folder.clone(), name, file, columns, places, rewrites: 0 })
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

    /// Where a column is; most likely the `hint`-th.
    pub(super) fn place(&self, hint: usize, name: &str) -> Option<usize> {
        match self.columns.get(hint) {
            Some(column) if column == name => Some(hint),
            _ => self.places.get(name).copied(),
        }
    }

    /// How often the file was replaced by one with more columns.
    #[cfg(test)]
    pub(super) fn rewrites(&self) -> usize {
        self.rewrites
    }

    /// Appends rows with one write.
    pub(super) fn append(&mut self, rows: &[Cells]) -> Result<(), RecordError> {
        self.file.append(&lines(rows))
    }

    /// Adds columns before the `at`-th; existing rows have no value in them. The file is replaced
    /// atomically, by a copy that passes through a buffer of fixed size.
    pub(super) fn insert_columns(&mut self, at: usize, names: &[&str]) -> Result<(), RecordError> {
        // What the copy is made of ends with a whole row.
        self.file.cut_back()?;
        let mut columns = self.columns.clone();
        columns.splice(at..at, names.iter().map(|name| (*name).to_owned()));
        let old = BufReader::with_capacity(BUFFER, self.folder.read(self.name)?);
        self.folder.replace(self.name, true, |new| {
            new.write_all(&lines([&columns]))?;
            widen(old, at, names.len(), new)
        })?;
        // Not before: should this fail, the columns are added again.
        self.places = places(&columns);
        self.columns = columns;
        self.rewrites += 1;
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

/// Bytes of a file that are in memory while it is copied.
const BUFFER: usize = 1 << 18;

fn places(columns: &[String]) -> HashMap<String, usize> {
    columns.iter().cloned().zip(0..).collect()
}

/// Copies the rows of a table after its header, with this many empty fields more before the `at`-th.
/// Only separators and line ends outside quotes count, so that fields are copied as they are.
fn widen(
    mut old: impl BufRead,
    at: usize,
    added: usize,
    new: &mut impl Write,
) -> std::io::Result<()> {
    let commas = vec![b','; added];
    let (mut header, mut quoted, mut ended, mut field) = (true, false, false, 0);
    loop {
        let bytes = old.fill_buf()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut copied = 0;
        for (k, &byte) in bytes.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b',' | b'\r' | b'\n' if !quoted => {
                    // A line end of two bytes ends one field.
                    field += usize::from(!ended);
                    if field == at && !header && !ended {
                        new.write_all(&bytes[copied..k])?;
                        new.write_all(&commas)?;
                        copied = k;
                    }
                    ended = byte == b'\r';
                    if byte == b'\n' {
                        if header {
                            copied = k + 1;
                        }
                        (header, field) = (false, 0);
                    }
                }
                _ => {}
            }
        }
        if !header {
            new.write_all(&bytes[copied..])?;
        }
        let read = bytes.len();
        old.consume(read);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]
        /// As by reading all cells and writing them again, whatever the cells are and wherever a
        /// buffer ends.
        #[test]
        fn fields_are_inserted_where_a_reader_would(
            rows in prop::collection::vec(prop::collection::vec("[ab,\"\n\r]{0,4}", 4), 2..5),
            at in 1usize..=4,
            added in 1usize..4,
            buffer in 1usize..40,
        ) {
            let mut expected = rows[1..].to_vec();
            for row in &mut expected {
                row.splice(at..at, vec![String::new(); added]);
            }
            let (mut copied, old) = (Vec::new(), lines(&rows));
            widen(BufReader::with_capacity(buffer, &old[..]), at, added, &mut copied).unwrap();
            prop_assert_eq!(copied, lines(&expected));
        }
    }

    #[test]
    fn a_line_end_of_two_bytes_stays_at_the_end() {
        let mut copied = Vec::new();
        widen(&b"step,a\r\n1,2\r\n3,\r\n"[..], 2, 1, &mut copied).unwrap();
        assert_eq!(copied, b"1,2,\r\n3,,\r\n");
    }
}
