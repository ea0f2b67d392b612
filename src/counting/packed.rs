//! Radius histograms in a quarter of the memory, for snapshots.
//!
//! A neuron has few edges at any one radius, so a count takes one byte. The few counts that do not
//! fit a byte are in a separate list. The number of edges left out (slot 0) is often larger and
//! takes four bytes.

use std::cell::Cell;
use std::ops::Range;

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use crate::mfa::Method;

/// Edges per source neuron and radius, like [`crate::mfa::Histogram`], in about [`Method::slots`] bytes a
/// neuron.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedHistogram {
    slots: usize,
    left_out: Vec<u32>, // slot 0 of each neuron
    #[serde(with = "serde_bytes")]
    counts: Vec<u8>, // neurons × (slots - 1); a large one at its most
    large: Vec<Large>,  // by neuron
}

/// A count that does not fit a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Large {
    neuron: u32,
    slot: u32,
    count: u32, // > 255
}

/// Some consecutive neurons, to be counted.
#[derive(Debug)]
pub(super) struct PackedPart<'a> {
    /// The number of the first one.
    pub first: usize,
    left_out: &'a mut [u32],
    counts: &'a mut [u8],
}

impl PackedHistogram {
    /// An empty histogram of `neurons` source neurons.
    pub fn new(method: &Method, neurons: usize) -> Self {
        let slots = method.slots();
        Self {
            slots,
            left_out: vec![0; neurons],
            counts: vec![0; neurons * (slots - 1)],
            large: Vec::new(),
        }
    }

    /// Counters per neuron.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Number of source neurons.
    pub fn neurons(&self) -> usize {
        self.left_out.len()
    }

    /// How many edges are left out, and how many there are in all.
    pub fn left_out_of(&self) -> [u64; 2] {
        let sum = |counts: &mut dyn Iterator<Item = u64>| counts.sum::<u64>();
        let left_out = sum(&mut self.left_out.iter().map(|&count| count.into()));
        let kept = sum(&mut self.counts.iter().map(|&count| count.into()));
        let large = sum(&mut self.large.iter().map(|large| u64::from(large.count - MOST)));
        [left_out, left_out + kept + large]
    }

    /// Resets to an empty histogram of `neurons` neurons. Reuses the memory if it is large enough.
    pub fn reset(&mut self, neurons: usize) {
        self.left_out.clear();
        self.left_out.resize(neurons, 0);
        self.counts.clear();
        self.counts.resize(neurons * (self.slots - 1), 0);
        self.large.clear();
    }

    /// Replaces the counters of all neurons by `rows`, row after row.
    ///
    /// # Panics
    /// When there are not [`Method::slots`] of them for each neuron.
    pub fn pack(&mut self, rows: &[u32]) {
        assert_eq!(rows.len(), self.neurons() * self.slots, "a row for each neuron");
        let ends = [self.neurons()];
        let large = self.split(&ends).into_iter().flat_map(|part| part.pack(rows)).collect();
        self.set_large(large);
    }

    /// Splits the neurons into parts that end at `ends`, ascending up to [`Self::neurons`].
    pub(super) fn split(&mut self, ends: &[usize]) -> Vec<PackedPart<'_>> {
        let (mut left_out, mut counts) = (&mut self.left_out[..], &mut self.counts[..]);
        let mut first = 0;
        let part = |&end: &usize| {
            let neurons = end - first;
            first = end;
            PackedPart {
                first: end - neurons,
                left_out: left_out.split_off_mut(..neurons).unwrap_or_default(),
                counts: counts.split_off_mut(..neurons * (self.slots - 1)).unwrap_or_default(),
            }
        };
        ends.iter().map(part).collect()
    }

    /// Sets the large counts that packing the parts returned, in the order of the parts.
    pub(super) fn set_large(&mut self, large: Vec<Large>) {
        self.large = large;
    }

    /// Appends the counters of a range of neurons to `rows`.
    ///
    /// # Panics
    /// When the range reaches beyond [`Self::neurons`].
    pub fn unpack(&self, neurons: Range<usize>, rows: &mut Vec<u32>) {
        let before = rows.len();
        rows.resize(before + neurons.len() * self.slots, 0);
        let rows = &mut rows[before..];
        let kept = self.slots - 1;
        let counts = &self.counts[neurons.start * kept..neurons.end * kept];
        widen(&self.left_out[neurons.clone()], counts, rows);
        let number = |large: &Large| large.neuron as usize;
        let first = self.large.partition_point(|large| number(large) < neurons.start);
        for large in self.large[first..].iter().take_while(|large| number(large) < neurons.end) {
            rows[(number(large) - neurons.start) * self.slots + large.slot as usize] = large.count;
        }
    }

    /// Lends the counters of all neurons of some histograms of one method, row after row.
    pub fn lend<'a, T>(all: impl IntoIterator<Item = &'a Self>, to: impl FnOnce(&[u32]) -> T) -> T {
        let mut rows = ROWS.take();
        rows.clear();
        all.into_iter().for_each(|one| one.unpack(0..one.neurons(), &mut rows));
        let result = to(&rows);
        ROWS.set(rows);
        result
    }
}

