//! The sampled estimate of distances over several layers: algorithm 4 of Xiao et al.
//! (arXiv 2402.09099), a bisection for each pair.
//!
//! One trial draws intermediate neurons m from the layer before the target, as many as the budget
//! says, and finds the shortest path from x to y through them:
//!
//! ```text
//! t(x, y) = min over the drawn m of a(m) + b(m),   a(m) = d(x, m),   b(m) = d(m, y)
//! ```
//!
//! Over three layers a(m) is itself an estimate. The bisection for a pair (x, y) is
//!
//! ```text
//! best = the shortest path of a first trial;  l = 0;  r = min(best, max_distance)
//! while r - l > tolerance:
//!     mid  = (l + r) / 2
//!     best = min(best, the shortest path of a new trial)
//!     if best ≤ mid: r = mid   else: l = mid
//! d(x, y) = (l + r) / 2
//! ```
//!
//! Each trial draws new neurons, and `best` is the history of all trials. A pair has no estimate
//! (∞) when no trial finds a path within max_distance.
//!
//! **Error.** best ≤ r throughout, so the estimate is at least best - tolerance/2. An l that was
//! raised is not lowered when a later trial finds a path shorter than l: the estimate can be above
//! the shortest path found. With a budget that covers the layers, every trial is the exact distance d
//! and l ≤ d ≤ r: the estimate is within tolerance/2 of d at two hops. Each further hop adds
//! another tolerance/2.
//!
//! **Draws.** All targets of one source share the draws of a trial; a pair of one source and one
//! target sees the trials that it would see alone. Where paths reach a target from several layers,
//! a trial draws from each of them. A layer no wider than the budget takes part in full, once.
//!
//! The paper does not specify the tolerance, the first r, or the result without a path; these are
//! choices of this crate.

use multiversion::multiversion;
use rand::Rng;
use rand::seq::SliceRandom;

use super::distances::Distances;
use super::min_plus::{longest_of, relax};
use super::parameters::Method;

/// Tolerance of the bisection, in radius steps.
const TOLERANCE: f64 = 1.0 / 16.0;

/// Estimates distances over one more layer.
#[derive(Clone, Copy, Debug)]
pub struct PathEstimator {
    budget: usize,
    tolerance: f64, // > 0
    limit: f64,
}

/// A layer of intermediate neurons: their distances from one source, and their edges to the
/// targets.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    first: &'a [f64], // ≥ 0, one for each row of `edges`
    edges: &'a Distances,
}

/// Memory that [`PathEstimator::estimate`] reuses.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    orders: Vec<Vec<u32>>, // by layer between: its neurons; a draw shuffles some to the end
    lower: Vec<f64>,       // by target
    upper: Vec<f64>,
}

impl<'a> Between<'a> {
    /// The layer whose neurons are `first` from the source.
    ///
    /// # Panics
    /// When `edges` does not have a row for each of them.
    pub fn new(first: &'a [f64], edges: &'a Distances) -> Self {
        assert_eq!(first.len(), edges.rows(), "a row of edges for each distance");
        Self { first, edges }
    }
}

impl PathEstimator {
    /// The estimator that draws `budget` neurons of a layer in each trial.
    pub fn new(method: &Method, budget: usize) -> Self {
        let parameters = method.parameters();
        let tolerance = TOLERANCE * parameters.radius_step;
        Self { budget, tolerance, limit: parameters.max_distance }
    }

    /// Where the bisection ends: a sixteenth of a radius step.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// Estimates the distances from one source to all targets of the layers between. `distances`
    /// holds on entry the shortest paths known otherwise (∞ for none), which count as found by the
    /// first trial, and on return the estimates.
    ///
    /// # Panics
    /// When a layer's targets are not as many as `distances`.
    pub fn estimate(
        &self,
        between: &[Between<'_>],
        rng: &mut impl Rng,
        trials: &mut Trials,
        distances: &mut [f64],
    ) {
        let targets = distances.len();
        assert!(between.iter().all(|b| b.edges.columns() == targets), "a column for each target");
        let Trials { orders, lower, upper } = trials;
        orders.resize_with(orders.len().max(between.len()), Vec::new);
        for (order, layer) in orders.iter_mut().zip(between) {
            order.clear();
            order.extend(0..layer.first.len() as u32);
        }
        // From here on `distances` is the history: the shortest path that any trial has found.
        for (order, layer) in orders.iter_mut().zip(between) {
            try_paths(layer, draw(order, self.budget, rng), self.limit, distances);
        }
        lower.clear();
        lower.resize(targets, 0.0);
        upper.clear();
        upper.extend(distances.iter().map(|best| best.min(self.limit)));
        while upper.iter().zip(&*lower).any(|(r, l)| r - l > self.tolerance) {
            let longest = longest_of(upper);
            for (order, layer) in orders.iter_mut().zip(between) {
                if self.budget < layer.first.len() {
                    try_paths(layer, draw(order, self.budget, rng), longest, distances);
                }
            }
            halve(distances, lower, upper, self.tolerance);
        }
        // A pair without a path within the limit kept r = limit and took as many checks as any
        // pair takes, so no trial followed its last one.
        for ((distance, lower), upper) in distances.iter_mut().zip(lower).zip(upper) {
            *distance = if *distance <= *upper { (*lower + *upper) / 2.0 } else { f64::INFINITY };
        }
    }
}

/// Draws neurons from a layer, independently of earlier draws.
fn draw<'a>(order: &'a mut [u32], budget: usize, rng: &mut impl Rng) -> &'a [u32] {
    if budget < order.len() { order.partial_shuffle(rng, budget).0 } else { order }
}

