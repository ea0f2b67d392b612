//! Deals and samplers against the laws of permutations.

use super::*;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

#[test]
fn poisson_counts_have_their_mean_and_variance() {
    for mean in [0.003, 0.7, 9.0, 600.0] {
        let (table, mut rng) = (Alias::poisson(mean), rng(1));
        let n = 200_000;
        let draws: Vec<f64> = (0..n).map(|_| f64::from(table.draw(&mut rng))).collect();
        let average = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|d| (d - average).powi(2)).sum::<f64>() / f64::from(n);
        let error = (mean / f64::from(n)).sqrt();
        assert!((average - mean).abs() < 4.0 * error, "{mean}: {average}");
        assert!((variance / mean - 1.0).abs() < 0.08 || mean < 0.01, "{mean}: {variance}");
    }
}

#[test]
fn each_deal_gives_all_edges_and_every_slot_its_pool() {
    for (sources, edges, pool) in [
        (3usize, 4usize, vec![5u64, 0, 7]),
        (40, 900, vec![9000, 1, 0, 17_000, 9999]),
        (1, 50, vec![20, 30]),
    ] {
        let dealer = Dealer::new(&pool, edges).unwrap();
        let mut rows = vec![7; sources * pool.len()];
        for seed in 0..20 {
            dealer.deal(&mut rows, &mut rng(seed));
            let row_sums = rows.chunks(pool.len()).map(|row| row.iter().sum::<u32>() as usize);
            assert!(row_sums.into_iter().all(|sum| sum == edges));
            for (slot, count) in pool.iter().enumerate() {
                let given: u32 = rows.iter().skip(slot).step_by(pool.len()).sum();
                assert_eq!(u64::from(given), *count);
            }
        }
    }
}

#[test]
fn fewer_rows_have_the_same_shares() {
    let (pool, sources, edges) = ([1u64, 0, 3999, 6000], 50u64, 200);
    let dealer = Dealer::new(&pool, edges).unwrap();
    let mut rows = vec![0; 20 * pool.len()];
    let (mut rng, draws) = (rng(8), 20_000);
    let mut rare = 0;
    for _ in 0..draws {
        dealer.deal(&mut rows, &mut rng);
        let given = |slot: usize| rows.iter().skip(slot).step_by(pool.len()).sum::<u32>();
        assert_eq!(rows.iter().sum::<u32>() as usize, 20 * edges);
        assert!(given(1) == 0 && given(0) <= 1, "off by less than one");
        assert!((f64::from(given(2)) - 3999.0 * 20.0 / sources as f64).abs() < 2.0);
        rare += given(0);
    }
    // The one weight is among 20 of 50 sources: 0.4 in the mean.
    let share = f64::from(rare) / f64::from(draws);
    assert!((share - 0.4).abs() < 4.0 * (0.24 / f64::from(draws)).sqrt(), "{share}");
}

/// Of few rows the counts of one vary as they do among all sources, and so do rare ones: the mean of
/// X (X - 1) is that of the hypergeometric law. Among 20 sources with a pool of their own both
/// would be smaller by a twentieth.
#[test]
fn the_counts_of_fewer_rows_vary_as_those_of_all() {
    let (sources, edges, pool) = (400u64, 60u64, [4800u64, 19_000, 200]);
    assert_eq!(pool.iter().sum::<u64>(), sources * edges);
    let dealer = Dealer::new(&pool, edges as usize).unwrap();
    let (mut rows, mut rng, draws) = (vec![0; 20 * pool.len()], rng(12), 40_000);
    let mut pairs = [0.0; 3];
    for _ in 0..draws {
        dealer.deal(&mut rows, &mut rng);
        for row in rows.chunks(pool.len()) {
            for (pairs, &count) in pairs.iter_mut().zip(row) {
                *pairs += f64::from(count) * (f64::from(count) - 1.0);
            }
        }
    }
    let all = (sources * edges) as f64;
    let (m, n) = (edges as f64, f64::from(draws) * 20.0);
    for (slot, &count) in pool.iter().enumerate() {
        let count = count as f64;
        let expected = m * (m - 1.0) * count * (count - 1.0) / (all * (all - 1.0));
        // How far a constraint to 20 rows would move it.
        let moved = m / all * count * 0.05;
        let found = pairs[slot] / n;
        assert!((found - expected).abs() < 0.3 * moved, "{slot}: {found}, {expected}");
    }
}

