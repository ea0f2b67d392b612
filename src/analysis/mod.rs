//! From live weights to a row of numbers: the pipeline that the monitor and the replay share.
//!
//! 1. [`Plan`]: which tensors, which neurons, which radii; made once for a run.
//! 2. [`Plan::snapshot`]: weights → a [`Snapshot`] of radius histograms. The training thread waits
//!    only for this; a snapshot holds counts, not weights.
//! 3. [`Estimators::measure`]: histograms → spectra, a [`Measurement`].
//! 4. [`Emergence::new`]: a measurement against the [`Baseline`] → the numbers of one row.

mod baseline;
mod boxes;
mod controls;
mod count;
mod distribution;
mod elsewhere;
mod emergence;
mod entries;
mod estimators;
mod fault;
mod groups;
mod hops;
mod layer_count;
#[cfg(test)]
mod layouts;
mod matrix_spectrum;
mod measure;
mod measurement;
mod movement;
mod neuron;
mod neurons;
mod norms;
mod nulls;
mod parts;
mod plan;
mod samples;
mod scaling;
mod shuffled;
mod significance;
mod snapshot;
mod spectrum;
mod statistics;
mod status;
mod structure;
mod trust;
mod unchanged;
mod verdict;
mod warning;
mod weights;
mod whole;

pub use baseline::Baseline;
pub use controls::Controls;
pub use elsewhere::{CountedLayers, CountingOrder, Elsewhere, OrderError, Place, TakeCounts};
pub use emergence::Emergence;
pub use entries::Entries;
pub use estimators::Estimators;
pub use groups::Scope;
pub use hops::{HopEstimators, Hops, HopsError, HopsPlan, HopsSnapshot};
pub use measurement::Measurement;
pub use neuron::Neuron;
pub use plan::Plan;
pub use significance::Excess;
pub use snapshot::Snapshot;
pub use status::Status;
pub use structure::Structure;
pub use verdict::{Look, Measured, ONSET_LEVEL, ONSET_ROWS, Onset, Verdict, p_text};
pub use warning::{Concern, WarningKind};
pub use weights::Weights;

pub(crate) use distribution::Distribution;
pub(crate) use emergence::HopEmergence;
pub(crate) use groups::Group;
pub(crate) use hops::MOST_HOPS;
pub(crate) use parts::Part;
pub(crate) use scaling::NeuronBoxes;
pub(crate) use spectrum::SpectrumPoint;
pub(crate) use verdict::Outcome;
