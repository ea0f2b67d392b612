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

/// Largest number of neurons in a block: their running masses stay in the second-level cache.
const BLOCK: usize = 2048;

/// Kept neurons of one mass T: a unit of work of the partition function.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) total: u32,
    pub(super) neurons: std::ops::Range<usize>, // into BoxMasses::order
}

/// The kept neurons of a network with their masses.
#[derive(Clone, Debug)]
pub struct BoxMasses<'a> {
    method: &'a Method,
    rows: &'a [u32],      // neurons × slots
    order: Vec<u32>,      // kept neurons, ascending T; where a T fills several blocks, by counters
    blocks: Vec<Block>,   // ascending T, each at most BLOCK neurons
    occupied: Vec<usize>, // slots ≥ 1 with an edge of a kept neuron, ascending
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
        let mut kept: Vec<(u32, u32)> = (0..(rows.len() / slots) as u32)
            .map(|neuron| (row(neuron)[1..].iter().sum::<u32>(), neuron))
            .filter(|&(edges, _)| edges > min_edges)
            .collect();
        if kept.is_empty() {
            return Err(Degenerate::NoNeurons { min_edges });
        }
        kept.sort_unstable();
        // Cut by what neurons count, not by their numbers, the blocks of one T hold the same in
        // whatever order the neurons come. The largest radii tell most neurons apart.
        let counters = |neuron: u32| row(neuron)[1..].iter().rev();
        for one_total in kept.chunk_by_mut(|a, b| a.0 == b.0).filter(|k| k.len() > BLOCK) {
            one_total.sort_unstable_by(|a, b| counters(a.1).cmp(counters(b.1)));
        }
        let mut used = vec![0u32; method.slots()];
        for &(_, neuron) in &kept {
            for (used, count) in used.iter_mut().zip(row(neuron)) {
                *used |= count;
            }
        }
        let mut blocks: Vec<Block> = Vec::new();
        for (k, &(edges, _)) in kept.iter().enumerate() {
            match blocks.last_mut() {
                Some(b) if b.total == edges + 1 && b.neurons.len() < BLOCK => b.neurons.end += 1,
                _ => blocks.push(Block { total: edges + 1, neurons: k..k + 1 }),
            }
        }
        Ok(Self {
            method,
            rows,
            order: kept.into_iter().map(|(_, neuron)| neuron).collect(),
            blocks,
            occupied: (1..method.slots()).filter(|&slot| used[slot] > 0).collect(),
        })
    }

    /// Number of kept neurons.
    pub fn neurons(&self) -> usize {
        self.order.len()
    }

    /// The kept neurons, ascending, each with its T.
    pub fn totals(&self) -> Vec<(usize, u32)> {
        let totals = self.blocks.iter().flat_map(|b| b.neurons.clone().map(|_| b.total));
        let mut all: Vec<_> = self.order.iter().map(|&n| n as usize).zip(totals).collect();
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

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The counters of the neurons of a block.
    pub(super) fn rows(&self, block: &Block) -> impl Iterator<Item = &'a [u32]> + '_ {
        let slots = self.method.slots();
        let row = move |&n: &u32| &self.rows[n as usize * slots..(n as usize + 1) * slots];
        self.order[block.neurons.clone()].iter().map(row)
    }
}
