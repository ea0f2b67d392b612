//! The columns of the measures of structure, and of the size of the weights, in emergence.csv and in layers.csv.

use super::column::Column;
use super::column::Format::{Digits, P};
use super::column::Kind::{E, Norm, Structure};
use super::column::Need::{MatrixSpectra, NormMatched, Shuffle, Shuffles, Stable};
use super::column::Value::Number;
use super::column::View::{Headline, Layers, Live, Report, Sensitivity, Show};
use super::row::Row;
use crate::analysis::{self, Excess, Part};

/// Something with measures of structure: the network at a step, or a part of it.
pub(super) trait Measured: Sized + 'static {
    fn structure(&self) -> &analysis::Structure;

    fn weights(&self) -> &analysis::Weights;

    /// Their columns, in emergence.csv and in layers.csv.
    const MEASURES: [Column<Self>; 11] = [
        Column::new(
            "width_excess",
            Structure,
            Number(|of: &Self| value(of.structure().width_excess)),
        )
        .means("width of the spectrum, ln of the ratio to shuffled weights")
        .equation("ln width - mean_k ln width_k")
        .needs(&[NormMatched, Shuffle])
        .views(&[Show(Digits(4)), Report, Headline, Layers]),
        Column::new(
            "width_excess_se",
            Structure,
            Number(|of: &Self| of.structure().width_excess?.se),
        )
        .means("spread of one network without structure, and error of the control's mean")
        .range("≥ 0")
        .equation("s · √(1 + 1/K), s the standard deviation over the K draws")
        .needs(&[NormMatched, Shuffles])
        .absent("all draws together deal less than a quarter of the sources"),
        Column::new(
            "width_excess_p",
            Structure,
            Number(|of: &Self| of.structure().width_excess?.p),
        )
        .means("how often chance alone goes as far")
        .range("0 to 1")
        .equation(
            "two-sided, of value/se in Student's t with 7 degrees of freedom, 4 in large \
                 networks",
        )
        .needs(&[NormMatched, Shuffles])
        .absent("the error is 0 or absent")
        .views(&[Show(P)]),
        Column::new(
            "alpha0_excess",
            Structure,
            Number(|of: &Self| value(of.structure().alpha0_excess)),
        )
        .means("where the spectrum peaks, ln of the ratio to shuffled weights")
        .equation("ln alpha0 - mean_k ln alpha0_k")
        .needs(&[NormMatched, Shuffle])
        .views(&[Show(Digits(4)), Report, Headline, Layers]),
        Column::new(
            "alpha0_excess_se",
            Structure,
            Number(|of: &Self| of.structure().alpha0_excess?.se),
        )
        .means("as of width_excess")
        .range("≥ 0")
        .equation("as of width_excess")
        .needs(&[NormMatched, Shuffles]),
        Column::new(
            "alpha0_excess_p",
            Structure,
            Number(|of: &Self| of.structure().alpha0_excess?.p),
        )
        .means("how often chance alone goes as far")
        .range("0 to 1")
        .equation("two-sided, of value/se in Student's t with K - 1 degrees of freedom")
        .needs(&[NormMatched, Shuffles])
        .absent("the error is 0 or absent")
        .views(&[Show(P)]),
        Column::new("E_stable_shuffled", E, Number(|of: &Self| of.structure().e_stable_shuffled))
            .means("E_stable of shuffled weights, with less noise than E_shuffled")
            .equation("mean over the draws")
            .needs(&[Shuffle])
            .views(&[Report, Live("shuffled")]),
        Column::new("E_excess", E, Number(|of: &Self| value(of.structure().e_excess)))
            .means("E_stable less that of shuffled weights; grows with scale")
            .equation("E_stable - E_stable_shuffled")
            .needs(&[Shuffle])
            .views(&[Report]),
        Column::new("E_excess_se", E, Number(|of: &Self| of.structure().e_excess?.se))
            .means("error of E_excess")
            .range("≥ 0")
            .equation("as of width_excess")
            .needs(&[Shuffles])
            .absent("all draws together deal less than a quarter of the sources"),
        Column::new("E_excess_p", E, Number(|of: &Self| of.structure().e_excess?.p))
            .means("how often chance alone goes as far")
            .range("0 to 1")
            .equation("as of width_excess")
            .needs(&[Shuffles])
            .absent("the error is 0 or absent"),
        Column::new("E_norm_matched", E, Number(|of: &Self| of.structure().e_norm_matched))
            .means("E_stable at the first step's scale: what is left without growth")
            .equation("E_stable with each matrix rescaled to its standard deviation at step 0")
            .needs(&[NormMatched])
            .views(&[Report, Live("norm-matched")]),
    ];

    /// The columns of what E is compared with, in both files.
    const WEIGHTS: [Column<Self>; 9] = [
        Column::new("weight_norm", Norm, Number(|of: &Self| of.weights().norm))
            .means("size of the weights: what E is compared with")
            .range("≥ 0")
            .equation("Frobenius norm √(Σ w²), with the weights out of range")
            .needs(&[Stable])
            .views(&[Report, Live("norm"), Sensitivity, Layers]),
        Column::new("norm_spread", Norm, Number(|of: &Self| of.weights().norm_spread))
            .means("how much source neurons differ in the size of their weights")
            .range("≥ 0")
            .equation("standard deviation over mean of √(Σ w²) of each source neuron")
            .needs(&[Stable])
            .absent("all weights are 0")
            .views(&[Report]),
        Column::new("distance", Norm, Number(|of: &Self| Some(of.weights().distance?.0)))
            .means("how far the weights are from step 0, as a share of its norm")
            .range("≥ 0")
            .equation("‖W - W₀‖ / ‖W₀‖, of up to 16384 drawn entries of each matrix")
            .needs(&[Stable])
            .absent("the weights of step 0 are 0 or were not kept")
            .views(&[Report, Live("distance"), Layers]),
        Column::new("distance_se", Norm, Number(|of: &Self| Some(of.weights().distance?.1)))
            .means("its standard error; 0 where all entries were taken")
            .range("≥ 0")
            .equation("of a ratio estimator in a sample stratified by matrices")
            .needs(&[Stable])
            .absent("distance is"),
        Column::new("cosine", Norm, Number(|of: &Self| Some(of.weights().cosine?.0)))
            .means("direction of the weights against that of step 0")
            .range("-1 to 1")
            .equation("Σ w w₀ / (‖W‖ ‖W₀‖), of the same entries")
            .needs(&[Stable])
            .absent("all weights are 0, now or at step 0, or those of step 0 were not kept")
            .views(&[Report]),
        Column::new("cosine_se", Norm, Number(|of: &Self| Some(of.weights().cosine?.1)))
            .means("its standard error; 0 where all entries were taken")
            .range("≥ 0")
            .equation("as of distance")
            .needs(&[Stable])
            .absent("cosine is"),
        Column::new("update", Norm, Number(|of: &Self| of.weights().update))
            .means("how far the weights moved since the analysed step before")
            .range("≥ 0")
            .equation("‖W - W_before‖ / ‖W‖, of the same entries")
            .needs(&[Stable])
            .absent("no step was analysed before, or none since the run was resumed")
            .views(&[Report, Live("update"), Layers]),
        Column::new("stable_rank", Norm, Number(|of: &Self| of.weights().spectrum.stable_rank))
            .means("over how many directions a matrix spreads its weights")
            .range("≥ 1")
            .equation("‖W‖² / σ₁², σ₁ the largest singular value, mean over matrices")
            .needs(&[MatrixSpectra])
            .absent("all weights are 0")
            .views(&[Report, Layers]),
        Column::new("tail_alpha", Norm, Number(|of: &Self| of.weights().spectrum.tail_alpha))
            .means("exponent of the tail of a matrix's spectrum (HTSR alpha)")
            .range("> 1")
            .equation(
                "power law fitted to the largest eigenvalues of WᵀW by maximum likelihood, from where \
                 it fits best by Kolmogorov-Smirnov distance, mean over matrices",
            )
            .needs(&[MatrixSpectra])
            .absent("no matrix has 20 singular values above 0, or each has over 1024 rows and columns")
            .views(&[Report, Layers]),
    ];
}

impl Measured for Row {
    fn structure(&self) -> &analysis::Structure {
        &self.emergence.structure
    }

    fn weights(&self) -> &analysis::Weights {
        &self.emergence.weights
    }
}

impl Measured for Part {
    fn structure(&self) -> &analysis::Structure {
        &self.structure
    }

    fn weights(&self) -> &analysis::Weights {
        &self.weights
    }
}

fn value(excess: Option<Excess>) -> Option<f64> {
    excess.map(|excess| excess.value)
}
