//! Tries stop rules on recorded runs: would stopping have been right?
//!
//! A rule sees the rows of a run's emergence.csv in order, and what was logged between them, as a live rule did,
//! and stops where it would have stopped. Compared with the complete run, this
//!
//! - saves the steps after the row that led to the verdict, and
//! - gives up loss: the lowest loss logged up to that row, less the lowest of the complete run.
//!
//! A rule that never stops saves nothing and gives up nothing. Losses are those of metrics.csv, all
//! steps.
//!
//! [`Grid`] ranks rules on the runs that it tries them on. Whether a rule is worth more than a clock or
//! patience on the validation loss is another question: the comparison in `study` answers it on families of
//! runs, tunes each rule on the other families, judges by a loss that no rule sees, and gives intervals.

mod entrant;
mod error;
mod field;
mod grid;
mod history;
mod judged;
mod resample;
mod scores;
mod signs;
mod standing;
mod study;
mod tuning;

pub use grid::{Grid, Trial};
pub use history::{History, Outcome};

/// Further items for the command and tests.
pub(crate) mod exports {
    pub use super::entrant::SETTINGS;
    pub use super::error::StudyError;
    pub use super::field::{Entry, Field, Worth};
    pub use super::judged::{Judged, Stopped};
    pub use super::resample::{Estimate, Resamples};
    pub use super::signs::{holm, sign_test};
    pub use super::standing::{FamilyOfRuns, Measures, RunStop, Standing, Study, Test};
    pub use super::study::StudyOptions;
    pub use super::tuning::StudyRun;
}
