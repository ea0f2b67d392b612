//! The partition function by counts.
//!
//! N and T are small integers, so Z_q(r) = Σ_i N_i(r)^q T_i^(-q) is summed as
//! Σ_T T^(-q) Σ_N c(T, r, N) N^q, where c counts the neurons of mass T with N_i(r) = N: one row of
//! a table of powers per distinct N in place of one power per neuron. Counts do not depend on the
//! order of the neurons, blocks are cut by what neurons count and added in a fixed order, so the
//! result is the same bits for any order of the neurons and on any number of threads.

use multiversion::multiversion;
use rayon::prelude::*;

use super::mass::{Block, BoxMasses};

/// Blocks of at least this many neurons together make one task.
const TASK: usize = 2048;

/// Radii that are taken together, so that a neuron's counters are read a cache line at a time.
const RADII: usize = 16;

/// Blocks of fewer neurons than this are sorted by mass, not counted over the range of masses.
const FEW: usize = 32;

/// Columns that are summed together, in registers.
const LANES: usize = 8;

/// n^q for n = 1 … largest mass and each q; with `logs`, n^q ln n beside it.
#[derive(Clone, Debug)]
pub(super) struct PowerTable {
    q: Vec<f64>,
    logs: bool,
    lanes: usize,              // of one row
    powers: Vec<[f64; LANES]>, // row n - 1: n^q for each q, n^q ln n for each q, zeros to the end
}

impl PowerTable {
    pub(super) fn new(q: &[f64], logs: bool) -> Self {
        let columns = q.len() * if logs { 2 } else { 1 };
        Self { q: q.to_vec(), logs, lanes: columns.div_ceil(LANES), powers: Vec::new() }
    }

    /// Makes the table reach up to mass `largest`.
    pub(super) fn reach(&mut self, largest: u32) {
        let reached = self.powers.len() / self.lanes;
        for n in reached as u32 + 1..=largest {
            let n = f64::from(n);
            let mut row = vec![[0.0; LANES]; self.lanes];
            let (powers, logs) = row.as_flattened_mut().split_at_mut(self.q.len());
            for (power, q) in powers.iter_mut().zip(&self.q) {
                *power = n.powf(*q);
            }
            if self.logs {
                logs.iter_mut().zip(powers).for_each(|(log, power)| *log = *power * n.ln());
            }
            self.powers.extend(row);
        }
    }

    fn row(&self, n: u32) -> &[[f64; LANES]] {
        &self.powers[(n as usize - 1) * self.lanes..n as usize * self.lanes]
    }

    /// Number of q.
    pub(super) fn len(&self) -> usize {
        self.q.len()
    }

    fn columns(&self) -> usize {
        self.q.len() * if self.logs { 2 } else { 1 }
    }
}

/// Σ c · row(n) over the pairs (n, c). Each column is summed in the order of the pairs, so the
/// result is the same bits whatever the processor's vectors.
#[multiversion(targets = "simd")]
fn weighted_rows(found: &[(u32, u32)], powers: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
    let lanes = out.len();
    for (lane, out) in out.iter_mut().enumerate() {
        let mut sum = [0.0; LANES];
        for &(n, neurons) in found {
            let row = &powers[(n as usize - 1) * lanes + lane];
            for (sum, power) in sum.iter_mut().zip(row) {
                *sum += f64::from(neurons) * power;
            }
        }
        *out = sum;
    }
}

/// Sums over the kept neurons of a network at every possible radius: what the estimators fit.
///
/// p_i(r) is a matter of neuron i alone, so the sums of a network are those of its parts, added.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerSums {
    columns: usize,
    neurons: usize,
    occupied: Vec<bool>, // one for each possible radius: whether a kept neuron has an edge there
    sums: Vec<f64>,      // radii × columns
}

impl PowerSums {
    /// Number of kept neurons.
    pub fn neurons(&self) -> usize {
        self.neurons
    }

    /// Adds the neurons of another part of the network.
    ///
    /// # Panics
    /// When the other sums are of another method or estimator.
    pub fn add(&mut self, other: &Self) {
        assert_eq!((self.columns, self.sums.len()), (other.columns, other.sums.len()));
        self.neurons += other.neurons;
        self.occupied.iter_mut().zip(&other.occupied).for_each(|(all, one)| *all |= one);
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, part)| *sum += part);
    }

    /// Σ_i p_i(r)^q for each q at the j-th possible radius and, from a table with logs, then
    /// Σ_i p_i(r)^q ln p_i(r) for each q.
    pub(super) fn at(&self, radius: usize) -> &[f64] {
        &self.sums[radius * self.columns..(radius + 1) * self.columns]
    }

    /// Which of the possible radii are occupied, ascending.
    pub(super) fn occupied(&self) -> Vec<usize> {
        (0..self.occupied.len()).filter(|&radius| self.occupied[radius]).collect()
    }
}

