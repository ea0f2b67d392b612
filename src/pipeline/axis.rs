//! A second axis of a run: a counter that the loop logs, such as environment steps or tokens.

use std::sync::Arc;

use crate::record::Scalar;

/// A logged quantity that every step has: where the loop does not log it, its last value is carried
/// forward, from 0.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    name: Arc<str>,
    last: f64,
    logged: bool,
}

impl Axis {
    /// An axis with the last finite value that was logged of it.
    pub(super) fn new(name: &str, last: Option<f64>) -> Self {
        let last = last.unwrap_or(0.0);
        Self { name: name.into(), last, logged: last != 0.0 }
    }

    /// Adds the last value to what was logged at a step, unless it is there.
    pub(super) fn carry(&mut self, scalars: &mut Vec<Scalar>) {
        match scalars.iter().find(|(name, _)| *name == self.name) {
            Some((_, value)) if value.is_finite() => {
                (self.last, self.logged) = (*value, true);
            }
            Some(_) => {}
            None => scalars.push((self.name.clone(), self.last)),
        }
    }

    /// Its name, if the loop has never logged it.
    pub(super) fn never_logged(&self) -> Option<&str> {
        (!self.logged).then_some(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_finite_value_is_carried_from_0() {
        let mut axis = Axis::new("tokens", None);
        let mut of = |logged: Option<f64>| {
            let mut scalars: Vec<_> = logged.map(|v| ("tokens".into(), v)).into_iter().collect();
            axis.carry(&mut scalars);
            axis.carry(&mut scalars);
            assert_eq!(scalars.len(), 1);
            scalars[0].1
        };
        assert_eq!([None, Some(7.0), None].map(&mut of), [0.0, 7.0, 7.0]);
        assert!(of(Some(f64::NAN)).is_nan());
        assert_eq!(of(None), 7.0);
        let mut axis = Axis::new("tokens", Some(6.0));
        let mut scalars = Vec::new();
        axis.carry(&mut scalars);
        assert_eq!((scalars[0].1, axis.never_logged()), (6.0, None));
    }
}
