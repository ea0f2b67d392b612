//! The sampled estimate against a plain bisection of each pair, and its convergence.

use neuromfa::internals::analysis::{Hops, HopsPlan};
use neuromfa::internals::mfa::{Between, Distances, PathEstimator, Trials};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Histogram, Method};
use proptest::prelude::*;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::graph::cases;
use super::{INF, all_rows, count, distances};

const LIMIT: f64 = 150.0; // Method::default()
const TOLERANCE: f64 = 1.0 / 16.0;

/// Distances from a source to a layer's neurons, and from each of them to each target.
#[derive(Clone, Debug)]
struct Layer {
    first: Vec<f64>,
    edges: Vec<Vec<f64>>,
}

/// The estimate for one pair, as the algorithm says it.
fn plain(layers: &[Layer], target: usize, budget: usize, rng: &mut ChaCha8Rng) -> f64 {
    let mut orders: Vec<Vec<usize>> =
        layers.iter().map(|layer| (0..layer.first.len()).collect()).collect();
    let mut trial = || {
        let mut shortest = INF;
        for (layer, order) in layers.iter().zip(&mut orders) {
            let drawn = match budget < order.len() {
                true => order.partial_shuffle(rng, budget).0,
                false => order,
            };
            for &mut m in drawn {
                shortest = shortest.min(layer.first[m] + layer.edges[m][target]);
            }
        }
        shortest
    };
    let mut best = trial();
    let (mut l, mut r) = (0.0, if best <= LIMIT { best } else { LIMIT });
    while r - l > TOLERANCE {
        let mid = (l + r) / 2.0;
        best = best.min(trial());
        if best <= mid {
            r = mid;
        } else {
            l = mid;
        }
    }
    if best <= LIMIT { (l + r) / 2.0 } else { INF }
}

fn exact(layers: &[Layer], target: usize) -> f64 {
    let paths = layers.iter().flat_map(|layer| {
        layer.first.iter().zip(&layer.edges).map(move |(first, edges)| first + edges[target])
    });
    paths.fold(INF, f64::min)
}

fn estimates(layers: &[Layer], budget: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let edges: Vec<_> = layers.iter().map(|layer| Distances::from_rows(&layer.edges)).collect();
    let between = layers.iter().zip(&edges).map(|(layer, edges)| Between::new(&layer.first, edges));
    let between: Vec<_> = between.collect();
    let mut distances = vec![INF; edges[0].columns()];
    let estimator = PathEstimator::new(&Method::default(), budget);
    assert_eq!(estimator.tolerance(), TOLERANCE);
    // Memory that another call has used.
    let mut trials = Trials::default();
    estimator.estimate(&between, &mut rng.clone(), &mut trials, &mut distances);
    distances.fill(INF);
    estimator.estimate(&between, rng, &mut trials, &mut distances);
    distances
}

fn layers() -> impl Strategy<Value = Vec<Layer>> {
    let distance = || {
        prop_oneof![
            8 => (0.005..0.3f64).prop_map(|w| 1.0 / w),
            1 => Just(INF),
            1 => prop_oneof![Just(0.0), Just(7.0), Just(LIMIT)],
        ]
    };
    let layer = move |(width, targets)| {
        let first = proptest::collection::vec(distance(), width);
        let edges = proptest::collection::vec(distance(), targets);
        let edges = proptest::collection::vec(edges, width);
        (first, edges).prop_map(|(first, edges)| Layer { first, edges })
    };
    (1usize..20, 1usize..60, proptest::option::of(1usize..60)).prop_flat_map(
        move |(targets, one, two)| {
            let widths: Vec<usize> = [one].into_iter().chain(two).collect();
            widths.into_iter().map(|width| layer((width, targets))).collect::<Vec<_>>()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1), cases: 128, ..ProptestConfig::default()
    })]

    #[test]
    fn it_is_the_bisection_of_each_pair(layers in layers(), budget in 1usize..70, seed: u64) {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let got = estimates(&layers, budget, &mut rng.clone());
        for (target, got) in got.into_iter().enumerate() {
            let expected = plain(&layers, target, budget, &mut rng.clone());
            prop_assert_eq!(got.to_bits(), expected.to_bits(), "{} {}", got, expected);
        }
    }

    #[test]
    fn it_is_not_too_short_and_exact_when_the_budget_covers_the_layers(
        layers in layers(), budget in 1usize..60, seed: u64,
    ) {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let some = estimates(&layers, budget, &mut rng.clone());
        let all = estimates(&layers, 60, &mut rng.clone());
        for (target, (some, all)) in some.into_iter().zip(all).enumerate() {
            let exact = exact(&layers, target);
            prop_assert!(some >= exact - TOLERANCE / 2.0, "{} {}", some, exact);
            if exact <= LIMIT {
                prop_assert!((all - exact).abs() <= TOLERANCE / 2.0, "{} {}", all, exact);
            } else {
                prop_assert_eq!(all, INF);
            }
        }
    }
}

