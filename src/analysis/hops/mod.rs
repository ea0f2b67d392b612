//! Distances over two and three layers.
//!
//! ```text
//! d_k(x, y) = min over m₁ … m_(k-1) of d(x, m₁) + d(m₁, m₂) + … + d(m_(k-1), y)
//! ```
//!
//! with one neuron of each layer on the way. All neurons of the layers between take part, even if x
//! and y are drawn. Masses and spectra are then computed as at one hop. docs/hops.md lists the
//! paths, and explains the passage through attention.
//!
//! 1. [`HopsPlan`]: which layers, which tensors, in which order; made once.
//! 2. `HopsPlan::count`: tensors → distances → one radius histogram for each number of hops and
//!    each sample. A layer's distances are made once for a snapshot and kept while a source layer
//!    needs them.
//! 3. [`HopMeasurement`], [`super::HopEmergence`]: like `Measurement` and `Emergence` at one hop.
//!
//! [`Hops::budget`] adds the sampled estimate, with its error against the exact distances
//! ([`crate::mfa::PathEstimator`]).

mod baseline;
mod count;
mod distances;
mod edges;
mod error;
mod estimate;
mod measure;
mod paths;
mod plan;
mod settings;
mod snapshot;
mod walk;

pub use baseline::HopBaseline;
pub(super) use error::EstimateError;
pub use measure::{HopEstimators, HopMeasurement};
pub use plan::HopsPlan;
pub use settings::{Hops, HopsError, MOST_HOPS};
pub use snapshot::HopsSnapshot;
