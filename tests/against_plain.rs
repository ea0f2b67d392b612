//! Both estimators against the plain implementation of tests/plain.
//!
//! Tolerances are relative, with a floor of 0.1 on what they are relative to. tau and all of the
//! stable estimator hold to 1e-13. Published alpha, and with it alpha0 and width, is a difference
//! of tau divided by the step of q, and so is its tolerance: 1e-12 for the published step. f, which
//! is q·alpha - tau, holds to that times the largest |q|.

mod plain;

use neuromfa::internals::counting::{EdgeLayout, EdgeMatrix, RadiusTable, count_edges};
use neuromfa::mfa::{BoxMasses, Histogram, Parameters, Published, Stable, Transfer, Values};
use plain::{analyse, distances, q_grid, weights};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn assert_near(what: &str, got: f64, expected: f64, tolerance: f64) {
    let error = (got - expected).abs() / expected.abs().max(0.1);
    assert!(error <= tolerance, "{what}: got {got}, expected {expected}, error {error:e}");
}

fn assert_all_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (k, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_near(&format!("{what}[{k}]"), *got, *expected, tolerance);
    }
}

/// Compares everything that the estimators give; false where there is nothing to compare.
fn agrees(parameters: &Parameters, weights: &[Vec<f32>]) -> bool {
    let method = parameters.check().unwrap();
    assert_eq!(method.q(), q_grid(parameters));
    let distances = distances(parameters.transfer, weights);
    let histogram = Histogram::from_distances(&method, &distances);
    let Ok(masses) = BoxMasses::new(&method, &histogram) else {
        assert!(analyse(parameters, &distances).is_none());
        return false;
    };
    let largest_mass = weights.iter().map(Vec::len).max().unwrap() as u32 + 1;
    let mut published = Published::new(&method);
    published.reach(largest_mass);
    let Ok(published) = published.estimate(&masses) else {
        assert!(analyse(parameters, &distances).is_none());
        return false;
    };
    let mut stable = Stable::whole_spectrum(&method);
    stable.reach(largest_mass);
    let stable = stable.estimate(&masses).unwrap();

    let plain = analyse(parameters, &distances).unwrap();
    let difference = 1e-13 / parameters.q_step;
    let largest_q = parameters.q_max.max(-parameters.q_min);
    assert_eq!((published.neurons, masses.radii()), (plain.neurons, plain.radii));
    let tau: Vec<f64> = published.tau.iter().map(|line| line.slope).collect();
    assert_all_near("tau", &tau, &plain.tau, 1e-13);
    for (k, line) in published.tau.iter().enumerate().filter(|(k, _)| method.q()[*k] != 0.0) {
        assert_near(&format!("R²[{k}]"), line.r2.unwrap(), plain.r2[k], 1e-13);
    }
    assert_all_near("alpha", &published.alpha, &plain.alpha, difference);
    assert_all_near("f", &published.f, &plain.f, difference * largest_q);
    assert_near("alpha0", published.fractal.alpha0, plain.alpha0, difference);
    assert_near("width", published.fractal.width, plain.width, difference);
    assert_all_near("stable alpha", &stable.alpha, &plain.stable_alpha, 1e-13);
    assert_near("stable alpha0", stable.fractal.alpha0, plain.stable_alpha0, 1e-13);
    assert_near("stable width", stable.fractal.width, plain.stable_width, 1e-13);
    true
}

/// Parameters of every kind; the standard deviation of weights that puts distances in range.
fn methods() -> Vec<(Parameters, f64)> {
    let base = Parameters::default;
    let log = base().transfer(Transfer::Log).max_distance(10.0);
    vec![
        (base(), 0.03),
        (base().transfer(Transfer::Coth), 0.03),
        (log.clone().radius_step(0.01), 0.03),
        (log.radius_step(0.1).min_distance(0.25), 0.5),
        (base().radius_step(0.2).min_distance(1.7).max_distance(200.0), 0.03),
        (base().radius_step(0.5).max_distance(40.0).min_edges(3), 0.1),
        (base().q_min(-10.0).q_max(7.5).q_step(0.25), 0.03),
        (base().q_min(-0.01).q_max(1.0).q_step(0.01), 0.03),
        (base().q_min(-20.0).q_max(20.0).q_step(1.0), 0.03),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_networks(
        (parameters, std) in prop::sample::select(methods()),
        neurons in 1usize..60,
        edges in 12usize..200,
        spread in 0.2..3.0,
        seed: u64,
    ) {
        agrees(&parameters, &weights(neurons, edges, std * spread, seed));
    }

    #[test]
    fn weights_and_distances_give_the_same_histogram(
        (parameters, std) in prop::sample::select(methods()),
        neurons in 1usize..80,
        edges in 1usize..40,
        seed: u64,
    ) {
        let method = parameters.check().unwrap();
        let mut weights = weights(neurons, edges, std, seed);
        let by_distance = distances(parameters.transfer, &weights);
        let by_distance = Histogram::from_distances(&method, &by_distance);
        // A zero is no edge: rows of one length, whose zeros are left out.
        let missing: Vec<usize> = weights.iter().map(|list| edges - list.len()).collect();
        weights.iter_mut().for_each(|list| list.resize(edges, 0.0));
        let flat: Vec<f32> = weights.concat();
        let layout = EdgeLayout::in_out(neurons, edges);
        let matrix = EdgeMatrix::new(Values::F32(&flat), layout).unwrap();
        let mut by_weight = Histogram::new(&method, neurons);
        count_edges(&RadiusTable::new(&method), &[matrix], by_weight.rows_mut(0..neurons));
        for (neuron, missing) in missing.into_iter().enumerate() {
            let (a, b) = (by_weight.row(neuron), by_distance.row(neuron));
            prop_assert_eq!(a[0] as usize, b[0] as usize + missing);
            prop_assert_eq!(&a[1..], &b[1..]);
        }
    }
}

#[test]
fn every_kind_of_parameters_has_something_to_compare() {
    for (k, (parameters, std)) in methods().into_iter().enumerate() {
        assert!(agrees(&parameters, &weights(40, 120, std, k as u64)), "{parameters:?}");
    }
}

#[test]
fn three_thousand_neurons() {
    assert!(agrees(&Parameters::default(), &weights(3000, 300, 0.02, 1)));
}

#[test]
#[ignore = "a billion powers"]
fn fifty_thousand_neurons() {
    assert!(agrees(&Parameters::default(), &weights(50_000, 200, 0.02, 2)));
}
