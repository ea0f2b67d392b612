//! emergence.csv as far as pictures need it: of a long run, the rows that a screen can show.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;

use neuromfa::RecordError;
use neuromfa::internals::record::{Cells, Conclusion, Kind, Rows, columns};

use super::sheet::{Sheet, finite};
use crate::report::notes::Warned;

/// Rows of a table that are all kept.
const ALL: usize = 2048;
/// Stretches that a longer one is divided into.
const STRETCHES: usize = 128;

/// emergence.csv. Memory grows with what is drawn, not with the file.
#[derive(Debug, Default)]
pub(super) struct Emergence {
    /// The rows that curves need: all, or of a long run from each of 128 stretches the first and the
    /// last one, those with the least and the greatest value of each curve, and the first one with
    /// other warnings than before; and of each column the last row with a number.
    pub(super) sheet: Sheet,
    pub(super) conclusion: Conclusion,
    pub(super) all: Overall,
}

/// What is known of all rows of emergence.csv.
#[derive(Debug, Default)]
pub(super) struct Overall {
    /// Every row; of a long run one out of [`apart`](Self::apart).
    pub(super) even: Sheet,
    pub(super) apart: usize,
    /// How many rows there are.
    pub(super) rows: usize,
    /// How many rows have each status but `ok`.
    pub(super) without: BTreeMap<String, usize>,
    pub(super) warned: Warned,
}

impl Emergence {
    /// # Errors
    /// [`RecordError`] when the file cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self, RecordError> {
        let mut rows = Rows::open(path)?;
        let columns = rows.columns().to_vec();
        let mut read = Self::default();
        let mut valued: Vec<Option<usize>> = vec![None; columns.len()];
        let places: HashMap<&str, usize> = columns.iter().map(String::as_str).zip(0..).collect();
        while let Some(row) = rows.read()? {
            let cell = |name: &str| places.get(name).map(|&k| row.cells[k].as_str());
            read.conclusion.add_cells(row.step, &cell);
            read.all.warned.add(&cell);
            match cell("status").unwrap_or_default() {
                "" | "ok" => {}
                status => *read.all.without.entry(status.to_owned()).or_default() += 1,
            }
            for (valued, _) in
                valued.iter_mut().zip(&row.cells).filter(|(_, c)| finite(c).is_some())
            {
                *valued = Some(read.all.rows);
            }
            read.all.rows += 1;
        }
        [read.sheet, read.all.even] =
            [(); 2].map(|()| Sheet { columns: columns.clone(), rows: Vec::new() });
        read.keep(path, &valued)?;
        Ok(read)
    }

    /// Reads the file once more and keeps rows, those with these numbers among them.
    fn keep(&mut self, path: &Path, valued: &[Option<usize>]) -> Result<(), RecordError> {
        let each = if self.all.rows > ALL { self.all.rows.div_ceil(STRETCHES) } else { 1 };
        self.all.apart = self.all.rows.div_ceil(ALL).max(1);
        let mut stretch = Stretch::new(&self.sheet);
        let mut kinds = String::new();
        for (number, row) in Rows::open(path)?.enumerate() {
            let row = Rc::new(row?.cells);
            if number.is_multiple_of(each) {
                self.sheet.rows.extend(stretch.take());
            }
            let before = std::mem::replace(&mut kinds, self.sheet.kinds(&row));
            let changes = kinds != before && !stretch.changed;
            stretch.changed |= changes;
            stretch.add(number, &row, changes || valued.contains(&Some(number)));
            if number.is_multiple_of(self.all.apart) {
                self.all.even.rows.push((*row).clone());
            }
        }
        self.sheet.rows.extend(stretch.take());
        Ok(())
    }
}

/// A row with its number.
type Numbered = (usize, Rc<Cells>);

/// The least and the greatest value of a curve, with their rows.
type Extremes = [Option<(f64, Numbered)>; 2];

/// The rows of a stretch that are kept.
struct Stretch {
    /// The columns that are drawn as curves.
    curves: Vec<(usize, Extremes)>,
    first: Option<Numbered>,
    last: Option<Numbered>,
    others: Vec<Numbered>,
    /// Whether a row with other warnings than the one before is among them.
    changed: bool,
}

