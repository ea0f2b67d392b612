//! Box mass: N_i(r) = 1 + #{j : radius_ij ≤ r}, p_i(r) = N_i(r) / T_i, T_i = N_i(d).
//!
//! The 1 is the box's own centre; it keeps p^q finite for q < 0. A neuron is kept when it has more
//! than `min_edges` edges in range. Without a kept neuron, or with one radius only, there is
//! nothing to fit: [`Degenerate`] gives the reason.

use multiversion::multiversion;

use super::histogram::Histogram;
use super::parameters::Method;

/// Why a network has no spectrum.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Degenerate {
    /// No neuron has enough edges in range.
    #[error("no neuron has more than {min_edges} edges with distances in range")]
    NoNeurons {
        /// The limit that no neuron passed.
        min_edges: u32,
    },
    /// All edges lie at one radius: no slope can be fitted.
    #[error("all distances lie at the one radius {radius}: no slope can be fitted")]
    OneRadius {
        /// That radius.
        radius: f64,
    },
    /// The mass does not grow over the radius grid.
    #[error("the box mass is the same at every radius")]
    Constant,
    /// A value of the result is not finite.
    #[error("the fit gave a value that is not finite")]
    NotFinite,
}

/// The kept neurons of a network with their masses.
#[derive(Clone, Debug)]
pub struct BoxMasses<'a> {
    method: &'a Method,
    rows: &'a [u32],        // neurons × slots
    order: Vec<(u32, u32)>, // T and number of each kept neuron; by what they count, T first
    edges: Vec<u64>,        // of the kept neurons together, in each slot
    occupied: Vec<usize>,   // slots ≥ 1 with an edge of a kept neuron, ascending
}

impl<'a> BoxMasses<'a> {
    /// Keeps the neurons with enough edges.
    ///
    /// # Errors
    /// [`Degenerate::NoNeurons`] when none has.
    ///
    /// # Panics
    /// When the histogram was made by a method with another number of radii.
    pub fn new(method: &'a Method, histogram: &'a Histogram) -> Result<Self, Degenerate> {
        assert_eq!(histogram.slots(), method.slots(), "histogram of another radius grid");
        Self::of_rows(method, histogram.rows(0..histogram.neurons()))
    }

    /// Keeps the neurons with enough edges among some rows of a histogram, [`Method::slots`]
    /// counters each (a neuron layer, say).
    ///
    /// # Errors
    /// [`Degenerate::NoNeurons`] when none has.
    #[doc(hidden)]
    pub fn of_rows(method: &'a Method, rows: &'a [u32]) -> Result<Self, Degenerate> {
        let slots = method.slots();
        let min_edges = method.parameters().min_edges;
        let mut kept: Vec<u128> = Vec::with_capacity(rows.len() / slots);
        let mut edges = vec![0; slots];
        read(rows, min_edges, &mut kept, &mut edges);
        if kept.is_empty() {
            return Err(Degenerate::NoNeurons { min_edges });
        }
        kept.sort_unstable();
        let order = kept.iter().map(|kept| ((kept >> 96) as u32, *kept as u32)).collect();
        let occupied = (1..slots).filter(|&slot| edges[slot] > 0).collect();
        Ok(Self { method, rows, order, edges, occupied })
    }

    /// Number of kept neurons.
    pub fn neurons(&self) -> usize {
        self.order.len()
    }

    /// The kept neurons, ascending, each with its T.
    pub fn totals(&self) -> Vec<(usize, u32)> {
        let mut all: Vec<_> = self.order.iter().map(|&(t, n)| (n as usize, t)).collect();
        all.sort_unstable();
        all
    }

    /// R: the occupied radii over all kept neurons, ascending.
    pub fn radii(&self) -> Vec<f64> {
        self.occupied.iter().map(|&slot| self.method.radius(slot)).collect()
    }

    /// The method that these masses follow.
    pub(crate) fn method(&self) -> &'a Method {
        self.method
    }

    pub(super) fn occupied_slots(&self) -> &[usize] {
        &self.occupied
    }

    /// How many edges the kept neurons have together, in each slot.
    pub(super) fn edges(&self) -> &[u64] {
        &self.edges
    }

    /// T and number of each kept neuron, in an order that depends only on their counts.
    pub(super) fn ordered(&self) -> &[(u32, u32)] {
        &self.order
    }

    /// The counters of a neuron.
    pub(super) fn row(&self, neuron: u32) -> &'a [u32] {
        let slots = self.method.slots();
        &self.rows[neuron as usize * slots..(neuron as usize + 1) * slots]
    }
}

/// Finds the neurons to keep, each as its T, its fingerprint (two words) and its number, 32 bits
/// each, and adds up their rows.
#[multiversion(targets = "simd")]
fn read(rows: &[u32], min_edges: u32, kept: &mut Vec<u128>, sums: &mut [u64]) {
    let (ones, others): (Vec<u32>, Vec<u32>) = (1..sums.len() as u64).map(factors).unzip();
    for (neuron, row) in (0..).zip(rows.chunks_exact(sums.len())) {
        let (mut edges, mut one, mut other) = (0u32, 0u32, 0u32);
        for (&count, (a, b)) in row[1..].iter().zip(ones.iter().zip(&others)) {
            edges += count;
            one = one.wrapping_add(count.wrapping_mul(*a));
            other = other.wrapping_add(count.wrapping_mul(*b));
        }
        if edges > min_edges {
            let four = [edges + 1, one, other, neuron].map(u128::from);
            kept.push(four.into_iter().fold(0, |all, part| all << 32 | part));
            sums.iter_mut().zip(row).for_each(|(sum, &count)| *sum += u64::from(count));
        }
    }
}

/// The factors of a slot's counters in a neuron's fingerprint. Neurons with equal counts have equal
/// fingerprints, and others almost never do. Sorted by it, neurons are in an order that does not
/// depend on their numbers.
fn factors(slot: u64) -> (u32, u32) {
    let mut z = slot.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z as u32, (z >> 32) as u32)
}
