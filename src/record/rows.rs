//! The rows of a table, one after the other; also from the middle of the file on.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Chain, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::RecordError;
use super::cell::Cells;
use super::error::read_error;
use super::folder::Folder;
use super::lines::{Line, Lines};
use super::regular;

/// Bytes of a file that are in memory while it is read.
const BUFFER: usize = 1 << 18;
/// Bytes among which a row is looked for one by one.
const NEAR: u64 = 1 << 16;

/// A row.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// Its step.
    pub step: u64,
    /// Its cells.
    pub cells: Cells,
    /// Where it begins in the file.
    pub start: u64,
    pub(super) end: u64,
}

/// Reads a table's rows in fixed memory.
///
/// What is no row after the last one, a crash has left (zeros after a power loss, say): it is not
/// read. Without a whole header there are no rows.
pub struct Rows {
    path: PathBuf,
    lines: Lines<Chain<Cursor<Vec<u8>>, BufReader<File>>>,
    skipped: u64,      // bytes between the header and the first line that is read
    last: Option<u64>, // step
    bad: Option<(u64, String)>, // a line that is no row, with its number
    wrong: Option<String>, // with the header
    unfit: Option<String>, // a line that the header does not fit
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Rows {
    /// Reads the header of the table at a path.
    ///
    /// # Errors
    /// [`RecordError::Read`] when the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        Self::after(path, 0)
    }

    /// The rows of the lines that begin at this byte or later. Of lines after the first byte, errors
    /// do not know the numbers.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn after(path: &Path, byte: u64) -> Result<Self, RecordError> {
        let file = regular::open(path, OpenOptions::new().read(true), false);
        Self::of(file.map_err(|e| read_error(path, e))?, path, byte)
    }

    /// As [`Self::after`], of a run's own table.
    pub(super) fn within(folder: &Folder, name: &str, byte: u64) -> Result<Self, RecordError> {
        Self::of(folder.read(name)?, &folder.join(name), byte)
    }

    fn of(file: File, path: &Path, byte: u64) -> Result<Self, RecordError> {
        let buffer = if byte > 0 { NEAR as usize / 4 } else { BUFFER };
        let mut file = BufReader::with_capacity(buffer, file);
        let mut read = || {
            let (mut header, mut skipped) = (Vec::new(), 0);
            if byte > 0 {
                // Blank lines may come before it.
                while file.read_until(b'\n', &mut header)? > 0 && header.trim_ascii().is_empty() {}
                let end = header.len() as u64;
                if byte > end {
                    file.seek(SeekFrom::Start(byte - 1))?;
                    skipped = byte - 1 + file.skip_until(b'\n')? as u64 - end;
                }
            }
            Ok((header, skipped))
        };
        let fail = |e| read_error(path, e);
        let (header, skipped) = read().map_err(fail)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (lines, wrong) = Lines::of(Cursor::new(header).chain(file), name).map_err(fail)?;
        let path = path.to_owned();
        Ok(Self { path, lines, skipped, last: None, bad: None, wrong, unfit: None })
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.lines.columns
    }

    /// Where a column is.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column == name)
    }

    /// Whether lines after the header were left out.
    pub(super) fn is_partial(&self) -> bool {
        self.skipped > 0
    }

    /// The next row.
    ///
    /// # Errors
    /// [`RecordError::Row`] when whole rows follow a line that is none, or a step does not ascend;
    /// [`RecordError::Read`] when the system refuses.
    pub fn read(&mut self) -> Result<Option<StoredRow>, RecordError> {
        let damaged = |line, why| Err(RecordError::Row { path: self.path.clone(), line, why });
        while let Some(line) = self.lines.next().map_err(|e| read_error(&self.path, e))? {
            let Line { number, start, end, row, fits } = line;
            match (row, self.bad.take()) {
                (Ok((step, cells)), None) => {
                    if let Some(last) =
                        self.last.filter(|&last| self.lines.out_of_order(last, step))
                    {
                        return damaged(number, format!("its step {step} comes after step {last}"));
                    }
                    self.last = Some(step);
                    let (start, end) = (start + self.skipped, end + self.skipped);
                    return Ok(Some(StoredRow { step, cells, start, end }));
                }
                (Ok(_), Some((line, why))) => return damaged(line, why),
                (Err(why), earlier) => {
                    if !fits && self.unfit.is_none() {
                        self.unfit = Some(format!("line {number}: {why}"));
                    }
                    self.bad = earlier.or(Some((number, why)));
                }
            }
        }
        match self.unfit.take().filter(|_| self.last.is_none()) {
            Some(unfit) => damaged(1, self.wrong.take().unwrap_or(unfit)),
            None => Ok(None),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<StoredRow, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Where the rows of a step and of later ones begin, and the step of the row before them.
pub(super) type Place = (u64, Option<u64>);

/// The place of a step. Steps ascend, so few rows are read.
pub(super) fn place(folder: &Folder, name: &str, step: u64) -> Result<Place, RecordError> {
    match nearly(folder, name, step).and_then(|byte| scan(folder, name, byte, step)) {
        // By its line, if it is damaged.
        Err(RecordError::Row { .. }) => scan(folder, name, 0, step),
        found => found,
    }
}

/// Where a row of an earlier step begins, not far from the first row of `step`; 0 where all rows are
/// near.
fn nearly(folder: &Folder, name: &str, step: u64) -> Result<u64, RecordError> {
    let (mut low, mut high) = (0_u64, length(folder, name)?);
    // Those of a damaged table may cross.
    while high.saturating_sub(low) > NEAR {
        let middle = low + (high - low) / 2;
        match Rows::within(folder, name, middle)?.read()? {
            Some(row) if row.step < step => low = row.start,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The bytes of a table.
pub(super) fn length(folder: &Folder, name: &str) -> Result<u64, RecordError> {
    let data = folder.read(name)?.metadata();
    Ok(data.map_err(|e| read_error(&folder.join(name), e))?.len())
}

fn scan(folder: &Folder, name: &str, byte: u64, step: u64) -> Result<Place, RecordError> {
    let mut rows = Rows::within(folder, name, byte)?;
    let (mut end, mut before) = (0, None);
    while let Some(row) = rows.read()? {
        if row.step >= step {
            return Ok((row.start, before));
        }
        (end, before) = (row.end, Some(row.step));
    }
    Ok((end, before))
}
