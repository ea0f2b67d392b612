//! Intervals for means over groups of runs within families: a studentised bootstrap.
//!
//! A family f has n_f groups with the values x. The estimate gives every family the same weight:
//!
//! ```text
//! θ = 1/F · Σ_f x̄_f        v = 1/F² · Σ_f s_f²/n_f        s_f² = Σ (x - x̄_f)²/(n_f - 1)
//! ```
//!
//! A draw takes n_f groups of each family with replacement, and gives t* = (θ* - θ)/√v*. With its quantiles
//! t*_p, the 95 % interval is from θ - t*_0.975 √v to θ - t*_0.025 √v. It covers skewed values, such as
//! losses that a rule gives up, better than quantiles of θ* do. The draws are those of all quantities and
//! rules, so a difference between two rules is paired.
//!
//! Without spread the interval is the estimate. With fewer than four degrees of freedom
//! (Welch and Satterthwaite), or where most draws have no spread, it is that of Student's t. A family with one group has no
//! spread that could be known: there is no interval.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Degrees of freedom below which too few different draws exist.
const FEW: f64 = 4.0;

/// An estimate with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// The ends of the interval; none where a family has one group.
    pub interval: Option<[f64; 2]>,
}

impl Estimate {
    /// With the ends of the interval between 0 and 1.
    pub(super) fn of_share(self) -> Self {
        let within = |interval: [f64; 2]| interval.map(|end| end.clamp(0.0, 1.0));
        Self { interval: self.interval.map(within), ..self }
    }
}

/// The draws, the same for all quantities.
#[derive(Clone, Debug)]
pub struct Resamples {
    families: Vec<Range<usize>>, // of groups
    draws: Vec<Vec<u32>>,        // how often each group was drawn
}

impl Resamples {
    /// Draws for families with these numbers of groups.
    pub fn new(groups: &[usize], draws: usize, seed: u64) -> Self {
        let families = ranges(groups);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draw = |_| {
            let mut counts = vec![0; groups.iter().sum()];
            for family in families.iter().filter(|family| !family.is_empty()) {
                for _ in family.clone() {
                    counts[rng.random_range(family.clone())] += 1;
                }
            }
            counts
        };
        let draws = (0..draws).map(draw).collect();
        Self { families, draws }
    }

    /// The mean of values, one for each group, the groups of a family one after the other.
    pub fn estimate(&self, values: &[f64]) -> Estimate {
        let all = Moments::of(&self.families, values, |_| 1);
        Estimate { value: all.mean, interval: self.interval(values, &all) }
    }

    fn interval(&self, values: &[f64], all: &Moments) -> Option<[f64; 2]> {
        if self.families.iter().any(|family| family.len() < 2) {
            return None;
        }
        let error = all.variance.sqrt();
        // Spread that rounding alone makes.
        let scale = values.iter().fold(0.0, |scale: f64, value| scale.max(value.abs()));
        if error <= 1e-12 * scale {
            return Some([all.mean; 2]);
        }
        let mut ts: Vec<f64> = Vec::new();
        if all.freedom >= FEW {
            ts.extend(self.draws.iter().filter_map(|counts| {
                let draw = Moments::of(&self.families, values, |group| counts[group]);
                let t = (draw.mean - all.mean) / draw.variance.sqrt();
                (draw.variance.sqrt() > 1e-12 * scale).then_some(t)
            }));
        }
        if ts.is_empty() || 2 * ts.len() < self.draws.len() {
            let student = StudentsT::new(0.0, 1.0, all.freedom).ok()?.inverse_cdf(0.975);
            return Some([all.mean - student * error, all.mean + student * error]);
        }
        ts.sort_unstable_by(f64::total_cmp);
        Some([0.975, 0.025].map(|p| all.mean - quantile(&ts, p) * error))
    }
}

/// The groups of each family, by how many it has; families lie one after the other.
pub(super) fn ranges(groups: &[usize]) -> Vec<Range<usize>> {
    let ends = groups.iter().scan(0, |end, n| {
        *end += n;
        Some(*end)
    });
    ends.zip(groups).map(|(end, n)| end - n..end).collect()
}

