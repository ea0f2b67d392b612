//! The correlation of two series.
//!
//! ```text
//! Pearson   r = Σ (x - x̄)(y - ȳ) / √(Σ (x - x̄)² Σ (y - ȳ)²)
//! Spearman  ρ = r of the ranks, equal values sharing the mean of their ranks
//! ```
//!
//! Neither has a value when one of the two is constant or there are fewer than three pairs.
//!
//! Two series that both drift go together at any shift. So the lag is that of their changes from row
//! to row: the shift of y against x at which |r| of the overlapping part is highest; at least half of
//! the rows overlap, and the shift is at most [`MOST_LAG`] rows. Of equal values the smallest shift is
//! taken, and of two opposite shifts the positive one. It is only reported where chance does not
//! make it: the lags of 199 resamples of the rows in blocks (Künsch 1989) must all but a few have its
//! sign ([`lag_beyond_chance`]).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The largest lag that is looked for, in rows.
const MOST_LAG: usize = 20;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 199;

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

/// The lag of y behind x in rows, if its 95 % interval leaves 0 out: the lag and the interval.
/// Positive where y follows x.
pub(super) fn lag_beyond_chance(pairs: &[(f64, f64)]) -> Option<(i64, [i64; 2])> {
    let change = |pair: &[(f64, f64)]| (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
    let changes: Vec<(f64, f64)> = pairs.windows(2).map(change).collect();
    let lag = best_shift(&changes).filter(|shift| *shift != 0)?;
    let n = changes.len();
    // A block must hold the lag several times, and there must be several blocks.
    let block = (n as f64).cbrt().ceil().max(3.0 * lag.unsigned_abs() as f64) as usize;
    if 4 * block > n {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let resample = |_| {
        let starts = (0..n.div_ceil(block)).map(|_| rng.random_range(0..=n - block));
        let rows = starts.flat_map(|start| start..start + block).take(n);
        best_shift(&rows.map(|row| changes[row]).collect::<Vec<_>>())
    };
    let mut lags: Vec<i64> = (0..RESAMPLES).filter_map(resample).collect();
    lags.sort_unstable();
    let (low, high) = (*lags.get(RESAMPLES / 40)?, *lags.get(RESAMPLES - 1 - RESAMPLES / 40)?);
    (low > 0 || high < 0).then_some((lag, [low, high]))
}

/// The shift with the highest |r|.
fn best_shift(pairs: &[(f64, f64)]) -> Option<i64> {
    let n = pairs.len();
    let most = (n / 2).min(n.saturating_sub(3)).min(MOST_LAG) as i64;
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
    best.map(|(shift, _)| shift)
}

/// Whether a logged quantity follows a schedule, or only drifts: it is called so, or over at least 8
/// rows it turns at most once. What rises or falls with the steps goes together with everything that
/// does.
pub(super) fn is_scheduled(name: &str, values: &[f64]) -> bool {
    let last = name.rsplit(['/', '.', ' ']).next().unwrap_or(name).to_lowercase();
    let called = [
        "lr",
        "learning_rate",
        "epoch",
        "epochs",
        "step",
        "steps",
        "global_step",
        "iter",
        "iteration",
        "tokens",
        "env_steps",
        "samples",
        "weight_decay",
        "momentum",
        "time",
    ];
    if called.contains(&last.as_str()) {
        return true;
    }
    let signs = values
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).signum() as i8 * i8::from(pair[1] != pair[0]));
    let moving: Vec<i8> = signs.filter(|sign| *sign != 0).collect();
    values.len() >= 8 && moving.windows(2).filter(|pair| pair[0] != pair[1]).count() <= 1
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

    fn walk(seed: u64, n: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut at = 0.0;
        let step = |_| {
            at += rng.random::<f64>() - 0.5;
            at
        };
        (0..n).map(step).collect()
    }

    #[test]
    fn a_delayed_copy_has_its_delay_as_lag() {
        let x = walk(1, 103);
        let late: Vec<_> = (3..103).map(|k| (x[k], x[k - 3])).collect();
        assert_eq!(lag_beyond_chance(&late), Some((3, [3, 3])));
        let early: Vec<_> = (2..103).map(|k| (x[k - 2], -x[k])).collect();
        assert_eq!(lag_beyond_chance(&early), Some((-2, [-2, -2])));
        let together: Vec<_> = x.iter().map(|x| (*x, 2.0 * x)).collect();
        assert_eq!(lag_beyond_chance(&together), None);
        assert_eq!(lag_beyond_chance(&late[..12]), None);
    }

    /// Independent walks drift together by chance; a lag is claimed in about one of twenty.
    #[test]
    fn independent_walks_have_no_lag() {
        let claimed = (0..200u64).filter(|k| {
            let pairs = walk(2 * k, 60).into_iter().zip(walk(2 * k + 1, 60));
            lag_beyond_chance(&pairs.collect::<Vec<_>>()).is_some()
        });
        let claimed = claimed.count();
        assert!(claimed <= 16, "{claimed} of 200");
    }

    #[test]
    fn schedules_and_drifts_are_known() {
        let warm_up: Vec<f64> = (0..40).map(|k| f64::from(k.min(80 - 2 * k))).collect();
        assert!(is_scheduled("anything", &warm_up));
        assert!(is_scheduled("train/lr", &walk(1, 40)) && is_scheduled("Epoch", &[1.0, 2.0]));
        assert!(!is_scheduled("loss", &walk(1, 40)) && !is_scheduled("loss", &warm_up[..7]));
    }
}
