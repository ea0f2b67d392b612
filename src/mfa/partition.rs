//! The partition function by tables of powers.
//!
//! N_i(r) and T_i are small integers, so that
//!
//! ```text
//! Σ_i p_i(r)^q        = Σ_i N_i(r)^q · T_i^(-q)
//! Σ_i p_i(r)^q ln p_i = Σ_i (N_i^q ln N_i) · T_i^(-q) - Σ_i N_i^q · (T_i^(-q) ln T_i)
//! ```
//!
//! are sums of products of a row that depends on N_i(r) alone with one that depends on T_i alone. A
//! neuron costs one multiply-add for each radius and column, no power and no logarithm. Neurons are
//! taken in an order that depends on what they count alone, in blocks of fixed size whose sums are
//! added in order, so the result is the same bits for any order of the neurons and on any number of
//! threads.

use multiversion::multiversion;
use rayon::prelude::*;

use super::mass::BoxMasses;

/// Neurons that are summed in registers before they are added to the rest.
const BLOCK: usize = 64;

/// Blocks that make one task.
const TASK: usize = 32;

/// Columns that are summed together, in registers.
const LANES: usize = 8;

/// What a column of the table holds, as a function of N, and what it is multiplied with, of T.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    /// N^q · T^(-q)
    Power(f64),
    /// N^q ln N · T^(-q)
    Log(f64),
    /// N^q · T^(-q) ln T
    LogTotal(f64),
}

impl Column {
    fn of_mass(self, n: f64) -> f64 {
        match self {
            Self::Power(q) | Self::LogTotal(q) => n.powf(q),
            Self::Log(q) => n.powf(q) * n.ln(),
        }
    }

    fn of_total(self, t: f64) -> f64 {
        match self {
            Self::Power(q) | Self::Log(q) => t.powf(-q),
            Self::LogTotal(q) => t.powf(-q) * t.ln(),
        }
    }
}

/// The factors of N = 1 … largest mass and of T, for each column.
#[derive(Clone, Debug)]
pub(super) struct PowerTable {
    q: Vec<f64>,
    logs: bool,
    columns: Vec<Column>,
    lanes: usize,              // of one row
    powers: Vec<[f64; LANES]>, // row n - 1: of_mass(n) for each column, zeros to the end
    totals: Vec<[f64; LANES]>, // row t - 1: of_total(t) for each column, zeros to the end
}

impl PowerTable {
    pub(super) fn new(q: &[f64], logs: bool) -> Self {
        // At q = 0 the first and the third are known without a sum, up to ln T.
        let others = || q.iter().copied().filter(|&q| q != 0.0);
        let columns: Vec<Column> = match logs {
            false => others().map(Column::Power).collect(),
            true => {
                let powers = others().map(Column::Power).chain(q.iter().copied().map(Column::Log));
                powers.chain(others().map(Column::LogTotal)).collect()
            }
        };
        let lanes = columns.len().div_ceil(LANES);
        Self { q: q.to_vec(), logs, columns, lanes, powers: Vec::new(), totals: Vec::new() }
    }

    /// Makes the table reach up to mass `largest`.
    pub(super) fn reach(&mut self, largest: u32) {
        let reached = self.powers.len() / self.lanes;
        for n in (reached as u32 + 1..=largest).map(f64::from) {
            let row = |of: &dyn Fn(Column) -> f64| {
                let mut row = vec![[0.0; LANES]; self.lanes];
                let cells = row.as_flattened_mut().iter_mut();
                cells.zip(&self.columns).for_each(|(cell, column)| *cell = of(*column));
                row
            };
            let (powers, totals) = (row(&|c| c.of_mass(n)), row(&|c| c.of_total(n)));
            self.powers.extend(powers);
            self.totals.extend(totals);
        }
    }

    /// Number of q.
    pub(super) fn len(&self) -> usize {
        self.q.len()
    }

