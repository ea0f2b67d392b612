//! Which distances over several hops are computed, and why they may not be computed.

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
    #[error("{hops} hops (hops, --hops) are out of range: give 1 (one hop only), 2 or {MOST_HOPS}")]
    Range {
        /// The number given.
        hops: usize,
    },
    /// An estimate through no neuron.
    #[error(
        "an estimate from 0 neurons (hops_estimated, --hops-estimate) has no paths: give at least 1"
    )]
    Budget,
    /// An estimate at one hop.
    #[error(
        "at one hop there is nothing to estimate (hops_estimated, --hops-estimate): every distance is \
         an edge's own. Ask for 2 or {MOST_HOPS} hops too, or leave the estimate out"
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
    /// The complete network would take too long.
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