thread_local! {
    /// Rows to be lent, which a thread fills again and again: those of a neuron layer, or of a sample.
    static ROWS: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}

impl PackedPart<'_> {
    /// How many neurons.
    pub fn neurons(&self) -> usize {
        self.left_out.len()
    }

    /// Sets the counters of these neurons; returns those that do not fit a byte.
    pub fn pack(self, rows: &[u32]) -> Vec<Large> {
        if self.left_out.is_empty() || !narrow(rows, self.left_out, self.counts) {
            return Vec::new();
        }
        let slots = rows.len() / self.left_out.len();
        let of_row = |(k, row): (usize, &[u32])| {
            let kept = row.iter().enumerate().skip(1).filter(|(_, count)| **count > MOST);
            let neuron = (self.first + k) as u32;
            kept.map(move |(slot, &count)| Large { neuron, slot: slot as u32, count })
                .collect::<Vec<_>>()
        };
        rows.chunks_exact(slots).enumerate().flat_map(of_row).collect()
    }
}

/// The most that a byte holds.
const MOST: u32 = u8::MAX as u32;

/// Packs rows; returns whether a count does not fit a byte.
#[multiversion(targets = "simd")]
fn narrow(rows: &[u32], left_out: &mut [u32], counts: &mut [u8]) -> bool {
    let kept = counts.len() / left_out.len().max(1);
    let mut all = 0;
    let packed = left_out.iter_mut().zip(counts.chunks_exact_mut(kept.max(1)));
    for (row, (left_out, counts)) in rows.chunks_exact(kept + 1).zip(packed) {
        *left_out = row[0];
        for (byte, &count) in counts.iter_mut().zip(&row[1..]) {
            all |= count;
            *byte = count.min(MOST) as u8;
        }
    }
    all > MOST
}

/// Unpacks rows, large counts as the most that a byte holds.
#[multiversion(targets = "simd")]
fn widen(left_out: &[u32], counts: &[u8], rows: &mut [u32]) {
    let kept = counts.len() / left_out.len().max(1);
    let packed = left_out.iter().zip(counts.chunks_exact(kept.max(1)));
    for (row, (left_out, counts)) in rows.chunks_exact_mut(kept + 1).zip(packed) {
        row[0] = *left_out;
        row[1..].iter_mut().zip(counts).for_each(|(count, &byte)| *count = byte.into());
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn rows(method: &Method, neurons: usize, seed: u64) -> Vec<u32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = |_| match rng.random_range(0..40) {
            0 => rng.random(),
            1 => 256,
            2 => 255,
            _ => rng.random_range(0..20),
        };
        (0..neurons * method.slots()).map(count).collect()
    }

    #[test]
    fn what_is_packed_comes_back() {
        let method = Method::default();
        let slots = method.slots();
        let mut packed = PackedHistogram::new(&method, 0);
        for (neurons, seed) in [(9, 1), (3, 2), (0, 3), (20, 4)] {
            let rows = rows(&method, neurons, seed);
            packed.reset(neurons);
            packed.pack(&rows);
            PackedHistogram::lend([&packed], |all| assert_eq!(all, rows));
            PackedHistogram::lend([&packed, &packed], |all| assert_eq!(all, rows.repeat(2)));
            for first in 0..neurons {
                let mut some = vec![7];
                packed.unpack(first..neurons.min(first + 2), &mut some);
                assert_eq!(some[1..], rows[first * slots..][..some.len() - 1]);
            }
        }
    }

    #[test]
    fn parts_make_the_same_as_the_whole() {
        let method = Method::default();
        let rows = rows(&method, 10, 5);
        let mut whole = PackedHistogram::new(&method, 10);
        whole.pack(&rows);
        let mut parts = PackedHistogram::new(&method, 10);
        let mut rest = rows.as_slice();
        let of_parts = parts.split(&[4, 4, 9, 10]).into_iter().map(|part| {
            let (of_part, others) = rest.split_at(part.neurons() * method.slots());
            rest = others;
            part.pack(of_part)
        });
        let large = of_parts.flatten().collect();
        parts.set_large(large);
        assert_eq!(parts, whole);
    }

    #[test]
    fn small_counts_take_a_byte_each() {
        let method = Method::default();
        let mut packed = PackedHistogram::new(&method, 50);
        packed.pack(&vec![255; 50 * method.slots()]);
        assert!(packed.large.is_empty());
    }
}
