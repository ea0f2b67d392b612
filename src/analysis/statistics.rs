//! Means and deviations over samples.

/// The mean; none of nothing.
pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = values.len();
    (n > 0).then(|| values.sum::<f64>() / n as f64)
}

/// The sample standard deviation (n - 1 in the denominator); none of fewer than two.
pub(super) fn deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> Option<f64> {
    let n = values.len();
    let mean = mean(values.clone())?;
    (n > 1).then(|| (values.map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let values = [1.0, 2.0, 6.0];
        assert_eq!(mean(values.into_iter()), Some(3.0));
        assert_eq!(deviation(values.into_iter()), Some(7f64.sqrt()));
        assert_eq!(deviation([1.0].into_iter()), None);
        assert_eq!(mean([].into_iter()), None);
    }
}
