//! Shares of simulated runs, with their intervals.

use statrs::distribution::{Beta, ContinuousCDF};

/// A number of hits in a number of runs.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub hits: usize,
    pub of: usize,
}

impl Rate {
    /// The 99 % interval of Clopper and Pearson.
    pub fn bounds(self) -> (f64, f64) {
        let (k, n) = (self.hits as f64, self.of as f64);
        let quantile = |a: f64, b: f64, p: f64| Beta::new(a, b).map(|law| law.inverse_cdf(p)).ok();
        let low = if k > 0.0 { quantile(k, n - k + 1.0, 0.005) } else { Some(0.0) };
        let high = if k < n { quantile(k + 1.0, n - k, 0.995) } else { Some(1.0) };
        (low.unwrap_or(0.0), high.unwrap_or(1.0))
    }
}

/// `4.9 (4.2 to 5.6)`, in percent.
pub fn interval(rate: Rate) -> String {
    let (low, high) = rate.bounds();
    let share = 100.0 * rate.hits as f64 / rate.of.max(1) as f64;
    format!("{share:.1} ({:.1} to {:.1})", 100.0 * low, 100.0 * high)
}
