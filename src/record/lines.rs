//! A table's lines, one at a time, and what is wrong with those that are no rows. A row is one line.

use std::collections::HashSet;
use std::io::BufRead;

use super::cell::{Cells, decode};
use super::columns::column;
use super::hops::hop_columns;
use super::layers::layer_columns;
use super::{EMERGENCE, METRICS};

/// A column of hexadecimal numbers.
const HASH: &str = "xxh3";
/// Columns of text in the tables of details, without those of layers.csv and hops.csv.
const TEXT: [&str; 6] = ["tensor", HASH, "part", "quantity", "what", "layer"];

/// A line after the header, of which the end is there.
pub(super) struct Line {
    /// Its number in the file, from 1 on.
    pub(super) number: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Its step and cells, or what is wrong with it.
    pub(super) row: Result<(u64, Cells), String>,
    /// Whether the header fits it; not, if it is a row but for the number of its fields.
    pub(super) fits: bool,
}

/// Reads the lines of a table.
pub(super) struct Lines<R> {
    file: R,
    bytes: Vec<u8>, // of the line
    number: u64,
    start: u64,
    end: u64,
    /// The header; none where it is not whole.
    pub(super) columns: Cells,
    text: Vec<bool>, // whether a column has text
    /// Whether a step has one row.
    pub(super) one_each: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads the header of the table with this file name, and what is wrong with it.
    pub(super) fn of(file: R, name: &str) -> std::io::Result<(Self, Option<String>)> {
        let one_each = [METRICS, EMERGENCE].contains(&name);
        let (bytes, columns, text) = (Vec::new(), Vec::new(), Vec::new());
        let mut lines = Self { file, bytes, number: 0, start: 0, end: 0, columns, text, one_each };
        if !lines.advance()? {
            return Ok((lines, None));
        }
        let wrong = match header(&lines.bytes) {
            Ok(columns) => {
                lines.text = columns.iter().map(|column| is_text(one_each, column)).collect();
                lines.columns = columns;
                None
            }
            Err(wrong) => Some(wrong),
        };
        Ok((lines, wrong))
    }

    /// Whether the step of a row does not ascend after the row of step `last`.
    pub(super) fn out_of_order(&self, last: u64, step: u64) -> bool {
        if self.one_each { last >= step } else { last > step }
    }

    /// The next line; none at the end, where a line without an end may follow.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Line>> {
        if !self.advance()? {
            return Ok(None);
        }
        let fields = fields(&self.bytes);
        let fits = fields.as_ref().map_or(true, |fields| {
            step(&fields[0]).is_none() || fields.len() == self.columns.len()
        });
        let (number, start, end) = (self.number, self.start, self.end);
        let row = fields.and_then(|fields| self.row(fields));
        Ok(Some(Line { number, start, end, row, fits }))
    }

    fn row(&self, fields: Cells) -> Result<(u64, Cells), String> {
        let (found, expected) = (fields.len(), self.columns.len());
        if found != expected {
            return Err(format!("it has {found} fields, the header has {expected}"));
        }
        let Some(step) = step(&fields[0]) else {
            return Err(format!("its step {:?} is not a whole number", fields[0]));
        };
        let hashes = self.columns.iter().zip(&fields).filter(|(column, _)| *column == HASH);
        for (_, cell) in hashes.filter(|_| !self.one_each) {
            if cell.len() != 16 || u64::from_str_radix(cell, 16).is_err() {
                return Err(format!("{cell:?} in column {HASH} is no hash"));
            }
        }
        let numbers = self.columns.iter().zip(&self.text).zip(&fields);
        let mut numbers = numbers.filter(|((_, text), _)| !**text);
        match numbers.find(|(_, cell)| !is_number(cell)) {
            Some(((column, _), cell)) => Err(format!("{cell:?} in column {column} is no number")),
            None => Ok((step, fields)),
        }
    }

    /// Reads a line, without its end. Blank lines are left out.
    fn advance(&mut self) -> std::io::Result<bool> {
        loop {
            self.bytes.clear();
            let read = self.file.read_until(b'\n', &mut self.bytes)?;
            if self.bytes.pop_if(|last| *last == b'\n').is_none() {
                return Ok(false);
            }
            let _ = self.bytes.pop_if(|last| *last == b'\r');
            (self.number, self.start) = (self.number + 1, self.end);
            self.end += read as u64;
            if !self.bytes.is_empty() {
                return Ok(true);
            }
        }
    }
}

fn header(line: &[u8]) -> Result<Cells, String> {
    // Spreadsheets put a byte order mark before it.
    let columns = fields(line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line))?;
    let mut seen = HashSet::new();
    match columns.iter().find(|column| !seen.insert(*column)) {
        Some(twice) => Err(format!("the header names {twice:?} twice")),
        None if columns[0] != "step" => {
            Err(format!("the header begins with {:?}, not with step", columns[0]))
        }
        None => Ok(columns),
    }
}

/// Whether a column of this name has text, in a table with one row for each step or in one with many.
fn is_text(one_each: bool, name: &str) -> bool {
    let of_row = || column(name).is_some_and(|column| column.is_text());
    let of_part = || layer_columns().any(|column| column.name == name && column.is_text());
    let of_hop = || hop_columns().any(|column| column.name == name && column.is_text());
    if one_each { of_row() } else { TEXT.contains(&name) || of_part() || of_hop() }
}

/// A step: digits.
fn step(cell: &str) -> Option<u64> {
    cell.bytes().all(|digit| digit.is_ascii_digit()).then(|| cell.parse().ok())?
}

fn is_number(cell: &str) -> bool {
    // Most are, in this form; to parse them takes longer.
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    cell.is_empty() || plain(whole) && plain(part) || cell.parse::<f64>().is_ok()
}

/// The fields of a line.
fn fields(line: &[u8]) -> Result<Cells, String> {
    if line.contains(&0) {
        return Err("it has NUL bytes".to_owned());
    }
    let Ok(mut rest) = std::str::from_utf8(line) else {
        return Err("it is not UTF-8".to_owned());
    };
    let mut fields = Vec::new();
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted).ok_or("a quote is not closed")?;
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                if field.contains('"') {
                    return Err("a quote is within a field without quotes".to_owned());
                }
                (field.to_owned(), after)
            }
        };
        fields.push(decode(field));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("text follows the quote that ends a field".to_owned()),
        }
    }
}

/// Where the quote is that ends a field; two quotes stand for one.
fn closing_quote(quoted: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let quote = from + quoted[from..].find('"')?;
        if quoted.as_bytes().get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        from = quote + 2;
    }
}