impl Stretch {
    fn new(sheet: &Sheet) -> Self {
        let drawn = columns().filter(|column| {
            matches!(
                column.kind,
                Kind::Structure | Kind::E | Kind::Alpha0 | Kind::Width | Kind::Norm
            ) && !["_p", "_se", "_std"].iter().any(|end| column.name.ends_with(end))
        });
        let curves = drawn.filter_map(|column| Some((sheet.column(column.name)?, [None, None])));
        let (curves, others) = (curves.collect(), Vec::new());
        Self { curves, first: None, last: None, others, changed: false }
    }

    fn add(&mut self, number: usize, row: &Rc<Cells>, keep: bool) {
        let numbered = || (number, Rc::clone(row));
        self.first.get_or_insert_with(numbered);
        self.last = Some(numbered());
        self.others.extend(keep.then(numbered));
        for (column, extremes) in &mut self.curves {
            let Some(value) = finite(&row[*column]) else { continue };
            let [least, greatest] = extremes;
            if least.as_ref().is_none_or(|(known, _)| value < *known) {
                *least = Some((value, numbered()));
            }
            if greatest.as_ref().is_none_or(|(known, _)| value > *known) {
                *greatest = Some((value, numbered()));
            }
        }
    }

    /// The rows in their order, each once; a new stretch begins.
    fn take(&mut self) -> Vec<Cells> {
        let extremes = self.curves.iter_mut().flat_map(|(_, extremes)| extremes);
        let mut rows: BTreeMap<usize, Rc<Cells>> =
            extremes.filter_map(|extreme| Some(extreme.take()?.1)).collect();
        rows.extend(self.first.take().into_iter().chain(self.last.take()));
        rows.extend(self.others.drain(..));
        self.changed = false;
        rows.into_values().map(Rc::unwrap_or_clone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "step,wall_time,status,codes,warning,E,E_stable,loss\n";

    /// Rows whose E_stable has one peak, whose loss is logged in one row, and whose warnings begin at
    /// a row.
    fn read(n: usize, peak: usize, logged: usize, warned: usize) -> Emergence {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("emergence.csv");
        let row = |k: usize| {
            let stable = if k == peak { 9.0 } else { (k % 7) as f64 };
            let codes = if k < warned { "" } else { "poor_fit" };
            let loss = if k == logged { "0.5" } else { "" };
            format!("{},{k}.5,ok,{codes},,{},{stable},{loss}\n", 10 * k, k as f64)
        };
        let text: String = (0..n).map(row).collect();
        std::fs::write(&path, HEADER.to_owned() + &text).unwrap();
        Emergence::read(&path).unwrap()
    }

    #[test]
    fn short_tables_are_kept_whole() {
        let table = read(ALL, 3, 5, 7);
        assert_eq!((table.all.rows, table.all.apart), (ALL, 1));
        assert_eq!((table.sheet.rows.len(), &table.sheet.rows), (ALL, &table.all.even.rows));
    }

    #[test]
    fn long_tables_keep_peaks_ends_last_values_and_where_warnings_begin() {
        let n = ALL + 1;
        for special in [0, 1, 777, n / 2 + 1, n - 1] {
            let table = read(n, special, special, special);
            assert_eq!(table.all.rows, n);
            let numbers = table.sheet.numbers("step").into_iter().flatten();
            let kept: Vec<usize> = numbers.map(|step| step as usize / 10).collect();
            assert!(kept.len() <= 8 * STRETCHES, "{special}: {}", kept.len());
            assert!(kept.is_sorted_by(|a, b| a < b), "in order, each once");
            assert!(kept.contains(&special) && kept.starts_with(&[0]) && kept.ends_with(&[n - 1]));
            let losses: Vec<f64> = table.sheet.numbers("loss").into_iter().flatten().collect();
            assert_eq!(losses, [0.5]);
            let first = table.sheet.rows.iter().position(|row| !table.sheet.kinds(row).is_empty());
            assert_eq!(first.map(|row| kept[row]), Some(special));
            let even = table.all.even.numbers("step");
            assert_eq!(table.all.apart, 2);
            assert!(even.iter().zip(0..).all(|(step, k)| *step == Some(f64::from(20 * k))));
            assert_eq!(even.len(), n.div_ceil(2));
            assert_eq!(table.conclusion.analysed as usize, n);
        }
    }
}