/// The mean error over 8000 pairs falls with the budget until less than the tolerance is left.
#[test]
fn it_converges_from_above_as_the_budget_grows() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut distance = || 1.0 / rng.random_range(0.01..0.3f64);
    let rows: Vec<Layer> = (0..100)
        .map(|_| Layer {
            first: (0..256).map(|_| distance()).collect(),
            edges: (0..256).map(|_| (0..80).map(|_| distance()).collect()).collect(),
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let errors = [1, 4, 16, 64, 128, 256].map(|budget| {
        let errors = rows.iter().flat_map(|layer| {
            let layer = std::slice::from_ref(layer);
            let estimates = estimates(layer, budget, &mut rng).into_iter().enumerate();
            estimates.map(|(target, got)| got - exact(layer, target)).collect::<Vec<_>>()
        });
        errors.sum::<f64>() / 8000.0
    });
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
    assert!(errors[1] > 0.5 && errors[5].abs() <= TOLERANCE / 2.0, "{errors:?}");
}

/// A chain of three layers: the distances to all of the second layer are estimated, and the third
/// hop continues from them. Draws depend on the seed, the source, the hop and the sample.
#[test]
fn a_chain_counts_as_its_plain_estimate() {
    let case = cases().swap_remove(0);
    let method = Method::default();
    let draw = Draw::random(&case.network, 7, 3, 5).unwrap();
    let (seed, budget) = ((3u64 << 32) | 9, 4);
    let hops = Hops { most: 3, budget: Some(budget), seed };
    let snapshot =
        count(&HopsPlan::new(&method, &case.network, &draw, hops).unwrap(), &case.source, 2);
    let matrices = [("0.weight", 30), ("2.weight", 50), ("4.weight", 40)]
        .map(|(name, inputs)| distances(&case.source, name, inputs));
    let between = |first: Vec<f64>, layer: usize| {
        let edges = (0..first.len()).map(|m| matrices[layer].row(m).to_vec()).collect();
        vec![Layer { first, edges }]
    };
    let rng = |layer: u32, neuron: usize, hop: u32, sample: u32| {
        let words = [seed as u32, (seed >> 32) as u32, layer, neuron as u32, hop, 0, sample, 0];
        let bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        ChaCha8Rng::from_seed(bytes.try_into().unwrap())
    };
    for (sample, drawn) in draw.resolve(&case.network).unwrap().iter().enumerate() {
        let number = sample as u32 + 1;
        let (mut two, mut three) = (Vec::new(), Vec::new());
        for layer in [0, 1] {
            for &x in &drawn[layer] {
                let next = between(matrices[layer].row(x).to_vec(), layer + 1);
                let to = |y: &usize| plain(&next, *y, budget, &mut rng(layer as u32, x, 2, number));
                two.push(drawn[layer + 2].iter().map(to).collect::<Vec<_>>());
                let mut distances = Vec::new();
                if layer == 0 {
                    let to = |y| plain(&next, y, budget, &mut rng(0, x, 2, 0));
                    let next = between((0..40).map(to).collect(), 2);
                    let to = |y: &usize| plain(&next, *y, budget, &mut rng(0, x, 3, number));
                    distances = drawn[3].iter().map(to).collect();
                }
                three.push(distances);
            }
        }
        for (hops, expected) in [(2, two), (3, three)] {
            let expected = Histogram::from_distances(&method, &expected);
            let got = snapshot.estimated(hops, sample).unwrap();
            assert_eq!(all_rows(got), all_rows(&expected), "{hops} hops, sample {sample}");
        }
    }
}
