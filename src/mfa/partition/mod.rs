//! The partition function by moments.
//!
//! With x_i = ln p_i(r) and a centre c in the middle of some neurons,
//!
//! ```text
//! Σ_i p_i(r)^q        = e^(qc) · Σ_k a_k(q) · Σ_i (x_i - c)^k
//! Σ_i p_i(r)^q ln p_i = its derivative in q
//! ```
//!
//! where a_k are the coefficients of a polynomial that equals e^(qx) up to rounding: 22 sums of
//! powers give the result for all q and for both estimators. A neuron costs 22 multiplications and
//! additions for each radius, done for 8 radii at once, and no power; ln p is the difference of two
//! logarithms of integers, taken from a table. Where neurons lie close together their higher powers
//! are below rounding and are left out.
//!
//! Neurons are processed in blocks of fixed size, in an order that depends only on their counts, so
//! that neurons of similar mass are in one block. At each radius a block has a centre in the middle
//! of its neurons, or several if they lie far apart, so that |q (x_i - c)| ≤ 3 always. Sums around
//! one centre are added, block by block in order, and converted to powers at the end: layers of
//! different mass are summed as one network at the cost of their neurons. The result is the same
//! bits for any order of the neurons and on any number of threads.
//!
//! Terms of both signs cancel, by e³ at most on each side; errors stay below 10⁻¹³ even for neurons
//! of very different masses.

mod exponential;
mod logarithms;
mod moments;
mod table;

use moments::Moments;

use super::mass::BoxMasses;
pub(super) use table::PowerTable;

/// Sums over the kept neurons of a network at every possible radius: what the estimators fit.
///
/// p_i(r) depends on neuron i only, so the sums of a network are the sums of its parts, added.
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

    /// The sums without a part of the network.
    ///
    /// # Panics
    /// When the part is of another method or estimator, or has more neurons.
    pub fn without(&self, part: &Self) -> Self {
        assert_eq!((self.columns, self.sums.len()), (part.columns, part.sums.len()));
        let mut rest = self.clone();
        rest.neurons = self.neurons.checked_sub(part.neurons).expect("a part has no more neurons");
        rest.sums.iter_mut().zip(&part.sums).for_each(|(sum, part)| *sum -= part);
        rest
    }

    /// The sums in which a part of the network is replaced by `times` another one.
    ///
    /// # Panics
    /// When the parts are of another method or estimator.
    pub fn with_replaced(&self, part: &Self, by: &Self, times: f64) -> Self {
        assert!([part, by].iter().all(|other| other.sums.len() == self.sums.len()));
        let mut replaced = self.clone();
        let sums = replaced.sums.iter_mut().zip(part.sums.iter().zip(&by.sums));
        sums.for_each(|(sum, (part, by))| *sum += times * by - part);
        replaced
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
    let moments = Moments::of(masses, &table.logarithms);
    finish(masses, &moments, table)
}

/// The sums of two tables of the same method, from one pass over the neurons.
pub(super) fn power_sums_of_both(
    masses: &BoxMasses<'_>,
    one: &PowerTable,
    other: &PowerTable,
) -> (PowerSums, PowerSums) {
    assert_eq!(one.logarithms.scale, other.logarithms.scale, "tables of two methods");
    let moments = Moments::of(masses, &one.logarithms);
    (finish(masses, &moments, one), finish(masses, &moments, other))
}

fn finish(masses: &BoxMasses<'_>, moments: &Moments, table: &PowerTable) -> PowerSums {
    let radii = masses.method().radii();
    let mut occupied = vec![false; radii];
    masses.occupied_slots().iter().for_each(|&slot| occupied[slot - 1] = true);
    PowerSums {
        columns: table.columns(),
        neurons: moments.neurons,
        occupied,
        sums: table.sums(moments, radii),
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
            agrees(&method, &histogram(&method, neurons, edges, 1), edges as u32 + 1);
        }
    }

    /// Far from the mean on one side: few that hold nearly all edges; on the other: few that hold
    /// hardly any at small radii.
    #[test]
    fn sums_agree_for_neurons_of_very_different_masses() {
        for method in [Method::default(), wide_q()] {
            for (many, few) in [((11, 100.0), (4000, 2.0)), ((3000, 2.0), (11, 100.0))] {
                let mut rng = ChaCha8Rng::seed_from_u64(4);
                let mut neuron = |(edges, near): (usize, f64)| -> Vec<f64> {
                    (0..edges).map(|_| near * rng.random_range(1.0..1.5)).collect()
                };
                let mut all: Vec<Vec<f64>> = (0..300).map(|_| neuron(many)).collect();
                all.extend((0..3).map(|_| neuron(few)));
                agrees(&method, &Histogram::from_distances(&method, &all), 4001);
            }
        }
    }

    #[test]
    fn layers_as_one_network_have_the_sums_of_its_layers() {
        let method = Method::default();
        let mut table = PowerTable::new(method.q(), true);
        table.reach(4001);
        let layers = [(64, 20, 1), (64, 190, 2), (700, 4000, 3), (3, 30, 4)]
            .map(|(neurons, edges, seed)| histogram(&method, neurons, edges, seed));
        let sums = |histogram: &Histogram| {
            power_sums(&BoxMasses::new(&method, histogram).unwrap(), &table)
        };
        let neurons = layers.iter().map(Histogram::neurons).sum();
        let (mut network, mut first) = (Histogram::new(&method, neurons), 0);
        for layer in &layers {
            let rows = first..first + layer.neurons();
            network.rows_mut(rows.clone()).copy_from_slice(layer.rows(0..layer.neurons()));
            first = rows.end;
        }
        let network = sums(&network);
        let added = layers.iter().map(sums).reduce(|mut all, layer| {
            all.add(&layer);
            all
        });
        let added = added.unwrap();
        assert_eq!((network.neurons, &network.occupied), (added.neurons, &added.occupied));
        for radius in 0..method.radii() {
            let (one, other) = (network.at(radius), added.at(radius));
            for k in 0..method.q().len() {
                let logs = method.q().len() + k;
                assert!((one[k] - other[k]).abs() <= 1e-13 * other[k], "{radius}, {k}");
                assert!((one[logs] - other[logs]).abs() <= 1e-13 * other[k], "{radius}, {k}, ln p");
            }
        }
    }

    fn agrees(method: &Method, histogram: &Histogram, largest: u32) {
        let masses = BoxMasses::new(method, histogram).unwrap();
        let mut table = PowerTable::new(method.q(), true);
        table.reach(largest);
        let sums = power_sums(&masses, &table);
        let (mut worst, mut worst_log) = (0.0f64, 0.0f64);
        for (j, p) in box_masses(method, histogram).iter().enumerate() {
            assert_eq!(p.len(), masses.neurons());
            for (k, &q) in method.q().iter().enumerate() {
                let (z, at) = (sum(p.iter().map(|p| p.powf(q))), sums.at(j));
                worst = worst.max((at[k] - z).abs() / z);
                // ln N - ln T cancels where p is near 1: the mean of ln p is held absolutely.
                let logs = sum(p.iter().map(|p| p.powf(q) * p.ln()));
                worst_log = worst_log.max((at[method.q().len() + k] - logs).abs() / z);
            }
        }
        println!("worst of {} neurons: Z {worst:e}, ln p {worst_log:e}", masses.neurons());
        assert!(worst <= 1e-13 && worst_log <= 1e-13, "Z {worst:e}, ln p {worst_log:e}");
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
