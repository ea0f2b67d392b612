//! The run directory: the files of a run, in formats that any tool can read.
//!
//! | file | holds |
//! |---|---|
//! | `run.json` | resolved configuration, the network found, versions |
//! | `nodes.json` | the drawn neurons ([`crate::network::Draw`]) |
//! | `baseline.json` | what step 0 measured ([`crate::analysis::Baseline`]) |
//! | `metrics.csv` | step, wall_time, then whatever the loop logs: one row for each call; `rolled_back_to` at the first step after a rollback |
//! | `emergence.csv` | one row for each analysed step ([`columns()`]) |
//! | `hashes.csv` | step, tensor, and a hash of its bytes (XXH3, 64 bits): whether two steps have the same weights |
//! | `spectra.csv` | step, q, tau, r2, alpha, f, their deviations over the samples, and D_q |
//! | `layers.csv` | step, then each layer, block, role and the network: both estimators, the measures of structure, and the statistics of its neurons' dimensions and degrees |
//! | `distributions.csv` | step, part, quantity, low, high, neurons: how degrees and dimensions are distributed over the neurons of each layer and of the network (`all`) |
//! | `hops.csv` | on request: step, hops, then the values over 2 and 3 hops: one row for each analysed step and number of hops |
//! | `scaling.csv` | step, what, r, then ln Z_q for six q (empty where the method's grid lacks one): up to 24 rows `ln_z`, means over the samples at radii that all have, then a row `slope` and a row `intercept` of the fits on ln r |
//! | `boxes.csv` | step, layer, neuron, r, N(r) at up to 24 radii, and in a last row the fit of ln N on ln r: of one neuron in each of up to six layers |
//! | `neurons/step-N.csv` | on request: every neuron's dimension and degree |
//! | `entries.safetensors` | with the stable estimator: entries of the baseline's matrices |
//! | `start.safetensors` | for the rescaled start: the weights of step 0 |
//! | `state.json` | stop-rule state |
//! | `summary.json` | at the end: best and last E, stop reason, cost of monitoring |
//! | `README.md`, `columns.json` | what the files and columns of this run are, for people and for programs |
//! | `.neuromfa`, `.lock` | the names of the files that the run writes; locked by the process that writes it |
//! | `tb/` | what TensorBoard shows: an event file for each process that wrote the run (docs/views.md) |
//!
//! layers.csv, spectra.csv, distributions.csv, scaling.csv and boxes.csv are thinned: they have each of the
//! first 100 analysed steps, then one in `every_detail` (run.json). Which ones is a function of how many
//! steps were analysed before, so that a replay and a resumed run have the same.
//!
//! Text that a spreadsheet would run (`=`, `+`, `-` and `@` before a name), and text with control
//! characters, is written with a `'` before it; control characters and `\` are then escaped as in
//! Rust. So a row is one line.
//!
//! An absent value is an empty field in CSV files, and `null` in JSON files. A number that is not finite is
//! `NaN`, `inf` or `-inf`: in JSON, which has no such numbers, this text in quotes. A column of floats
//! has floats only (`0.0`, not `0`). Numbers read back to the same f64. Each append writes
//! complete rows with one write; JSON files are replaced atomically, by renaming. The folder is held
//! open: a run never writes to another folder that came to its path, and a folder or file that is
//! removed, renamed or replaced meanwhile is an error.
//!
//! A run replaces and removes only files that it wrote, or an earlier run in this folder: with files of
//! other programs that have the names of its own it does not begin ([`RecordError::Foreign`]).
//! It follows no link. A reader reads files only, no FIFOs or devices.
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
//! When the run is opened, incomplete lines are removed first; then step 30, which has no row in
//! emergence.csv, is removed from the other files. All files end with step 29, and the run
//! continues with step 30. A resume at an earlier step (from an older checkpoint, say) drops the
//! rows from that step on in the same way. The files are then those of a run that ended there: a
//! metric without any remaining value has no column.
//!
//! A crash damages the end of a file only. A damaged row with whole rows after it is an error
//! ([`RecordError::Row`]), and nothing is changed, until [`repair`] drops it.
//!
//! Of a table with many rows for each step a resume reads only the end: 4 MB, and more until a step is
//! complete. metrics.csv, emergence.csv and hashes.csv are read row by row, in fixed memory, since the
//! state of the stop rule, the counts of the summary and repeated weights depend on all of their rows.
//! Damage that lies further back is found by what reads the whole table.

mod about;
mod cell;
mod column;
mod columns;
mod conclusion;
mod config;
mod damage;
mod details;
mod disk;
mod entries;
mod error;
mod files;
mod folder;
mod hops;
mod kept;
mod layers;
mod lines;
mod lock;
mod logged;
mod measures;
mod number;
mod origin;
mod owned;
mod printable;
mod prometheus;
mod read;
mod recorded;
mod recorder;
mod regular;
mod resumable;
mod resume;
mod row;
mod rows;
mod scalar;
mod scaling;
mod seen;
mod steps;
mod summary;
mod table;
mod tensorboard;
mod thinning;

pub use cell::Cells;
pub(crate) use column::Need;
pub use column::{Column, Format, Kind, View};
pub use columns::{ROLLED_BACK, column, columns, computed_quantities, shown_in};
pub use conclusion::Conclusion;
pub(crate) use config::{Difference, difference};
pub use config::{RunConfig, Sampling, check_schema};
pub use damage::{Repaired, repair};
pub use disk::{Call, inject};
pub use error::RecordError;
pub use files::{
    BOXES, DISTRIBUTIONS, EMERGENCE, HASHES, LAYERS, METRICS, NEURONS, RUN, SCALING, SPECTRA,
    START, STATE, SUMMARY, TENSORBOARD, holds_run,
};
pub use hops::hop_columns;
pub use layers::layer_columns;
pub use number::number;
pub use origin::Origin;
pub use printable::{printable, printable_lines, shown_name};
pub use read::{RecordedRun, read_last_step, read_rows, read_some_steps, read_table};
pub use regular::read_file;
pub use resume::resume;
pub use row::Row;
pub use rows::{Rows, StoredRow};
pub(crate) use scalar::Scalar;
pub use summary::Summary;
pub use table::csv_text;

pub(crate) use columns::check_name;
pub(crate) use disk::Disk;
pub(crate) use entries::{read as read_entries, say_missing as say_entries_missing};
pub(crate) use files::{BASELINE, ENTRIES, HOPS, NODES};
pub(crate) use prometheus::write_prometheus;
pub(crate) use recorded::RecordedRow;
pub(crate) use recorder::Recorder;
pub(crate) use resume::{Recorded, check_gap};
pub(crate) use seen::{Digest, digest};
pub(crate) use summary::{BEST, Best, BudgetRecord, Cost, LAST, Named, Older, Spacing, StopRecord};
pub(crate) use thinning::EVERY_DETAIL;
