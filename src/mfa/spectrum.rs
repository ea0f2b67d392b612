//! The published estimator.
//!
//! - Z_q(r) = Σ_i p_i(r)^q at the occupied radii R, d = max R;
//! - tau(q) = least-squares slope of ln Z_q(r) on ln(r/d); tau(0) = 0 exactly, since Z_0 is the
//!   number of neurons;
//! - alpha_k = (tau_{k+1} - tau_k) / (q_{k+1} - q_k), f_k = q_k alpha_k - tau_k;
//! - alpha0 = alpha at the first maximum of f, width = max alpha - min alpha.
//!
//! Source: Xiao et al., arXiv 2402.09099, with the conventions of its published program. R may
//! change from step to step (one new outlier weight adds a radius) and the flat top of f lets its
//! argmax jump: [`super::Stable`] is free of both.

use super::emergence::Fractal;
use super::mass::{BoxMasses, Degenerate};
use super::parameters::Method;
use super::partition::{PowerTable, power_sums};
use super::regression::{Line, Predictor};

/// A multifractal spectrum over the method's q grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// alpha0 and width.
    pub fractal: Fractal,
    /// tau(q) with intercept and R², one for each q.
    pub tau: Vec<Line>,
    /// alpha, one fewer than q.
    pub alpha: Vec<f64>,
    /// f(alpha), one fewer than q.
    pub f: Vec<f64>,
    /// Kept neurons.
    pub neurons: usize,
    /// Occupied radii.
    pub radii: usize,
}

impl Spectrum {
    /// R² of ln Z_q on ln(r/d) at the largest q (3 in the paper's tables).
    pub fn r2(&self) -> Option<f64> {
        self.tau.last().and_then(|line| line.r2)
    }
}

/// The published estimator. Keeps its table of powers between calls.
#[derive(Clone, Debug)]
pub struct Published {
    table: PowerTable,
}

impl Published {
    /// An estimator over the method's q grid.
    pub fn new(method: &Method) -> Self {
        Self { table: PowerTable::new(method.q(), false) }
    }

    /// Makes ready for masses up to `largest_mass` (largest number of edges of a neuron, plus 1),
    /// which [`Self::estimate`] asks for.
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
        let (slots, radii) = (masses.occupied_slots(), masses.radii());
        let largest = radii.last().copied().unwrap_or(1.0);
        let x: Vec<f64> = radii.iter().map(|r| (r / largest).ln()).collect();
        let predictor = Predictor::new(&x).ok_or(Degenerate::OneRadius { radius: largest })?;
        let sums = power_sums(masses, &self.table, slots);
        let q = masses.method().q();
        let mut ln_z = vec![0.0; slots.len()];
        let tau: Vec<Line> = (0..q.len())
            .map(|k| {
                for (j, ln_z) in ln_z.iter_mut().enumerate() {
                    *ln_z = sums.at(j)[k].ln();
                }
                predictor.fit(&ln_z)
            })
            .collect();
        let alpha: Vec<f64> =
            (1..q.len()).map(|k| (tau[k].slope - tau[k - 1].slope) / (q[k] - q[k - 1])).collect();
        let f: Vec<f64> = alpha.iter().enumerate().map(|(k, a)| q[k] * a - tau[k].slope).collect();
        if !alpha.iter().chain(&f).all(|v| v.is_finite()) {
            return Err(Degenerate::NotFinite);
        }
        let top = (1..f.len()).fold(0, |top, k| if f[k] > f[top] { k } else { top });
        let max = alpha.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let min = alpha.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(Spectrum {
            fractal: Fractal { alpha0: alpha[top], width: max - min },
            tau,
            alpha,
            f,
            neurons: masses.neurons(),
            radii: slots.len(),
        })
    }
}