    /// Σ p^q for each q and, with logs, Σ p^q ln p for each q, from the sums of the columns; over
    /// this many neurons, whose ln T sum up to `ln_totals`.
    fn finish(&self, sums: &[f64], neurons: usize, ln_totals: f64, out: &mut [f64]) {
        let (powers, logs) = out.split_at_mut(self.q.len());
        let nonzero = self.q.iter().filter(|&&q| q != 0.0).count();
        let mut power = 0;
        for (k, &q) in self.q.iter().enumerate() {
            let at_zero = q == 0.0;
            powers[k] = if at_zero { neurons as f64 } else { sums[power] };
            if self.logs {
                let log_total = sums[nonzero + self.q.len() + if at_zero { 0 } else { power }];
                logs[k] = sums[nonzero + k] - if at_zero { ln_totals } else { log_total };
            }
            power += usize::from(!at_zero);
        }
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

    /// The sums of `factor` times as many neurons of the same kind.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.neurons = (self.neurons as f64 * factor).round() as usize;
        self.sums.iter_mut().for_each(|sum| *sum *= factor);
        self
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
    let radii = masses.method().radii();
    let mut occupied = vec![false; radii];
    masses.occupied_slots().iter().for_each(|&slot| occupied[slot - 1] = true);
    let width = table.lanes * LANES;
    let partial: Vec<Vec<f64>> = masses
        .ordered()
        .par_chunks(BLOCK * TASK)
        .map(|neurons| {
            let mut sums = vec![0.0; radii * width];
            let mut block = Block::default();
            for neurons in neurons.chunks(BLOCK) {
                block.add(masses, neurons, table, &occupied, sums.as_chunks_mut().0);
            }
            sums
        })
        .collect();
    let add = |mut sums: Vec<f64>, partial: Vec<f64>| {
        sums.iter_mut().zip(partial).for_each(|(sum, part)| *sum += part);
        sums
    };
    let raw = partial.into_iter().reduce(add).unwrap_or_default();
    let ln_totals = masses.ordered().iter().map(|&(total, _)| f64::from(total).ln()).sum();
    let columns = table.len() * if table.logs { 2 } else { 1 };
    let neurons = masses.ordered().len();
    let mut sums = vec![0.0; radii * columns];
    for (out, raw) in sums.chunks_exact_mut(columns).zip(raw.chunks_exact(width)) {
        table.finish(raw, neurons, ln_totals, out);
    }
    PowerSums { columns, neurons, occupied, sums }
}

/// Neurons that are summed together.
#[derive(Default)]
struct Block {
    masses: Vec<u32>, // N_i: a run of the block's neurons for each radius
}

impl Block {
    /// Adds the columns of these neurons to the sums, `lanes` for each radius.
    fn add(
        &mut self,
        masses: &BoxMasses<'_>,
        neurons: &[(u32, u32)],
        table: &PowerTable,
        occupied: &[bool],
        sums: &mut [[f64; LANES]],
    ) {
        let n = neurons.len();
        self.masses.resize(occupied.len() * n, 0);
        for (k, &(_, neuron)) in neurons.iter().enumerate() {
            let mut reached = 1;
            let edges = &masses.row(neuron)[1..];
            for (mass, edges) in self.masses[k..].iter_mut().step_by(n).zip(edges) {
                reached += edges;
                *mass = reached;
            }
        }
        let totals: Vec<u32> = neurons.iter().map(|&(total, _)| total).collect();
        let mut block = vec![[0.0; LANES]; table.lanes];
        let mut fresh = false; // whether `block` holds the sums of the radius before
        for (radius, masses) in self.masses.chunks_exact(n).enumerate() {
            if occupied[radius] || !fresh {
                add_products(masses, &totals, &table.powers, &table.totals, &mut block);
                fresh = true;
            }
            let all = &mut sums[radius * table.lanes..][..table.lanes];
            let pairs = all.as_flattened_mut().iter_mut().zip(block.as_flattened());
            pairs.for_each(|(sum, part)| *sum += part);
        }
    }
}

/// Σ powers(n) ∘ totals(t) over the neurons' masses n and totals t. Each column is summed in the
/// order of the neurons, product and sum rounded one by one, so the result is the same bits
/// whatever the processor's vectors.
#[multiversion(targets = "simd")]
fn add_products(
    masses: &[u32],
    neurons: &[u32],
    powers: &[[f64; LANES]],
    totals: &[[f64; LANES]],
    out: &mut [[f64; LANES]],
) {
    let lanes = out.len();
    let (fours, rest) = out.as_chunks_mut::<4>();
    let done = 4 * fours.len();
    for (k, out) in fours.iter_mut().enumerate() {
        *out = products(masses, neurons, powers, totals, lanes, 4 * k);
    }
    for (k, out) in rest.iter_mut().enumerate() {
        [*out] = products(masses, neurons, powers, totals, lanes, done + k);
    }
}

/// The lanes from `first` on, in registers.
#[inline(always)]
fn products<const L: usize>(
    masses: &[u32],
    neurons: &[u32],
    powers: &[[f64; LANES]],
    totals: &[[f64; LANES]],
    lanes: usize,
    first: usize,
) -> [[f64; LANES]; L] {
    let mut sums = [[0.0; LANES]; L];
    for (&n, &t) in masses.iter().zip(neurons) {
        let power = &powers[(n as usize - 1) * lanes + first..][..L];
        let total = &totals[(t as usize - 1) * lanes + first..][..L];
        for (sum, (power, total)) in sums.iter_mut().zip(power.iter().zip(total)) {
            for (sum, (power, total)) in sum.iter_mut().zip(power.iter().zip(total)) {
                *sum += power * total;
            }
        }
    }
    sums
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
