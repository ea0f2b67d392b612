//! The distance of a measured value from draws of its null control, and how often chance alone
//! gives as large a distance.
//!
//! The null hypothesis: the weights of each matrix are exchangeable. Under it the measured network is
//! itself one draw, with the spread of one shuffled network. With the mean m and the standard
//! deviation s of K draws,
//!
//! ```text
//! excess = value - m,   se = s · √(1 + 1/K),   t = excess / se,   p two-sided from Student's t, K - 1
//! ```
//!
//! A draw may deal a share φ < 1 of the sources. Its spread is then larger by √(1/φ), so that
//! se = s · √(φ + 1/K), and its mean is off by a bias of first order in the number of sources dealt
//! (a logarithm of a noisy width). The value of all draws taken together, as one network, has 1/K of
//! that bias, which gives what the mean of draws of all sources would be:
//!
//! ```text
//! m + (1 - φ) · (together - m) · K/(K - 1)
//! ```
//!
//! Where a draw deals a larger share φ_l of some layers l, each of which alone spreads the draws by
//! s_l, φ is the ratio of the variances of a whole network and of a draw,
//!
//! ```text
//! φ = (φ_0 s² + Σ_l (φ_l - φ_0) s_l²) / s²,   φ_0 the lowest share
//! ```
//!
//! The widths of shuffled networks have heavier tails than a normal law (kurtosis 4 to 6 in small
//! networks, where the rarest large weights meet in one neuron or do not): with K - 1 = 15 degrees
//! of freedom, 2 % of networks without structure would have p < 0.01. With 7 degrees, the false
//! alarms are as stated; `examples/calibrate` simulates it.
//!
//! Small shares of a network hardly ever show these rare meetings: with φ = 0.05 their spread is a
//! third too small. Where φ < 1/4, s is that of the jackknife over all draws together, which deal a
//! share K φ,
//!
//! ```text
//! s² = variance over k of (K - 1) · (value of all draws but the k-th, as one network)
//! ```
//!
//! with 4 degrees of freedom. Where even K φ < 1/4, such a statistic has neither an error nor a p.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::statistics::{deviation, mean};

/// A value less the mean of its null control.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// The difference.
    pub value: f64,
    /// Its standard error if there is only chance: the spread of one network, and the error of the
    /// control's mean. None from fewer than two draws, or if they deal too small a share of the
    /// sources to show it.
    pub se: Option<f64>,
    /// The probability that chance alone gives a value as far from 0, on either side, in [0, 1];
    /// none without an error above 0.
    pub p: Option<f64>,
}

/// A statistic of the draws of a null control.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Control {
    /// The statistic of each draw; one at least.
    pub(super) draws: Vec<f64>,
    /// The statistic of all draws as one network.
    pub(super) together: f64,
    /// The statistic of all draws except one as one network, for each draw; none if it is not
    /// needed.
    pub(super) without_one: Vec<f64>,
    /// φ_0, the lowest share of a layer's sources that a draw deals, in (0, 1].
    pub(super) share: f64,
    /// φ_l of the layers of which a draw deals more, and the statistic with each draw of the layer
    /// alone.
    pub(super) small: Vec<(f64, Vec<f64>)>,
    /// The law of the draws.
    pub(super) tails: Tails,
}

/// How heavy the tails of the draws are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tails {
    /// As heavy as those of a normal law.
    Normal,
    /// Heavier.
    Heavy,
}

/// The most degrees of freedom of a statistic whose draws have heavy tails.
const HEAVY: f64 = 7.0;

/// The same where its spread is that of the jackknife.
const HEAVY_JACKKNIFE: f64 = 4.0;

/// Below this share of the sources, draws with heavy tails do not show the spread of a complete
/// network: neither single draws nor, in the jackknife, all draws together.
pub(super) const LEAST_SHARE: f64 = 0.25;

impl Control {
    /// s, over the draws; none of fewer than two.
    fn spread(&self) -> Option<f64> {
        deviation(self.draws.iter().copied())
    }

    /// s by the jackknife: the deviation of K · together - (K - 1) · without one.
    fn jackknife_spread(&self) -> Option<f64> {
        let others = self.draws.len() as f64 - 1.0;
        deviation(self.without_one.iter().copied()).map(|s| others * s)
    }

    /// φ.
    fn effective_share(&self) -> f64 {
        let Some(s) = self.spread().filter(|s| *s > 0.0) else { return self.share };
        let part = |(share, draws): &(f64, Vec<f64>)| {
            let s = deviation(draws.iter().copied()).unwrap_or(0.0);
            (share - self.share) * s * s
        };
        let more: f64 = self.small.iter().map(part).sum();
        (self.share + more / (s * s)).min(1.0)
    }

