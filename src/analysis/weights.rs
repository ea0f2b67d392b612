//! The size of the weights, and how far they have moved: what E is compared with.

use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::matrix_spectrum::MatrixSpectrum;
use super::measurement::Measurement;
use super::movement::{Movement, movements};
use super::plan::Plan;

/// The size of the weights of the network or of a part, and how far they have moved. A value that does
/// not exist is `None`; a pair is a value and its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// The Frobenius norm √(Σ w²).
    pub norm: Option<f64>,
    /// The coefficient of variation of that of each source neuron.
    pub norm_spread: Option<f64>,
    /// ‖W - W₀‖ / ‖W₀‖ from the weights W₀ of step 0.
    pub distance: Option<(f64, f64)>,
    /// The cosine between W and W₀.
    pub cosine: Option<(f64, f64)>,
    /// ‖W - W'‖ / ‖W‖ from the weights W' of the analysed step before.
    pub update: Option<f64>,
    /// The spectra of its matrices, mean over these; nothing unless asked for.
    pub spectrum: MatrixSpectrum,
}

impl Weights {
    /// Of each of the plan's groups, the network last, without the update; nothing of what was not
    /// measured.
    pub(super) fn of_groups(plan: &Plan, measurement: &Measurement, start: &Entries) -> Vec<Self> {
        let moved = movements(plan, &measurement.entries, start).into_iter();
        let of_group = |(k, moved): (usize, Movement)| {
            let norm = measurement.norms.get(k);
            Self {
                norm: norm.map(|of| of.norm),
                norm_spread: norm.and_then(|of| of.spread),
                distance: moved.distance,
                cosine: moved.cosine,
                update: None,
                spectrum: measurement.spectra.get(k).copied().unwrap_or_default(),
            }
        };
        moved.enumerate().map(of_group).collect()
    }
}
