//! TensorBoard's view of a run: event files in the run's folder `tb/`.
//!
//! | tag | kind | from |
//! |---|---|---|
//! | `1_structure/NAME`, `2_E/NAME`, `4_spectrum/NAME`, `5_fit/NAME` | scalar | the computed columns of emergence.csv |
//! | `3_train/NAME` | scalar | what the loop logs, each call |
//! | `6_layers/NAME/LAYER` | scalar | of layers.csv, scope `layer`: the columns with [`View::Layers`] |
//! | `7_cost/NAME` | scalar | snapshot_ms, analysis_ms |
//! | `8_weights/NAME` | scalar | the size of the weights |
//! | `degree/PART`, `dimension/PART` | histogram | distributions.csv |
//! | `warnings`, `verdict` | text | each kind of warning where it comes first; at the end, what the run found |
//!
//! A value that is absent has no event. TensorBoard keeps scalars as f32.
//!
//! Each process writes its own file, whose name sorts after the existing ones. The file of a
//! resumed run begins with the step at which the run continues (a `SessionLog` with status
//! `START`): TensorBoard then discards what earlier files hold from that step on. A record that a
//! crash cut in the middle ends its own file only.
//!
//! The files are only a view. What a disk does not take is kept for the next write, up to a limit. If
//! they cannot be written, there is one warning and the run continues.

mod event;
mod frame;
mod layout;

use std::time::SystemTime;

use self::event::{Values, custom_layout, session_start, version};
use self::frame::frame;
use self::layout::{LAYERS, LAYOUT, TRAIN, section};
use super::column::View;
use super::columns::columns;
use super::files::{OWN, PREFIX, TENSORBOARD};
use super::folder::{Folder, RunFile};
use super::layers::layer_columns;
use super::row::Row;
use super::scalar::Scalar;
use super::{RecordError, Summary};
use crate::analysis::{Scope, WarningKind};

/// The event file of this process.
#[derive(Debug)]
pub(super) struct EventFile {
    file: RunFile,
    kept: Vec<u8>,          // frames that the disk has not taken
    said: Vec<WarningKind>, // warnings that are shown
}

/// Bytes that are kept at most.
const MOST: usize = 16 << 20;

impl EventFile {
    /// A new file in the run's `tb/`; `resumed_at` is the step at which a resumed run continues.
    pub(super) fn create(run: &Folder, resumed_at: Option<u64>) -> Result<Self, RecordError> {
        let now = now();
        let file = create_last(&run.within(TENSORBOARD)?, now as u64)?;
        let mut events = Self { file, kept: Vec::new(), said: Vec::new() };
        events.write(&version(now))?;
        events.write(&match resumed_at {
            Some(step) => session_start(now, step),
            None => custom_layout(now, &LAYOUT),
        })?;
        events.write_kept()?;
        Ok(events)
    }

    /// Writes what the loop logged at a step.
    pub(super) fn metrics(
        &mut self,
        step: u64,
        wall_time: f64,
        scalars: &[Scalar],
    ) -> Result<(), RecordError> {
        let mut values = Values::default();
        scalars.iter().for_each(|(name, value)| values.scalar(&format!("{TRAIN}/{name}"), *value));
        self.values(values, wall_time, step)
    }

    /// Writes an analysed step; its layers and histograms if it is `detailed`.
    pub(super) fn row(&mut self, row: &Row, detailed: bool) -> Result<(), RecordError> {
        let mut values = Values::default();
        let mut scalar = |tag: String, value: Option<f64>| {
            if let Some(value) = value {
                values.scalar(&tag, value);
            }
        };
        for column in columns() {
            if let Some(section) = section(column) {
                scalar(format!("{section}/{}", column.name), column.value(row));
            }
        }
        let parts =
            row.emergence.parts.iter().filter(|part| detailed && part.scope == Scope::Layer);
        for part in parts {
            for column in layer_columns().filter(|column| column.views.contains(&View::Layers)) {
                scalar(format!("{LAYERS}/{}/{}", column.name, part.name), column.value(part));
            }
        }
        for distribution in row.emergence.distributions.iter().filter(|_| detailed) {
            let tag = format!("{}/{}", distribution.quantity, distribution.part);
            values.histogram(&tag, distribution);
        }
        let new = row.emergence.trust.warnings.iter().filter(|w| !self.said.contains(&w.kind));
        let new: Vec<_> = new.map(|warning| (warning.kind, &warning.text)).collect();
        if !new.is_empty() {
            let line = |(kind, text): &(WarningKind, &String)| {
                format!("- **{}**: {text}. {}", kind.code(), kind.meaning())
            };
            let lines: Vec<String> = new.iter().map(line).collect();
            values.text("warnings", &lines.join("\n"));
            self.said.extend(new.iter().map(|(kind, _)| *kind));
        }
        self.values(values, row.wall_time, row.step)
    }

    /// Writes what the run found.
    pub(super) fn end(&mut self, summary: &Summary) -> Result<(), RecordError> {
        let mut values = Values::default();
        // Lines stay lines.
        values.text("verdict", &summary.to_string().replace('\n', "  \n"));
        self.values(values, now(), summary.last_step.unwrap_or(0))
    }

    fn values(&mut self, values: Values, wall_time: f64, step: u64) -> Result<(), RecordError> {
        values.event(wall_time, step).map_or(Ok(()), |event| self.write(&event))
    }

    fn write(&mut self, event: &[u8]) -> Result<(), RecordError> {
        self.kept.extend(frame(event));
        self.write_kept().or_else(|why| match why {
            RecordError::Write { .. } if self.kept.len() <= MOST => Ok(()),
            why => Err(why),
        })
    }

    /// Fails when the folder no longer holds this file.
    pub(super) fn check(&self) -> Result<(), RecordError> {
        self.file.check()
    }

    /// Writes what is kept.
    pub(super) fn write_kept(&mut self) -> Result<(), RecordError> {
        if !self.kept.is_empty() {
            self.file.append(&self.kept)?;
            self.kept.clear();
        }
        Ok(())
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Creates a file whose name sorts after those in the folder: TensorBoard reads them in the order
/// of their names, and the clock may have been set back.
fn create_last(folder: &Folder, now: u64) -> Result<RunFile, RecordError> {
    let names = folder.names()?;
    let begun = names
        .iter()
        .filter_map(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u64>().ok());
    let seconds = begun.max().map_or(now, |last| last.max(now));
    let mut number = 0;
    loop {
        match folder.create_new(&format!("{PREFIX}{seconds:010}.{OWN}.{number:04}"))? {
            None => number += 1,
            Some(file) => return Ok(file),
        }
    }
}
