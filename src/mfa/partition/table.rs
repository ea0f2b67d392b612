//! Computes Z_q from moments.

use multiversion::multiversion;

use super::exponential::{Series, TERMS, derivative, exponential};
use super::logarithms::{LANES, Logarithms, STEPS};
use super::moments::{Moments, Powers};

/// Turns moments into sums of powers, for some q.
#[derive(Clone, Debug)]
pub(in crate::mfa) struct PowerTable {
    pub(super) logarithms: Logarithms,
    q: Vec<f64>,
    logs: bool,
    lanes: usize,              // of one row
    series: Vec<[f64; LANES]>, // row k: the coefficients of y^k, for each column; zeros to the end
    powers: Vec<f64>,          // row STEPS - g: e^(q x), x = g/(STEPS · s), for each q
}

impl PowerTable {
    pub(in crate::mfa) fn new(q: &[f64], logs: bool) -> Self {
        let logarithms = Logarithms::new(q);
        let scale = logarithms.scale;
        let mut columns: Vec<Series> = q.iter().map(|q| exponential(q / scale)).collect();
        if logs {
            columns.extend(q.iter().map(|q| derivative(q / scale)));
        }
        let lanes = columns.len().div_ceil(LANES);
        let mut series = vec![[0.0; LANES]; TERMS * lanes];
        for (k, row) in series.chunks_exact_mut(lanes).enumerate() {
            let cells = row.as_flattened_mut().iter_mut();
            cells.zip(&columns).for_each(|(cell, column)| *cell = column[k]);
        }
        Self { logarithms, q: q.to_vec(), logs, lanes, series, powers: Vec::new() }
    }

    /// Makes the table reach up to mass `largest`.
    pub(in crate::mfa) fn reach(&mut self, largest: u32) {
        self.logarithms.reach(largest);
        // A centre lies at most one step beyond a logarithm, which it has within half a cell.
        let deepest = self.logarithms.of.last().copied().unwrap_or_default();
        let rows = (STEPS * (deepest + 2.0)).ceil() as usize + 2;
        let parts = STEPS * self.logarithms.scale;
        for row in self.powers.len() / self.q.len()..rows {
            let steps = STEPS - row as f64;
            // The rounding of the product counts as much as the exponent is large.
            let power = |&q: &f64| {
                let product = q * steps;
                (product / parts).exp() * (1.0 + q.mul_add(steps, -product) / parts)
            };
            self.powers.extend(self.q.iter().map(power));
        }
    }

    /// Number of q.
    pub(in crate::mfa) fn len(&self) -> usize {
        self.q.len()
    }

    /// Number of sums at each radius.
    pub(super) fn columns(&self) -> usize {
        self.q.len() * if self.logs { 2 } else { 1 }
    }

    /// Σ p^q for each q and, with logs, then Σ p^q ln p for each q, at all of `radii` radii.
    pub(super) fn sums(&self, moments: &Moments, radii: usize) -> Vec<f64> {
        let columns = self.columns();
        let mut sums = vec![0.0; radii * columns];
        let mut raw = vec![[0.0; LANES]; self.lanes];
        let all = moments.slots.chunks(LANES).zip(&moments.centres).zip(&moments.cells);
        for ((slots, centres), cells) in all {
            for cell in cells {
                for (radius, (slot, centre)) in slots.iter().zip(centres).enumerate() {
                    // Without a neuron in this cell, it may lie outside of the table.
                    if cell.powers[0][radius] == 0.0 {
                        continue;
                    }
                    combine(&cell.powers, radius, &self.series, &mut raw);
                    let steps = centre + cell.shift;
                    let out = &mut sums[(slot - 1) * columns..][..columns];
                    self.add(raw.as_flattened(), steps, out);
                }
            }
        }
        let mut from = 0;
        for slot in 1..=radii {
            if moments.slots.get(from) == Some(&slot) {
                from += 1;
            } else {
                sums.copy_within((slot - 2) * columns..(slot - 1) * columns, (slot - 1) * columns);
            }
        }
        sums
    }

    /// Adds the sums around a centre that lies `steps` steps from ln p = 0.
    fn add(&self, raw: &[f64], steps: i32, out: &mut [f64]) {
        let row = (STEPS as i32 - steps) as usize * self.q.len();
        let powers = &self.powers[row..][..self.q.len()];
        let (out, logs) = out.split_at_mut(self.q.len());
        for ((out, raw), power) in out.iter_mut().zip(raw).zip(powers) {
            *out += power * raw;
        }
        let (x, scale) = (f64::from(steps) / STEPS, self.logarithms.scale);
        let raw = raw.iter().zip(&raw[self.q.len()..]);
        for ((out, (raw, derived)), power) in logs.iter_mut().zip(raw).zip(powers) {
            *out += power * ((x * raw + derived) / scale);
        }
    }
}

/// Σ_k (coefficients of y^k) · (Σ y^k) at one of the radii, for all columns. Products and sums are
/// rounded one by one, so the result is the same bits whatever the processor's vectors.
#[multiversion(targets = "simd")]
fn combine(powers: &Powers, radius: usize, series: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
    let lanes = out.len();
    let (fours, rest) = out.as_chunks_mut::<4>();
    let done = 4 * fours.len();
    for (k, out) in fours.iter_mut().enumerate() {
        *out = combined(powers, radius, series, lanes, 4 * k);
    }
    for (k, out) in rest.iter_mut().enumerate() {
        [*out] = combined(powers, radius, series, lanes, done + k);
    }
}

/// The lanes of columns from `first` on, in registers.
#[inline(always)]
fn combined<const L: usize>(
    powers: &Powers,
    radius: usize,
    series: &[[f64; LANES]],
    lanes: usize,
    first: usize,
) -> [[f64; LANES]; L] {
    let mut sums = [[0.0; LANES]; L];
    for (powers, series) in powers.iter().zip(series.chunks_exact(lanes)) {
        let power = powers[radius];
        for (sum, series) in sums.iter_mut().zip(&series[first..][..L]) {
            for (sum, series) in sum.iter_mut().zip(series) {
                *sum += power * series;
            }
        }
    }
    sums
}
