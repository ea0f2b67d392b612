//! The mathematics of NeuroMFA: slices in, numbers out.
//!
//! The steps for one network:
//!
//! 1. [`Parameters`] are checked into a [`Method`] (ranges, steps, q grid);
//! 2. weights become distances d = f(w) ([`Transfer`]), distances become radii, and a
//!    [`Histogram`] counts, for every source neuron, its edges at each radius;
//! 3. [`BoxMasses`] keeps the neurons with enough edges: N_i(r) = 1 + #{j : radius_ij ≤ r};
//! 4. the estimators turn them into a spectrum: [`Published`] as the paper's numbers were made,
//!    [`Stable`] on a fixed radius grid with analytic derivatives;
//! 5. [`degree_of_emergence`] compares two of them.
//!
//! Distances over two and more layers are min-plus products, which replace step 2; the paper's
//! algorithm 4 estimates them.
//!
//! This module uses no files, no clock and no libtorch, and does not know the layout of a weight
//! tensor. Parallel loops run in the rayon pool of the caller; results are the same bits on any
//! number of threads.

mod distances;
mod emergence;
mod histogram;
mod mass;
mod min_plus;
mod neuron;
mod parameters;
mod partition;
mod path_estimate;
mod regression;
mod spectrum;
mod stable;
mod transfer;
mod values;

pub use emergence::{Fractal, NoEmergence, degree_of_emergence};
pub use histogram::Histogram;
pub use mass::{BoxMasses, Degenerate};
pub use parameters::{Method, ParameterError, Parameters};
pub use regression::Line;
pub use spectrum::{Published, Spectrum};
pub use stable::{Stable, StableSpectrum};
pub use transfer::Transfer;
pub use values::Values;

pub(crate) use exports::*;
pub(crate) use histogram::count_distances;
pub(crate) use min_plus::{Scratch, shorten};
pub(crate) use neuron::{Dimensions, Statistics, box_counts};
pub(crate) use spectrum::SCALING_Q;

/// Further items for tests and benches.
pub(crate) mod exports {
    pub use super::distances::Distances;
    pub use super::min_plus::min_plus;
    pub use super::partition::PowerSums;
    pub use super::path_estimate::{Between, PathEstimator, Trials};
}
