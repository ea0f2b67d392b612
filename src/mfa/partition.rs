//! The partition function by counts.
//!
//! N and T are small integers, so Z_q(r) = Σ_i N_i(r)^q T_i^(-q) is summed as
//! Σ_T T^(-q) Σ_N c(T, r, N) N^q, where c counts the neurons of mass T with N_i(r) = N: one row of
//! a table of powers per distinct N in place of one power per neuron. Counts do not depend on the
//! order of the neurons and blocks are added in a fixed order, so the result is the same bits
//! for any order of neurons of one mass and on any number of threads.

use rayon::prelude::*;

use super::mass::{Block, BoxMasses};

/// Blocks of at least this many neurons together make one task.
const TASK: usize = 2048;

/// n^q for n = 1 … largest mass and each q; with `logs`, n^q ln n beside it.
#[derive(Clone, Debug)]
pub(super) struct PowerTable {
    q: Vec<f64>,
    logs: bool,
    powers: Vec<f64>, // row n - 1: n^q for each q, then n^q ln n for each q
}

impl PowerTable {
    pub(super) fn new(q: &[f64], logs: bool) -> Self {
        Self { q: q.to_vec(), logs, powers: Vec::new() }
    }

    /// Makes the table reach up to mass `largest`.
    pub(super) fn reach(&mut self, largest: u32) {
        for n in self.reached() + 1..=largest {
            let n = f64::from(n);
            let first = self.powers.len();
            self.powers.extend(self.q.iter().map(|q| n.powf(*q)));
            if self.logs {
                let ln = n.ln();
                self.powers.extend_from_within(first..);
                let logs = first + self.q.len();
                self.powers[logs..].iter_mut().for_each(|p| *p *= ln);
            }
        }
    }

    /// Number of q.
    pub(super) fn len(&self) -> usize {
        self.q.len()
    }

    fn reached(&self) -> u32 {
        (self.powers.len() / self.columns()) as u32
    }

    fn columns(&self) -> usize {
        self.q.len() * if self.logs { 2 } else { 1 }
    }

    fn row(&self, n: usize) -> &[f64] {
        &self.powers[(n - 1) * self.columns()..n * self.columns()]
    }
}

/// Sums over the kept neurons, at one radius after another.
pub(super) struct PowerSums {
    columns: usize,
    sums: Vec<f64>, // radii × columns
}

impl PowerSums {
    /// Σ_i p_i(r)^q for each q at the j-th radius and, from a table with logs, then
    /// Σ_i p_i(r)^q ln p_i(r) for each q.
    pub(super) fn at(&self, radius: usize) -> &[f64] {
        &self.sums[radius * self.columns..(radius + 1) * self.columns]
    }
}

/// The sums at the radii of `slots` (ascending). The table must reach the largest T.
pub(super) fn power_sums(masses: &BoxMasses<'_>, table: &PowerTable, slots: &[usize]) -> PowerSums {
    let columns = table.columns();
    let partial: Vec<Vec<f64>> = tasks(masses.blocks())
        .into_par_iter()
        .map(|blocks| {
            let mut scratch = Scratch::new(masses, table);
            let mut sums = vec![0.0; slots.len() * columns];
            for block in blocks {
                scratch.add_block(masses, table, block, slots, &mut sums);
            }
            sums
        })
        .collect();
    let mut sums = vec![0.0; slots.len() * columns];
    for partial in partial {
        sums.iter_mut().zip(partial).for_each(|(sum, part)| *sum += part);
    }
    PowerSums { columns, sums }
}

/// Runs of consecutive blocks, cut by their neurons alone: the same on any number of threads.
fn tasks(blocks: &[Block]) -> Vec<&[Block]> {
    let mut tasks = Vec::new();
    let (mut first, mut neurons) = (0, 0);
    for (k, block) in blocks.iter().enumerate() {
        neurons += block.neurons.len();
        if neurons >= TASK {
            tasks.push(&blocks[first..=k]);
            (first, neurons) = (k + 1, 0);
        }
    }
    if first < blocks.len() {
        tasks.push(&blocks[first..]);
    }
    tasks
}

struct Scratch<'a> {
    rows: Vec<&'a [u32]>,    // histogram rows of the block's neurons
    mass: Vec<u32>,          // N_i at the current radius
    neurons_of: Vec<u32>,    // how many neurons have mass N; all 0 between radii
    raw: Vec<f64>,           // Σ_N c(N) N^q
    inverse_power: Vec<f64>, // T^-q
}

impl<'a> Scratch<'a> {
    fn new(masses: &BoxMasses<'a>, table: &PowerTable) -> Self {
        let largest = masses.blocks().last().map_or(0, |block| block.total as usize);
        Self {
            rows: Vec::new(),
            mass: Vec::new(),
            neurons_of: vec![0; largest + 1],
            raw: vec![0.0; table.columns()],
            inverse_power: Vec::new(),
        }
    }

    fn add_block(
        &mut self,
        masses: &BoxMasses<'a>,
        table: &PowerTable,
        block: &Block,
        slots: &[usize],
        sums: &mut [f64],
    ) {
        self.rows.clear();
        self.rows.extend(masses.rows(block));
        self.mass.clear();
        self.mass.resize(self.rows.len(), 1);
        self.inverse_power.clear();
        let total = f64::from(block.total);
        self.inverse_power.extend(table.q.iter().map(|q| total.powf(-q)));
        let ln_total = total.ln();
        let mut next_slot = 1;
        for (&slot, sums) in slots.iter().zip(sums.chunks_exact_mut(table.columns())) {
            self.advance(next_slot..slot + 1);
            next_slot = slot + 1;
            self.raw_sums(table);
            let (powers, logs) = self.raw.split_at(table.q.len());
            let (sum, log_sum) = sums.split_at_mut(table.q.len());
            for ((sum, power), t) in sum.iter_mut().zip(powers).zip(&self.inverse_power) {
                *sum += t * power;
            }
            // p^q ln p = T^-q (N^q ln N - ln T · N^q)
            for (k, (sum, log)) in log_sum.iter_mut().zip(logs).enumerate() {
                *sum += self.inverse_power[k] * (log - ln_total * powers[k]);
            }
        }
    }

    /// Adds the edges of these slots to each neuron's mass.
    fn advance(&mut self, slots: std::ops::Range<usize>) {
        for (mass, row) in self.mass.iter_mut().zip(&self.rows) {
            *mass += row[slots.clone()].iter().sum::<u32>();
        }
    }

    fn raw_sums(&mut self, table: &PowerTable) {
        let (mut low, mut high) = (u32::MAX, 0);
        for &mass in &self.mass {
            self.neurons_of[mass as usize] += 1;
            low = low.min(mass);
            high = high.max(mass);
        }
        self.raw.fill(0.0);
        for n in low as usize..=high as usize {
            let neurons = std::mem::take(&mut self.neurons_of[n]);
            if neurons > 0 {
                let neurons = f64::from(neurons);
                for (sum, power) in self.raw.iter_mut().zip(table.row(n)) {
                    *sum += neurons * power;
                }
            }
        }
    }
}
