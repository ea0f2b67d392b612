//! Distances over several layers: min-plus products.
//!
//! ```text
//! (A ⊗ B)(i, j) = min over m of A(i, m) + B(m, j)
//! ```
//!
//! with one neuron m of the layer between. Totals are f64 sums, from the source on; a minimum
//! does not depend on the order in which it is taken, so the result is the same bits for any order
//! of the intermediate neurons and on any number of threads.
//!
//! Every distance is ≥ 0, so a path through m is at least A(i, m) + min_j B(m, j) long. Once every
//! j has a path shorter than that, m cannot improve any: most intermediate neurons are pruned with
//! one addition. Likewise a total above `limit` (the end of the range in which distances are kept)
//! stays above it over further layers. Rounding is monotone, so neither changes a result.

use multiversion::multiversion;

use super::distances::Distances;

/// Intermediate neurons taken first, whatever the rest is.
const SEEDS: usize = 16;

/// Neurons between two updates of the longest distance so far.
const ROUND: usize = 16;

/// Up to this many edges the plain loop is faster than pruning.
const SMALL: usize = 1024;

/// Memory that [`shorten`] uses from call to call.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    candidates: Vec<(f64, u32)>, // least total through a neuron, the neuron
}

/// Shortens distances by the paths through one more layer:
///
/// ```text
/// distances[j] = min(distances[j], min over m of first[m] + edges(m, j))
/// ```
///
/// Where that is above `limit`, `distances[j]` may be any value above `limit`.
///
/// # Panics
/// When the lengths do not fit.
pub fn shorten(
    first: &[f64],
    edges: &Distances,
    limit: f64,
    distances: &mut [f64],
    scratch: &mut Scratch,
) {
    assert_eq!((first.len(), distances.len()), (edges.rows(), edges.columns()));
    shorten_row(first, edges, limit, distances, &mut scratch.candidates);
}

#[multiversion(targets = "simd")]
fn shorten_row(
    first: &[f64],
    edges: &Distances,
    limit: f64,
    distances: &mut [f64],
    candidates: &mut Vec<(f64, u32)>,
) {
    if first.len() * distances.len() <= SMALL {
        for (m, &from) in first.iter().enumerate().filter(|(_, from)| **from <= limit) {
            relax(from, edges.row(m), distances);
        }
        return;
    }
    let mut longest = longest_of(distances);
    let useful = |least: f64, longest: f64| least < longest && least <= limit;
    candidates.clear();
    let least = first.iter().zip(edges.least()).map(|(from, on)| from + on);
    candidates.extend(least.zip(0..).filter(|&(least, _)| useful(least, longest)));
    let by_total = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0);
    if candidates.len() > SEEDS {
        candidates.select_nth_unstable_by(SEEDS, by_total);
        for &(_, m) in &candidates[..SEEDS] {
            relax(first[m as usize], edges.row(m as usize), distances);
        }
        longest = longest_of(distances);
        candidates.drain(..SEEDS);
        candidates.retain(|&(least, _)| useful(least, longest));
    }
    candidates.sort_unstable_by(by_total);
    for round in candidates.chunks(ROUND) {
        if !useful(round[0].0, longest) {
            break;
        }
        for &(_, m) in round {
            relax(first[m as usize], edges.row(m as usize), distances);
        }
        longest = longest_of(distances);
    }
}

#[inline(always)]
pub(super) fn relax(from: f64, edges: &[f64], distances: &mut [f64]) {
    for (distance, edge) in distances.iter_mut().zip(edges) {
        let total = from + edge;
        *distance = if total < *distance { total } else { *distance };
    }
}

#[inline(always)]
pub(super) fn longest_of(distances: &[f64]) -> f64 {
    let mut longest = [0.0f64; 16];
    let mut chunks = distances.chunks_exact(16);
    for chunk in &mut chunks {
        for (longest, &distance) in longest.iter_mut().zip(chunk) {
            *longest = if distance > *longest { distance } else { *longest };
        }
    }
    longest.iter().chain(chunks.remainder()).fold(0.0, |a, &b| if b > a { b } else { a })
}

/// The min-plus product of two matrices. Totals above `limit` are infinite. Runs in the caller's
/// rayon pool, parallel over rows.
///
/// # Panics
/// When the columns of the first are not the rows of the second.
pub fn min_plus(first: &Distances, edges: &Distances, limit: f64) -> Distances {
    let mut product = Distances::none(first.rows(), edges.columns(), Vec::new());
    product.fill_rows(Scratch::default, |scratch, k, row| {
        shorten(first.row(k), edges, limit, row, scratch);
        row.iter_mut().filter(|d| **d > limit).for_each(|d| *d = f64::INFINITY);
    });
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const INF: f64 = f64::INFINITY;

    fn random(rows: usize, columns: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut distance = || match rng.random_range(0..20) {
            0 => INF,
            1 => 0.0,
            2 => 7.0,
            _ => 1.0 / rng.random_range(0.0001..0.2),
        };
        (0..rows).map(|_| (0..columns).map(|_| distance()).collect()).collect()
    }

    fn plain(a: &[Vec<f64>], b: &[Vec<f64>], limit: f64) -> Vec<Vec<f64>> {
        let columns = b[0].len();
        let mut product = vec![vec![INF; columns]; a.len()];
        for (i, row) in product.iter_mut().enumerate() {
            for (j, least) in row.iter_mut().enumerate() {
                for (m, b) in b.iter().enumerate() {
                    if a[i][m] + b[j] < *least && a[i][m] + b[j] <= limit {
                        *least = a[i][m] + b[j];
                    }
                }
            }
        }
        product
    }

    #[test]
    fn by_hand() {
        let a = Distances::from_rows(&[[1.0, 5.0], [INF, 2.0]]);
        let b = Distances::from_rows(&[[10.0, INF, 3.0], [1.0, 4.0, INF]]);
        let c = min_plus(&a, &b, INF);
        assert_eq!((c.row(0), c.row(1)), (&[6.0, 9.0, 4.0][..], &[3.0, 6.0, INF][..]));
        let c = min_plus(&a, &b, 6.0);
        assert_eq!((c.row(0), c.row(1)), (&[6.0, INF, 4.0][..], &[3.0, 6.0, INF][..]));
    }

    #[test]
    fn the_same_bits_as_three_loops() {
        for (k, (rows, between, columns)) in
            [(3, 40, 20), (5, 200, 9), (4, 300, 70), (2, 1, 5), (3, 500, 64)]
                .into_iter()
                .enumerate()
        {
            let (a, b) =
                (random(rows, between, k as u64), random(between, columns, 100 + k as u64));
            for limit in [INF, 150.0, 12.0, 7.0, 0.0] {
                let fast = min_plus(&Distances::from_rows(&a), &Distances::from_rows(&b), limit);
                assert_eq!(fast, Distances::from_rows(&plain(&a, &b, limit)), "limit {limit}");
            }
        }
    }
}
