//! The sampled estimate of a distance over several layers: a bisection.
//!
//! Of a layer between, only some drawn neurons take part. For a source x and a target y
//!
//! ```text
//! e(x, y) = min over the drawn m of a(m) + b(m),   a(m) = d(x, m),   b(m) = d(m, y)
//! ```
//!
//! is found by bisecting on the question "is there a path of length ≤ t through a drawn neuron?".
//! The drawn neurons stand in the order of a, so a question reads those with a(m) ≤ t only, and
//! ends at the first path. Its length is the new upper end. When the ends are within 1/64 of each
//! other, the paths below the upper end are read once more for the least.
//!
//! Fewer paths take part than there are, so e ≥ the exact distance, and e is exact when every
//! neuron is drawn. Over three layers a(m) is itself such an estimate.
//!
//! The source is the paper's algorithm 4 (arXiv 2402.09099) in what is said of it: intermediate
//! neurons sampled under a budget, and a bisection. Its text was not at hand; details are ours.

/// Bisection ends when the upper end is within this part of itself from the lower one.
const CLOSE: f64 = 1.0 / 64.0;

/// The drawn intermediate neurons as one source sees them: distance and number among the drawn,
/// nearest first. Those that the source does not reach are left out.
#[derive(Clone, Debug, Default)]
pub struct Nearest(Vec<(f64, u32)>);

impl Nearest {
    /// Orders the distances to the drawn neurons.
    pub fn order(&mut self, first: impl IntoIterator<Item = f64>) {
        self.0.clear();
        self.0.extend(first.into_iter().zip(0..).filter(|(distance, _)| distance.is_finite()));
        self.0.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }

    /// The estimated distance to a target that the drawn neurons reach over `second`, in the
    /// order in which they were drawn; infinite when none does.
    ///
    /// # Panics
    /// When `second` is shorter than the list of drawn neurons.
    pub fn estimate(&self, second: &[f64]) -> f64 {
        let Some(&(nearest, _)) = self.0.first() else { return f64::INFINITY };
        let Some(mut upper) = self.path_within(f64::MAX, second) else { return f64::INFINITY };
        let mut lower = nearest; // no path is shorter
        while upper - lower > CLOSE * upper {
            let middle = lower + (upper - lower) / 2.0;
            match self.path_within(middle, second) {
                Some(length) => upper = length,
                None => lower = middle,
            }
        }
        let below = self.0.iter().take_while(|(first, _)| *first <= upper);
        below.map(|&(first, m)| first + second[m as usize]).fold(upper, f64::min)
    }

    /// The length of a path that is at most `longest`.
    fn path_within(&self, longest: f64, second: &[f64]) -> Option<f64> {
        let near = self.0.iter().take_while(|(first, _)| *first <= longest);
        near.map(|&(first, m)| first + second[m as usize]).find(|&length| length <= longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn estimate(first: &[f64], second: &[f64]) -> f64 {
        let mut nearest = Nearest::default();
        nearest.order(first.iter().copied());
        nearest.estimate(second)
    }

    #[test]
    fn by_hand() {
        assert_eq!(estimate(&[5.0, 1.0, 2.0], &[1.0, 9.0, 3.0]), 5.0);
        assert_eq!(estimate(&[f64::INFINITY, 3.0], &[1.0, 4.0]), 7.0);
        assert_eq!(estimate(&[1.0, 3.0], &[f64::INFINITY, f64::INFINITY]), f64::INFINITY);
        assert_eq!(estimate(&[], &[]), f64::INFINITY);
        assert_eq!(estimate(&[0.0, 0.0], &[0.0, 1.0]), 0.0);
    }

    #[test]
    fn it_is_the_least_over_the_drawn_neurons() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..500 {
            let mut side = || -> Vec<f64> {
                (0..40).map(|_| 1.0 / rng.random_range(-0.0002..0.3f64).max(0.0)).collect()
            };
            let (first, second) = (side(), side());
            let least = first.iter().zip(&second).map(|(a, b)| a + b).fold(f64::INFINITY, f64::min);
            assert_eq!(estimate(&first, &second), least);
        }
    }
}
