//! Whether paired differences are only chance: a test by their signs, and Holm's correction.
//!
//! If two rules do equally well, a group's difference is as likely with the other sign. p is the share of
//! all choices of signs whose mean over families is as far from 0, or farther. Up to 13 groups all
//! choices are counted; of more, as many are drawn, and the observed one counts as one of them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::resample::ranges;

/// Groups whose signs are counted in full.
const COUNTED: usize = 13;

/// The two-sided p of differences, one for each group; `groups` says how many each family has;
/// families have the same weight.
pub fn sign_test(groups: &[usize], differences: &[f64], draws: usize, seed: u64) -> f64 {
    let mut weighted = differences.to_vec();
    for family in ranges(groups) {
        let n = family.len() as f64;
        weighted[family].iter_mut().for_each(|value| *value /= n);
    }
    let observed = weighted.iter().sum::<f64>().abs();
    let total: f64 = weighted.iter().map(|value| value.abs()).sum();
    let enough = observed - 1e-12 * total; // sums in another order
    let as_far = |negative: &dyn Fn(usize) -> bool| {
        let sum: f64 =
            weighted.iter().enumerate().map(|(k, x)| if negative(k) { -x } else { *x }).sum();
        sum.abs() >= enough
    };
    if weighted.len() <= COUNTED {
        let all = 1u32 << weighted.len();
        let count = (0..all).filter(|signs| as_far(&|k| signs >> k & 1 == 1)).count();
        return count as f64 / f64::from(all);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = (0..draws)
        .filter(|_| {
            let signs: Vec<u64> = (0..weighted.len().div_ceil(64)).map(|_| rng.random()).collect();
            as_far(&|k| signs[k / 64] >> (k % 64) & 1 == 1)
        })
        .count();
    (count + 1) as f64 / (draws + 1) as f64
}

/// Holm's p of several tests: those below 0.05 are wrong together in 5 % of the cases at most.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut highest = 0.0f64;
    for (rank, &k) in order.iter().enumerate() {
        highest = highest.max((p[k] * (p.len() - rank) as f64).min(1.0));
        corrected[k] = highest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_by_hand() {
        // Of 16 choices only all and none are as far.
        assert_eq!(sign_test(&[4], &[1.0, 2.0, 3.0, 4.0], 0, 0), 2.0 / 16.0);
        // 1 + 2 + 3 - 4 = 2: seven sums of 16 are nearer to 0.
        assert_eq!(sign_test(&[4], &[1.0, 2.0, 3.0, -4.0], 0, 0), 14.0 / 16.0);
        assert_eq!(sign_test(&[3], &[0.0; 3], 0, 0), 1.0);
        // The second family's difference weighs twice as much.
        assert_eq!(sign_test(&[2, 1], &[1.0, 1.0, -1.0], 0, 0), 1.0);
        let drawn = sign_test(&[7, 7], &[1.0; 14], 9999, 1);
        let exact = 2.0 / 16384.0;
        assert!((1.0 / 10_000.0..10.0 * exact).contains(&drawn), "{drawn}");
    }

    #[test]
    fn drawn_signs_give_the_p_of_the_counted_ones() {
        let values: Vec<f64> = (0..12).map(|k| ((k * 7 % 11) as f64) - 3.0).collect();
        let counted = sign_test(&[12], &values, 0, 0);
        // With two more that are 0 the same sums, each four times.
        let more: Vec<f64> = values.iter().copied().chain([0.0; 2]).collect();
        let drawn = sign_test(&[14], &more, 20_000, 5);
        assert!((drawn - counted).abs() < 0.01, "{drawn} {counted}");
    }

    #[test]
    fn holm_by_hand() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
