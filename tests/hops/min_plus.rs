//! The product of two matrices of distances against three loops, and its identities.

use neuromfa::internals::counting::{Column, EdgeLayout, EdgeMatrix};
use neuromfa::internals::mfa::{Distances, min_plus};
use neuromfa::mfa::Transfer;
use neuromfa::source::{Memory, Tensor};
use proptest::prelude::*;

use super::{INF, distances};

fn matrices() -> impl Strategy<Value = (usize, usize, usize, Vec<f32>)> {
    (1usize..6, 1usize..60, 1usize..20).prop_flat_map(|(x, m, y)| {
        let weight = prop_oneof![9 => -0.3f32..0.3, 1 => Just(0.0f32)];
        let weights = proptest::collection::vec(weight, m * (x + y));
        (Just(x), Just(m), Just(y), weights)
    })
}

fn two_hops(x: usize, m: usize, y: usize, weights: &[f32]) -> Distances {
    let memory = Memory::new();
    let (first, second) = weights.split_at(m * x);
    memory.set("first", &[m, x], first.to_vec()).unwrap();
    memory.set("second", &[y, m], second.to_vec()).unwrap();
    min_plus(&distances(&memory, "first", x), &distances(&memory, "second", m), INF)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1), cases: 64, ..ProptestConfig::default()
    })]

    #[test]
    fn min_plus_is_the_three_loops((x, m, y, w) in matrices()) {
        let got = two_hops(x, m, y, &w);
        let d = |w: f32| if w == 0.0 { INF } else { 1.0 / f64::from(w).abs() };
        for i in 0..x {
            for j in 0..y {
                let totals = (0..m).map(|k| d(w[k * x + i]) + d(w[m * x + j * m + k]));
                let least = totals.fold(INF, f64::min);
                prop_assert_eq!(got.row(i)[j].to_bits(), least.to_bits());
            }
        }
    }

    #[test]
    fn the_order_of_the_neurons_between_does_not_matter((x, m, y, w) in matrices(), by in 0usize..60) {
        let mut turned = w.clone();
        for k in 0..m {
            let to = (k + by) % m;
            for i in 0..x {
                turned[to * x + i] = w[k * x + i];
            }
            for j in 0..y {
                turned[m * x + j * m + to] = w[m * x + j * m + k];
            }
        }
        prop_assert_eq!(two_hops(x, m, y, &turned), two_hops(x, m, y, &w));
    }

    #[test]
    fn scaling_all_weights_scales_all_distances((x, m, y, w) in matrices()) {
        let four_times: Vec<f32> = w.iter().map(|w| w * 4.0).collect();
        let (once, scaled) = (two_hops(x, m, y, &w), two_hops(x, m, y, &four_times));
        for i in 0..x {
            let quarter: Vec<f64> = once.row(i).iter().map(|d| d / 4.0).collect();
            prop_assert_eq!(scaled.row(i), &quarter[..]);
        }
    }
}

/// Half precision and f64 weights give the distances of their values.
#[test]
fn every_type_of_weights() {
    struct Typed(Tensor<'static>);
    let layout = EdgeLayout::out_in(2, 1, 1);
    let weights = [0.25f32, -0.0625];
    let types = [
        Typed(weights.to_vec().into()),
        Typed(weights.map(f64::from).to_vec().into()),
        Typed(weights.map(half::f16::from_f32).to_vec().into()),
        Typed(weights.map(half::bf16::from_f32).to_vec().into()),
    ];
    for Typed(values) in &types {
        let matrix = EdgeMatrix::new(values.values(), layout).unwrap();
        let columns = [Column { target: 0, column: 1 }, Column { target: 1, column: 0 }];
        let mut distances = Distances::none(1, 2, Vec::new());
        distances.shorten_by(&matrix, Transfer::Inverse, &columns, false);
        assert_eq!(distances.row(0), [16.0, 4.0]);
    }
}
