//! One analysed step.

use super::column::Field;
use super::column::Type::{Float, Integer};
use super::number::{number, optional};
use super::scalar::Scalar;
use crate::analysis::{Emergence, SpectrumPoint, Status};

pub(super) const SPECTRUM_COLUMNS: [Field; 11] = [
    Field::new("step", Integer, "the step"),
    Field::new("q", Float, "the order of the moment"),
    Field::new("tau", Float, "mass exponent tau(q), published, mean over samples"),
    Field::new("r2", Float, "R² of the fit behind tau, mean over samples"),
    Field::new("alpha", Float, "alpha(q) = d tau/d q, mean over samples"),
    Field::new("f", Float, "f(alpha) = q alpha - tau, mean over samples"),
    Field::new("tau_std", Float, "spread of tau over the samples").absent("there is one sample"),
    Field::new("r2_std", Float, "spread of r2 over the samples").absent("there is one sample"),
    Field::new("alpha_std", Float, "spread of alpha over the samples")
        .absent("there is one sample"),
    Field::new("f_std", Float, "spread of f over the samples").absent("there is one sample"),
    Field::new("D_q", Float, "generalised dimension tau/(q - 1)").absent("q is 1"),
];

/// One analysed step, as in emergence.csv and the other tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The step.
    pub(crate) step: u64,
    /// Seconds since 1970 when the row was taken.
    pub(crate) wall_time: f64,
    /// What the loop logged at that step, in its order.
    pub(crate) scalars: Vec<Scalar>,
    /// The computed values.
    pub(crate) emergence: Emergence,
    /// Milliseconds that training waited for the snapshot; none for a dropped step.
    pub(crate) snapshot_ms: Option<f64>,
    /// Milliseconds that the analysis took, most often on the side thread; none for a dropped step.
    pub(crate) analysis_ms: Option<f64>,
    /// Whether it is the first of the run.
    pub(crate) first: bool,
    /// That the weights are those of an earlier step again, in words, if nobody said so.
    pub(crate) returned: Option<String>,
}

impl Row {
    /// A row of this step; its wall time is in seconds since 1970.
    pub(crate) fn new(
        step: u64,
        wall_time: f64,
        scalars: Vec<Scalar>,
        emergence: Emergence,
    ) -> Self {
        Self {
            step,
            wall_time,
            scalars,
            emergence,
            snapshot_ms: None,
            analysis_ms: None,
            first: false,
            returned: None,
        }
    }

    /// The step.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether its values are there.
    pub fn status(&self) -> Status {
        self.emergence.status
    }

    /// Its rows in hashes.csv.
    pub(super) fn hash_cells(&self) -> Vec<Vec<String>> {
        let cells = |(tensor, hash): &(String, u64)| {
            vec![self.step.to_string(), tensor.clone(), format!("{hash:016x}")]
        };
        self.emergence.hashes.iter().map(cells).collect()
    }

    /// The spectrum's rows in spectra.csv.
    pub(super) fn spectrum_cells(&self) -> Vec<Vec<String>> {
        let cells = |p: &SpectrumPoint| {
            let mut cells = vec![self.step.to_string(), number(p.q), number(p.tau)];
            let rest = [p.r2, p.alpha, p.f, p.tau_std, p.r2_std, p.alpha_std, p.f_std];
            cells.extend(rest.map(optional));
            cells.push(optional((p.q != 1.0).then(|| p.tau / (p.q - 1.0))));
            cells
        };
        self.emergence.spectrum.iter().map(cells).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]
        #[test]
        fn numbers_read_back_to_the_same_bits(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let back: f64 = number(value).parse().unwrap();
            prop_assert!(back.to_bits() == bits || value.is_nan() && back.is_nan());
        }
    }
}