/// The sums at all possible radii. The table must reach the largest T.
pub(super) fn power_sums(masses: &BoxMasses<'_>, table: &PowerTable) -> PowerSums {
    let columns = table.columns();
    let radii = masses.method().radii();
    let mut occupied = vec![false; radii];
    masses.occupied_slots().iter().for_each(|&slot| occupied[slot - 1] = true);
    let partial: Vec<Vec<f64>> = tasks(masses.blocks())
        .into_par_iter()
        .map(|blocks| {
            let mut scratch = Scratch::new(masses, table);
            let mut sums = vec![0.0; radii * columns];
            for block in blocks {
                scratch.add_block(masses, table, block, &occupied, &mut sums);
            }
            sums
        })
        .collect();
    let add = |mut sums: Vec<f64>, partial: Vec<f64>| {
        sums.iter_mut().zip(partial).for_each(|(sum, part)| *sum += part);
        sums
    };
    let sums = partial.into_iter().reduce(add).unwrap_or_default();
    PowerSums { columns, neurons: masses.neurons(), occupied, sums }
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
    mass: Vec<u32>,          // N_i at some radii: a run of the block's neurons for each
    reached: Vec<u32>,       // N_i at the last radius so far
    neurons_of: Vec<u32>,    // how many neurons have mass N; all 0 between radii
    found: Vec<(u32, u32)>,  // masses N at one radius, ascending, and how many neurons have them
    raw: Vec<[f64; LANES]>,  // Σ_N c(N) N^q, in the columns of the table
    inverse_power: Vec<f64>, // T^-q
}

impl<'a> Scratch<'a> {
    fn new(masses: &BoxMasses<'a>, table: &PowerTable) -> Self {
        let largest = masses.blocks().last().map_or(0, |block| block.total as usize);
        Self {
            rows: Vec::new(),
            mass: Vec::new(),
            reached: Vec::new(),
            neurons_of: vec![0; largest + 1],
            found: Vec::new(),
            raw: vec![[0.0; LANES]; table.lanes],
            inverse_power: Vec::new(),
        }
    }

    /// Adds the neurons of a block to the sums.
    fn add_block(
        &mut self,
        masses: &BoxMasses<'a>,
        table: &PowerTable,
        block: &Block,
        occupied: &[bool],
        sums: &mut [f64],
    ) {
        self.rows.clear();
        self.rows.extend(masses.rows(block));
        self.reached.clear();
        self.reached.resize(self.rows.len(), 1);
        self.inverse_power.clear();
        let total = &table.row(block.total).as_flattened()[..table.q.len()];
        self.inverse_power.extend(total.iter().map(|power| 1.0 / power));
        let ln_total = f64::from(block.total).ln();
        let mut fresh = false; // whether `raw` holds the sums of the radius before
        let radii: Vec<usize> = (0..occupied.len()).collect();
        for radii in radii.chunks(RADII) {
            self.advance(radii);
            for (k, &radius) in radii.iter().enumerate() {
                if occupied[radius] || !fresh {
                    self.find_masses(k);
                    weighted_rows(&self.found, &table.powers, &mut self.raw);
                    fresh = true;
                }
                let columns = table.columns();
                self.add_raw(table, ln_total, &mut sums[radius * columns..][..columns]);
            }
        }
    }

    /// Takes each neuron's mass on over these radii.
    fn advance(&mut self, radii: &[usize]) {
        let neurons = self.rows.len();
        self.mass.resize(radii.len() * neurons, 0);
        for (k, (reached, row)) in self.reached.iter_mut().zip(&self.rows).enumerate() {
            for (mass, &radius) in self.mass[k..].iter_mut().step_by(neurons).zip(radii) {
                *reached += row[radius + 1];
                *mass = *reached;
            }
        }
    }

    /// Counts the neurons of each mass at one of the radii.
    fn find_masses(&mut self, radius: usize) {
        let neurons = self.rows.len();
        let masses = &mut self.mass[radius * neurons..(radius + 1) * neurons];
        self.found.clear();
        if neurons < FEW {
            masses.sort_unstable();
            let runs = masses.chunk_by(|a, b| a == b);
            self.found.extend(runs.map(|run| (run[0], run.len() as u32)));
            return;
        }
        let (mut low, mut high) = (u32::MAX, 0);
        for &mass in &*masses {
            self.neurons_of[mass as usize] += 1;
            low = low.min(mass);
            high = high.max(mass);
        }
        for n in low..=high {
            let neurons = std::mem::take(&mut self.neurons_of[n as usize]);
            if neurons > 0 {
                self.found.push((n, neurons));
            }
        }
    }

