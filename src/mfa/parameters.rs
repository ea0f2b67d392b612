//! The parameters of the method, and the function that checks them.
//!
//! | name | default | purpose | range |
//! |---|---|---|---|
//! | `transfer` | inverse | weight to distance | inverse, coth, log |
//! | `min_distance` | 1 | keep d > this | ≥ half a radius step, < `max_distance` |
//! | `max_distance` | 150 | keep d ≤ this | at most 2³¹ radius steps |
//! | `radius_step` | 1 | radius = d rounded half to even to this step | 1/m, m = 1 … 1000; at most 20 000 radii |
//! | `min_edges` | 10 | keep a neuron with more kept edges than this | any |
//! | `q_min`, `q_max` | -3, 3 | ends of the q grid | multiples of `q_step`, -20 ≤ `q_min` < 0 < `q_max` ≤ 20 |
//! | `q_step` | 0.1 | step of the q grid; q is exactly k·(1/m) | 1/m, m = 1 … 1000 |

use serde::{Deserialize, Serialize};

use super::transfer::Transfer;

const MAX_RADII: u32 = 20_000;
const MAX_STEPS: f64 = (1u32 << 31) as f64;
const MAX_Q: f64 = 20.0;

/// Parameters before they are checked; see the module's table for defaults and ranges.
///
/// The defaults are those behind the published numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Parameters {
    /// The function that turns a weight into a distance.
    pub transfer: Transfer,
    /// Distances at or below this are left out.
    pub min_distance: f64,
    /// Distances above this are left out.
    pub max_distance: f64,
    /// Step to which a distance is rounded (half to even) to give its radius.
    pub radius_step: f64,
    /// A neuron is kept when it has more kept edges than this.
    pub min_edges: u32,
    /// Lower end of the q grid.
    pub q_min: f64,
    /// Upper end of the q grid.
    pub q_max: f64,
    /// Step of the q grid.
    pub q_step: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            transfer: Transfer::Inverse,
            min_distance: 1.0,
            max_distance: 150.0,
            radius_step: 1.0,
            min_edges: 10,
            q_min: -3.0,
            q_max: 3.0,
            q_step: 0.1,
        }
    }
}

impl Parameters {
    /// The function that turns a weight into a distance.
    #[must_use]
    pub fn transfer(mut self, transfer: Transfer) -> Self {
        self.transfer = transfer;
        self
    }

    /// Distances at or below this are left out.
    #[must_use]
    pub fn min_distance(mut self, min_distance: f64) -> Self {
        self.min_distance = min_distance;
        self
    }

    /// Distances above this are left out.
    #[must_use]
    pub fn max_distance(mut self, max_distance: f64) -> Self {
        self.max_distance = max_distance;
        self
    }

    /// Step to which a distance is rounded (half to even) to give its radius.
    #[must_use]
    pub fn radius_step(mut self, radius_step: f64) -> Self {
        self.radius_step = radius_step;
        self
    }

    /// A neuron is kept when it has more kept edges than this.
    #[must_use]
    pub fn min_edges(mut self, min_edges: u32) -> Self {
        self.min_edges = min_edges;
        self
    }

    /// Lower end of the q grid.
    #[must_use]
    pub fn q_min(mut self, q_min: f64) -> Self {
        self.q_min = q_min;
        self
    }

    /// Upper end of the q grid.
    #[must_use]
    pub fn q_max(mut self, q_max: f64) -> Self {
        self.q_max = q_max;
        self
    }

    /// Step of the q grid.
    #[must_use]
    pub fn q_step(mut self, q_step: f64) -> Self {
        self.q_step = q_step;
        self
    }
}

/// A parameter outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} = {value} is out of range: {range}")]
#[non_exhaustive]
pub struct ParameterError {
    /// The parameter's name.
    pub name: &'static str,
    /// The value given.
    pub value: String,
    /// What is allowed, and what to do.
    pub range: String,
}

fn refuse(name: &'static str, value: f64, range: impl Into<String>) -> ParameterError {
    ParameterError { name, value: value.to_string(), range: range.into() }
}

/// m of a step 1/m.
fn steps_per_unit(name: &'static str, step: f64) -> Result<u32, ParameterError> {
    let m = (1.0 / step).round();
    if !(1.0..=1000.0).contains(&m) || (step * m - 1.0).abs() > 1e-9 {
        let range = "give 1 divided by a whole number from 1 to 1000, such as 1, 0.1 or 0.01";
        return Err(refuse(name, step, range));
    }
    Ok(m as u32)
}

