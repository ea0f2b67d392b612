//! Counts weights: from tensors to the histograms that the method uses.
//!
//! 1. An [`EdgeMatrix`] is a weight tensor with the layout of its edges;
//! 2. a [`RadiusTable`] gives the slot of a weight without a division; if the machine and the method
//!    allow it, vector code ([`kernel`]) counts faster, with the same results;
//! 3. [`count_layer`] counts the edges of a neuron layer, and in the same pass its rescaled weights
//!    and the edges between drawn neurons, into [`PackedHistogram`]s; [`count_edges`] counts the
//!    edges alone;
//! 4. [`sums_of_squares`] adds up the squares of the weights that leave each neuron;
//! 5. [`Dealer`] deals the histograms of permuted weights from the counts.
//!
//! For paths over several layers,
//! [`Distances::shorten_by`](crate::mfa::Distances::shorten_by) computes distances from weights
//! instead.
//!
//! Counts are integers and sums have a fixed order, so results are the same bits on any number of
//! threads and with any instructions. Parallel loops run in the rayon pool of the caller.

mod count;
mod deviation;
mod edge_distances;
mod edges;
mod kernel;
mod layer;
mod packed;
mod radius_table;
mod sampled;
mod shuffle;
mod squares;
mod tile;
mod weight;

pub use count::count_edges;
pub use edge_distances::Column;
pub use edges::{EdgeLayout, EdgeMatrix};
pub use kernel::Instructions;
pub use layer::{Counted, Drawn, LayerRows, Rescaled, count_layer};
pub use packed::PackedHistogram;
pub use radius_table::RadiusTable;
pub use sampled::count_sampled_edges;
pub(crate) use shuffle::{Dealer, PoolSampler};
pub(crate) use squares::sums_of_squares;