    fn add_raw(&self, table: &PowerTable, ln_total: f64, sums: &mut [f64]) {
        let (powers, logs) = self.raw.as_flattened().split_at(table.q.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::{Histogram, Method, Parameters};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Neumaier's compensated sum.
    fn sum(values: impl Iterator<Item = f64>) -> f64 {
        let (sum, lost) = values.fold((0.0f64, 0.0), |(sum, lost), value| {
            let next = sum + value;
            let (large, small) = if sum.abs() >= value.abs() { (sum, value) } else { (value, sum) };
            (next, lost + ((large - next) + small))
        });
        sum + lost
    }

    /// Neurons with up to `edges` edges, a third of them out of range or so.
    fn histogram(method: &Method, neurons: usize, edges: usize, seed: u64) -> Histogram {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let neuron = |_| {
            let (edges, near) = (rng.random_range(1..=edges), rng.random_range(0.5..100.0));
            (0..edges).map(|_| near / rng.random_range(0.01..1.0)).collect::<Vec<f64>>()
        };
        Histogram::from_distances(method, &(0..neurons).map(neuron).collect::<Vec<_>>())
    }

    /// p_i(r) of each kept neuron, radius by radius.
    fn box_masses(method: &Method, histogram: &Histogram) -> Vec<Vec<f64>> {
        let rows = (0..histogram.neurons()).map(|neuron| &histogram.row(neuron)[1..]);
        let kept: Vec<_> = rows.filter(|row| row.iter().sum::<u32>() > 10).collect();
        let mass = |edges: &[u32]| f64::from(1 + edges.iter().sum::<u32>());
        let at = |radius| kept.iter().map(|row| mass(&row[..radius]) / mass(row)).collect();
        (1..=method.radii()).map(at).collect()
    }

    fn wide_q() -> Method {
        Parameters { q_min: -20.0, q_max: 20.0, q_step: 0.5, ..Parameters::default() }
            .check()
            .unwrap()
    }

    #[test]
    fn sums_agree_with_compensated_powers() {
        for (method, neurons, edges) in [
            (Method::default(), 40, 60),
            (Method::default(), 3000, 30), // many neurons of one mass
            (Method::default(), 700, 4000),
            (wide_q(), 300, 500),
        ] {
            let histogram = histogram(&method, neurons, edges, 1);
            let masses = BoxMasses::new(&method, &histogram).unwrap();
            let mut table = PowerTable::new(method.q(), true);
            table.reach(edges as u32 + 1);
            let sums = power_sums(&masses, &table);
            for (j, p) in box_masses(&method, &histogram).iter().enumerate() {
                assert_eq!(p.len(), masses.neurons());
                for (k, &q) in method.q().iter().enumerate() {
                    let (z, at) = (sum(p.iter().map(|p| p.powf(q))), sums.at(j));
                    assert!((at[k] - z).abs() <= 1e-13 * z, "Z_{q}: {}, {z}", at[k]);
                    // ln N - ln T cancels where p is near 1: the mean of ln p is held absolutely.
                    let logs = sum(p.iter().map(|p| p.powf(q) * p.ln()));
                    let error = at[method.q().len() + k] - logs;
                    assert!(error.abs() <= 1e-13 * z, "ln p at q {q}: {error:e}");
                }
            }
        }
    }

    /// Of one neuron, Σ p^1 is p itself.
    #[test]
    fn box_mass_grows_to_the_whole_at_the_largest_radius() {
        let method = Method::default();
        let one = method.q().iter().position(|q| *q == 1.0).unwrap();
        for seed in 0..20 {
            let histogram = histogram(&method, 1, 400, seed);
            let Ok(masses) = BoxMasses::new(&method, &histogram) else { continue };
            let mut table = PowerTable::new(method.q(), false);
            table.reach(401);
            let sums = power_sums(&masses, &table);
            let p: Vec<f64> = sums.occupied().iter().map(|&j| sums.at(j)[one]).collect();
            assert_eq!(p.len(), masses.radii().len());
            assert!(p[0] > 0.0 && p.windows(2).all(|p| p[0] < p[1]), "{p:?}");
            assert!((p[p.len() - 1] - 1.0).abs() <= f64::EPSILON);
        }
    }
}