impl Parameters {
    /// Checks every range; only a [`Method`] reaches the algorithms.
    ///
    /// # Errors
    /// The first parameter that is out of range, with its value and what is allowed.
    pub fn check(&self) -> Result<Method, ParameterError> {
        let per_unit = steps_per_unit("radius_step", self.radius_step)?;
        let (min, max) = (self.min_distance, self.max_distance);
        if !(min.is_finite() && min * f64::from(per_unit) >= 0.5) {
            let least = 0.5 / f64::from(per_unit);
            let range =
                format!("give at least half a radius step ({least}), so that no radius is 0");
            return Err(refuse("min_distance", min, range));
        }
        let steps = |d: f64| (d * f64::from(per_unit)).round_ties_even();
        if !(max > min && steps(max) <= MAX_STEPS) {
            let most = MAX_STEPS / f64::from(per_unit);
            let range = format!("give a number above min_distance ({min}), at most {most}");
            return Err(refuse("max_distance", max, range));
        }
        // The smallest distance in range has the first radius.
        let first_radius = (steps(min.next_up()) as u32).max(1);
        let last_radius = (steps(max) as u32).max(first_radius);
        if last_radius - first_radius >= MAX_RADII {
            let range = format!(
                "with radius_step {} that makes more than {MAX_RADII} radii: lower it, or take a coarser step",
                self.radius_step
            );
            return Err(refuse("max_distance", max, range));
        }
        Ok(Method {
            parameters: self.clone(),
            per_unit,
            first_radius,
            last_radius,
            q: self.q_grid()?,
        })
    }

    fn q_grid(&self) -> Result<Vec<f64>, ParameterError> {
        let per_unit = f64::from(steps_per_unit("q_step", self.q_step)?);
        let index = |name, q: f64, ok: bool| {
            let k = (q * per_unit).round();
            if !ok || (q * per_unit - k).abs() > 1e-9 {
                let range = format!(
                    "give a multiple of q_step ({}) with -{MAX_Q} ≤ q_min < 0 < q_max ≤ {MAX_Q}",
                    self.q_step
                );
                return Err(refuse(name, q, range));
            }
            Ok(k as i32)
        };
        let low = index("q_min", self.q_min, (-MAX_Q..0.0).contains(&self.q_min))?;
        let high = index("q_max", self.q_max, self.q_max > 0.0 && self.q_max <= MAX_Q)?;
        Ok((low..=high).map(|k| f64::from(k) / per_unit).collect())
    }
}

/// Checked parameters, which the algorithms use.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    parameters: Parameters,
    per_unit: u32,
    first_radius: u32, // ≥ 1, in steps
    last_radius: u32,  // ≥ first_radius
    q: Vec<f64>,       // ascending, holds 0
}

impl Default for Method {
    fn default() -> Self {
        Parameters::default().check().expect("the defaults are in range")
    }
}

impl Method {
    /// The parameters that were checked.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The q grid, ascending; each q is exactly k/m. It always holds 0.
    pub fn q(&self) -> &[f64] {
        &self.q
    }

    /// Number of possible radii.
    pub fn radii(&self) -> usize {
        (self.last_radius - self.first_radius + 1) as usize
    }

    /// Counters of one neuron in a [`super::Histogram`]: slot 0 counts the edges that are left
    /// out, slot s ≥ 1 those at the s-th possible radius.
    pub fn slots(&self) -> usize {
        self.radii() + 1
    }

    /// The radius of a slot ≥ 1.
    pub fn radius(&self, slot: usize) -> f64 {
        f64::from(self.first_radius + slot as u32 - 1) / f64::from(self.per_unit)
    }

    /// The slot of a distance: 0 when it is left out (or NaN), else that of its radius, d
    /// rounded half to even.
    #[inline]
    pub fn slot_of_distance(&self, distance: f64) -> usize {
        let p = &self.parameters;
        if distance > p.min_distance && distance <= p.max_distance {
            // Just above half a step, the product can round to the tie and the tie to 0.
            let steps = (distance * f64::from(self.per_unit)).round_ties_even() as u32;
            (steps.max(self.first_radius) - self.first_radius) as usize + 1
        } else {
            0
        }
    }

