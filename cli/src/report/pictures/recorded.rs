//! The data of a run directory for the pictures; also of a run in progress, or of an older version.

use std::path::Path;

use neuromfa::internals::record::{
    BOXES, Conclusion, DISTRIBUTIONS, EMERGENCE, LAYERS, RunConfig, SCALING, SPECTRA, SUMMARY,
    check_schema, read_file,
};
use neuromfa::{RecordError, Summary};

use super::axis::Axis;
use super::logged::{Logged, Means};
use super::sheet::Sheet;
use super::thin::{Emergence, Overall};

/// A run's files, as far as pictures need them.
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
    /// The rows of emergence.csv that curves need.
    pub(super) emergence: Sheet,
    pub(super) all: Overall,
    pub(super) logged: Logged,
    /// The loss over the axis, if the loop logged one.
    pub(super) loss: Option<(String, Means)>,
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
    /// [`RecordError`] when the folder has no emergence.csv, or a table cannot be read.
    pub(super) fn read(folder: &Path, points: usize) -> Result<Self, RecordError> {
        check_schema(folder)?;
        let json = |name: &str| read_file(&folder.join(name)).ok();
        let name = folder.canonicalize().ok();
        let name = name.as_deref().unwrap_or(folder).file_name();
        let Emergence { sheet, conclusion, all } = Emergence::read(&folder.join(EMERGENCE))?;
        let of_steps = |name| Sheet::of_steps(&folder.join(name));
        Ok(Self {
            axis: Axis::default(),
            name: name.map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned()),
            points,
            config: RunConfig::read(folder).ok(),
            logged: Logged::read(folder)?,
            loss: None,
            spectra: of_steps(SPECTRA)?,
            layers: of_steps(LAYERS)?,
            distributions: of_steps(DISTRIBUTIONS)?,
            scaling: of_steps(SCALING)?,
            boxes: of_steps(BOXES)?,
            summary: json(SUMMARY).and_then(|text| serde_json::from_slice(&text).ok()),
            conclusion,
            emergence: sheet,
            all,
        })
    }

    /// Makes a logged quantity, or `step`, the horizontal axis, and reads the loss over it; false where
    /// nothing of this name was logged.
    ///
    /// # Errors
    /// [`RecordError`] when a table cannot be read.
    pub(super) fn draw_over(&mut self, name: &str) -> Result<bool, RecordError> {
        let axis = if name == "step" { Some(Axis::default()) } else { self.logged.axis(name)? };
        let there = axis.is_some();
        self.axis = axis.unwrap_or_default();
        let read = |loss: &str| {
            let means = self.logged.means(loss, self.points, &self.axis, self.start())?;
            Ok((loss.to_owned(), means))
        };
        self.loss = self.logged.loss().map(read).transpose()?;
        Ok(there)
    }

    /// Where the rows of a table lie on the horizontal axis.
    pub(super) fn x(&self, table: &Sheet) -> Vec<f64> {
        table.steps().into_iter().map(|step| self.axis.at(step)).collect()
    }

    /// Where weights were set back to those of an earlier step.
    pub(super) fn rolled_back(&self) -> Vec<f64> {
        self.logged.rolled_back.iter().map(|step| self.axis.at(*step)).collect()
    }

    /// When the first row was recorded.
    fn start(&self) -> Option<f64> {
        let analysed = self.emergence.rows.first();
        let analysed = analysed.and_then(|row| self.emergence.number(row, "wall_time"));
        [analysed, self.logged.times[0]].into_iter().flatten().reduce(f64::min)
    }

    /// The seconds since the run began, for each row of one of its tables; none if a row lacks its time.
    pub(super) fn seconds(&self, table: &Sheet) -> Option<Vec<f64>> {
        let start = self.start()?;
        table.numbers("wall_time").into_iter().map(|time| time.map(|time| time - start)).collect()
    }

    /// The seconds from the first to the last row.
    pub(super) fn duration(&self) -> Option<f64> {
        let analysed = self.seconds(&self.emergence).and_then(|seconds| seconds.last().copied());
        let logged = self.logged.times[1].zip(self.start()).map(|(last, start)| last - start);
        [analysed, logged].into_iter().flatten().reduce(f64::max)
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