/// The quantile of ascending values, linear between them.
pub(super) fn quantile(sorted: &[f64], p: f64) -> f64 {
    let place = p * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = sorted[(below + 1).min(sorted.len() - 1)];
    sorted[below] + (place - place.floor()) * (above - sorted[below])
}

/// The mean over families, its variance, and the degrees of freedom of that.
struct Moments {
    mean: f64,
    variance: f64,
    freedom: f64,
}

impl Moments {
    /// Of values that each count this many times.
    fn of(families: &[Range<usize>], values: &[f64], count: impl Fn(usize) -> u32) -> Self {
        let (mut mean, mut variance, mut squares) = (0.0, 0.0, 0.0);
        for family in families {
            let n = family.len() as f64;
            let weighted = |group: usize| (f64::from(count(group)), values[group]);
            let sum: f64 = family.clone().map(weighted).map(|(w, x)| w * x).sum();
            let own = sum / n;
            let spread: f64 =
                family.clone().map(weighted).map(|(w, x)| w * (x - own).powi(2)).sum();
            let part = spread / ((n - 1.0).max(1.0) * n);
            mean += own;
            variance += part;
            squares += part * part / (n - 1.0).max(1.0);
        }
        let f = families.len() as f64;
        let freedom = if squares > 0.0 { variance * variance / squares } else { 0.0 };
        Self { mean: mean / f, variance: variance / (f * f), freedom }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_gives_families_the_same_weight_and_needs_two_groups_for_an_interval() {
        let resamples = Resamples::new(&[2, 4], 500, 1);
        let estimate = resamples.estimate(&[1.0, 3.0, 10.0, 10.0, 10.0, 10.0]);
        assert_eq!(estimate.value, 6.0);
        // One degree of freedom: Student's t of 0.975 is 12.706, and the error is half of 1.
        let [low, high] = estimate.interval.unwrap();
        assert!((high - 6.0 - 12.706_204_736 / 2.0).abs() < 1e-6, "{low} {high}");
        assert!((low + high - 12.0).abs() < 1e-12);
        let none = Resamples::new(&[1, 4], 500, 1).estimate(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(none, Estimate { value: (1.0 + 3.5) / 2.0, interval: None });
        assert_eq!(resamples.estimate(&[0.3; 6]).interval, Some([0.3; 2]));
    }

    #[test]
    fn the_interval_is_that_of_all_possible_draws() {
        // Of five groups there are 3125 draws: their t, counted in full.
        let values = [0.0, 1.0, 2.0, 4.0, 9.0];
        let families = ranges(&[5]);
        let all = Moments::of(&families, &values, |_| 1);
        assert_eq!((all.mean, all.variance, all.freedom), (3.2, 12.7 / 5.0, 4.0));
        let mut ts = Vec::new();
        for code in 0..3125u32 {
            let drawn: Vec<usize> = (0..5).map(|k| (code / 5u32.pow(k) % 5) as usize).collect();
            let count = |group: usize| drawn.iter().filter(|&&d| d == group).count() as u32;
            let draw = Moments::of(&families, &values, count);
            let by_hand = drawn.iter().map(|&k| values[k]).sum::<f64>() / 5.0;
            assert!((draw.mean - by_hand).abs() < 1e-12);
            if draw.variance > 0.0 {
                ts.push((draw.mean - all.mean) / draw.variance.sqrt());
            }
        }
        ts.sort_unstable_by(f64::total_cmp);
        let exact = [0.975, 0.025].map(|p| 3.2 - quantile(&ts, p) * (12.7f64 / 5.0).sqrt());
        let interval = Resamples::new(&[5], 40_000, 3).estimate(&values).interval.unwrap();
        for (drawn, exact) in interval.iter().zip(exact) {
            assert!((drawn - exact).abs() < 0.05 * (exact - 3.2).abs(), "{interval:?} {exact}");
        }
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
    }
}
