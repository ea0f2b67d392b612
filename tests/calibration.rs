//! A fast part of `examples/calibrate`: false alarms where there is no structure, and power where
//! there is one. Seeded; the bounds are those of a binomial law far out.

#[allow(dead_code)] // the example has more shapes and kinds
#[path = "../examples/calibrate/networks.rs"]
mod networks;
#[path = "../examples/calibrate/simulate.rs"]
mod simulate;

use networks::{Kind, Shape};
use simulate::{Claims, claims, in_parallel, onset};

fn simulated(shape: Shape, kind: Kind, runs: u64) -> Vec<Claims> {
    in_parallel(runs, |seed, pool| claims(shape, kind, seed, pool)).unwrap()
}

fn share(claims: &[Claims], p: impl Fn(&Claims) -> Option<f64>) -> f64 {
    let all: Vec<f64> = claims.iter().map(|claims| p(claims).unwrap()).collect();
    all.iter().filter(|p| **p < 0.05).count() as f64 / all.len() as f64
}

/// Of 300 runs with a rate of 5 % more than 30, or less than 3, occur about once in 10,000 times.
#[test]
fn false_alarms_are_as_rare_as_they_are_said_to_be() {
    let all: Vec<Claims> = [Kind::Same, Kind::Growth, Kind::Drift]
        .into_iter()
        .flat_map(|kind| simulated(Shape::Conv, kind, 100))
        .collect();
    for (what, rate) in [
        ("width_excess", share(&all, |claims| claims.width)),
        ("alpha0_excess", share(&all, |claims| claims.alpha0)),
        ("E_excess", share(&all, |claims| claims.e_excess)),
        ("both", share(&all, |claims| claims.both)),
        ("E", share(&all, |claims| claims.e)),
    ] {
        assert!((0.01..=0.1).contains(&rate), "{what}: {rate}");
    }
}

/// Of a layer of 2400 neurons a draw deals a share: the path that every real model takes.
#[test]
fn wide_layers_do_not_raise_false_alarms() {
    let all = simulated(Shape::Share, Kind::Growth, 60);
    for rate in [share(&all, |claims| claims.width), share(&all, |claims| claims.e_excess)] {
        // More than 11 of 60 occur once in 10,000 times.
        assert!(rate <= 11.0 / 60.0, "{rate}");
    }
    let structure = Kind::Lognormal { spread: 0.05, scale: 1.5 };
    let seen = share(&simulated(Shape::Share, structure, 5), |claims| claims.width);
    assert_eq!(seen, 1.0, "and structure is seen");
}

#[test]
fn a_matrix_of_equal_weights_neither_raises_false_alarms_nor_hides_structure() {
    let all: Vec<Claims> = [Kind::Growth, Kind::Drift, Kind::Fresh]
        .into_iter()
        .flat_map(|kind| simulated(Shape::Flat, kind, 100))
        .collect();
    for rate in [share(&all, |claims| claims.width), share(&all, |claims| claims.alpha0)] {
        assert!((0.01..=0.1).contains(&rate), "{rate}");
    }
    let structure = Kind::Lognormal { spread: 0.1, scale: 1.5 };
    let seen = share(&simulated(Shape::Flat, structure, 20), |claims| claims.alpha0);
    assert!(seen >= 0.9, "{seen}");
}

#[test]
fn structure_of_5_percent_is_seen_at_every_scale() {
    for scale in [0.5, 1.0, 3.0] {
        let all = simulated(Shape::Mlp, Kind::Lognormal { spread: 0.05, scale }, 20);
        let seen = share(&all, |claims| Some(claims.width?.min(claims.alpha0?)));
        assert!(seen >= 0.95, "{scale}: {seen}");
    }
}

#[test]
fn runs_without_structure_hardly_have_an_onset() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let found =
        (0..30).filter(|&seed| onset(Shape::Conv, Kind::Walk, 30, seed, &pool).unwrap().is_some());
    // Of 30 runs with a rate of 5 % more than 6 occur once in 1,000 times.
    assert!(found.count() <= 6);
}

#[test]
fn structure_that_grows_has_an_onset() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let kind = Kind::Lognormal { spread: 0.1, scale: 1.0 };
    assert!((0..3).all(|seed| onset(Shape::Mlp, kind, 6, seed, &pool).unwrap().is_some()));
}
