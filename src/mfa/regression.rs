//! Least squares on one predictor.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// A least-squares line y = intercept + slope · x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Line {
    /// Slope.
    pub slope: f64,
    /// Intercept.
    pub intercept: f64,
    /// Share of the variance of y that the line explains, 0 to 1; none for constant y.
    pub r2: Option<f64>,
}

/// Points that are summed in parallel lanes.
const LANES: usize = 8;

impl Line {
    /// The line through the points `(x[k], y[k])`; none when fewer than two x differ.
    ///
    /// # Panics
    /// When there are not as many x as y.
    pub(super) fn through(x: &[f64], y: &[f64]) -> Option<Self> {
        assert_eq!(x.len(), y.len(), "an x for each y");
        let (means, products) = sums_of_points(x, y)?;
        (products[0] > 0.0).then(|| Self::of(means, products))
    }

    /// The line for these means of x and y, and these sums of squares and of products of the
    /// deviations from them; that of x is above 0.
    fn of([mean_x, mean_y]: [f64; 2], [xx, xy, yy]: [f64; 3]) -> Self {
        let slope = xy / xx;
        Self {
            slope,
            intercept: mean_y - slope * mean_x,
            r2: (yy > 0.0).then(|| (xy * xy / (xx * yy)).min(1.0)),
        }
    }
}

/// The arguments of [`Line::of`]; none for no points.
#[multiversion(targets = "simd")]
fn sums_of_points(x: &[f64], y: &[f64]) -> Option<([f64; 2], [f64; 3])> {
    let (x0, y0, n) = (*x.first()?, *y.first()?, x.len() as f64);
    let [sum_x, sum_y] = sums(x, y, |x, y| [x - x0, y - y0]);
    let (mean_x, mean_y) = (x0 + sum_x / n, y0 + sum_y / n);
    let products = |x: f64, y: f64| {
        let (dx, dy) = (x - mean_x, y - mean_y);
        [dx * dx, dx * dy, dy * dy]
    };
    Some(([mean_x, mean_y], sums(x, y, products)))
}

/// Sums of numbers computed from each point.
#[inline(always)]
fn sums<const K: usize>(x: &[f64], y: &[f64], of: impl Fn(f64, f64) -> [f64; K]) -> [f64; K] {
    let mut sums = [[0.0; LANES]; K];
    let mut add = |x: &[f64], y: &[f64]| {
        for (l, (x, y)) in x.iter().zip(y).enumerate() {
            sums.iter_mut().zip(of(*x, *y)).for_each(|(sum, value)| sum[l] += value);
        }
    };
    let ((x, last_x), (y, last_y)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    x.iter().zip(y).for_each(|(x, y)| add(x, y));
    add(last_x, last_y);
    sums.map(|lanes| lanes.iter().sum())
}

/// The predictor of a fit: centred, so that many y can be fitted on it.
#[derive(Clone, Debug)]
pub(super) struct Predictor {
    centred: Vec<f64>, // x_j - mean
    mean: f64,
    spread: f64, // Σ (x_j - mean)², > 0
}

impl Predictor {
    /// None when fewer than two x differ.
    pub(super) fn new(x: &[f64]) -> Option<Self> {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let centred: Vec<f64> = x.iter().map(|x| x - mean).collect();
        let spread: f64 = centred.iter().map(|c| c * c).sum();
        (spread > 0.0).then_some(Self { centred, mean, spread })
    }

    /// Fits `many` y: row j of `y` holds their values at x_j side by side. A constant y gives a slope of
    /// exactly 0: differences are taken to its first value.
    ///
    /// # Panics
    /// When there is not a row for each x, or nothing to fit.
    pub(super) fn fit(&self, y: &[f64], many: usize) -> Vec<Line> {
        assert!(many > 0 && y.len() == self.centred.len() * many, "a row for each x");
        let first = &y[..many];
        let mut sums = [(); 3].map(|()| vec![0.0; many]);
        means_and_products(&self.centred, y, first, &mut sums);
        let [mean, xy, yy] = &sums;
        let line =
            |k: usize| Line::of([self.mean, first[k] + mean[k]], [self.spread, xy[k], yy[k]]);
        (0..many).map(line).collect()
    }
}

/// The mean of each y, less its first value, then Σ of centred x times what y differs from its mean by, and of
/// the squares of these differences.
#[multiversion(targets = "simd")]
fn means_and_products(
    centred: &[f64],
    y: &[f64],
    first: &[f64],
    [mean, xy, yy]: &mut [Vec<f64>; 3],
) {
    for y in y.chunks_exact(first.len()) {
        mean.iter_mut().zip(y).zip(first).for_each(|((mean, y), first)| *mean += y - first);
    }
    let n = centred.len() as f64;
    mean.iter_mut().for_each(|mean| *mean /= n);
    for (c, y) in centred.iter().zip(y.chunks_exact(first.len())) {
        let sums = xy.iter_mut().zip(yy.iter_mut());
        for (((xy, yy), y), (first, mean)) in sums.zip(y).zip(first.iter().zip(&*mean)) {
            let dy = (y - first) - mean;
            *xy += c * dy;
            *yy += dy * dy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_by_hand() {
        let predictor = Predictor::new(&[0.0, 1.0, 2.0]).unwrap();
        let [line] = predictor.fit(&[1.0, 3.0, 2.0], 1)[..] else { panic!("one line") };
        assert_eq!((line.slope, line.intercept, line.r2), (0.5, 1.5, Some(0.25)));
        assert_eq!(Line::through(&[0.0, 1.0, 2.0], &[1.0, 3.0, 2.0]), Some(line));
        let twice = predictor.fit(&[0.0, 1.0, 4.0, 3.0, 8.0, 2.0], 2);
        let steep = Line { slope: 4.0, intercept: 0.0, r2: Some(1.0) };
        assert_eq!(twice, [steep, line]);
        assert_eq!(Line::through(&[2.0, 2.0], &[1.0, 3.0]), None);
        assert_eq!(Line::through(&[], &[]), None);
    }

    #[test]
    fn a_line_through_any_number_of_points_is_that_of_the_predictor() {
        for n in 2..40 {
            let x: Vec<f64> = (1..=n).map(|k| f64::from(k).ln()).collect();
            let y: Vec<f64> = (1..=n).map(|k| f64::from(k * k % 17)).collect();
            let [line] = Predictor::new(&x).unwrap().fit(&y, 1)[..] else { panic!("one line") };
            let through = Line::through(&x, &y).unwrap();
            let apart = |one: f64, other: f64| (one - other).abs() / other.abs().max(1.0);
            assert!(apart(through.slope, line.slope) < 1e-13, "{n}");
            assert!(apart(through.intercept, line.intercept) < 1e-13, "{n}");
            assert!(apart(through.r2.unwrap(), line.r2.unwrap()) < 1e-13, "{n}");
        }
    }

    #[test]
    fn constant_y_has_slope_zero_exactly_and_no_r2() {
        let x: Vec<f64> = (1..=149).map(|r| (f64::from(r) / 149.0).ln()).collect();
        for line in Predictor::new(&x).unwrap().fit(&vec![640f64.ln(); 149 * 9], 9) {
            assert_eq!((line.slope, line.r2), (0.0, None));
        }
    }

    #[test]
    fn one_x_is_no_predictor() {
        assert!(Predictor::new(&[2.0]).is_none());
        assert!(Predictor::new(&[2.0, 2.0]).is_none());
    }
}
