//! Radius histograms: for every source neuron, how many of its edges lie at each radius.
//!
//! A histogram is all that one hop needs of the weights: N_i(r) is its running sum.

use super::parameters::Method;

/// Edges per source neuron and radius. Row i holds [`Method::slots`] counters of neuron i.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    slots: usize,
    counts: Vec<u32>, // neurons × slots
}

impl Histogram {
    /// An empty histogram of `neurons` source neurons.
    pub fn new(method: &Method, neurons: usize) -> Self {
        let slots = method.slots();
        Self { slots, counts: vec![0; neurons * slots] }
    }

    /// The histogram of a network given as one list of distances per source neuron.
    pub fn from_distances<D: AsRef<[f64]>>(method: &Method, distances: &[D]) -> Self {
        let mut histogram = Self::new(method, distances.len());
        for (row, distances) in histogram.counts.chunks_exact_mut(method.slots()).zip(distances) {
            count_distances(method, distances.as_ref(), row);
        }
        histogram
    }

    /// Number of source neurons.
    pub fn neurons(&self) -> usize {
        self.counts.len() / self.slots
    }

    /// Counters per neuron.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The counters of one neuron.
    ///
    /// # Panics
    /// When `neuron` is not below [`Self::neurons`].
    pub fn row(&self, neuron: usize) -> &[u32] {
        &self.counts[neuron * self.slots..(neuron + 1) * self.slots]
    }

    /// The counters of a range of neurons, one row after the other.
    ///
    /// # Panics
    /// When the range reaches beyond [`Self::neurons`].
    pub fn rows(&self, neurons: std::ops::Range<usize>) -> &[u32] {
        &self.counts[neurons.start * self.slots..neurons.end * self.slots]
    }

    /// The counters of a range of neurons, to be counted into.
    ///
    /// # Panics
    /// When the range reaches beyond [`Self::neurons`].
    pub fn rows_mut(&mut self, neurons: std::ops::Range<usize>) -> &mut [u32] {
        &mut self.counts[neurons.start * self.slots..neurons.end * self.slots]
    }
}

/// Adds one neuron's distances to its counters.
///
/// # Panics
/// When `row` has fewer than [`Method::slots`] counters.
pub fn count_distances(method: &Method, distances: &[f64], row: &mut [u32]) {
    for &distance in distances {
        row[method.slot_of_distance(distance)] += 1;
    }
}