    /// The expected value of a draw of all sources.
    pub(super) fn centre(&self) -> Option<f64> {
        let mean = mean(self.draws.iter().copied())?;
        let k = self.draws.len() as f64;
        let bias = if k > 1.0 { (self.together - mean) * k / (k - 1.0) } else { 0.0 };
        Some(mean + (1.0 - self.effective_share()) * bias)
    }
}

impl Excess {
    /// A measured value against its control; none without a draw, or where the difference is not
    /// finite.
    pub(super) fn of(measured: f64, control: &Control) -> Option<Self> {
        let value = measured - control.centre()?;
        let k = control.draws.len() as f64;
        let (spread, most) = match control.tails {
            Tails::Normal => (control.spread(), f64::INFINITY),
            Tails::Heavy if control.share >= LEAST_SHARE => (control.spread(), HEAVY),
            Tails::Heavy if k * control.share >= LEAST_SHARE => {
                (control.jackknife_spread(), HEAVY_JACKKNIFE)
            }
            Tails::Heavy => (None, HEAVY),
        };
        let se = spread.map(|s| s * (control.effective_share() + 1.0 / k).sqrt());
        let p = se.and_then(|se| p_value(value, se, most.min(k - 1.0)));
        value.is_finite().then_some(Self { value, se, p })
    }
}

/// Below this standard error a difference is due to rounding.
const ROUNDING: f64 = 1e-12;

