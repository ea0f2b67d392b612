//! Null controls: do the numbers show structure, or only the scale of the weights?
//!
//! | control | at step t | what it leaves | what it takes away |
//! |---|---|---|---|
//! | shuffled | the weights of each matrix permuted at random | the distribution of the weights | differences between neurons |
//! | norm-matched | each matrix rescaled to its standard deviation at step 0 | the shape | growth |
//! | rescaled start | the weights of step 0, each matrix rescaled to its standard deviation at t | growth | all else |
//!
//! E of each control uses the same step 0 as E of the run. E_excess = E_stable - E_stable_shuffled
//! still depends on scale. The norm-matched network against its own shuffles does not:
//! [`super::Structure`] has the equations.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Which null controls a run computes. They need the whole network.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | `shuffled` | 16 | draws of the shuffled control, one more than the degrees of freedom of its tests; 0 leaves it out, 1 gives no standard error |
/// | `norm_matched` | on | the norm-matched control |
/// | `rescaled_start` | off | the rescaled start; keeps the weights of step 0 as `start.safetensors` in the run directory |
/// | `seed` | 0 | of the draws |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Controls {
    /// Draws of the shuffled control.
    pub(crate) shuffled: usize,
    /// Whether weights are matched to their spread at step 0.
    pub(crate) norm_matched: bool,
    /// Whether the weights of step 0 are rescaled to the spread of each step.
    pub(crate) rescaled_start: bool,
    /// Seed of the draws.
    pub(crate) seed: u64,
}

impl Default for Controls {
    fn default() -> Self {
        Self { shuffled: 16, norm_matched: true, rescaled_start: false, seed: 0 }
    }
}

impl Controls {
    /// No control at all.
    pub fn none() -> Self {
        Self { shuffled: 0, norm_matched: false, ..Self::default() }
    }

    /// Draws of the shuffled control.
    #[must_use]
    pub fn shuffled(mut self, draws: usize) -> Self {
        self.shuffled = draws;
        self
    }

    /// Leaves out the norm-matched control.
    #[must_use]
    pub fn without_norm_matched(mut self) -> Self {
        self.norm_matched = false;
        self
    }

    /// Also computes the rescaled start.
    #[must_use]
    pub fn with_rescaled_start(mut self) -> Self {
        self.rescaled_start = true;
        self
    }

    /// Seed of the draws.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Whether the controls ask for the spread of each matrix.
    pub(super) fn need_deviations(&self) -> bool {
        self.norm_matched || self.rescaled_start
    }

    /// The seed of a step's deals; the number of the deal is added to it.
    pub(super) fn seed_of(&self, step: u64) -> u64 {
        let mut seeds = ChaCha8Rng::seed_from_u64(self.seed);
        seeds.set_stream(step);
        seeds.next_u64()
    }
}
