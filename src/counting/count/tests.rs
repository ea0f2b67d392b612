use half::{bf16, f16};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::counting::EdgeLayout;
use crate::mfa::{Histogram, Method};

/// Weights with every oddity: tiny, large, zero, infinite, NaN.
fn weights(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let odd = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0, -1.0, 1e-40];
    (0..n)
        .map(|k| if k % 97 == 5 { odd[k / 97 % odd.len()] } else { rng.random_range(-0.2..0.2f32) })
        .collect()
}

/// The definition, edge by edge.
fn plain(method: &Method, weights: &[f32], layout: EdgeLayout) -> Histogram {
    let mut histogram = Histogram::new(method, layout.sources);
    let (n, m) = (layout.sources / layout.groups, layout.targets / layout.groups);
    for s in 0..layout.sources {
        for t in (0..layout.targets).filter(|t| t / m == s / n) {
            for k in 0..layout.taps {
                let w = weights[t * layout.target_stride + s % n * layout.source_stride + k];
                let slot = method.slot_of_weight(f64::from(w));
                histogram.rows_mut(s..s + 1)[slot] += 1;
            }
        }
    }
    histogram
}

const LAYOUTS: [fn() -> EdgeLayout; 8] = [
    || EdgeLayout::grouped(70, 140, 9, 10),
    || EdgeLayout::grouped(260, 130, 4, 130),
    || EdgeLayout::grouped(6, 198, 1, 2),
    || EdgeLayout::out_in(70, 130, 1),
    || EdgeLayout::out_in(9, 65, 9),
    || EdgeLayout::in_out(130, 70),
    || EdgeLayout::transposed(70, 33, 9),
    || EdgeLayout {
        sources: 30,
        targets: 20,
        taps: 2,
        source_stride: 50,
        target_stride: 2,
        groups: 1,
    },
];

#[test]
fn every_layout_counts_as_the_definition() {
    let method = Method::default();
    let table = RadiusTable::new(&method);
    for layout in LAYOUTS.map(|l| l()) {
        let w = weights(layout.reach(), 1);
        let matrix = EdgeMatrix::new(Values::F32(&w), layout).unwrap();
        let mut histogram = Histogram::new(&method, layout.sources);
        let all = 0..layout.sources;
        count_edges(&table, &[matrix], histogram.rows_mut(all));
        assert_eq!(histogram, plain(&method, &w, layout), "{layout:?}");
    }
}

#[test]
fn non_finite_weights_are_counted() {
    let method = Method::default();
    let table = RadiusTable::new(&method);
    let w = weights(70 * 130, 2);
    let expected = w.iter().filter(|w| !w.is_finite()).count() as u64;
    let matrix = EdgeMatrix::new(Values::F32(&w), EdgeLayout::out_in(70, 130, 1)).unwrap();
    let mut histogram = Histogram::new(&method, 130);
    assert_eq!(count_edges(&table, &[matrix], histogram.rows_mut(0..130)), expected);
    assert!(expected > 10);
}

#[test]
fn every_type_counts_as_its_value_in_f64() {
    let method = Method::default();
    let table = RadiusTable::new(&method);
    let layout = EdgeLayout::out_in(40, 30, 1);
    let w = weights(1200, 3);
    let halves: Vec<f16> = w.iter().map(|&w| f16::from_f32(w)).collect();
    let brains: Vec<bf16> = w.iter().map(|&w| bf16::from_f32(w)).collect();
    let doubles: Vec<f64> = w.iter().map(|&w| f64::from(w) * 1.000_000_1).collect();
    let cases = [
        (Values::F16(&halves), halves.iter().map(|w| w.to_f64()).collect::<Vec<_>>()),
        (Values::Bf16(&brains), brains.iter().map(|w| w.to_f64()).collect()),
        (Values::F64(&doubles), doubles.clone()),
    ];
    for (values, exact) in cases {
        let mut fast = Histogram::new(&method, 30);
        let matrix = EdgeMatrix::new(values, layout).unwrap();
        count_edges(&table, &[matrix], fast.rows_mut(0..30));
        let distances: Vec<Vec<f64>> =
            (0..30).map(|s| (0..40).map(|t| 1.0 / exact[t * 30 + s].abs()).collect()).collect();
        assert_eq!(fast, Histogram::from_distances(&method, &distances));
    }
}

#[test]
fn a_sample_counts_the_drawn_edges_only() {
    let method = Method::default();
    let table = RadiusTable::new(&method);
    let (sources, targets) = ([7, 3, 60], [0, 5, 4, 3]);
    for layout in LAYOUTS.map(|l| l()).into_iter().filter(|l| l.sources > 60) {
        let w = weights(layout.reach(), 4);
        let matrix = EdgeMatrix::new(Values::F32(&w), layout).unwrap();
        let mut histogram = Histogram::new(&method, 3);
        count_sampled_edges(&table, &matrix, &sources, &targets, histogram.rows_mut(0..3));
        for (k, s) in sources.iter().enumerate() {
            let mut row = vec![0; method.slots()];
            let (n, m) = (layout.sources / layout.groups, layout.targets / layout.groups);
            for t in targets.into_iter().filter(|t| t / m == s / n) {
                for tap in 0..layout.taps {
                    let w = w[t * layout.target_stride + s % n * layout.source_stride + tap];
                    row[method.slot_of_weight(f64::from(w))] += 1;
                }
            }
            assert_eq!(histogram.row(k), row);
        }
    }
}

#[test]
fn a_layout_beyond_the_values_is_refused() {
    let w = [0.0; 11];
    assert!(EdgeMatrix::new(Values::F32(&w), EdgeLayout::out_in(3, 4, 1)).is_none());
    for (targets, sources, groups) in [(4, 6, 4), (4, 6, 3), (1, 1, 0), (6, 4, 2)] {
        let layout = EdgeLayout::grouped(targets, sources, 1, groups);
        assert!(EdgeMatrix::new(Values::F32(&w), layout).is_none(), "{layout:?}");
    }
    assert!(EdgeMatrix::new(Values::F32(&w), EdgeLayout::grouped(4, 4, 1, 2)).is_some());
}

#[test]
fn a_layout_without_edges_counts_nothing() {
    let method = Method::default();
    let table = RadiusTable::new(&method);
    let empty = [
        EdgeLayout::out_in(0, 4, 1),
        EdgeLayout::out_in(4, 0, 1),
        EdgeLayout::out_in(4, 4, 0),
        EdgeLayout::in_out(4, 0),
        EdgeLayout::in_out(0, 4),
    ];
    for layout in empty {
        let matrix = EdgeMatrix::new(Values::F32(&[]), layout).unwrap();
        let mut histogram = Histogram::new(&method, 4);
        assert_eq!(count_edges(&table, &[matrix], histogram.rows_mut(0..4)), 0);
        let (sources, targets) = (0..layout.sources, 0..layout.targets);
        let (sources, targets): (Vec<_>, Vec<_>) = (sources.collect(), targets.collect());
        let rows = histogram.rows_mut(0..layout.sources);
        assert_eq!(count_sampled_edges(&table, &matrix, &sources, &targets, rows), 0);
        assert_eq!(histogram, Histogram::new(&method, 4), "{layout:?}");
    }
}
