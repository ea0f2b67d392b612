//! The published estimator.
//!
//! - Z_q(r) = Σ_i p_i(r)^q at the occupied radii R, d = max R;
//! - tau(q) = least-squares slope of ln Z_q(r) on ln(r/d); tau(0) = 0 exactly, since Z_0 is the
//!   number of neurons;
//! - alpha_k = (tau_{k+1} - tau_k) / (q_{k+1} - q_k), f_k = q_k alpha_k - tau_k;
//! - alpha0 = alpha at the first maximum of f, width = max alpha - min alpha.
//!
//! There are always two maxima: the differences on both sides of q = 0 start or end in tau(0) = 0,
//! so both have f = 0 exactly, and rounding errors of 10⁻¹⁷ would choose between two alphas that
//! differ by about one percent. Values of f within 10⁻¹² of the maximum therefore count as equal,
//! and the first of them is taken: alpha0 = -tau(-0.1) / 0.1 for a concave tau.
//!
//! Source: Xiao et al., arXiv 2402.09099, with the conventions of its published program. R may
//! change from step to step, since one new outlier weight adds a radius: [`super::Stable`] has a
//! fixed grid.

use super::emergence::Fractal;
use super::mass::{BoxMasses, Degenerate};
use super::parameters::Method;
use super::partition::{PowerSums, PowerTable, power_sums};
use super::regression::{Line, Predictor};

/// Values of f that differ by less than this are equal up to rounding.
const F_TOLERANCE: f64 = 1e-12;

/// Rounding errors of alpha: differences of tau over a step of q as small as 0.001.
const ALPHA_TOLERANCE: f64 = 1e-9;

/// The q for which [`Scaling`] keeps what was fitted, where they are on the method's grid.
pub const SCALING_Q: [f64; 6] = [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0];

/// The data to which the slopes tau(q) were fitted, for a few q.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scaling {
    /// The occupied radii, ascending; the last one is d.
    pub radii: Vec<f64>,
    /// ln Z_q at each radius, for each q of [`SCALING_Q`]; empty where the grid lacks it.
    pub ln_z: [Vec<f64>; SCALING_Q.len()],
}

/// A multifractal spectrum over the method's q grid.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spectrum {
    /// alpha0 and width.
    pub fractal: Fractal,
    /// tau(q) with intercept and R², one for each q.
    pub tau: Vec<Line>,
    /// alpha, one fewer than q.
    pub alpha: Vec<f64>,
    /// f(alpha), one fewer than q.
    pub f: Vec<f64>,
    /// Index in `f` of the maximum at which alpha0 is taken.
    pub top: usize,
    /// Kept neurons.
    pub neurons: usize,
    /// Occupied radii.
    pub radii: usize,
    /// The smallest of them.
    pub smallest_radius: f64,
    /// ln Z_q against r, for a few q; empty once it was dropped to save memory.
    #[doc(hidden)]
    pub scaling: Scaling,
}

impl Spectrum {
    /// Drops the data of the fits, which takes most of a spectrum's memory.
    pub(crate) fn forget_scaling(&mut self) {
        self.scaling = Scaling::default();
    }

    /// R² of ln Z_q on ln(r/d) at the largest q (3 in the paper's tables).
    pub fn r2(&self) -> Option<f64> {
        self.tau.last().and_then(|line| line.r2)
    }

    /// The smallest R² over q; q = 0, where ln Z is constant, has none.
    pub(crate) fn smallest_r2(&self) -> Option<f64> {
        self.tau.iter().filter_map(|line| line.r2).reduce(f64::min)
    }

    /// Whether f(alpha) is concave, as a spectrum is: alpha never rises with q by more than rounding.
    pub(crate) fn is_concave(&self) -> bool {
        self.alpha.windows(2).all(|pair| pair[1] <= pair[0] + ALPHA_TOLERANCE)
    }