/// 2 sources of 2 edges, slots 0 0 1 1: of the 6 arrangements 4 give each source one of each.
/// And 10 edges each of a pool of two, by counts: hypergeometric.
#[test]
fn deals_have_the_probabilities_of_permutations() {
    let dealer = Dealer::new(&[2, 2], 2).unwrap();
    let mut rows = [0; 4];
    let mut rng = rng(3);
    let n = 60_000;
    let even = (0..n).filter(|_| {
        dealer.deal(&mut rows, &mut rng);
        rows == [1, 1, 1, 1]
    });
    let share = even.count() as f64 / f64::from(n);
    assert!((share - 4.0 / 6.0).abs() < 4.0 * (2.0f64 / 9.0 / f64::from(n)).sqrt(), "{share}");

    let dealer = Dealer::new(&[50, 50], 50).unwrap();
    assert_eq!(dealer.counts.len(), 2, "Poisson counts are used");
    let draws: Vec<f64> = (0..n)
        .map(|_| {
            dealer.deal(&mut rows, &mut rng);
            f64::from(rows[0])
        })
        .collect();
    let mean = draws.iter().sum::<f64>() / f64::from(n);
    let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / f64::from(n);
    // 50 of 100, half of them in the slot: variance 50 · 1/4 · 50/99.
    let expected = 50.0 * 0.25 * 50.0 / 99.0;
    assert!((mean - 25.0).abs() < 4.0 * (expected / f64::from(n)).sqrt(), "{mean}");
    assert!((variance / expected - 1.0).abs() < 0.03, "{variance}, {expected}");
}

#[test]
fn many_weights_are_drawn_at_once_as_one_by_one() {
    let pool = [900, 0, 3, 60, 41];
    let all = |runs: &[u64]| {
        let (mut sampler, mut row, mut rng) = (PoolSampler::new(&pool), [0; 5], rng(9));
        runs.iter().for_each(|&edges| sampler.draw(edges, &mut row, &mut rng));
        (row, rng)
    };
    // 1004 in all: the probabilities are computed again with 502 left, 251 left, …
    for edges in [400, 502, 503, 760, 1004] {
        let once = all(&[edges]);
        assert_eq!(all(&vec![1; edges as usize]), once, "{edges}");
        assert_eq!(all(&[edges - 77, 3, 74]), once, "{edges}");
    }
}

#[test]
fn weights_are_drawn_without_replacement() {
    let mut rng = rng(5);
    for edges in [7, 8] {
        let mut all = [1; 3];
        PoolSampler::new(&[3, 0, 4]).draw(edges, &mut all, &mut rng);
        assert_eq!(all, [4, 1, 5], "no more than there are");
    }
    let mut none = [0; 2];
    PoolSampler::new(&[0, 0]).draw(5, &mut none, &mut rng);
    assert_eq!(none, [0, 0]);
    // Few and most of a pool; rare slots, and one that holds most.
    let pool: Vec<u64> = [0, 1, 7, 40, 952].to_vec();
    for edges in [1, 300, 800, 999] {
        let n = 10_000;
        let (mut sums, mut squares) = ([0.0; 5], [0.0; 5]);
        for _ in 0..n {
            let (mut sampler, mut drawn) = (PoolSampler::new(&pool), [0; 5]);
            sampler.draw(edges / 3, &mut drawn, &mut rng);
            sampler.draw(edges - edges / 3, &mut drawn, &mut rng);
            for (k, drawn) in drawn.into_iter().map(f64::from).enumerate() {
                sums[k] += drawn;
                squares[k] += drawn * drawn;
            }
        }
        // The hypergeometric law: mean m·p, variance m·p·(1 - p)·(N - m)/(N - 1).
        let share = edges as f64 / 1000.0;
        for (k, &count) in pool.iter().enumerate() {
            let (mean, p) = (sums[k] / f64::from(n), count as f64 / 1000.0);
            let variance = edges as f64 * p * (1.0 - p) * (1000.0 - edges as f64) / 999.0;
            let error = (variance / f64::from(n)).sqrt();
            assert!((mean - count as f64 * share).abs() <= 4.5 * error, "{edges}, {k}: {mean}");
            let measured = squares[k] / f64::from(n) - mean * mean;
            assert!(
                (measured - variance).abs() <= 0.09 * variance + 5.0 * error,
                "{edges}, {k}: {measured}"
            );
        }
    }
}
