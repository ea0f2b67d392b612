//! Distances over several layers: golden values, a plain second implementation, identities.

mod estimate;
#[path = "../golden/mod.rs"]
mod golden;
mod graph;
mod min_plus;

use golden::{Expected, assert_close, path, read, value};
use graph::{cases, plain, weights};
use neuromfa::internals::analysis::{
    Estimators, Hops, HopsError, HopsPlan, HopsSnapshot, Plan, Snapshot,
};
use neuromfa::internals::counting::{Column, EdgeLayout, EdgeMatrix, RadiusTable, count_edges};
use neuromfa::internals::mfa::{Distances, PathEstimator, min_plus};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Histogram, Method, Transfer};
use neuromfa::network::{Network, Parameter, Role, Selection};
use neuromfa::source::{CheckpointFile, Memory, Source};

const INF: f64 = f64::INFINITY;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// All edges of an `[out, in]` tensor, as distances.
fn distances(source: &dyn Source, name: &str, inputs: usize) -> Distances {
    let tensor = source.tensor(name).unwrap();
    let outputs = tensor.values().len() / inputs;
    let layout = EdgeLayout::out_in(outputs, inputs, 1);
    let matrix = EdgeMatrix::new(tensor.values(), layout).unwrap();
    let all: Vec<_> = (0..outputs).map(|t| Column { target: t, column: t }).collect();
    let mut distances = Distances::none(inputs, outputs, Vec::new());
    distances.shorten_by(&matrix, Transfer::Inverse, &all, false);
    distances
}

#[test]
fn golden_distances_of_a_chain() {
    let source = CheckpointFile::open(path("mlp.safetensors")).unwrap();
    let layer = |k: usize| distances(&source, &format!("layers.{k}.weight"), [20, 30, 25][k]);
    let two = min_plus(&layer(0), &layer(1), INF);
    let three = min_plus(&two, &layer(2), INF);
    let golden = read("mlp.json");
    for (name, got) in [("two_hop", two), ("three_hop", three)] {
        let expected: Vec<Vec<f64>> = value(&golden[name]["distances"]);
        for (k, expected) in expected.iter().enumerate() {
            assert_close(name, got.row(k), expected);
        }
    }
}

#[test]
fn golden_spectra_of_a_chain() {
    let source = CheckpointFile::open(path("mlp.safetensors")).unwrap();
    let golden = read("mlp.json");
    // Without its last layer the chain has paths of two hops from the input layer only.
    for (name, hops, exclude) in
        [("two_hop", 2, vec!["layers.2.*".to_owned()]), ("three_hop", 3, vec![])]
    {
        let mut selection = Selection::default();
        selection.exclude = exclude;
        let network = Network::infer(&source.parameters(), &selection).unwrap();
        let hops = Hops { most: hops, budget: None, seed: 0 };
        let plan = Plan::new(&Method::default(), &network, &Draw::whole(), true).unwrap();
        let plan = plan.with_hops(hops).unwrap();
        let mut snapshot = Snapshot::new(&plan);
        plan.snapshot(&source, &pool(2), &mut snapshot).unwrap();
        let measured = Estimators::new(&plan).measure(&plan, &snapshot, 0);
        let last = measured.hops.last().unwrap();
        let expected = Expected::read(&golden[name]["spectrum"]);
        expected.assert_published(&last.published.as_ref().unwrap()[0]);
        expected.assert_stable(last.stable.as_ref().unwrap()[0]);
    }
}

fn count(plan: &HopsPlan, source: &dyn Source, threads: usize) -> HopsSnapshot {
    let mut snapshot = HopsSnapshot::new(plan);
    plan.count(source, &pool(threads), &mut snapshot).unwrap();
    snapshot
}

fn all_rows(histogram: &Histogram) -> Vec<&[u32]> {
    (0..histogram.neurons()).map(|k| histogram.row(k)).collect()
}