    /// The generalised dimensions D_q = tau(q)/(q - 1), one for each q of the method's grid; none
    /// at q = 1, where they are not defined.
    pub fn dimensions(&self, q: &[f64]) -> Vec<Option<f64>> {
        let at = |(line, &q): (&Line, &f64)| (q != 1.0).then(|| line.slope / (q - 1.0));
        self.tau.iter().zip(q).map(at).collect()
    }
}

/// The published estimator. Keeps its table of powers between calls.
#[derive(Clone, Debug)]
pub struct Published {
    method: Method,
    table: PowerTable,
}

impl Published {
    /// An estimator over the method's q grid.
    pub fn new(method: &Method) -> Self {
        Self { method: method.clone(), table: PowerTable::new(method.q(), false) }
    }

    /// Prepares for masses up to `largest_mass` (the largest number of edges of a neuron, plus 1);
    /// [`Self::estimate`] needs this.
    pub fn reach(&mut self, largest_mass: u32) {
        self.table.reach(largest_mass);
    }

    /// The spectrum of a network.
    ///
    /// # Errors
    /// [`Degenerate`] when all edges lie at one radius or a value is not finite.
    ///
    /// # Panics
    /// When a mass is above what [`Self::reach`] prepared.
    pub fn estimate(&self, masses: &BoxMasses<'_>) -> Result<Spectrum, Degenerate> {
        self.spectrum(&self.sums(masses))
    }

    /// Z_q(r) of a network or a part of one.
    ///
    /// # Panics
    /// When a mass is above what [`Self::reach`] prepared.
    pub(crate) fn sums(&self, masses: &BoxMasses<'_>) -> PowerSums {
        power_sums(masses, &self.table)
    }

    pub(super) fn table(&self) -> &PowerTable {
        &self.table
    }

    /// The spectrum of sums that [`Self::sums`] made, or of several, added.
    ///
    /// # Errors
    /// See [`Self::estimate`].
    #[doc(hidden)]
    pub fn spectrum(&self, sums: &PowerSums) -> Result<Spectrum, Degenerate> {
        let occupied = sums.occupied();
        let radii: Vec<f64> = occupied.iter().map(|&j| self.method.radius(j + 1)).collect();
        let largest = radii.last().copied().unwrap_or(1.0);
        let x: Vec<f64> = radii.iter().map(|r| (r / largest).ln()).collect();
        let predictor = Predictor::new(&x).ok_or(Degenerate::OneRadius { radius: largest })?;
        let q = self.method.q();
        let mut ln_z = Vec::with_capacity(radii.len() * q.len());
        occupied.iter().for_each(|&j| ln_z.extend_from_slice(&sums.at(j)[..q.len()]));
        ln_z.iter_mut().for_each(|z| *z = z.ln());
        let tau = predictor.fit(&ln_z, q.len());
        let column = |shown: f64| match q.iter().position(|q| *q == shown) {
            Some(k) => ln_z.iter().skip(k).step_by(q.len()).copied().collect(),
            None => Vec::new(),
        };
        let alpha: Vec<f64> =
            (1..q.len()).map(|k| (tau[k].slope - tau[k - 1].slope) / (q[k] - q[k - 1])).collect();
        let f: Vec<f64> = alpha.iter().enumerate().map(|(k, a)| q[k] * a - tau[k].slope).collect();
        if !alpha.iter().chain(&f).all(|v| v.is_finite()) {
            return Err(Degenerate::NotFinite);
        }
        let highest = f.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let top = f.iter().position(|f| *f >= highest - F_TOLERANCE).unwrap_or(0);
        let max = alpha.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let min = alpha.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(Spectrum {
            fractal: Fractal { alpha0: alpha[top], width: max - min },
            tau,
            alpha,
            f,
            top,
            neurons: sums.neurons(),
            radii: radii.len(),
            smallest_radius: radii[0],
            scaling: Scaling { radii, ln_z: SCALING_Q.map(column) },
        })
    }
}
