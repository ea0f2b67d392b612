//! TensorBoard's view of a run: event files in the run's folder `tb/`.
//!
//! | tag | kind | from |
//! |---|---|---|
//! | `train/NAME` | scalar | what the loop logs, each call |
//! | `neuromfa/NAME` | scalar | the computed columns of emergence.csv |
//! | `cost/NAME` | scalar | snapshot_ms, analysis_ms |
//! | `layers/NAME/LAYER` | scalar | of layers.csv, scope `layer`: the columns with [`View::Layers`] |
//! | `degree/PART`, `dimension/PART` | histogram | distributions.csv |
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

use std::time::SystemTime;

use self::event::{Values, session_start, version};
use self::frame::frame;
use super::RecordError;
use super::column::{Kind, View};
use super::columns::columns;
use super::files::{OWN, PREFIX, TENSORBOARD};
use super::folder::{Folder, RunFile};
use super::layers::layer_columns;
use super::row::Row;
use crate::analysis::Scope;

/// The event file of this process.
#[derive(Debug)]
pub(super) struct EventFile {
    file: RunFile,
    kept: Vec<u8>, // frames that the disk has not taken
}

/// Bytes that are kept at most.
const MOST: usize = 16 << 20;

impl EventFile {
    /// A new file in the run's `tb/`; `resumed_at` is the step at which a resumed run continues.
    pub(super) fn create(run: &Folder, resumed_at: Option<u64>) -> Result<Self, RecordError> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = since.map_or(0.0, |since| since.as_secs_f64());
        let file = create_last(&run.within(TENSORBOARD)?, now as u64)?;
        let mut events = Self { file, kept: Vec::new() };
        events.write(&version(now))?;
        if let Some(step) = resumed_at {
            events.write(&session_start(now, step))?;
        }
        events.write_kept()?;
        Ok(events)
    }

    /// Writes what the loop logged at a step.
    pub(super) fn metrics(
        &mut self,
        step: u64,
        wall_time: f64,
        scalars: &[(String, f64)],
    ) -> Result<(), RecordError> {
        let mut values = Values::default();
        scalars.iter().for_each(|(name, value)| values.scalar(&format!("train/{name}"), *value));
        self.values(values, wall_time, step)
    }

    /// Writes an analysed step.
    pub(super) fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let mut values = Values::default();
        let mut scalar = |tag: String, value: Option<f64>| {
            if let Some(value) = value {
                values.scalar(&tag, value);
            }
        };
        for column in columns() {
            let of = match column.kind {
                Kind::Cost => "cost",
                _ if column.is_quantity() => OWN,
                _ => continue,
            };
            scalar(format!("{of}/{}", column.name), column.value(row));
        }
        for part in row.emergence.parts.iter().filter(|part| part.scope == Scope::Layer) {
            for column in layer_columns().filter(|column| column.views.contains(&View::Layers)) {
                scalar(format!("layers/{}/{}", column.name, part.name), column.value(part));
            }
        }
        for distribution in &row.emergence.distributions {
            let tag = format!("{}/{}", distribution.quantity, distribution.part);
            values.histogram(&tag, distribution);
        }
        self.values(values, row.wall_time, row.step)
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
