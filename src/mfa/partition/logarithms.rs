//! Logarithms of integers.

use super::exponential::LARGEST;

/// Radii that are summed side by side.
pub(super) const LANES: usize = 8;

/// Steps of a centre in half a cell.
pub(super) const STEPS: f64 = 8.0;

/// s·ln n for n = 1, 2, …
#[derive(Clone, Debug)]
pub(super) struct Logarithms {
    pub(super) scale: f64, // s, a power of 2: |q| ≤ s · LARGEST
    pub(super) of: Vec<f64>,
}

impl Logarithms {
    pub(super) fn new(q: &[f64]) -> Self {
        let largest = q.iter().fold(0.0, |largest: f64, q| largest.max(q.abs()));
        let mut scale = 1.0;
        while largest > scale * LARGEST {
            scale *= 2.0;
        }
        Self { scale, of: Vec::new() }
    }

    pub(super) fn reach(&mut self, largest: u32) {
        let from = self.of.len() as u32 + 1;
        self.of.extend((from..=largest).map(|n| self.scale * f64::from(n).ln()));
    }

    /// s·ln p of a neuron at each of the slots, which from the `run`th on lie side by side.
    pub(super) fn of(&self, row: &[u32], total: u32, slots: &[usize], run: usize, out: &mut [f64]) {
        let of_total = self.of[total as usize - 1];
        let mut mass = 0;
        let mut at = |out: &mut f64, edges: u32| {
            mass += edges;
            *out = self.of[mass as usize] - of_total;
        };
        let (apart, run) = slots.split_at(run);
        let (first, out) = out.split_at_mut(apart.len());
        first.iter_mut().zip(apart).for_each(|(out, &slot)| at(out, row[slot]));
        let row = run.first().map_or(&[][..], |&start| &row[start..start + run.len()]);
        let (row, rest) = row.as_chunks::<LANES>();
        let (out, last) = out[..run.len()].as_chunks_mut::<LANES>();
        for (out, edges) in out.iter_mut().zip(row) {
            out.iter_mut().zip(edges).for_each(|(out, &edges)| at(out, edges));
        }
        last.iter_mut().zip(rest).for_each(|(out, &edges)| at(out, edges));
    }
}
