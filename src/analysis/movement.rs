//! How far the weights have moved from earlier ones.
//!
//! Of a large matrix only drawn entries are known. Sums over the matrices of a group are estimated by
//! n entries of each of the N of a matrix, and the quotients of these sums are ratio estimators of a
//! stratified sample, whose errors are those of their linear terms (Cochran, Sampling Techniques, 1977,
//! section 6.11). Where all entries are known the values are exact, and their errors 0.

use super::entries::Entries;
use super::groups::Group;
use super::plan::Plan;

/// How far the weights of a group have moved; none where all of them are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Movement {
    /// ‖W - W₀‖ / ‖W₀‖, and its standard error.
    pub(super) distance: Option<(f64, f64)>,
    /// The cosine between W and W₀, and its standard error.
    pub(super) cosine: Option<(f64, f64)>,
    /// ‖W - W₀‖ / ‖W‖.
    pub(super) update: Option<f64>,
}

/// Sums over the kept entries of a matrix: of a = w², b = w₀², p = w w₀, d = (w - w₀)², and of their
/// products, which only the errors need.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    entries: f64,
    kept: f64,
    a: f64,
    b: f64,
    p: f64,
    d: f64,
    aa: f64,
    bb: f64,
    ab: f64, // = pp
    ap: f64,
    bp: f64,
    dd: f64,
    db: f64,
}

impl Sums {
    fn of(entries: usize, now: &[f64], then: &[f64]) -> Self {
        let mut sums = Self { entries: entries as f64, kept: now.len() as f64, ..Self::default() };
        let drawn = now.len() < entries;
        for (&w, &w0) in now.iter().zip(then) {
            let (a, b, p, d) = (w * w, w0 * w0, w * w0, (w - w0) * (w - w0));
            sums.a += a;
            sums.b += b;
            sums.p += p;
            sums.d += d;
            if drawn {
                sums.aa += a * a;
                sums.bb += b * b;
                sums.ab += a * b;
                sums.ap += a * p;
                sums.bp += b * p;
                sums.dd += d * d;
                sums.db += d * b;
            }
        }
        sums
    }

    /// The matrix's part of the variance of an estimated total, from the sum of the terms and of their
    /// squares.
    fn variance(&self, terms: f64, squares: f64) -> f64 {
        let Self { entries, kept, .. } = *self;
        if kept >= entries {
            return 0.0;
        }
        let spread = (squares - terms * terms / kept).max(0.0) / (kept - 1.0);
        entries * entries * (1.0 - kept / entries) / kept * spread
    }
}

/// How far the weights of each of the plan's groups have moved; nothing for a group of which a matrix is
/// not among both.
pub(super) fn movements(plan: &Plan, now: &Entries, then: &Entries) -> Vec<Movement> {
    let layers: Vec<Option<Vec<Sums>>> = (plan.sources.iter())
        .map(|layer| {
            let sums = layer.tensors.iter().map(|tensor| {
                let name = &tensor.connection.parameter;
                let (now, then) = (now.get(name)?, then.get(name)?);
                let same = now.len() == then.len();
                same.then(|| Sums::of(tensor.connection.weights(), now, then))
            });
            sums.collect()
        })
        .collect();
    let of_group = |group: &Group| {
        let members = group.members.iter().map(|&k| layers[k].as_deref());
        members.collect::<Option<Vec<_>>>().map(|members| movement(&members.concat()))
    };
    plan.groups.iter().map(|group| of_group(group).unwrap_or_default()).collect()
}

