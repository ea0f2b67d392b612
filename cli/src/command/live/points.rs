//! The points of a curve, in fixed memory.

/// Points that are kept.
const MOST: usize = 4096;

/// Of a curve, all points, or those of a long one with the least and the greatest value of each
/// stretch, so that no peak is lost. x ascends.
#[derive(Clone, Debug)]
pub struct Points {
    each: usize,           // points in a stretch
    kept: Vec<(f64, f64)>, // two of each stretch of several
    open: Vec<(f64, f64)>, // of a stretch that is not complete, as above
    seen: usize,           // in it
}

impl Default for Points {
    fn default() -> Self {
        Self { each: 1, kept: Vec::new(), open: Vec::new(), seen: 0 }
    }
}

impl Points {
    pub fn push(&mut self, point: (f64, f64)) {
        self.open.push(point);
        self.seen += 1;
        if self.open.len() > 2 {
            self.open = ends(&self.open);
        }
        if self.seen < self.each {
            return;
        }
        self.kept.append(&mut self.open);
        self.seen = 0;
        if self.kept.len() >= MOST {
            // Four points are two stretches, or four of one point each.
            self.each *= if self.each == 1 { 4 } else { 2 };
            self.kept = self.kept.chunks(4).flat_map(ends).collect();
        }
    }

    pub fn all(&self) -> Vec<(f64, f64)> {
        [&self.kept[..], &self.open[..]].concat()
    }
}

/// The points with the least and the greatest value, in order.
pub fn ends(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
    let ends = points.iter().min_by(by_value).zip(points.iter().max_by(by_value));
    let ends = ends.map(|(&a, &b)| if a.0 <= b.0 { vec![a, b] } else { vec![b, a] });
    ends.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_curves_are_whole_and_long_ones_keep_every_peak_in_fixed_memory() {
        for n in [3, MOST - 1, MOST, 10 * MOST + 7, 100 * MOST] {
            for peak in [0, n / 3, n - 1] {
                let mut points = Points::default();
                let value = |k: usize| if k == peak { -9.0 } else { (k % 5) as f64 };
                (0..n).for_each(|k| points.push((k as f64, value(k))));
                let all = points.all();
                assert!(all.contains(&(peak as f64, -9.0)), "{n}, {peak}");
                assert!(all.is_sorted_by(|a, b| a.0 <= b.0), "{n}");
                assert!(
                    all.len() <= MOST + 2 && all.len() >= n.min(MOST / 2),
                    "{n}: {}",
                    all.len()
                );
                assert!(n >= MOST || all.len() == n);
            }
        }
    }
}
