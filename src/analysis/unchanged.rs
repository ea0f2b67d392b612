//! Recognises weights that have not changed since the memory of a snapshot was last counted, such
//! as frozen layers, which need not be counted again.
//!
//! Weights are recognised by their values, not by the framework's flags: every tensor is hashed
//! (XXH3, 64 bits) while its weights are read from memory, which costs a few percent of counting
//! them. If the hash is that of the last time, the counts are kept. The hashes are also recorded:
//! they show that two checkpoints hold the same weights.
//!
//! The measurements of such a layer are kept with its counts, so that an unchanged layer is
//! measured once more and then never again.

use std::sync::OnceLock;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::neuron::Neuron;
use crate::mfa::{PowerSums, Values};

/// Bytes that one task hashes.
const PART: usize = 1 << 20;

/// The weights from which a layer was last counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CountedFrom {
    hashes: Vec<u64>,
    start: Option<Vec<u64>>, // bits of the deviations of step 0 that were rescaled to
    complete: bool,          // whether the counting was completed
}

impl CountedFrom {
    /// Whether the layer was counted from exactly these tensors, rescaled to these deviations of
    /// step 0. If not, the caller counts it and then calls [`Self::done`].
    pub(super) fn matches(&mut self, tensors: &[Values<'_>], start: Option<&[f64]>) -> bool {
        let hashes: Vec<u64> = tensors.par_iter().map(|values| hash(*values)).collect();
        let start = start.map(|start| start.iter().map(|s| s.to_bits()).collect::<Vec<u64>>());
        let same = self.complete && hashes == self.hashes && start == self.start;
        *self = Self { hashes, start, complete: same };
        same
    }

    /// A hash of each tensor of the last call of [`Self::matches`].
    pub(super) fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// The layer has been counted from the tensors of the last call of [`Self::matches`].
    pub(super) fn done(&mut self) {
        self.complete = true;
    }
}

/// Measurements of a layer since it was last counted. Kept only for layers that were not counted
/// again; other layers are measured each time.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    pub(super) whole: Kept<Option<LayerSums>>,
    pub(super) matched: Kept<Option<PowerSums>>,
    pub(super) samples: Vec<Kept<Option<PowerSums>>>,
    pub(super) neurons: Kept<Vec<Neuron>>,
}

impl Measured {
    /// No measurements yet, for a layer of this many samples.
    pub(super) fn new(samples: usize) -> Self {
        Self {
            whole: Kept::default(),
            matched: Kept::default(),
            samples: vec![Kept::default(); samples],
            neurons: Kept::default(),
        }
    }
}

/// The sums of a layer's neurons for the published and for the stable estimator, if they use the
/// complete network.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerSums {
    pub(super) published: Option<PowerSums>,
    pub(super) stable: Option<PowerSums>,
}

/// A value that is kept once it has been computed.
#[derive(Clone, Debug)]
pub(super) struct Kept<T>(OnceLock<T>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Clone> Kept<T> {
    /// The kept value, or a new one if `keep` is false. If another thread is computing the value,
    /// this one computes it too instead of waiting: the other may have low priority and get no
    /// processor.
    pub(super) fn get(&self, keep: bool, make: impl FnOnce() -> T) -> T {
        if !keep {
            return make();
        }
        self.0.get().cloned().unwrap_or_else(|| {
            let made = make();
            // Both threads computed the same value.
            let _ = self.0.set(made.clone());
            made
        })
    }
}

fn hash(values: Values<'_>) -> u64 {
    let parts: Vec<u64> = values.bytes().par_chunks(PART).map(XxHash3_64::oneshot).collect();
    XxHash3_64::oneshot(bytemuck::cast_slice(&parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(n: usize) -> Vec<f32> {
        (0..n).map(|k| (k as f32).sin()).collect()
    }

    #[test]
    fn the_second_look_at_the_same_weights_knows_them() {
        let (mut from, weights) = (CountedFrom::default(), weights(1000));
        let mut look = |start| {
            let same = from.matches(&[Values::F32(&weights)], start);
            from.done();
            same
        };
        assert_eq!([look(None), look(None)], [false, true]);
        assert!(!look(Some(&[0.5][..])), "another deviation to rescale to");
        assert!(look(Some(&[0.5][..])));
    }

    #[test]
    fn one_changed_value_anywhere_is_seen() {
        let n = (PART / 4) * 2 + 17;
        let mut weights = weights(n);
        let mut from = CountedFrom::default();
        for at in [0, 1, 12_345, PART / 4 - 1, PART / 4, n / 2, n - 2, n - 1] {
            from.matches(&[Values::F32(&weights)], None);
            from.done();
            assert!(from.matches(&[Values::F32(&weights)], None));
            weights[at] += 1.0;
            assert!(!from.matches(&[Values::F32(&weights)], None), "value {at}");
            from.done();
        }
    }

    #[test]
    fn what_was_not_counted_to_the_end_is_counted_again() {
        let (mut from, weights) = (CountedFrom::default(), weights(10));
        for _ in 0..5 {
            assert!(!from.matches(&[Values::F32(&weights)], None));
        }
    }

    #[test]
    fn a_value_that_another_thread_is_making_is_not_waited_for() {
        let kept = Kept::default();
        let other = || std::thread::scope(|s| s.spawn(|| kept.get(true, || 1)).join().unwrap());
        assert_eq!(kept.get(true, other), 1);
        assert_eq!(kept.get(true, || 2), 1);
        assert_eq!(kept.get(false, || 2), 2);
    }

    #[test]
    fn tensors_without_values_are_alike() {
        let mut from = CountedFrom::default();
        for seen in [false, true] {
            assert_eq!(from.matches(&[Values::F64(&[])], None), seen);
            from.done();
        }
    }
}