#[test]
fn every_network_counts_as_its_graph() {
    let method = Method::default();
    for case in cases() {
        for draw in [Draw::whole(), Draw::random(&case.network, 7, 3, 5).unwrap()] {
            let plan = Hops { most: 3, budget: None, seed: 0 };
            let plan = HopsPlan::new(&method, &case.network, &draw, plan).unwrap();
            let snapshot = count(&plan, &case.source, 2);
            for (sample, drawn) in draw.resolve(&case.network).unwrap().iter().enumerate() {
                let expected = plain(&case.network, &case.edges, drawn, 3);
                for (hops, expected) in (2..).zip(&expected) {
                    let got = snapshot.exact(hops, sample).unwrap();
                    let expected = Histogram::from_distances(&method, expected);
                    let in_range = |h: &Histogram| -> Vec<Vec<u32>> {
                        all_rows(h).iter().map(|row| row[1..].to_vec()).collect()
                    };
                    let (got, expected) = (in_range(got), in_range(&expected));
                    assert!(got.iter().flatten().sum::<u32>() > 0, "{}", case.name);
                    assert_eq!(got, expected, "{}, {hops} hops, sample {sample}", case.name);
                }
            }
        }
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads_and_from_step_to_step() {
    for case in cases() {
        let draw = Draw::random(&case.network, 8, 3, 5).unwrap();
        let hops = Hops { most: 3, budget: Some(4), seed: 9 };
        let plan = HopsPlan::new(&Method::default(), &case.network, &draw, hops).unwrap();
        let one = count(&plan, &case.source, 1);
        assert_eq!(one, count(&plan, &case.source, 2));
        assert_eq!(one, count(&plan, &case.source, 3));
        let mut again = one.clone();
        plan.count(&case.source, &pool(3), &mut again).unwrap();
        assert_eq!(one, again);
    }
}

/// By row, the number of targets at or below each radius.
fn cumulative(histogram: &Histogram) -> Vec<Vec<u32>> {
    let below = |sum: &mut u32, n: &u32| {
        *sum += n;
        Some(*sum)
    };
    all_rows(histogram).iter().map(|row| row[1..].iter().scan(0, below).collect()).collect()
}

#[test]
fn the_estimate_is_exact_when_the_budget_covers_all_and_else_too_long() {
    let method = Method::default();
    let tolerance = PathEstimator::new(&method, 1).tolerance();
    for case in cases() {
        let draw = Draw::random(&case.network, 8, 3, 5).unwrap();
        let estimate = |budget| {
            let hops = Hops { most: 3, budget: Some(budget), seed: 9 };
            let plan = HopsPlan::new(&method, &case.network, &draw, hops).unwrap();
            count(&plan, &case.source, 2)
        };
        let (all, most, few) = (estimate(1000), estimate(10), estimate(2));
        for hops in [2, 3] {
            let error = all.error(hops).unwrap();
            // Distances in range are above 1.
            assert!(error.max.unwrap() <= tolerance, "{}: {error:?}", case.name);
            assert!(error.mean.unwrap().abs() <= tolerance, "{}: {error:?}", case.name);
            assert_eq!(error.exact_share, Some(1.0), "{}", case.name);
            for sample in 0..3 {
                let exact = cumulative(all.exact(hops, sample).unwrap());
                // Never too short by a radius: at no radius more targets than there are at the next.
                for estimated in [&all, &most, &few] {
                    let estimated = cumulative(estimated.estimated(hops, sample).unwrap());
                    for (estimated, exact) in estimated.iter().zip(&exact) {
                        let next = exact[1..].iter().chain(exact.last());
                        assert!(estimated.iter().zip(next).all(|(a, b)| a <= b), "{}", case.name);
                    }
                }
            }
            let (most, few) = (most.error(hops).unwrap(), few.error(hops).unwrap());
            assert!(few.mean > most.mean && most.mean > error.mean, "{}: {few:?}", case.name);
            assert!(few.exact_share <= most.exact_share && few.exact_share < Some(1.0));
            assert!(few.max > few.mean && few.max >= most.max);
        }
    }
}

/// Fused [Q; K; V] of two features each, from one residual feature.
#[test]
fn the_passage_through_attention_by_hand() {
    let parameters = [Parameter::new("qkv", [6, 1]), Parameter::new("out", [2, 2])];
    let network = Network::builder()
        .layer("residual", 1)
        .layer("attention", 2)
        .role(Role::AttentionOut)
        .layer("middle", 2)
        .connect("qkv", "residual", "attention")
        .copies(3)
        .connect("out", "attention", "middle")
        .build(&parameters)
        .unwrap();
    let source = Memory::new();
    // Distances of Q: 2, 20; of K: 10, 16; of V: none, 8.
    source.set("qkv", &[6, 1], vec![0.5, 0.05, 0.1, 0.0625, 0.0, 0.125]).unwrap();
    // From feature 0: 4, 32; from feature 1: 2, none.
    source.set("out", &[2, 2], vec![0.25, 0.5, 0.03125, 0.0]).unwrap();
    let method = Method::default();
    let hops = Hops { most: 3, budget: None, seed: 0 };
    let plan = HopsPlan::new(&method, &network, &Draw::whole(), hops).unwrap();
    let snapshot = count(&plan, &source, 1);
    // Feature 0 over its query: 2 + 1; feature 1 over a value (8 + 1) before its query (20 + 1).
    // Middle 0: 3 + 4 before 9 + 2; middle 1: 3 + 32.
    for (hops, expected) in [(2, [3.0, 9.0]), (3, [7.0, 35.0])] {
        let expected = Histogram::from_distances(&method, &[expected]);
        let got = snapshot.exact(hops, 0).unwrap();
        assert_eq!(got.row(0), expected.row(0), "{hops} hops");
        assert_eq!(got.neurons(), 1, "two hops leave the residual layer only");
    }
}

#[test]
fn one_hop_is_the_one_hop_histogram() {
    let method = Method::default();
    let table = RadiusTable::new(&method);
    let source = weights(&[("w", vec![33, 70, 3])], 8);
    let tensor = source.tensor("w").unwrap();
    let matrix = EdgeMatrix::new(tensor.values(), EdgeLayout::out_in(33, 70, 3)).unwrap();
    let all: Vec<_> = (0..33).map(|t| Column { target: t, column: 3 * t }).collect();
    let mut distances = Distances::none(70, 99, Vec::new());
    distances.shorten_by(&matrix, Transfer::Inverse, &all, true);
    let rows: Vec<&[f64]> = (0..70).map(|k| distances.row(k)).collect();
    let mut one_hop = Histogram::new(&method, 70);
    count_edges(&table, &[matrix], one_hop.rows_mut(0..70));
    assert_eq!(Histogram::from_distances(&method, &rows), one_hop);
}

#[test]
fn what_cannot_be_computed_is_refused() {
    let shapes = [("0.weight", [30, 20]), ("1.weight", [10, 30])];
    let parameters = shapes.map(|(name, shape)| Parameter::new(name, shape));
    let network = Network::infer(&parameters, &Selection::default()).unwrap();
    let refused = |network: &Network, most, budget| {
        let hops = Hops { most, budget, seed: 0 };
        HopsPlan::new(&Method::default(), network, &Draw::whole(), hops).unwrap_err()
    };
    assert!(matches!(refused(&network, 4, None), HopsError::Range { hops: 4 }));
    assert!(matches!(refused(&network, 2, Some(0)), HopsError::Budget));
    let short = refused(&network, 3, None);
    assert_eq!(
        short.to_string(),
        "no path of the network has 3 hops: its longest has 2. Ask for fewer hops, or give a \
         network in which layers follow each other"
    );
    let wide = [("0.weight", [20_000, 20_000]), ("1.weight", [20_000, 20_000])];
    let parameters = wide.map(|(name, shape)| Parameter::new(name, shape));
    let network = Network::infer(&parameters, &Selection::default()).unwrap();
    let large = refused(&network, 2, None);
    assert!(large.to_string().contains("take up to 8.0e12 sums at each step"), "{large}");
}

#[test]
fn weights_that_are_not_finite_leave_no_values() {
    let case = cases().swap_remove(0);
    let mut values = vec![0.1f32; 50 * 30];
    values[7] = f32::NAN;
    case.source.set("0.weight", &[50, 30], values).unwrap();
    let plan = Plan::new(&Method::default(), &case.network, &Draw::whole(), true).unwrap();
    let plan = plan.with_hops(Hops { most: 2, budget: Some(5), seed: 0 }).unwrap();
    let mut snapshot = Snapshot::new(&plan);
    plan.snapshot(&case.source, &pool(1), &mut snapshot).unwrap();
    let measured = Estimators::new(&plan).measure(&plan, &snapshot, 0);
    let why = measured.hops[0].published.as_ref().unwrap_err().to_string();
    assert_eq!(why, "weights that are not finite (NaN or infinite): 1");
    assert!(measured.hops[0].estimated.as_ref().unwrap().is_err());
}
