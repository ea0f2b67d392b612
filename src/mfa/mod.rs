//! The mathematics of NeuroMFA: slices in, numbers out.
//!
//! The steps for one network:
//!
//! 1. [`Parameters`] are checked into a [`Method`] (ranges, steps, q grid);
//! 2. weights become distances d = f(w) ([`Transfer`]), distances become radii, and a
//!    [`Histogram`] counts, for every source neuron, its edges at each radius ([`PackedHistogram`] keeps
//!    it in little memory);
//! 3. [`BoxMasses`] keeps the neurons with enough edges: N_i(r) = 1 + #{j : radius_ij ≤ r};
//! 4. the estimators turn them into a spectrum: [`Published`] as the paper's numbers were made,
//!    [`Stable`] on a fixed radius grid with analytic derivatives;
//! 5. [`degree_of_emergence`] compares two of them.
//!
//! Distances over two and more layers are min-plus products, which replace step 2; the paper's
//! algorithm 4 estimates them.
//!
//! This module uses no files, no clock and no libtorch. Parallel loops run in the rayon pool of the
//! caller; results are the same bits on any number of threads.

mod count;
mod deviation;
mod distances;
mod edges;
mod emergence;
mod histogram;
mod kernel;
mod layer;
mod mass;
mod min_plus;
mod neuron;
mod packed;
mod parameters;
mod partition;
mod path_estimate;
mod radius;
mod regression;
mod sampled;
mod shuffle;
mod spectrum;
mod stable;
mod tile;
mod transfer;
mod weight;

pub use edges::Values;
pub use emergence::{Fractal, NoEmergence, degree_of_emergence};
pub use histogram::Histogram;
pub use mass::{BoxMasses, Degenerate};
pub use parameters::{Method, ParameterError, Parameters};
pub use regression::Line;
pub use spectrum::{Published, Spectrum};
pub use stable::{Stable, StableSpectrum};
pub use transfer::Transfer;

pub(crate) use exports::*;
pub(crate) use histogram::count_distances;
pub(crate) use min_plus::{Scratch, shorten};
pub(crate) use neuron::{Dimensions, Statistics, box_counts};
pub(crate) use shuffle::{Dealer, PoolSampler};
pub(crate) use spectrum::SCALING_Q;

/// Further items for tests and benches.
pub(crate) mod exports {
    pub use super::count::count_edges;
    pub use super::distances::{Column, Distances};
    pub use super::edges::{EdgeLayout, EdgeMatrix};
    pub use super::kernel::Instructions;
    pub use super::layer::{Counted, Drawn, LayerRows, Rescaled, count_layer};
    pub use super::min_plus::min_plus;
    pub use super::packed::PackedHistogram;
    pub use super::partition::PowerSums;
    pub use super::path_estimate::{Between, PathEstimator, Trials};
    pub use super::radius::RadiusTable;
    pub use super::sampled::count_sampled_edges;
}
