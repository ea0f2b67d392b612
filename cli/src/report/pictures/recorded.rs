//! The data of a run directory for the pictures; also of a run in progress, or of an older version.

use std::path::Path;

use neuromfa::internals::record::{
    BOXES, Cells, Conclusion, DISTRIBUTIONS, EMERGENCE, LAYERS, METRICS, ROLLED_BACK, RUN,
    RunConfig, SCALING, SPECTRA, SUMMARY, column, read_file, read_table,
};
use neuromfa::{RecordError, Summary};

use super::axis::Axis;
use super::panel::Values;

/// A table; one that is not there has no rows.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Cells>,
}

impl Sheet {
    fn read(path: &Path) -> Result<Self, RecordError> {
        let (columns, rows) = read_table(path)?;
        Ok(Self { columns, rows })
    }

    fn read_if_there(path: &Path) -> Result<Self, RecordError> {
        if path.exists() { Self::read(path) } else { Ok(Self::default()) }
    }

    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The cell of a row; empty where the column is not there.
    pub(super) fn cell<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        self.column(name).and_then(|k| row.get(k)).map_or("", String::as_str)
    }

    /// The finite number in a row.
    pub(super) fn number(&self, row: &[String], name: &str) -> Option<f64> {
        finite(self.cell(row, name))
    }

    /// The finite numbers of a column.
    pub(super) fn numbers(&self, name: &str) -> Values {
        self.rows.iter().map(|row| self.number(row, name)).collect()
    }

    /// The finite numbers of the column with its error, or else its deviation over the samples; none
    /// where it has neither.
    pub(super) fn spread(&self, name: &str) -> Option<Values> {
        let spread = ["_se", "_std"].iter().find_map(|suffix| column(&format!("{name}{suffix}")));
        spread.map(|column| self.numbers(column.name))
    }

    /// The steps.
    pub(super) fn steps(&self) -> Vec<f64> {
        self.numbers("step").into_iter().map(Option::unwrap_or_default).collect()
    }

    /// What the loop logged, by name.
    pub(super) fn logged(&self) -> Vec<&str> {
        let logged = |name: &&str| column(name).is_none() && *name != ROLLED_BACK;
        self.columns.iter().map(String::as_str).filter(logged).collect()
    }
}

fn finite(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|v: &f64| v.is_finite())
}

/// A run's files.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The folder's name.
    pub(super) name: String,
    /// What pictures over time have as their horizontal axis.
    pub(super) axis: Axis,
    /// Points of a logged quantity that are drawn: fewer where there are several runs.
    pub(super) points: usize,
    /// None when run.json is of another version, or not there.
    pub(super) config: Option<RunConfig>,
    pub(super) emergence: Sheet,
    pub(super) metrics: Sheet,
    pub(super) spectra: Sheet,
    pub(super) layers: Sheet,
    pub(super) distributions: Sheet,
    pub(super) scaling: Sheet,
    pub(super) boxes: Sheet,
    /// None while the run continues.
    pub(super) summary: Option<Summary>,
    pub(super) conclusion: Conclusion,
}

