//! alpha0, width and E over samples.

use super::statistics::{deviation, mean};
use crate::mfa::{Fractal, NoEmergence, Spectrum, degree_of_emergence};

/// alpha0 and width of each sample.
pub(super) fn fractals(samples: &[Spectrum]) -> Vec<Fractal> {
    samples.iter().map(|spectrum| spectrum.fractal).collect()
}

/// Mean alpha0 and mean width; none of no samples.
pub(super) fn mean_fractal(samples: &[Fractal]) -> Option<Fractal> {
    Some(Fractal {
        alpha0: mean(samples.iter().map(|s| s.alpha0))?,
        width: mean(samples.iter().map(|s| s.width))?,
    })
}

/// E of the published estimator, and its error.
pub(super) struct PublishedNumbers {
    /// E from the means over samples.
    pub(super) e: f64,
    /// Standard error over the samples.
    pub(super) e_se: Option<f64>,
    /// Why there is no standard error although there are several samples.
    pub(super) unpaired: Option<NoEmergence>,
}

impl PublishedNumbers {
    /// The numbers of samples, each against its own step 0.
    pub(super) fn of(start: &[Fractal], now: &[Fractal]) -> Result<Self, NoEmergence> {
        let nothing = Fractal { alpha0: f64::NAN, width: f64::NAN };
        let mean_of = |samples: &[Fractal]| mean_fractal(samples).unwrap_or(nothing);
        let e = degree_of_emergence(mean_of(start), mean_of(now))?;
        // Paired differences: effects that a sample's neurons share with their own step 0 cancel.
        let paired = start.iter().zip(now).map(|(&start, &now)| degree_of_emergence(start, now));
        let of_mean = |std: f64| std / (now.len() as f64).sqrt();
        Ok(match paired.collect::<Result<Vec<f64>, _>>() {
            Ok(all) => Self { e, e_se: deviation(all.into_iter()).map(of_mean), unpaired: None },
            Err(why) => Self { e, e_se: None, unpaired: Some(why) },
        })
    }
}
