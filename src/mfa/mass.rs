//! Box mass: N_i(r) = 1 + #{j : radius_ij ≤ r}, p_i(r) = N_i(r) / T_i, T_i = N_i(d).
//!
//! The 1 is the box's own centre; it keeps p^q finite for q < 0. A neuron is kept when it has
//! more than `min_edges` edges in range. Without a kept neuron, or with one radius only, there is
//! nothing to fit: [`Degenerate`] says which.

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
    pub fn of_rows(method: &'a Method, rows: &'a [u32]) -> Result<Self, Degenerate> {
        let slots = method.slots();
        let row = |neuron: u32| &rows[neuron as usize * slots..(neuron as usize + 1) * slots];
        let min_edges = method.parameters().min_edges;
        let mut kept: Vec<(u32, u64, u32)> = (0..(rows.len() / slots) as u32)
            .map(|neuron| (neuron, row(neuron)[1..].iter().sum::<u32>()))
            .filter(|&(_, edges)| edges > min_edges)
            .map(|(neuron, edges)| (edges + 1, fingerprint(&row(neuron)[1..]), neuron))
            .collect();
        if kept.is_empty() {
            return Err(Degenerate::NoNeurons { min_edges });
        }
        kept.sort_unstable();
        let order: Vec<(u32, u32)> = kept.iter().map(|&(t, _, neuron)| (t, neuron)).collect();
        let mut used = vec![0u32; method.slots()];
        for &(_, neuron) in &order {
            for (used, count) in used.iter_mut().zip(row(neuron)) {
                *used |= count;
            }
        }
        Ok(Self {
            method,
            rows,
            order,
            occupied: (1..method.slots()).filter(|&slot| used[slot] > 0).collect(),
        })
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
    pub fn method(&self) -> &'a Method {
        self.method
    }

    pub(super) fn occupied_slots(&self) -> &[usize] {
        &self.occupied
    }

    /// T and number of each kept neuron, in an order that depends on what they count alone.
    pub(super) fn ordered(&self) -> &[(u32, u32)] {
        &self.order
    }

    /// The counters of a neuron.
    pub(super) fn row(&self, neuron: u32) -> &'a [u32] {
        let slots = self.method.slots();
        &self.rows[neuron as usize * slots..(neuron as usize + 1) * slots]
    }
}

/// A number that two neurons share when they count the same, and hardly otherwise: sorted by it,
/// neurons come in an order that does not depend on their numbers.
fn fingerprint(counters: &[u32]) -> u64 {
    let mix = |hash: u64, &count: &u32| {
        (hash ^ u64::from(count)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    };
    counters.iter().fold(0, mix)
}
