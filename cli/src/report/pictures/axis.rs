//! What the horizontal axis of a run's pictures shows: steps, or a quantity that the loop logged.

/// The values of an axis at the steps of a run.
#[derive(Debug)]
pub(super) struct Axis {
    /// Its name.
    pub(super) name: String,
    /// Steps, ascending, with the logged values; none for the steps themselves.
    values: Option<Vec<(f64, f64)>>,
}

impl Default for Axis {
    fn default() -> Self {
        Self { name: "step".to_owned(), values: None }
    }
}

impl Axis {
    /// A logged quantity as the axis; its steps are ascending.
    pub(super) fn logged(name: &str, values: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), values: Some(values) }
    }

    /// Where a step lies: at the last value that was logged up to it, at 0 before the first.
    pub(super) fn at(&self, step: f64) -> f64 {
        let Some(values) = &self.values else { return step };
        let later = values.partition_point(|(logged, _)| *logged <= step);
        later.checked_sub(1).map_or(0.0, |last| values[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_lies_at_the_last_value_before_it() {
        let axis = Axis::logged("tokens", vec![(2.0, 10.0), (4.0, 30.0)]);
        assert_eq!(
            [0.0, 2.0, 3.0, 4.0, 9.0].map(|step| axis.at(step)),
            [0.0, 10.0, 10.0, 30.0, 30.0]
        );
        assert_eq!(Axis::default().at(7.0), 7.0);
    }
}