/// The two-sided p of `value` with standard error `se` and these degrees of freedom; none if the
/// error is due to rounding or not finite, or there is no degree of freedom.
pub(super) fn p_value(value: f64, se: f64, degrees: f64) -> Option<f64> {
    let t = value / se;
    let student = StudentsT::new(0.0, 1.0, degrees).ok()?;
    (se > ROUNDING && t.is_finite()).then(|| 2.0 * student.sf(t.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(draws: &[f64], together: f64, share: f64) -> Control {
        Control {
            draws: draws.to_vec(),
            together,
            without_one: Vec::new(),
            share,
            small: Vec::new(),
            tails: Tails::Normal,
        }
    }

    /// Tables of Student's t: 12.706 (1 degree), 2.571 (5), 2.131 (15) at 5 %; 2.947 (15) at 1 %.
    #[test]
    fn p_is_that_of_the_tables() {
        for (t, degrees, p) in
            [(12.7062, 1.0, 0.05), (2.5706, 5.0, 0.05), (-2.1314, 15.0, 0.05), (2.9467, 15.0, 0.01)]
        {
            let found = p_value(t, 1.0, degrees).unwrap();
            assert!((found / p - 1.0).abs() < 1e-4, "{t}, {degrees}: {found}");
        }
        // One degree of freedom is Cauchy's law: p = 1 - (2/π) atan t.
        let found = p_value(3.0, 1.5, 1.0).unwrap();
        assert!((found - (1.0 - 2.0 / std::f64::consts::PI * 2f64.atan())).abs() < 1e-12);
        assert!(p_value(60.0, 1.0, 15.0).unwrap() > 0.0, "small, not 0");
        assert_eq!(p_value(1.0, 0.0, 15.0), None);
        assert_eq!(p_value(1e-15, 1e-17, 15.0), None, "equal weights differ by rounding");
        assert_eq!(p_value(0.0, 0.0, 15.0), None);
        assert_eq!(p_value(1.0, 1.0, 0.0), None);
    }

    /// Draws 1, 2, 3: mean 2, s = 1, K = 3.
    #[test]
    fn the_measured_network_is_one_more_draw() {
        let excess = Excess::of(4.0, &control(&[1.0, 2.0, 3.0], 2.2, 1.0)).unwrap();
        assert_eq!(excess.value, 2.0);
        let se = (4.0f64 / 3.0).sqrt();
        assert!((excess.se.unwrap() - se).abs() < 1e-15);
        // t with two degrees of freedom: p = 1 - t/√(2 + t²).
        let t = 2.0 / se;
        assert!((excess.p.unwrap() - (1.0 - t / (2.0 + t * t).sqrt())).abs() < 1e-12);
    }

    /// A quarter of the sources: the spread of a whole network is half that of a draw, and three
    /// quarters of the bias go, of which the draws together show two thirds.
    #[test]
    fn draws_of_a_share_of_the_sources() {
        let control = control(&[1.0, 2.0, 3.0], 2.2, 0.25);
        assert!((control.centre().unwrap() - (2.0 + 0.75 * 0.2 * 1.5)).abs() < 1e-15);
        let excess = Excess::of(4.0, &control).unwrap();
        assert!((excess.se.unwrap() - (0.25f64 + 1.0 / 3.0).sqrt()).abs() < 1e-15);
    }

    /// s² = 1, of which a layer dealt whole makes 0.5: φ = 0.25 + 0.75 · 0.5.
    #[test]
    fn a_layer_dealt_whole_adds_its_own_spread() {
        let half = 0.5f64.sqrt();
        let small = vec![(1.0, vec![5.0 - half, 5.0, 5.0 + half])];
        let control = Control { small, ..control(&[1.0, 2.0, 3.0], 2.2, 0.25) };
        assert!((control.effective_share() - 0.625).abs() < 1e-15);
        assert!((control.centre().unwrap() - (2.0 + 0.375 * 0.2 * 1.5)).abs() < 1e-15);
        let excess = Excess::of(4.0, &control).unwrap();
        assert!((excess.se.unwrap() - (0.625f64 + 1.0 / 3.0).sqrt()).abs() < 1e-15);
        let noisy = vec![(1.0, vec![0.0, 5.0, 9.0])];
        assert_eq!(Control { small: noisy, ..control }.effective_share(), 1.0, "1 at most");
    }

    /// Ten draws of spread 1 around 0: 7 degrees of freedom instead of 9. At 5 % t is 2.365 and 2.262.
    #[test]
    fn heavy_tails_take_degrees_of_freedom() {
        let draws: Vec<f64> = (0..10).map(|k| if k % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let se = (10.0f64 / 9.0 * 1.1).sqrt();
        for (tails, t) in [(Tails::Normal, 2.2622), (Tails::Heavy, 2.3646)] {
            let control = Control { tails, ..control(&draws, 0.0, 1.0) };
            let p = Excess::of(t * se, &control).unwrap().p.unwrap();
            assert!((p / 0.05 - 1.0).abs() < 1e-4, "{tails:?}: {p}");
        }
    }

    /// Below a quarter of the sources the spread is that of the jackknife: (K - 1) times that of
    /// the values without one draw, 0.25, at 4 degrees of freedom (t is 2.776 at 5 %).
    #[test]
    fn heavy_tails_in_small_shares_take_the_jackknife() {
        let of = |share, tails| {
            let without_one = vec![1.5, 1.75, 2.0, 1.25, 1.5, 1.75];
            let draws = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0];
            let control = Control { tails, without_one, ..control(&draws, 2.0, share) };
            Excess::of(4.0, &control).unwrap()
        };
        let quarter = of(0.25, Tails::Heavy);
        let s = 0.8f64.sqrt();
        assert!((quarter.se.unwrap() - s * (0.25f64 + 1.0 / 6.0).sqrt()).abs() < 1e-15);
        for share in [0.24, 0.25 / 6.0] {
            let below = of(share, Tails::Heavy);
            // Deviations from the mean 1.625: -0.125, 0.125, 0.375, -0.375, -0.125, 0.125.
            let s = 5.0 * (0.34375f64 / 5.0).sqrt();
            let se = s * (share + 1.0 / 6.0).sqrt();
            assert!((below.se.unwrap() - se).abs() < 1e-14, "{below:?}, {se}");
            let p = p_value(below.value, se, 4.0).unwrap();
            assert!((below.p.unwrap() - p).abs() < 1e-14);
        }
        let least = of(0.04, Tails::Heavy);
        assert_eq!((least.se, least.p), (None, None), "a quarter of the sources in all draws");
        assert!(of(0.04, Tails::Normal).p.is_some());
    }

    #[test]
    fn few_or_equal_draws_have_no_p() {
        let one = Excess::of(4.0, &control(&[1.0], 1.0, 1.0)).unwrap();
        assert_eq!(one, Excess { value: 3.0, se: None, p: None });
        let equal = Excess::of(4.0, &control(&[1.0, 1.0], 1.0, 1.0)).unwrap();
        assert_eq!(equal, Excess { value: 3.0, se: Some(0.0), p: None });
        assert_eq!(Excess::of(4.0, &control(&[], 0.0, 1.0)), None);
        assert_eq!(Excess::of(f64::NAN, &control(&[1.0, 2.0], 1.5, 1.0)), None);
    }
}
