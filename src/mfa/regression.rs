//! Least squares on one predictor.

/// A least-squares line y = intercept + slope · x.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Slope.
    pub slope: f64,
    /// Intercept.
    pub intercept: f64,
    /// Share of the variance of y that the line explains, 0 to 1; none for constant y.
    pub r2: Option<f64>,
}

impl Line {
    /// The line through points (x, y); none when fewer than two x differ.
    pub(super) fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        let (x0, y0) = *points.first()?;
        let (sum_x, sum_y) =
            points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + (x - x0), b + (y - y0)));
        let (mean_x, mean_y) = (x0 + sum_x / n, y0 + sum_y / n);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            let (dx, dy) = (x - mean_x, y - mean_y);
            xx += dx * dx;
            xy += dx * dy;
            yy += dy * dy;
        }
        let slope = xy / xx;
        (xx > 0.0).then(|| Self {
            slope,
            intercept: mean_y - slope * mean_x,
            r2: (yy > 0.0).then(|| (xy * xy / (xx * yy)).min(1.0)),
        })
    }
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

    /// Fits y. A constant y gives a slope of exactly 0: differences are taken to its first value.
    pub(super) fn fit(&self, y: &[f64]) -> Line {
        let first = y.first().copied().unwrap_or(0.0);
        let mean = y.iter().map(|y| y - first).sum::<f64>() / y.len() as f64;
        let (mut xy, mut yy) = (0.0, 0.0);
        for (c, y) in self.centred.iter().zip(y) {
            let dy = (y - first) - mean;
            xy += c * dy;
            yy += dy * dy;
        }
        let slope = xy / self.spread;
        Line {
            slope,
            intercept: first + mean - slope * self.mean,
            r2: (yy > 0.0).then(|| (xy * xy / (self.spread * yy)).min(1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_by_hand() {
        let line = Predictor::new(&[0.0, 1.0, 2.0]).unwrap().fit(&[1.0, 3.0, 2.0]);
        assert_eq!((line.slope, line.intercept, line.r2), (0.5, 1.5, Some(0.25)));
        assert_eq!(Line::through(&[(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]), Some(line));
        assert_eq!(Line::through(&[(2.0, 1.0), (2.0, 3.0)]), None);
    }

    #[test]
    fn constant_y_has_slope_zero_exactly_and_no_r2() {
        let x: Vec<f64> = (1..=149).map(|r| (f64::from(r) / 149.0).ln()).collect();
        let line = Predictor::new(&x).unwrap().fit(&vec![640f64.ln(); 149]);
        assert_eq!((line.slope, line.r2), (0.0, None));
    }

    #[test]
    fn one_x_is_no_predictor() {
        assert!(Predictor::new(&[2.0]).is_none());
        assert!(Predictor::new(&[2.0, 2.0]).is_none());
    }
}