    /// The slot of a weight.
    #[inline]
    pub fn slot_of_weight(&self, weight: f64) -> usize {
        self.slot_of_distance(self.parameters.transfer.distance(weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_defaults() {
        let method = Method::default();
        assert_eq!(method.radii(), 150);
        assert_eq!((method.radius(1), method.radius(150)), (1.0, 150.0));
        assert_eq!(method.q().len(), 61);
        assert_eq!((method.q()[0], method.q()[30], method.q()[31]), (-3.0, 0.0, 0.1));
    }

    #[test]
    fn rounding_is_half_to_even_and_the_range_is_half_open() {
        let method = Method::default();
        let radius = |d| match method.slot_of_distance(d) {
            0 => None,
            slot => Some(method.radius(slot)),
        };
        assert_eq!(radius(1.0), None);
        assert_eq!(radius(1.0f64.next_up()), Some(1.0));
        assert_eq!((radius(1.5), radius(2.5), radius(3.5)), (Some(2.0), Some(2.0), Some(4.0)));
        assert_eq!((radius(150.0), radius(150.0f64.next_up())), (Some(150.0), None));
        assert_eq!((radius(f64::NAN), radius(f64::INFINITY)), (None, None));
    }

    #[test]
    fn fine_steps() {
        let p = Parameters {
            transfer: Transfer::Log,
            radius_step: 0.01,
            max_distance: 10.0,
            ..Parameters::default()
        };
        let method = p.check().unwrap();
        assert_eq!(method.radii(), 901);
        assert_eq!(method.radius(method.slot_of_distance(2.71499)), 2.71);
    }

    /// Where `min_distance` lies on a tie, the smallest distances above it may round to the tie.
    #[test]
    fn the_smallest_distance_in_range_has_the_first_radius() {
        for per_unit in 1..=1000 {
            let step = 1.0 / f64::from(per_unit);
            for tie in (0..40).map(|k| (f64::from(k) + 0.5) / f64::from(per_unit)) {
                for min_distance in [tie.next_down(), tie, tie.next_up()] {
                    let p = Parameters { radius_step: step, min_distance, ..Parameters::default() };
                    let p = Parameters { max_distance: min_distance + 2.0, ..p };
                    let Ok(method) = p.check() else {
                        assert!(tie < step, "{p:?}");
                        continue;
                    };
                    assert_eq!(method.slot_of_distance(min_distance.next_up()), 1, "{p:?}");
                    assert_eq!(method.slot_of_distance(p.max_distance), method.radii(), "{p:?}");
                }
            }
        }
    }

    #[test]
    fn every_bound_is_checked() {
        let base = Parameters::default;
        let cases = [
            ("radius_step", Parameters { radius_step: 0.3, ..base() }),
            ("radius_step", Parameters { radius_step: f64::NAN, ..base() }),
            ("radius_step", Parameters { radius_step: 0.0, ..base() }),
            ("radius_step", Parameters { radius_step: -1.0, ..base() }),
            ("min_distance", Parameters { min_distance: 0.4, ..base() }),
            ("min_distance", Parameters { min_distance: f64::NAN, ..base() }),
            ("max_distance", Parameters { max_distance: 1.0, ..base() }),
            ("max_distance", Parameters { max_distance: f64::INFINITY, ..base() }),
            ("max_distance", Parameters { radius_step: 0.001, ..base() }),
            ("max_distance", Parameters { min_distance: 3e9, max_distance: 3.1e9, ..base() }),
            ("q_step", Parameters { q_step: 2.0, ..base() }),
            ("q_min", Parameters { q_min: 0.0, ..base() }),
            ("q_min", Parameters { q_min: -20.1, ..base() }),
            ("q_max", Parameters { q_max: 3.05, ..base() }),
            ("q_max", Parameters { q_max: f64::NAN, ..base() }),
        ];
        for (name, parameters) in cases {
            let error = parameters.check().unwrap_err();
            assert_eq!(error.name, name, "{error}");
        }
    }

    #[test]
    fn an_error_names_value_range_and_way_out() {
        let error = Parameters { radius_step: 0.3, ..Parameters::default() }.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "radius_step = 0.3 is out of range: give 1 divided by a whole number from 1 to 1000, such as 1, 0.1 or 0.01"
        );
    }
}
