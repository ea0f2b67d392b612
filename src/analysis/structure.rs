//! Measures of structure: a part of the network against its shuffles.
//!
//! With every matrix rescaled to its standard deviation at step 0, the stable estimator gives a
//! width and an alpha0. It gives a width_k and an alpha0_k for each of K shuffles of these
//! matrices:
//!
//! ```text
//! width_excess  = ln width  - mean_k ln width_k
//! alpha0_excess = ln alpha0 - mean_k ln alpha0_k
//! ```
//!
//! A matrix without spread, at step 0 or now, cannot be rescaled. It is left out of both networks,
//! the measured one and the shuffled ones, and E at matched norm, which would compare with a step 0
//! that has it, is absent.
//!
//! A factor on any matrix changes neither. A width_excess of 0.16 says that the spectrum is e^0.16 =
//! 1.17 times as wide as that of the same weights shuffled: neurons differ that much more than
//! chance. E_excess = E_stable - mean_k E_stable,k, of the weights as they are, does depend on scale.

use serde::{Deserialize, Serialize};

use super::measurement::{Draws, GroupNulls};
use super::significance::{Control, Excess, Tails};
use crate::mfa::{Fractal, NoEmergence, degree_of_emergence};

/// The measures of structure of a part of the network; none where they are not computed or have no
/// value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Structure {
    /// ln width at matched norm, against its shuffles.
    pub width_excess: Option<Excess>,
    /// ln alpha0 at matched norm, against its shuffles.
    pub alpha0_excess: Option<Excess>,
    /// E_stable of shuffled weights, mean over the draws.
    pub e_stable_shuffled: Option<f64>,
    /// E_stable - E_stable_shuffled.
    pub e_excess: Option<Excess>,
    /// E_stable at matched norm.
    pub e_norm_matched: Option<f64>,
}

/// The column of the shuffled control, which needs no matched norm as the others here do.
pub(super) const E_STABLE_SHUFFLED: &str = "E_stable_shuffled";

const E_NORM_MATCHED: &str = "E_norm_matched";

/// The name of a value that is missing, and why.
pub(super) type Missing = (&'static str, String);

impl Structure {
    /// The measures of a part with these spectra at step 0 and now.
    pub(super) fn of(
        start: Option<Fractal>,
        stable: Option<Fractal>,
        nulls: &GroupNulls,
    ) -> (Self, Vec<Missing>) {
        let mut structure = Self::default();
        let mut missing = Vec::new();
        let mut note = |what, why: &dyn std::fmt::Display| missing.push((what, why.to_string()));
        match (&nulls.matched, &nulls.matched_shuffled) {
            (Some(Ok(matched)), Some(Ok(draws))) => {
                let excess = |tails, of: fn(&Fractal) -> f64| logarithm(*matched, draws, tails, of);
                structure.width_excess = excess(Tails::Heavy, |fractal| fractal.width);
                structure.alpha0_excess = excess(Tails::Normal, |fractal| fractal.alpha0);
                if structure.width_excess.is_none() {
                    note("width_excess", &"a width is not above 0");
                }
                if structure.alpha0_excess.is_none() {
                    note("alpha0_excess", &"an alpha0 is not above 0");
                }
            }
            (Some(Err(why)), Some(_)) | (Some(_), Some(Err(why))) => {
                note("width_excess and alpha0_excess", why);
            }
            _ => {}
        }
        let Some(start) = start else { return (structure, missing) };
        match &nulls.shuffled {
            Some(Ok(draws)) => match emergence(start, draws) {
                Ok(control) => {
                    structure.e_stable_shuffled = control.centre();
                    let e = stable.and_then(|now| degree_of_emergence(start, now).ok());
                    structure.e_excess = e.and_then(|e| Excess::of(e, &control));
                }
                Err(why) => note(E_STABLE_SHUFFLED, &why),
            },
            Some(Err(why)) => note(E_STABLE_SHUFFLED, why),
            None => {}
        }
        match (&nulls.matched, &nulls.unmatched) {
            (Some(Ok(_)), Some(why)) => {
                note(
                    E_NORM_MATCHED,
                    &format!("{why}; width_excess and alpha0_excess are without it"),
                );
            }
            (Some(Ok(matched)), None) => match degree_of_emergence(start, *matched) {
                Ok(e) => structure.e_norm_matched = Some(e),
                Err(why) => note(E_NORM_MATCHED, &why),
            },
            (Some(Err(why)), _) => note(E_NORM_MATCHED, why),
            (None, _) => {}
        }
        (structure, missing)
    }
}

fn logarithm(
    measured: Fractal,
    draws: &Draws,
    tails: Tails,
    of: fn(&Fractal) -> f64,
) -> Option<Excess> {
    let logarithm = |fractal: &Fractal| Ok::<f64, NoEmergence>(of(fractal).ln());
    Excess::of(of(&measured).ln(), &control(draws, tails, logarithm).ok()?)
}

/// E of the draws against step 0.
fn emergence(start: Fractal, draws: &Draws) -> Result<Control, NoEmergence> {
    // E holds a width.
    control(draws, Tails::Heavy, |now| degree_of_emergence(start, *now))
}

/// A statistic of the draws.
fn control<E>(
    draws: &Draws,
    tails: Tails,
    of: impl Fn(&Fractal) -> Result<f64, E>,
) -> Result<Control, E> {
    let all = |fractals: &[Fractal]| fractals.iter().map(&of).collect::<Result<Vec<f64>, E>>();
    let small = draws.small.iter().map(|layer| Ok((layer.share, all(&layer.fractals)?)));
    Ok(Control {
        draws: all(&draws.fractals)?,
        together: of(&draws.together)?,
        without_one: all(&draws.without_one)?,
        share: draws.share,
        small: small.collect::<Result<_, E>>()?,
        tails,
    })
}