fn movement(matrices: &[Sums]) -> Movement {
    let total = |of: fn(&Sums) -> f64| -> f64 {
        matrices.iter().map(|m| of(m) * (m.entries / m.kept)).sum()
    };
    let (a, b, p, d) = (total(|m| m.a), total(|m| m.b), total(|m| m.p), total(|m| m.d));
    let known = |value: f64| Some(value).filter(|value| value.is_finite());
    let distance = known((d / b).sqrt()).map(|distance| {
        // The terms are d - r b.
        let r = d / b;
        let variance = |m: &Sums| m.variance(m.d - r * m.b, m.dd - 2.0 * r * m.db + r * r * m.bb);
        let se = matrices.iter().map(variance).sum::<f64>().sqrt() / b;
        (distance, if distance > 0.0 { se / (2.0 * distance) } else { 0.0 })
    });
    let norms = (a * b).sqrt();
    let cosine = known(p / norms).map(|cosine| {
        // The terms are p - c/2 (s a + b/s) with s = √(b/a).
        let (s, c) = ((b / a).sqrt(), cosine);
        let variance = |m: &Sums| {
            let terms = m.p - c / 2.0 * (s * m.a + m.b / s);
            let squares = m.ab - c * (s * m.ap + m.bp / s)
                + c * c / 4.0 * (s * s * m.aa + 2.0 * m.ab + m.bb / (s * s));
            m.variance(terms, squares)
        };
        (cosine, matrices.iter().map(variance).sum::<f64>().sqrt() / norms)
    });
    Movement { distance, cosine, update: known((d / a).sqrt()) }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The sums of two matrices of which all entries, or these ones, are known.
    fn sums(weights: &[[Vec<f64>; 2]; 2], kept: Option<[&[usize]; 2]>) -> Vec<Sums> {
        let of = |k: usize| {
            let [now, then] = &weights[k];
            let pick = |w: &[f64]| match kept {
                Some(kept) => kept[k].iter().map(|&i| w[i]).collect(),
                None => w.to_vec(),
            };
            Sums::of(now.len(), &pick(now), &pick(then))
        };
        vec![of(0), of(1)]
    }

    fn drawn(rng: &mut ChaCha8Rng, [few, many]: [usize; 2]) -> Vec<usize> {
        rand::seq::index::sample(rng, many, few).into_vec()
    }

    fn gauss(rng: &mut ChaCha8Rng) -> f64 {
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    }

    /// Of 2000 samples of two matrices of unlike size, spread and movement: the estimates are right on
    /// average, and their errors are those that they have.
    #[test]
    fn errors_of_drawn_entries_are_those_of_the_estimates() {
        let rng = &mut ChaCha8Rng::seed_from_u64(7);
        for moves in [0.01, 1.0] {
            let mut matrix = |n: usize, spread: f64| {
                let then: Vec<f64> = (0..n).map(|_| spread * gauss(rng)).collect();
                let now = then.iter().map(|w| 1.3 * w + moves * spread * gauss(rng)).collect();
                [now, then]
            };
            let weights = [matrix(4000, 1.0), matrix(1500, 3.0)];
            let exact = movement(&sums(&weights, None));
            let (mut beyond, mut squares, mut claimed) = ([0; 2], [0.0; 2], [0.0; 2]);
            for _ in 0..2000 {
                let kept = [drawn(rng, [300, 4000]), drawn(rng, [300, 1500])];
                let got = movement(&sums(&weights, Some([&kept[0], &kept[1]])));
                let pairs = [(got.distance, exact.distance), (got.cosine, exact.cosine)];
                for (k, (got, exact)) in pairs.into_iter().enumerate() {
                    let ((got, se), (exact, none)) = (got.unwrap(), exact.unwrap());
                    assert_eq!(none, 0.0);
                    beyond[k] += usize::from((got - exact).abs() > 3.0 * se);
                    squares[k] += (got - exact).powi(2) / 2000.0;
                    claimed[k] += se * se / 2000.0;
                }
            }
            for k in 0..2 {
                assert!(beyond[k] <= 20, "{moves}: {beyond:?} of 2000 are beyond three errors");
                let ratio = claimed[k] / squares[k];
                assert!(
                    (0.85..1.15).contains(&ratio),
                    "{moves}: {k}: variance {ratio} of the real"
                );
            }
        }
    }

    #[test]
    fn growth_alone_is_known_exactly_from_drawn_entries() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        let mut matrix = |n: usize| {
            let then: Vec<f64> = (0..n).map(|_| gauss(rng)).collect();
            [then.iter().map(|w| 1.5 * w).collect(), then]
        };
        let weights = [matrix(4000), matrix(1500)];
        let kept: Vec<usize> = (0..100).collect();
        let got = movement(&sums(&weights, Some([&kept, &kept])));
        let near = |(value, se): (f64, f64), expected: f64| {
            assert!((value - expected).abs() < 1e-12 && se < 1e-7, "{value} ± {se}");
        };
        near(got.distance.unwrap(), 0.5);
        near(got.cosine.unwrap(), 1.0);
        near((got.update.unwrap(), 0.0), 1.0 / 3.0);
    }

    #[test]
    fn weights_of_zero_have_no_direction() {
        let zero = Sums::of(2, &[0.0, 0.0], &[0.0, 0.0]);
        assert_eq!(movement(&[zero]), Movement::default());
        let from_zero = movement(&[Sums::of(2, &[3.0, 4.0], &[0.0, 0.0])]);
        assert_eq!(from_zero, Movement { update: Some(1.0), ..Movement::default() });
    }
}