/// Shortens distances by the paths through the drawn neurons. Paths longer than `longest` may be
/// left out: where no r is larger, no comparison with a mid changes.
#[multiversion(targets = "simd")]
fn try_paths(layer: &Between<'_>, drawn: &[u32], longest: f64, distances: &mut [f64]) {
    let Between { first, edges } = *layer;
    for m in drawn.iter().map(|&m| m as usize) {
        if first[m] + edges.least()[m] <= longest {
            relax(first[m], edges.row(m), distances);
        }
    }
}

/// One check of each pair whose interval is longer than the tolerance.
#[multiversion(targets = "simd")]
fn halve(best: &[f64], lower: &mut [f64], upper: &mut [f64], tolerance: f64) {
    for ((&best, lower), upper) in best.iter().zip(lower).zip(upper) {
        let (l, r) = (*lower, *upper);
        let (mid, open) = ((l + r) / 2.0, r - l > tolerance);
        *upper = if open && best <= mid { mid } else { r };
        *lower = if open && best > mid { mid } else { l };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const INF: f64 = f64::INFINITY;

    fn estimate(first: &[f64], second: &[f64], known: f64, budget: usize, seed: u64) -> f64 {
        let edges = Distances::from_rows(&second.iter().map(|&d| [d]).collect::<Vec<_>>());
        let mut distances = [known];
        PathEstimator::new(&Method::default(), budget).estimate(
            &[Between::new(first, &edges)],
            &mut ChaCha8Rng::seed_from_u64(seed),
            &mut Trials::default(),
            &mut distances,
        );
        distances[0]
    }

    #[test]
    fn by_hand_with_all_neurons() {
        // r = 5; the interval is halved 7 times to 5/128, and 5 stays its upper end.
        assert_eq!(estimate(&[5.0, 1.0, 2.0], &[1.0, 9.0, 3.0], INF, 3, 0), 5.0 - 5.0 / 256.0);
        // r = 8 from a path known before.
        assert_eq!(estimate(&[5.0], &[4.0], 8.0, 1, 0), 8.0 - 8.0 / 256.0);
        assert_eq!(estimate(&[0.0, 0.0], &[0.0, 1.0], INF, 2, 0), 0.0);
    }

    #[test]
    fn no_estimate_without_a_path_in_range() {
        assert_eq!(estimate(&[1.0, 3.0], &[INF, INF], INF, 2, 0), INF);
        assert_eq!(estimate(&[1.0, 3.0], &[INF, INF], INF, 1, 0), INF);
        assert_eq!(estimate(&[100.0, 3.0], &[50.1, INF], INF, 2, 0), INF);
        assert!(estimate(&[100.0, 3.0], &[50.0, INF], INF, 2, 0) > 149.9);
    }

    /// One of 8 neurons has a path of 10, the others of 100; one is drawn in each trial. The
    /// bisection asks for 50, then, if the first two trials missed it, for 75, 87.5, …
    ///
    /// - An estimate of 10 needs the neuron in one of the first two trials, whatever comes later:
    ///   1 - (7/8)² = 23.4 %. Without the history it would have to be drawn again and again.
    /// - An estimate of 100 needs all 12 trials to miss it: (7/8)¹² = 20.1 %. With one draw for
    ///   all trials it would be 7/8.
    #[test]
    fn each_trial_draws_and_the_best_of_all_trials_counts() {
        let (mut first, mut second) = ([50.0; 8], [50.0; 8]);
        (first[3], second[3]) = (0.0, 10.0);
        let seeds = 4000u32;
        let found = |within: std::ops::RangeInclusive<f64>| {
            let estimates = (0..seeds).map(|seed| estimate(&first, &second, INF, 1, seed.into()));
            estimates.filter(|d| within.contains(d)).count() as f64 / f64::from(seeds)
        };
        let (near, never) = (found(9.9..=10.1), found(99.96..=100.0));
        assert!((near - 0.234).abs() < 0.03, "{near}");
        assert!((never - 0.201).abs() < 0.03, "{never}");
    }
}
