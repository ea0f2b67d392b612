//! The stable estimator: a fixed radius grid and analytic derivatives.
//!
//! With c_j the least-squares weights over the grid (slope = Σ_j c_j y_j):
//!
//! ```text
//! alpha(q) = dtau/dq = Σ_j c_j · [ Σ_i p_ij^q ln p_ij / Σ_i p_ij^q ]
//! alpha(0) = Σ_j c_j · mean_i ln p_ij
//! ```
//!
//! In theory f peaks at q = 0, so alpha0 = alpha(0); width = alpha(q_min) - alpha(q_max). The grid
//! is all possible radii of the method, so one outlier weight adds no radius, and no argmax can
//! jump.

use super::emergence::Fractal;
use super::mass::{BoxMasses, Degenerate};
use super::parameters::Method;
use super::partition::{PowerSums, PowerTable, power_sums, power_sums_of_both};
use super::regression::Predictor;
use super::spectrum::Published;

/// alpha(q) of the stable estimator over the method's q grid.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StableSpectrum {
    /// alpha0 = alpha(0) and width = alpha(q_min) - alpha(q_max).
    pub fractal: Fractal,
    /// alpha(q), one for each q.
    pub alpha: Vec<f64>,
}

/// The stable estimator. Keeps its table of powers between calls.
#[derive(Clone, Debug)]
pub struct Stable {
    table: PowerTable,
    zero: usize, // index of q = 0
    predictor: Option<Predictor>,
    radii: usize,
    first_radius: f64,
}

impl Stable {
    /// alpha0 and width only, from q_min, 0 and q_max: all that emergence needs.
    pub fn new(method: &Method) -> Self {
        let q = method.q();
        Self::over(method, &[q[0], 0.0, q[q.len() - 1]])
    }

    /// alpha(q) at every q of the grid.
    pub fn whole_spectrum(method: &Method) -> Self {
        Self::over(method, method.q())
    }

    fn over(method: &Method, q: &[f64]) -> Self {
        let largest = method.radius(method.radii());
        let x: Vec<f64> =
            (1..method.slots()).map(|slot| (method.radius(slot) / largest).ln()).collect();
        Self {
            table: PowerTable::new(q, true),
            zero: q.partition_point(|q| *q < 0.0),
            predictor: Predictor::new(&x),
            radii: x.len(),
            first_radius: method.radius(1),
        }
    }

    /// Prepares for masses up to `largest_mass` (the largest number of edges of a neuron, plus 1);
    /// [`Self::estimate`] needs this.
    pub fn reach(&mut self, largest_mass: u32) {
        self.table.reach(largest_mass);
    }

    /// alpha(q) of a network, at the q of this estimator.
    ///
    /// # Errors
    /// [`Degenerate`] when the grid has one radius only, the mass is the same at all radii, or a
    /// value is not finite.
    ///
    /// # Panics
    /// When a mass is above what [`Self::reach`] prepared.
    pub fn estimate(&self, masses: &BoxMasses<'_>) -> Result<StableSpectrum, Degenerate> {
        self.spectrum(&self.sums(masses))
    }

    /// Σ_i p_i(r)^q and Σ_i p_i(r)^q ln p_i(r) of a network or a part of one.
    ///
    /// # Panics
    /// When a mass is above what [`Self::reach`] prepared.
    pub(crate) fn sums(&self, masses: &BoxMasses<'_>) -> PowerSums {
        power_sums(masses, &self.table)
    }

    /// The sums of the published estimator and of this one, both from one pass over the neurons.
    ///
    /// # Panics
    /// When a mass is above what both were prepared for.
    #[doc(hidden)]
    pub fn sums_of_both(
        &self,
        published: &Published,
        masses: &BoxMasses<'_>,
    ) -> (PowerSums, PowerSums) {
        power_sums_of_both(masses, published.table(), &self.table)
    }

    /// alpha(q) of sums that [`Self::sums`] made, or of several, added.
    ///
    /// # Errors
    /// See [`Self::estimate`].
    #[doc(hidden)]
    pub fn spectrum(&self, sums: &PowerSums) -> Result<StableSpectrum, Degenerate> {
        let radius = self.first_radius;
        let predictor = self.predictor.as_ref().ok_or(Degenerate::OneRadius { radius })?;
        if sums.occupied() == [0] {
            return Err(Degenerate::Constant);
        }
        let columns = self.table.len();
        let mean_log = |radius| {
            let (sums, logs) = sums.at(radius).split_at(columns);
            sums.iter().zip(logs).map(|(sum, logs)| logs / sum)
        };
        let mean_log: Vec<f64> = (0..self.radii).flat_map(mean_log).collect();
        let lines = predictor.fit(&mean_log, columns);
        let alpha: Vec<f64> = lines.iter().map(|line| line.slope).collect();
        if !alpha.iter().all(|a| a.is_finite()) {
            return Err(Degenerate::NotFinite);
        }
        let width = alpha[0] - alpha[alpha.len() - 1];
        Ok(StableSpectrum { fractal: Fractal { alpha0: alpha[self.zero], width }, alpha })
    }
}
