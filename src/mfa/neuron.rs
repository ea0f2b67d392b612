//! Measures of a single neuron, and statistics over many.
//!
//! - The fractal dimension D_i of neuron i is the least-squares slope of ln N_i(r) on ln r over the
//!   neuron's own occupied radii, with its R². A neuron that is not kept (too few edges in range),
//!   or has one radius only, has none. Source: Xiao et al., arXiv 2402.09099, definition of the
//!   neuron-based fractal dimension.
//! - The average weighted degree of a neuron is the mean of its kept distances. A neuron with no
//!   edge in range has none.
//! - Over many neurons: mean, median, standard deviation, extremes, and the kurtosis
//!   β₂ = E[((X - μ)/σ)⁴], 3 for a Gaussian. Moments are those of the population (n in the
//!   denominator): all neurons are there, none is drawn.

use serde::{Deserialize, Serialize};

use super::parameters::Method;
use super::regression::Line;

/// Logarithms of radii and masses, for the dimensions of many neurons.
#[derive(Clone, Debug)]
pub struct Dimensions {
    min_edges: u32,
    ln_radius: Vec<f64>, // of slot s ≥ 1 at s - 1
    ln_mass: Vec<f64>,   // of N at N - 1
}

impl Dimensions {
    /// The tables for neurons of at most `largest_mass` - 1 edges.
    pub fn new(method: &Method, largest_mass: u32) -> Self {
        let radii = 1..method.slots();
        Self {
            min_edges: method.parameters().min_edges,
            ln_radius: radii.map(|slot| method.radius(slot).ln()).collect(),
            ln_mass: (1..=largest_mass).map(|n| f64::from(n).ln()).collect(),
        }
    }

    /// D_i as the slope of the line, with its R², from the counters of a neuron. `scratch` is
    /// memory that is reused.
    ///
    /// # Panics
    /// When the neuron has more edges than `largest_mass` of [`Self::new`] allows.
    pub fn of(&self, row: &[u32], scratch: &mut [Vec<f64>; 2]) -> Option<Line> {
        let edges: u32 = row[1..].iter().sum();
        if edges <= self.min_edges {
            return None;
        }
        let [x, y] = scratch;
        x.resize(self.ln_radius.len(), 0.0);
        y.resize(self.ln_radius.len(), 0.0);
        let (mut mass, mut points) = (1, 0);
        for (count, ln_radius) in row[1..].iter().zip(&self.ln_radius) {
            mass += count;
            // A radius without edges is overwritten by the next point. A branch here would be
            // predicted badly.
            (x[points], y[points]) = (*ln_radius, self.ln_mass[mass as usize - 1]);
            points += usize::from(*count > 0);
        }
        Line::through(&x[..points], &y[..points])
    }
}

/// N_i(r) of a neuron at its own occupied radii, ascending, from its counters: what D_i is fitted to.
pub fn box_counts(method: &Method, row: &[u32]) -> Vec<(f64, u32)> {
    let mut mass = 1;
    let occupied = row.iter().enumerate().skip(1).filter(|(_, count)| **count > 0);
    let count = |(slot, count): (usize, &u32)| {
        mass += count;
        (method.radius(slot), mass)
    };
    occupied.map(count).collect()
}

/// Statistics of one number over many neurons.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// How many neurons have the number.
    pub neurons: usize,
    /// Mean.
    pub mean: f64,
    /// Median: the middle one, or the mean of the middle two.
    pub median: f64,
    /// Standard deviation of the population.
    pub std: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// β₂ = E[((X - μ)/σ)⁴]; none when all are equal.
    pub kurtosis: Option<f64>,
}

impl Statistics {
    /// Computes the statistics of finite values; none for no values. Sums run in the order of the
    /// values.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        let n = values.len();
        let first = *values.first()?;
        let extreme = |pick: fn(f64, f64) -> f64| values.iter().copied().fold(first, pick);
        let (min, max) = (extreme(f64::min), extreme(f64::max));
        let mean_of = |f: &dyn Fn(f64) -> f64| values.iter().map(|&v| f(v)).sum::<f64>() / n as f64;
        // Deviations from the smallest value: exactly 0 when all are equal.
        let mean = min + mean_of(&|v| v - min);
        let variance = mean_of(&|v| (v - mean).powi(2));
        let fourth = mean_of(&|v| (v - mean).powi(4));
        let (below, upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
        let lower = match n % 2 {
            0 => below.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => *upper,
        };
        Some(Self {
            neurons: n,
            mean,
            median: (lower + *upper) / 2.0,
            std: variance.sqrt(),
            min,
            max,
            kurtosis: (max > min).then(|| fourth / (variance * variance)).filter(|k| k.is_finite()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_by_hand() {
        let method = Method::default();
        let mut row = vec![0; method.slots()];
        // Masses 1 + 7 = 8 at radius 2 and 8 + 24 = 32 at radius 4: two octaves for one.
        (row[2], row[4]) = (7, 24);
        let line = Dimensions::new(&method, 32).of(&row, &mut Default::default()).unwrap();
        assert!((line.slope - 2.0).abs() < 1e-14 && (line.r2.unwrap() - 1.0).abs() < 1e-14);
        assert_eq!(box_counts(&method, &row), [(2.0, 8), (4.0, 32)]);
    }

    #[test]
    fn memory_that_is_used_again_leaves_no_trace() {
        let method = Method::default();
        let dimensions = Dimensions::new(&method, 4000);
        let all = method.slots();
        let rows = [(1..all, 20), (5..8, 30), (all - 2..all, 9), (1..all, 3), (7..8, 40)];
        let mut scratch = Default::default();
        for (occupied, count) in rows {
            let mut row = vec![0; all];
            row[occupied.clone()].fill(count);
            let line = dimensions.of(&row, &mut scratch);
            assert_eq!(line, dimensions.of(&row, &mut Default::default()));
            assert_eq!(line.is_some(), occupied.len() > 1);
        }
    }

    #[test]
    fn few_edges_or_one_radius_give_no_dimension() {
        let method = Method::default();
        let dimensions = Dimensions::new(&method, 100);
        let mut row = vec![0; method.slots()];
        row[3] = 50;
        assert_eq!(dimensions.of(&row, &mut Default::default()), None);
        (row[3], row[9]) = (5, 5);
        assert_eq!(
            dimensions.of(&row, &mut Default::default()),
            None,
            "10 edges are not more than 10"
        );
        row[9] = 6;
        assert!(dimensions.of(&row, &mut Default::default()).is_some());
    }

    #[test]
    fn statistics_by_hand() {
        let s = Statistics::of(vec![4.0, 0.0, 2.0, 2.0]).unwrap();
        assert_eq!((s.neurons, s.mean, s.median, s.std), (4, 2.0, 2.0, 2f64.sqrt()));
        // Fourth moment (16 + 16)/4 = 8 over variance² 4.
        assert_eq!((s.min, s.max, s.kurtosis), (0.0, 4.0, Some(2.0)));
        assert_eq!(Statistics::of(vec![5.0, 1.0, 3.0]).unwrap().median, 3.0);
        let flat = Statistics::of(vec![0.1; 7]).unwrap();
        assert_eq!((flat.std, flat.mean, flat.kurtosis), (0.0, 0.1, None));
        assert_eq!(Statistics::of(vec![]), None);
    }
}
