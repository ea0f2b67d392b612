//! From live weights to a row of numbers: the pipeline that monitor and replay share.
//!
//! 1. [`Plan`]: which tensors, which neurons, which radii; made once for a run.
//! 2. [`Plan::snapshot`]: weights → a [`Snapshot`] of radius histograms. This is all that the
//!    training thread waits for; it holds counts, not weights.
//! 3. [`Estimators::measure`]: histograms → spectra, a [`Measurement`].
//! 4. [`Emergence::new`]: a measurement against the [`Baseline`] → the numbers of one row.

mod baseline;
mod boxes;
mod compare;
mod controls;
mod count;
mod distribution;
mod emergence;
mod estimators;
mod fault;
mod groups;
mod hops;
mod layer_count;
#[cfg(test)]
mod layouts;
mod measure;
mod measurement;
mod neuron;
mod neurons;
mod nulls;
mod parts;
mod plan;
mod samples;
mod scaling;
mod shuffled;
mod significance;
mod snapshot;
mod statistics;
mod status;
mod structure;
mod trust;
mod unchanged;
mod verdict;
mod warning;

pub use baseline::{Baseline, GroupBaseline, Place};
pub use controls::Controls;
pub use distribution::Distribution;
pub use emergence::{Emergence, HopEmergence, SpectrumPoint};
pub use estimators::Estimators;
pub use fault::Fault;
pub use groups::{Group, Scope};
pub use hops::{
    EstimateError, HopBaseline, HopEstimators, HopMeasurement, Hops, HopsError, HopsPlan,
    HopsSnapshot, MOST_HOPS,
};
pub use measurement::{Draws, GroupMeasurement, GroupNulls, Measurement, Nulls, SmallLayer};
pub use neuron::{Neuron, NeuronStatistics};
pub use parts::Part;
pub use plan::Plan;
pub use scaling::{MeanScaling, NeuronBoxes};
pub use significance::Excess;
pub use snapshot::Snapshot;
pub use status::Status;
pub use structure::Structure;
pub use trust::Trust;
pub use verdict::{
    LEVEL, Look, Measured, ONSET_LEVEL, ONSET_ROWS, Onset, Outcome, Verdict, p_text,
};
pub use warning::{Concern, Warning, WarningKind};
