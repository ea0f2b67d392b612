//! From live weights to a row of numbers: the pipeline that monitor and replay share.
//!
//! 1. [`Plan`]: which tensors, which neurons, which radii; made once for a run.
//! 2. [`Plan::snapshot`]: weights → a [`Snapshot`] of radius histograms. This is all that the
//!    training thread waits for; it holds counts, not weights.
//! 3. [`Estimators::measure`]: histograms → spectra, a [`Measurement`].
//! 4. [`Emergence::new`]: a measurement against the [`Baseline`] → the numbers of one row.

mod emergence;
mod measure;
mod plan;
mod snapshot;
mod statistics;

pub use emergence::{Baseline, Emergence, SpectrumPoint, Status};
pub use measure::{Estimators, Fault, Measurement};
pub use plan::Plan;
pub use snapshot::Snapshot;