impl Recorded {
    /// # Errors
    /// [`RecordError::Read`] when the folder has no emergence.csv, or a table cannot be read.
    pub(super) fn read(folder: &Path, points: usize) -> Result<Self, RecordError> {
        let json = |name: &str| read_file(&folder.join(name)).ok();
        let name = folder.canonicalize().ok();
        let name = name.as_deref().unwrap_or(folder).file_name();
        let emergence = Sheet::read(&folder.join(EMERGENCE))?;
        Ok(Self {
            axis: Axis::default(),
            name: name.map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned()),
            points,
            config: json(RUN).and_then(|text| serde_json::from_slice(&text).ok()),
            metrics: Sheet::read_if_there(&folder.join(METRICS))?,
            spectra: Sheet::read_if_there(&folder.join(SPECTRA))?,
            layers: Sheet::read_if_there(&folder.join(LAYERS))?,
            distributions: Sheet::read_if_there(&folder.join(DISTRIBUTIONS))?,
            scaling: Sheet::read_if_there(&folder.join(SCALING))?,
            boxes: Sheet::read_if_there(&folder.join(BOXES))?,
            summary: json(SUMMARY).and_then(|text| serde_json::from_slice(&text).ok()),
            conclusion: Conclusion::of_table(&emergence.columns, &emergence.rows),
            emergence,
        })
    }

    /// Makes a logged quantity, or `step`, the horizontal axis; false where nothing of this name was
    /// logged.
    pub(super) fn draw_over(&mut self, name: &str) -> bool {
        let tables = [&self.metrics, &self.emergence];
        let table = tables.into_iter().find(|table| table.logged().contains(&name));
        let logged = table.map(|table| {
            let pairs = table.steps().into_iter().zip(table.numbers(name));
            Axis::logged(name, pairs.filter_map(|(step, value)| Some((step, value?))).collect())
        });
        let steps = (name == "step").then(Axis::default);
        let axis = steps.or(logged);
        let there = axis.is_some();
        self.axis = axis.unwrap_or_default();
        there
    }

    /// The names of what the loop logged, in words.
    pub(super) fn logged(&self) -> String {
        let table = if self.metrics.logged().is_empty() { &self.emergence } else { &self.metrics };
        let names = table.logged().join(", ");
        if names.is_empty() { "nothing".to_owned() } else { names }
    }

    /// Where the rows of a table lie on the horizontal axis.
    pub(super) fn x(&self, table: &Sheet) -> Vec<f64> {
        table.steps().into_iter().map(|step| self.axis.at(step)).collect()
    }

    /// Where weights were set back to those of an earlier step.
    pub(super) fn rolled_back(&self) -> Vec<f64> {
        let back = self.metrics.numbers(ROLLED_BACK);
        let x = self.x(&self.metrics).into_iter().zip(back);
        x.filter_map(|(x, back)| back.map(|_| x)).collect()
    }

    /// The logged quantity that is the loss, if one is.
    pub(super) fn loss(&self) -> Option<&str> {
        let table = if self.metrics.logged().is_empty() { &self.emergence } else { &self.metrics };
        let logged = table.logged();
        let named = ["loss", "train_loss", "training_loss", "loss/train", "train/loss"];
        let by_name = named.iter().find_map(|name| logged.iter().find(|c| *c == name));
        by_name.or_else(|| logged.iter().find(|c| c.to_lowercase().contains("loss"))).copied()
    }

    /// A logged quantity over steps, from the loop's own table, thinned out to at most
    /// [`points`](Self::points): each the mean of the finite values of as many consecutive rows.
    pub(super) fn thinned(&self, name: &str) -> (Vec<f64>, Option<Vec<f64>>, Values, usize) {
        let table =
            if self.metrics.column(name).is_some() { &self.metrics } else { &self.emergence };
        let (steps, values) = (self.x(table), table.numbers(name));
        let each = values.len().div_ceil(self.points.max(1)).max(1);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let means = |values: Vec<f64>| values.chunks(each).map(mean).collect();
        let value = values.chunks(each).map(|chunk| {
            let there: Vec<f64> = chunk.iter().flatten().copied().collect();
            (!there.is_empty()).then(|| mean(&there))
        });
        (means(steps), self.seconds(table).map(means), value.collect(), each)
    }

    /// The seconds since the run began, for each row of one of its tables; none if a row lacks its time.
    pub(super) fn seconds(&self, table: &Sheet) -> Option<Vec<f64>> {
        let times = |table: &Sheet| table.numbers("wall_time");
        let start = [&self.emergence, &self.metrics].map(|table| times(table).first().copied()?);
        let start = start.into_iter().flatten().reduce(f64::min)?;
        times(table).into_iter().map(|time| time.map(|time| time - start)).collect()
    }

    /// Where a rule ended the run.
    pub(super) fn stopped(&self) -> Option<f64> {
        let summary = self.summary.as_ref()?;
        let stop = summary.stop()?;
        Some(self.axis.at(summary.stopped_step().unwrap_or(stop.measured_step) as f64))
    }

    /// Where structure was first seen; none where nothing is claimed.
    pub(super) fn onset(&self) -> Option<f64> {
        self.conclusion.claim().and(self.conclusion.onset).map(|step| self.axis.at(step as f64))
    }

    /// At most this many of the steps, from the first to the last, evenly by rank.
    pub(super) fn chosen(steps: &[String], most: usize) -> Vec<String> {
        let n = steps.len().min(most);
        let last = |n: usize| n.saturating_sub(1);
        let pick = |k: usize| (k * last(steps.len()) + last(n) / 2) / last(n).max(1);
        (0..n).map(|k| steps[pick(k)].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_steps_are_even_and_keep_both_ends() {
        let steps: Vec<String> = (0..11).map(|k| (10 * k).to_string()).collect();
        assert_eq!(Recorded::chosen(&steps, 3), ["0", "50", "100"]);
        assert_eq!(Recorded::chosen(&steps, 1), ["0"]);
        assert_eq!(Recorded::chosen(&steps[..2], 8), ["0", "10"]);
        assert_eq!(Recorded::chosen(&[], 8), [""; 0]);
    }
}
