//! The state of the view: the run's files as they were last read.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use neuromfa::internals::record::{
    Conclusion, EMERGENCE, METRICS, RUN, Rows, RunConfig, SPECTRA, STATE, SUMMARY, StoredRow,
    column, read_file, read_last_step,
};
use neuromfa::{RecordError, RuleState, StopRule, Summary};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::points::Points;

/// The computed quantities that are shown over the steps.
pub const CURVES: [&str; 4] = ["E", "E_stable", "width_excess", "alpha0_excess"];

/// So many of the newest rows say how fast a run is.
const PACE: usize = 64;
/// Seconds after which it is said that a run has no news, at least.
const QUIET: f64 = 30.0;

/// A CSV file, as far as the view shows it. Rows that were read once are not read again.
#[derive(Debug, Default)]
pub struct Table {
    columns: Vec<String>,
    places: HashMap<String, usize>,
    rows: usize,
    newest: Option<StoredRow>,
    /// The last cell of the column `warning` that is not empty.
    warned: Option<String>,
    curves: BTreeMap<usize, Points>, // of columns of numbers
    means: BTreeMap<usize, (f64, usize)>,
    begun: Option<f64>,          // seconds since 1970
    times: VecDeque<(u64, f64)>, // steps and times of the newest rows
    conclusion: Conclusion,
}

/// Columns of which the mean is shown.
const MEANS: [&str; 2] = ["snapshot_ms", "analysis_ms"];

impl Table {
    /// A table of which these columns are shown as curves; without any, all that the loop logs.
    fn open(rows: &Rows, curves: &[&str]) -> Self {
        let columns = rows.columns().to_vec();
        let places: HashMap<String, usize> = columns.iter().cloned().zip(0..).collect();
        let logged = columns.iter().map(String::as_str).filter(|name| column(name).is_none());
        let curves = if curves.is_empty() { logged.collect() } else { curves.to_vec() };
        let at = |name: &&str| places.get(*name).copied();
        let curves = curves.iter().filter_map(at).map(|k| (k, Points::default())).collect();
        let means = MEANS.iter().filter_map(at).map(|k| (k, (0.0, 0))).collect();
        Self { columns, places, curves, means, ..Self::default() }
    }

    /// Reads the rows that were added, or all of another file.
    fn refresh(&mut self, path: &Path, curves: &[&str]) -> Result<(), RecordError> {
        match self.add(path, curves) {
            // Only who reads all lines knows the number of the damaged one.
            Err(RecordError::Row { .. }) => Rows::open(path)?.try_for_each(|row| row.map(drop)),
            read => read,
        }
    }

    fn add(&mut self, path: &Path, curves: &[&str]) -> Result<(), RecordError> {
        let mut rows = match &self.newest {
            Some(newest) => Rows::after(path, newest.start)?,
            None => Rows::open(path)?,
        };
        let again = self.newest.as_ref().map(|newest| {
            let read = rows.read().ok().flatten();
            *rows.columns() == self.columns && read.is_some_and(|row| row.cells == newest.cells)
        });
        if again != Some(true) {
            rows = Rows::open(path)?;
            *self = Self::open(&rows, curves);
        }
        while let Some(row) = rows.read()? {
            self.take(row);
        }
        Ok(())
    }

    fn take(&mut self, row: StoredRow) {
        self.rows += 1;
        let number = |k: usize| row.cells[k].parse::<f64>().ok().filter(|value| value.is_finite());
        for (&k, points) in &mut self.curves {
            if let Some(value) = number(k) {
                points.push((row.step as f64, value));
            }
        }
        for (&k, (sum, count)) in &mut self.means {
            if let Some(value) = number(k) {
                (*sum, *count) = (*sum + value, *count + 1);
            }
        }
        if let Some(time) = self.places.get("wall_time").and_then(|&k| number(k)) {
            self.begun.get_or_insert(time);
            self.times.push_back((row.step, time));
            if self.times.len() > PACE {
                self.times.pop_front();
            }
        }
        let cell = |name: &str| self.places.get(name).map(|&k| row.cells[k].as_str());
        if let Some(warning) = cell("warning").filter(|words| !words.is_empty()) {
            self.warned = Some(warning.to_owned());
        }
        if self.places.contains_key(CURVES[0]) {
            self.conclusion.add_cells(row.step, &cell);
        }
        self.newest = Some(row);
    }

