//! A CSV file to which complete rows are appended.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};

use super::RecordError;
use super::cell::{Cells, encode};
use super::error::write_error;
use super::folder::{Folder, RunFile};
use super::rows::Rows;

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

    /// Cuts a file to this many bytes, and opens it for appending.
    pub(super) fn cut(
        folder: &Folder,
        name: &'static str,
        columns: Vec<String>,
        end: u64,
    ) -> Result<Self, RecordError> {
        let mut table = Self::append_to(folder, name, columns)?;
        table.file.set_len(end).map_err(write_error(&folder.join(name)))?;
        Ok(table)
    }

    /// As [`Self::cut`]; keeps only the `used` columns.
    pub(super) fn without(
        folder: &Folder,
        name: &'static str,
        used: &[bool],
        end: u64,
    ) -> Result<Self, RecordError> {
        let mut rows = Rows::within(folder, name, 0)?;
        let keep = |cells: &[String]| -> Cells {
            let kept = cells.iter().zip(used).filter(|(_, used)| **used);
            kept.map(|(cell, _)| cell.clone()).collect()
        };
        let columns = keep(rows.columns());
        let mut wrong = None;
        let replaced = folder.replace(name, true, |new| {
            new.write_all(&lines([&columns]))?;
            loop {
                match rows.read() {
                    Ok(Some(row)) if row.start < end => {
                        new.write_all(&lines([&keep(&row.cells)]))?;
                    }
                    Ok(_) => return Ok(()),
                    Err(error) => {
                        let text = error.to_string();
                        wrong = Some(error);
                        return Err(std::io::Error::other(text));
                    }
                }
            }
        });
        replaced.map_err(|failed| wrong.unwrap_or(failed))?;
        Self::append_to(folder, name, columns)
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
        let mut write = || {
            row.iter().try_for_each(|cell| writer.write_field(&*encode(cell)))?;
            writer.write_record(None::<&[u8]>)
        };
        write().expect("rows of one length are written to memory");
    }
    writer.into_inner().expect("memory takes all")
}

/// Rows of cells as the text of a CSV file.
pub fn csv_text(rows: &[Cells]) -> Vec<u8> {
    lines(rows)
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
