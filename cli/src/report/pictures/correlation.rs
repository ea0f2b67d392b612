//! The correlation of two series.
//!
//! ```text
//! Pearson   r = Σ (x - x̄)(y - ȳ) / √(Σ (x - x̄)² Σ (y - ȳ)²)
//! Spearman  ρ = r of the ranks, equal values sharing the mean of their ranks
//! ```
//!
//! Neither has a value when one of the two is constant or there are fewer than three pairs. The lag
//! is the shift of y against x, in rows, at which |r| of the overlapping part is highest; at least
//! half of the rows overlap. Of equal values the smallest shift is taken, and of two opposite
//! shifts the positive one.

/// r; none for a constant series or fewer than three pairs.
pub(super) fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let n = pairs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|p| of(p.0 - x, p.1 - y)).sum::<f64>();
    let (xx, yy) = (sum(&|a, _| a * a), sum(&|_, b| b * b));
    let constant = |of: fn(&(f64, f64)) -> f64| pairs.iter().all(|p| of(p) == of(&pairs[0]));
    if constant(|p| p.0) || constant(|p| p.1) {
        return None;
    }
    let r = sum(&|a, b| a * b) / (xx * yy).sqrt();
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// ρ; none for a constant series or fewer than three pairs.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let x = ranks(pairs.iter().map(|p| p.0).collect());
    let y = ranks(pairs.iter().map(|p| p.1).collect());
    pearson(&x.into_iter().zip(y).collect::<Vec<_>>())
}

fn ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let shared = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&k| ranks[k] = shared);
        before += equal.len();
    }
    ranks
}

/// The shift with the highest |r|, and that r. A positive shift says that y follows x by as many
/// rows.
pub(super) fn lag(pairs: &[(f64, f64)]) -> Option<(i64, f64)> {
    let n = pairs.len();
    let most = (n / 2).min(n.saturating_sub(3)) as i64;
    let mut shifts: Vec<i64> = (-most..=most).collect();
    shifts.sort_by_key(|shift| (shift.abs(), -shift));
    let mut best: Option<(i64, f64)> = None;
    for shift in shifts {
        let (x, y) = if shift >= 0 { (0, shift as usize) } else { (-shift as usize, 0) };
        let overlap: Vec<_> = pairs[x..].iter().zip(&pairs[y..]).map(|(x, y)| (x.0, y.1)).collect();
        if let Some(r) = pearson(&overlap)
            && best.is_none_or(|(_, highest)| r.abs() > highest.abs() + 1e-12)
        {
            best = Some((shift, r));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_by_hand() {
        // x - 2.5: -1.5 -0.5 0.5 1.5; y - 3: -2 0 -1 3. Σxy 7, Σx² 5, Σy² 14.
        let pairs = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 6.0)];
        assert!((pearson(&pairs).unwrap() - 7.0 / 70f64.sqrt()).abs() < 1e-15);
        // Ranks 1 3 2 4: ρ = 1 - 6 · 2 / (4 · 15).
        assert!((spearman(&pairs).unwrap() - 0.8).abs() < 1e-15);
        assert_eq!(pearson(&[(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)]), None);
        assert_eq!(pearson(&pairs[..2]), None);
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(vec![5.0, 1.0, 5.0, 7.0]), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn a_delayed_copy_has_its_delay_as_lag() {
        let x = |k: i64| f64::from((k * k % 11) as i32);
        let late: Vec<_> = (3..23).map(|k| (x(k), x(k - 3))).collect();
        let (shift, r) = lag(&late).unwrap();
        assert_eq!(shift, 3);
        assert!((r - 1.0).abs() < 1e-12);
        let early: Vec<_> = (3..23).map(|k| (x(k - 2), -x(k))).collect();
        let (shift, r) = lag(&early).unwrap();
        assert_eq!(shift, -2);
        assert!((r + 1.0).abs() < 1e-12);
    }
}
