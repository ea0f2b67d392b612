//! The mathematics of NeuroMFA: slices in, numbers out.
//!
//! The way through this module, for one network:
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
//! Distances over two and more layers are min-plus products of [`Distances`] ([`shorten`],
//! [`min_plus()`]) in place of step 2; [`PathEstimator`] is their sampled estimate.
//!
//! Nothing here knows a file, a clock or libtorch. Parallel loops run in the rayon pool of the
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

pub use count::count_edges;
pub use distances::{Column, Distances};
pub use edges::{EdgeLayout, EdgeMatrix, Values};
pub use emergence::{Fractal, NoEmergence, degree_of_emergence};
pub use histogram::{Histogram, count_distances};
#[doc(hidden)]
pub use kernel::Instructions;
pub use layer::{Counted, Drawn, LayerRows, Rescaled, count_layer};
pub use mass::{BoxMasses, Degenerate};
pub use min_plus::{Scratch, min_plus, shorten};
pub use neuron::{Dimensions, Statistics, box_counts};
pub use packed::PackedHistogram;
pub use parameters::{Method, ParameterError, Parameters};
pub use partition::PowerSums;
pub use path_estimate::{Between, PathEstimator, Trials};
pub use radius::RadiusTable;
pub use regression::Line;
pub use sampled::count_sampled_edges;
pub use shuffle::{Dealer, Urn};
pub use spectrum::{Published, SCALING_Q, Scaling, Spectrum};
pub use stable::{Stable, StableSpectrum};
pub use transfer::Transfer;