    /// Where a column is.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// A column over the steps, where it is a finite number.
    fn points(&self, name: &str) -> Vec<(f64, f64)> {
        let points = self.column(name).and_then(|k| self.curves.get(&k));
        points.map(Points::all).unwrap_or_default()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The last warning.
    pub fn warned(&self) -> Option<&str> {
        self.warned.as_deref()
    }

    /// A column's cell in the newest row.
    pub fn newest(&self, name: &str) -> Option<&str> {
        let cell = self.newest.as_ref()?.cells.get(self.column(name)?)?;
        (!cell.is_empty()).then_some(cell)
    }

    /// A column's number in the newest row.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.newest(name)?.parse().ok()
    }

    fn mean(&self, name: &str) -> Option<f64> {
        let (sum, count) = self.means.get(&self.column(name)?)?;
        (*count > 0).then(|| sum / *count as f64)
    }
}

/// A step and f over alpha.
pub type Spectrum = (u64, Vec<(f64, f64)>);

/// A run, as far as its files show.
#[derive(Debug, Default)]
pub struct State {
    pub folder: PathBuf,
    pub config: Option<RunConfig>,
    pub metrics: Table,
    pub emergence: Table,
    pub rule: Option<RuleState>,
    pub summary: Option<Summary>,
    /// What is wrong with a table, which is then shown as it was read before.
    pub damaged: BTreeMap<&'static str, String>,
    /// Seconds since 1970 when the files were last looked at.
    pub now: f64,
    spectrum: Option<Spectrum>,
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
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.now = since.map_or(0.0, |since| since.as_secs_f64());
        if let Some(path) = self.changed(RUN) {
            self.config = json(&path);
        }
        if let Some(path) = self.changed(METRICS) {
            let read = self.metrics.refresh(&path, &[]);
            self.note(METRICS, read, |state| state.metrics = Table::default());
        }
        if let Some(path) = self.changed(EMERGENCE) {
            let read = self.emergence.refresh(&path, &CURVES);
            self.note(EMERGENCE, read, |state| state.emergence = Table::default());
        }
        if let Some(path) = self.changed(SPECTRA) {
            let read = spectrum(&path).map(|spectrum| self.spectrum = spectrum);
            self.note(SPECTRA, read, |state| state.spectrum = None);
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

    /// What is wrong with a table; it is shown as it was read before, or not if it is not there.
    fn note(&mut self, name: &'static str, read: Result<(), RecordError>, forget: fn(&mut Self)) {
        self.damaged.remove(name);
        match read {
            Ok(()) => {}
            Err(error @ RecordError::Row { .. }) => {
                self.damaged.insert(name, error.to_string());
            }
            Err(_) => forget(self),
        }
    }

    /// The conclusion so far.
    pub fn conclusion(&self) -> &Conclusion {
        &self.emergence.conclusion
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
        Some((name, self.metrics.points(name)))
    }

    /// A computed quantity over the steps.
    pub fn curve(&self, name: &str) -> Vec<(f64, f64)> {
        self.emergence.points(name)
    }

    /// The newest spectrum: its step, and f over alpha.
    pub fn spectrum(&self) -> Option<Spectrum> {
        self.spectrum.clone()
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

    /// How long the run has taken up to its newest row, in seconds.
    pub fn elapsed(&self) -> Option<f64> {
        let begun = self.emergence.begun.or(self.metrics.begun)?;
        Some(self.newest_time()? - begun)
    }

    /// Steps in a second, of late.
    pub fn pace(&self) -> Option<f64> {
        let newest = [&self.metrics, &self.emergence].map(|table| &table.times);
        let times = newest.into_iter().find(|times| times.len() > 1)?;
        let (first, last) = (times.front()?, times.back()?);
        let pace = (last.0 - first.0) as f64 / (last.1 - first.1);
        pace.is_finite().then_some(pace)
    }

    /// Seconds since the newest row, and whether that is longer than rows are apart.
    pub fn age(&self) -> Option<(f64, bool)> {
        let age = (self.now - self.newest_time()?).max(0.0);
        let apart = |table: &Table| {
            let (first, last) = (table.times.front()?, table.times.back()?);
            let rows = table.times.len() - 1;
            (rows > 0).then(|| (last.1 - first.1) / rows as f64)
        };
        let usual = [&self.metrics, &self.emergence].into_iter().find_map(apart).unwrap_or(0.0);
        Some((age, age > QUIET.max(10.0 * usual)))
    }

    fn newest_time(&self) -> Option<f64> {
        let tables = [&self.metrics, &self.emergence].into_iter();
        tables.filter_map(|table| Some(table.times.back()?.1)).reduce(f64::max)
    }

    /// The stop rule in words.
    pub fn stop_rule(&self) -> Option<String> {
        let rule = StopRule::deserialize(&self.config.as_ref()?.stop_rule).ok()?;
        Some(rule.to_string())
    }
}

/// The newest spectrum of spectra.csv, from its last rows alone.
fn spectrum(path: &Path) -> Result<Option<Spectrum>, RecordError> {
    let (columns, rows) = read_last_step(path)?;
    let at = |name: &str| columns.iter().position(|column| column == name);
    let (Some(alpha), Some(f)) = (at("alpha"), at("f")) else { return Ok(None) };
    let number = |cell: &String| cell.parse().ok().filter(|value: &f64| value.is_finite());
    let points =
        rows.iter().filter_map(|row| Some((number(&row.cells[alpha])?, number(&row.cells[f])?)));
    Ok(rows.first().map(|row| (row.step, points.collect())))
}

fn json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&read_file(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_added_are_read_and_the_others_are_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(METRICS);
        let mut table = Table::default();
        let mut read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let read = table.refresh(&path, &[]).map_err(|error| error.to_string());
            let losses = table.points("loss").iter().map(|(_, loss)| *loss).collect();
            (table.rows(), losses, read)
        };
        let read_whole = |rows, losses: &[f64]| (rows, losses.to_vec(), Ok(()));
        assert_eq!(read("step,loss\n1,5\n2,4\n"), read_whole(2, &[5.0, 4.0]));
        assert_eq!(read("step,loss\n1,9\n2,4\n3,"), read_whole(2, &[5.0, 4.0]));
        assert_eq!(read("step,loss\n1,9\n2,4\n3,3\n"), read_whole(3, &[5.0, 4.0, 3.0]));
        // Another file: its row in the place of the last one differs, it ends before, or its columns
        // are others.
        assert_eq!(read("step,loss\n1,9\n2,4\n3,2\n"), read_whole(3, &[9.0, 4.0, 2.0]));
        assert_eq!(read("step,loss\n1,8\n"), read_whole(1, &[8.0]));
        assert_eq!(read("step,lr,loss\n1,0,8\n2,0,7\n"), read_whole(2, &[8.0, 7.0]));
        let (rows, losses, damaged) = read("step,lr,loss\n1,0,8\n2,0,7\n3,0,6\nx,0,5\n5,0,4\n");
        assert_eq!((rows, losses), (3, vec![8.0, 7.0, 6.0]));
        assert!(damaged.unwrap_err().contains("line 5"));
        assert_eq!(
            read("step,lr,loss\n1,0,8\n2,0,7\n3,0,6\n5,0,4\n"),
            read_whole(4, &[8.0, 7.0, 6.0, 4.0])
        );
    }
}
