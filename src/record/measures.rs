//! The columns of the measures of structure, in emergence.csv and in layers.csv.

use super::column::Column;
use super::column::Format::{Digits, P};
use super::column::Kind::{E, Structure};
use super::column::Need::{NormMatched, Shuffle, Shuffles};
use super::column::Value::Number;
use super::column::View::{Headline, Layers, Live, Report, Show};
use super::row::Row;
use crate::analysis::{self, Excess, Part};

/// Something with measures of structure: the network at a step, or a part of it.
pub(super) trait Measured: Sized + 'static {
    fn structure(&self) -> &analysis::Structure;

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
}

impl Measured for Row {
    fn structure(&self) -> &analysis::Structure {
        &self.emergence.structure
    }
}

impl Measured for Part {
    fn structure(&self) -> &analysis::Structure {
        &self.structure
    }
}

fn value(excess: Option<Excess>) -> Option<f64> {
    excess.map(|excess| excess.value)
}
