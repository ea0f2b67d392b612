//! The run directory: what a run leaves behind, in files that any tool reads.
//!
//! | file | holds |
//! |---|---|
//! | `run.json` | resolved configuration, the network found, versions |
//! | `nodes.json` | the drawn neurons ([`crate::network::Draw`]) |
//! | `baseline.json` | what step 0 measured ([`crate::analysis::Baseline`]) |
//! | `metrics.csv` | step, wall_time, then whatever the loop logs: one row for each call |
//! | `emergence.csv` | one row for each analysed step ([`COLUMNS`]) |
//! | `hashes.csv` | step, tensor, and a hash of its bytes (XXH3, 64 bits): whether two steps have the same weights |
//! | `spectra.csv` | step, q, tau, r2, alpha, f, their deviations over the samples, and D_q |
//! | `layers.csv` | step, then each layer, block, role and the network: both estimators, the measures of structure, and the statistics of its neurons' dimensions and degrees |
//! | `distributions.csv` | step, part, quantity, low, high, neurons: how degrees and dimensions are distributed over the neurons of each layer and of the network (`all`) |
//! | `hops.csv` | on request: step, hops, then the values over 2 and 3 hops: one row for each analysed step and number of hops |
//! | `scaling.csv` | step, what, r, then ln Z_q for six q (empty where the method's grid lacks one): up to 24 rows `ln_z`, means over the samples at radii that all have, then a row `slope` and a row `intercept` of the fits on ln r |
//! | `boxes.csv` | step, layer, neuron, r, N(r) at up to 24 radii, and in a last row the fit of ln N on ln r: of one neuron in each of up to six layers |
//! | `neurons/step-N.csv` | on request: every neuron's dimension and degree |
//! | `start.safetensors` | for the rescaled start: the weights of step 0 |
//! | `state.json` | where the stop rule stands |
//! | `summary.json` | at the end: best and last E, stop reason, cost of monitoring |
//! | `tb/` | what TensorBoard shows: an event file for each process that wrote the run (docs/views.md) |
//!
//! An absent value is an empty field. Numbers read back to the same f64. Rows are appended whole,
//! with one write; JSON files are replaced whole, by renaming.
//!
//! # After a crash
//!
//! A step is recorded in the order metrics, spectra, layers, distributions, hops, scaling, boxes,
//! emergence. Say a run that analyses every 10th step dies while it writes step 30:
//!
//! ```text
//! metrics.csv    ..  29  30        complete
//! spectra.csv    ..  20  30 (12 of 61 rows, the last one cut in the middle)
//! emergence.csv  ..  20
//! ```
//!
//! On opening, half lines go first; then step 30, which has no row in emergence.csv, is cut from
//! the others. All files end with step 29, and the run goes on with step 30. A resume at an
//! earlier step (an older checkpoint, say) drops the rows from that step on in the same way. The
//! files are then those of a run that ended there: a metric that has no value left has no column.

mod conclusion;
mod config;
mod details;
mod files;
mod hops;
mod read;
mod recorder;
mod resume;
mod row;
mod scaling;
mod summary;
mod table;
mod tensorboard;

pub use conclusion::Conclusion;
pub use config::{RunConfig, Sampling};
pub use files::{
    BOXES, DISTRIBUTIONS, EMERGENCE, HASHES, LAYERS, METRICS, NEURONS, RUN, SCALING, SPECTRA,
    START, STATE, SUMMARY, TENSORBOARD,
};
pub use read::{RecordedRun, read_rows};
pub use resume::resume;
pub use row::{COLUMNS, Row, computed_quantities, number};
pub use summary::Summary;
pub use table::{Cells, csv_text, read_table};

pub(crate) use files::{BASELINE, HOPS, NODES, holds_run};
pub(crate) use recorder::Recorder;
pub(crate) use resume::{Recorded, RecordedRow};
pub(crate) use row::check_name;
pub(crate) use summary::{Best, BudgetRecord, Cost, Spacing, StopRecord};

use std::path::PathBuf;

/// A run directory that cannot be written, read or gone on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The operating system's refusal, with the file.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason: an [`std::io::Error`] where the system refuses, else what is wrong in the
        /// file.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder without a readable run.json.
    #[error("cannot read {}: {source} (is it a run's folder?)", path.display())]
    NotARun {
        /// The file.
        path: PathBuf,
        /// The reason, as above.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The folder holds a run already.
    #[error(
        "{} already holds a run: name another folder, or go on with that run (resume), \
         or replace it (overwrite)", path.display()
    )]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing to resume from.
    #[error(
        "{} holds no run that could go on at step {step}: what step 0 measured is not there. Begin \
         a new run (without resume), with the weights of step 0 as its baseline file if you have \
         them", path.display()
    )]
    NothingToResume {
        /// The folder.
        path: PathBuf,
        /// The step asked for.
        step: u64,
    },
    /// A file with the name of one of a run's, without the run.json that would say of which.
    #[error(
        "{} is there without a run.json, so it may be another program's: name another folder, or \
         put run.json back and go on with that run (resume), or replace it (overwrite)",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// A file without which a run cannot go on.
    #[error(
        "the run cannot go on without {}: {source}. Put it back from a copy, or begin a new run \
         (in another folder, or overwrite)", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason, as of [`Read`](Self::Read).
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process writes to the folder.
    #[error(
        "another process is writing to the run in {}: wait for its end, or name another folder",
        path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The run was recorded with another model or configuration.
    #[error(
        "the run in {} does not match: its {key} is {recorded}, that of this program is {current}. \
         Go on with the same model and configuration, or begin a new run (in another folder, or \
         overwrite)", path.display()
    )]
    Mismatch {
        /// The folder.
        path: PathBuf,
        /// Where in run.json the two differ, or in nodes.json (`nodes`).
        key: String,
        /// The recorded value, in words.
        recorded: String,
        /// The value of this program, in words.
        current: String,
    },
    /// A name that cannot be a column.
    #[error("{name:?} cannot be logged: {why}")]
    Name {
        /// The name.
        name: String,
        /// The reason.
        why: &'static str,
    },
}
