//! The state of the view: the run's files as they were last read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use neuromfa::internals::record::{
    Cells, Conclusion, EMERGENCE, METRICS, RUN, RunConfig, SPECTRA, STATE, SUMMARY, column,
    read_file, read_rows, read_table,
};
use neuromfa::{RecordError, RuleState, StopRule, Summary};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A CSV file's columns and rows.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Cells>,
}

impl Table {
    /// Where a column is.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Points of two columns, where both are finite numbers.
    fn points(&self, x: &str, y: &str) -> Vec<(f64, f64)> {
        let Some((x, y)) = self.column(x).zip(self.column(y)) else { return Vec::new() };
        let number = |cell: &String| cell.parse().ok().filter(|value: &f64| value.is_finite());
        self.rows.iter().filter_map(|row| Some((number(&row[x])?, number(&row[y])?))).collect()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The last cell of a column that is not empty.
    pub fn last(&self, name: &str) -> Option<&str> {
        let column = self.column(name)?;
        self.rows.iter().rev().map(|row| row[column].as_str()).find(|cell| !cell.is_empty())
    }

    /// A column's cell in the newest row.
    pub fn newest(&self, name: &str) -> Option<&str> {
        let cell = self.rows.last()?.get(self.column(name)?)?;
        (!cell.is_empty()).then_some(cell)
    }

    /// A column's number in the newest row.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.newest(name)?.parse().ok()
    }

    fn mean(&self, name: &str) -> Option<f64> {
        let points = self.points("step", name);
        let sum: f64 = points.iter().map(|(_, value)| value).sum();
        (!points.is_empty()).then(|| sum / points.len() as f64)
    }
}

/// A run, as far as its files show.
#[derive(Debug, Default)]
pub struct State {
    pub folder: PathBuf,
    pub config: Option<RunConfig>,
    pub metrics: Table,
    pub emergence: Table,
    pub conclusion: Conclusion,
    pub rule: Option<RuleState>,
    pub summary: Option<Summary>,
    /// What is wrong with a table, which is then shown as it was read before.
    pub damaged: BTreeMap<&'static str, String>,
    spectra: Table,
    metric: usize, // of those that the loop logs, the one shown
    chosen: bool,  // whether it was chosen by a key
    seen: HashMap<&'static str, Option<(u64, SystemTime)>>,
}

impl State {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, ..Self::default() }
    }

    /// Reads the files that changed. A missing or incomplete file is treated as absent.
    pub fn refresh(&mut self) {
        if let Some(path) = self.changed(RUN) {
            self.config = json(&path);
        }
        if let Some(path) = self.changed(METRICS) {
            self.read_table(METRICS, &path, |state, table| state.metrics = table);
        }
        if let Some(path) = self.changed(EMERGENCE) {
            self.read_table(EMERGENCE, &path, |state, table| {
                state.emergence = table;
                let rows = read_rows(&state.folder).unwrap_or_default();
                state.conclusion = Conclusion::of(&rows);
            });
        }
        if let Some(path) = self.changed(SPECTRA) {
            self.read_table(SPECTRA, &path, |state, table| state.spectra = table);
        }
        if let Some(path) = self.changed(STATE) {
            self.rule = json(&path);
        }
        if let Some(path) = self.changed(SUMMARY) {
            self.summary = json(&path);
        }
        if !self.chosen {
            let names = self.metric_names();
            let named = |test: &dyn Fn(&str) -> bool| names.iter().position(|name| test(name));
            let loss = named(&|name| name == "loss").or_else(|| named(&|n| n.contains("loss")));
            self.metric = loss.unwrap_or(0);
        }
    }

    fn read_table(&mut self, name: &'static str, path: &Path, set: fn(&mut Self, Table)) {
        self.damaged.remove(name);
        match read_table(path) {
            Ok((columns, rows)) => set(self, Table { columns, rows }),
            Err(error @ RecordError::Row { .. }) => {
                self.damaged.insert(name, error.to_string());
            }
            Err(_) => set(self, Table::default()),
        }
    }

    /// The path of a file, if it has changed since the last call.
    fn changed(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = self.folder.join(name);
        let data = std::fs::metadata(&path).ok();
        let now = data.and_then(|data| Some((data.len(), data.modified().ok()?)));
        (self.seen.insert(name, now) != Some(now)).then_some(path)
    }

    /// Shows the next metric.
    pub fn next_metric(&mut self) {
        self.chosen = true;
        self.metric = (self.metric + 1) % self.metric_names().len().max(1);
    }

    fn metric_names(&self) -> Vec<&str> {
        let names = self.metrics.columns.iter().map(String::as_str);
        names.filter(|name| column(name).is_none()).collect()
    }

    /// The name of the metric that is shown, and its points; none when the loop logs nothing.
    pub fn metric(&self) -> Option<(&str, Vec<(f64, f64)>)> {
        let name = *self.metric_names().get(self.metric)?;
        Some((name, self.metrics.points("step", name)))
    }

    /// A computed quantity over the steps.
    pub fn curve(&self, name: &str) -> Vec<(f64, f64)> {
        self.emergence.points("step", name)
    }

    /// The newest spectrum: its step, and f over alpha.
    pub fn spectrum(&self) -> Option<(&str, Vec<(f64, f64)>)> {
        let step = self.spectra.newest("step")?;
        let column = self.spectra.column("step")?;
        let rows = self.spectra.rows.iter().rev().take_while(|row| row[column] == step);
        let newest = Table { columns: self.spectra.columns.clone(), rows: rows.cloned().collect() };
        Some((step, newest.points("alpha", "f")))
    }

    /// The last step that was reported or analysed.
    pub fn last_step(&self) -> Option<u64> {
        let step = |table: &Table| table.newest("step")?.parse().ok();
        step(&self.metrics).max(step(&self.emergence))
    }

    /// Mean milliseconds of a snapshot and of an analysis.
    pub fn cost(&self) -> Option<(f64, f64)> {
        self.emergence.mean("snapshot_ms").zip(self.emergence.mean("analysis_ms"))
    }

    /// The stop rule in words.
    pub fn stop_rule(&self) -> Option<String> {
        let rule = StopRule::deserialize(&self.config.as_ref()?.stop_rule).ok()?;
        Some(rule.to_string())
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&read_file(path).ok()?).ok()
}
