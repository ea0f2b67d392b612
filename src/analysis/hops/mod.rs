//! Distances over two and three layers.
//!
//! ```text
//! d_k(x, y) = min over m₁ … m_(k-1) of d(x, m₁) + d(m₁, m₂) + … + d(m_(k-1), y)
//! ```
//!
//! with one neuron of each layer on the way; all neurons of the layers between take part, also
//! when x and y are drawn. Then masses and spectra as at one hop. docs/hops.md says which paths
//! there are, and what passes through attention.
//!
//! 1. [`HopsPlan`]: which layers, which tensors, in which order; made once.
//! 2. `HopsPlan::count`: tensors → distances → one radius histogram for each number of hops and
//!    each sample. A layer's distances are made once for a snapshot and kept while a source layer
//!    needs them.
//! 3. [`HopMeasurement`], [`HopEmergence`]: as their namesakes at one hop.
//!
//! [`Hops::budget`] adds the sampled estimate, with its error against the exact distances
//! ([`crate::mfa::PathEstimator`]).

mod count;
mod edges;
mod emergence;
mod estimate;
mod measure;
mod paths;
mod plan;

pub use count::HopsSnapshot;
pub use emergence::{HopBaseline, HopEmergence};
pub use measure::{HopEstimators, HopMeasurement};
pub use plan::HopsPlan;

/// The largest number of hops.
pub const MOST_HOPS: usize = 3;

/// Which distances over several layers are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hops {
    /// The largest number of hops, 2 or 3; all from 2 on are computed.
    pub most: usize,
    /// Neurons that each trial of the sampled estimate draws from a layer between; none without
    /// the estimate.
    pub budget: Option<usize>,
    /// Seed of those draws.
    pub seed: u64,
}

/// Why distances over several layers cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HopsError {
    /// A number of hops out of range.
    #[error("hops = {hops} is out of range: give 1 (one hop only), 2 or {MOST_HOPS}")]
    Range {
        /// The number given.
        hops: usize,
    },
    /// An estimate through no neuron.
    #[error("hops_estimated = 0 draws no neuron that a path could pass: give at least 1")]
    Budget,
    /// An estimate of nothing.
    #[error(
        "hops_estimated has no effect at one hop, where every distance is an edge's own: \
         ask for hops 2 or {MOST_HOPS} too, or leave it out"
    )]
    NothingToEstimate,
    /// The network is shallower than that.
    #[error(
        "no path of the network has {hops} hops: its longest has {longest}. Ask for fewer hops, \
         or give a network in which layers follow each other"
    )]
    TooShort {
        /// The number asked for.
        hops: usize,
        /// The number of hops of the longest path.
        longest: usize,
    },
    /// The drawn neurons do not fit the network.
    #[error(transparent)]
    Draw(#[from] crate::network::DrawError),
    /// A whole network that would take too long.
    #[error(
        "{hops} hops of the whole network take up to {sums:.1e} sums at each step, more than \
         {most:.0e}: draw samples (sampled, nodes), or ask for fewer hops"
    )]
    TooLarge {
        /// The number asked for.
        hops: usize,
        /// Sums of two distances at each step.
        sums: f64,
        /// The most that is done.
        most: f64,
    },
}
