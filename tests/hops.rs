//! Distances over several layers: golden values, a plain second implementation, identities.

mod golden;

use std::collections::BTreeMap;

use golden::{Expected, assert_close, path, read, value};
use neuromfa::analysis::{Estimators, Hops, HopsError, HopsPlan, HopsSnapshot, Plan, Snapshot};
use neuromfa::mfa::{
    Column, Distances, EdgeLayout, EdgeMatrix, Histogram, Method, RadiusTable, Transfer, Values,
    count_edges, min_plus,
};
use neuromfa::network::{Draw, Network, Orientation, Parameter, Role, Selection};
use neuromfa::source::{CheckpointFile, Memory, OwnedValues, Source, Tensor};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

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
        let selection = Selection { exclude, ..Selection::default() };
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

/// Weights by name, a seeded draw with some zeros.
fn weights(shapes: &[(&str, Vec<usize>)], seed: u64) -> Memory {
    let memory = Memory::new();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (name, shape) in shapes {
        let weight = |_| match rng.random_range(0..12) {
            0 => 0.0,
            _ => rng.random_range(-0.4..0.4f32),
        };
        memory
            .set(name, shape, (0..shape.iter().product()).map(weight).collect::<Vec<f32>>())
            .unwrap();
    }
    memory
}

/// A neuron, or a target, of the published graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Neuron { layer: usize, neuron: usize },
    Projection { layer: usize, kind: char, neuron: usize },
}

/// An edge: from, to, distance, and which of several targets of a neuron it reaches.
type Edge = (Node, Node, f64, (usize, usize));

/// The graph edge by edge. `attention` says of a tensor which of q, k, v it makes (in order of its
/// copies), and the attention layer.
fn graph(
    network: &Network,
    source: &dyn Source,
    attention: &dyn Fn(&str) -> Option<(&'static str, usize)>,
) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut passages = BTreeMap::new();
    for c in network.connections() {
        let tensor: Tensor<'_> = source.tensor(&c.parameter).unwrap();
        let Values::F32(w) = tensor.values() else { panic!("f32") };
        let width = c.outputs / c.copies;
        for (input, output, tap) in (0..c.inputs)
            .flat_map(|i| (0..c.outputs).flat_map(move |o| (0..c.taps).map(move |t| (i, o, t))))
        {
            let (within, group) = (c.inputs / c.groups, output / (c.outputs / c.groups));
            if input / within != group {
                continue;
            }
            let weight = match c.orientation {
                Orientation::OutIn => w[(output * within + input % within) * c.taps + tap],
                Orientation::InOut => w[input * c.outputs + output],
            };
            if weight == 0.0 {
                continue;
            }
            let size = width / c.heads;
            let (copy, neuron) =
                (output / size % c.copies, output / size / c.copies * size + output % size);
            let from = Node::Neuron { layer: c.source, neuron: input };
            let (to, target) = match attention(&c.parameter) {
                Some((kinds, layer)) => {
                    let kind = kinds.chars().nth(copy).unwrap();
                    let node = Node::Projection { layer: c.target, kind, neuron };
                    passages.insert(node, layer);
                    (node, (0, 0))
                }
                None => (Node::Neuron { layer: c.target, neuron }, (copy, tap)),
            };
            edges.push((from, to, 1.0 / f64::from(weight).abs(), target));
        }
    }
    for (node, layer) in passages {
        let Node::Projection { kind, neuron, .. } = node else { unreachable!() };
        for feature in 0..network.layers()[layer].width {
            if kind != 'q' || feature == neuron {
                edges.push((node, Node::Neuron { layer, neuron: feature }, 1.0, (0, 0)));
            }
        }
    }
    edges
}

/// The histograms by the definition: all paths, hop after hop.
fn plain(
    network: &Network,
    edges: &[Edge],
    sample: &[Vec<usize>],
    most: usize,
) -> Vec<Vec<Vec<f64>>> {
    let drawn = |node: &Node| match *node {
        Node::Neuron { layer, neuron } | Node::Projection { layer, neuron, .. } => {
            sample[layer].contains(&neuron)
        }
    };
    let mut by_hops = vec![Vec::new(); most - 1];
    for (layer, neurons) in sample.iter().enumerate() {
        let mut rows = vec![Vec::new(); most - 1];
        for &neuron in neurons {
            let mut at = BTreeMap::from([(Node::Neuron { layer, neuron }, 0.0)]);
            for hops in 1..=most {
                let mut next = BTreeMap::new();
                let mut targets = BTreeMap::new();
                for (from, to, distance, target) in edges {
                    let Some(so_far) = at.get(from) else { continue };
                    let total: f64 = so_far + distance;
                    let shorten = |place: &mut f64| *place = place.min(total);
                    shorten(next.entry(*to).or_insert(INF));
                    shorten(targets.entry((*to, *target)).or_insert(INF));
                }
                if hops > 1 {
                    let ends = targets.iter().filter(|((node, _), _)| drawn(node));
                    rows[hops - 2].push(ends.map(|(_, d)| *d).collect::<Vec<_>>());
                }
                at = next;
            }
        }
        // Layers that no path of two hops leaves have no rows.
        let paths_of_two = network.leaving(layer).any(|c| {
            edges.iter().any(|(from, ..)| match *from {
                Node::Neuron { layer, .. } | Node::Projection { layer, .. } => layer == c.target,
            })
        });
        if paths_of_two {
            by_hops.iter_mut().zip(rows).for_each(|(all, rows)| all.extend(rows));
        }
    }
    by_hops
}

struct Case {
    name: &'static str,
    network: Network,
    source: Memory,
    edges: Vec<Edge>,
}

fn cases() -> Vec<Case> {
    let parameters = |shapes: &[(&str, Vec<usize>)]| -> Vec<Parameter> {
        shapes.iter().map(|(name, shape)| Parameter::new(*name, shape.clone())).collect()
    };
    let infer = |shapes: &[(&str, Vec<usize>)]| {
        Network::infer(&parameters(shapes), &Selection::default()).unwrap()
    };
    let case = |name,
                network: Network,
                shapes: &[(&str, Vec<usize>)],
                attention: &dyn Fn(&str) -> Option<(&'static str, usize)>| {
        let source = weights(shapes, 3);
        let edges = graph(&network, &source, attention);
        Case { name, network, source, edges }
    };
    let mut cases = Vec::new();

    let chain =
        [("0.weight", vec![50, 30]), ("2.weight", vec![40, 50]), ("4.weight", vec![20, 40])];
    cases.push(case("chain", infer(&chain), &chain, &|_| None));

    let block = |i: usize| {
        let name = |end: &str| -> &'static str { format!("layers.{i}.{end}.weight").leak() };
        [
            (name("attention.query_key_value"), vec![36, 12]),
            (name("attention.dense"), vec![12, 12]),
            (name("mlp.dense_h_to_4h"), vec![40, 12]),
            (name("mlp.dense_4h_to_h"), vec![12, 40]),
        ]
    };
    let neox = [block(0), block(1)].concat();
    let network = infer(&neox);
    let layer = |name: &str| network.layer_index(name).unwrap();
    let attention = [layer("block.0.attention"), layer("block.1.attention")];
    let fused = attention;
    cases.push(case("fused attention", network, &neox, &|name| {
        let block = usize::from(name.starts_with("layers.1"));
        name.contains("query_key_value").then_some(("qkv", attention[block]))
    }));

    let grouped = [
        ("l.0.self_attn.q_proj.weight", vec![16, 12]),
        ("l.0.self_attn.k_proj.weight", vec![4, 12]),
        ("l.0.self_attn.v_proj.weight", vec![4, 12]),
        ("l.0.self_attn.o_proj.weight", vec![12, 16]),
        ("l.0.mlp.gate_proj.weight", vec![30, 12]),
        ("l.0.mlp.up_proj.weight", vec![30, 12]),
        ("l.0.mlp.down_proj.weight", vec![12, 30]),
    ];
    let network = infer(&grouped);
    let attention = network.layer_index("block.0.attention").unwrap();
    cases.push(case("grouped queries, gate and up", network, &grouped, &|name| {
        let kinds = [("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v")];
        let found = kinds.into_iter().find(|(segment, _)| name.contains(segment));
        found.map(|(_, kind)| (kind, attention))
    }));

    let bart = |part: &str, of: &str| -> Vec<(&'static str, Vec<usize>)> {
        let matrices = ["q_proj", "k_proj", "v_proj", "out_proj"].map(|m| (m, vec![12, 12]));
        let name = |m| -> &'static str { format!("{part}.layers.0.{of}.{m}.weight").leak() };
        matrices.into_iter().map(|(m, shape)| (name(m), shape)).collect()
    };
    let mlp = |part: &str| -> Vec<(&'static str, Vec<usize>)> {
        let name = |m| -> &'static str { format!("{part}.layers.0.{m}.weight").leak() };
        vec![(name("fc1"), vec![24, 12]), (name("fc2"), vec![12, 24])]
    };
    let bart = [
        bart("encoder", "self_attn"),
        mlp("encoder"),
        bart("decoder", "self_attn"),
        bart("decoder", "encoder_attn"),
        mlp("decoder"),
    ];
    let bart = bart.concat();
    let network = infer(&bart);
    let layer = |name: &str| network.layer_index(name).unwrap();
    let attention = [
        ("encoder.layers.0.self_attn", layer("encoder.block.0.attention")),
        ("decoder.layers.0.self_attn", layer("decoder.block.0.attention")),
        ("decoder.layers.0.encoder_attn", layer("decoder.block.0.cross_attention")),
    ];
    cases.push(case("cross attention", network, &bart, &|name| {
        let (_, layer) = attention.into_iter().find(|(start, _)| name.starts_with(start))?;
        let kinds = [("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v")];
        let found = kinds.into_iter().find(|(segment, _)| name.contains(segment));
        found.map(|(_, kind)| (kind, layer))
    }));

    // Heads interleaved, as the model has them.
    let per_head = Selection { per_head: Some(3), ..Selection::default() };
    let network = Network::infer(&parameters(&neox), &per_head).unwrap();
    cases.push(case("per head", network, &neox, &|name| {
        let block = usize::from(name.starts_with("layers.1"));
        name.contains("query_key_value").then_some(("qkv", fused[block]))
    }));

    // A plain, a depthwise and a grouped convolution, then the whole map of 4 positions.
    let convolutions = [
        ("0.weight", vec![12, 6, 3, 3]),
        ("1.weight", vec![12, 1, 3, 3]),
        ("2.weight", vec![24, 6, 1, 1]),
        ("3.weight", vec![10, 96]),
    ];
    let network = infer(&convolutions);
    assert!(network.connections().iter().any(|c| c.groups == 12));
    assert!(network.connections().iter().any(|c| c.flattened));
    cases.push(case("groups and a flattened map", network, &convolutions, &|_| None));

    // a → b (3 taps) → d, a → c (Conv1D's layout, 4 copies) → d, d → e (2 taps)
    let branches = [
        ("ab", vec![14, 12, 3]),
        ("ac", vec![12, 36]),
        ("bd", vec![11, 14]),
        ("cd", vec![11, 9]),
        ("de", vec![13, 11, 2]),
    ];
    let network = Network::builder()
        .layer("a", 12)
        .layer("b", 14)
        .layer("c", 9)
        .layer("d", 11)
        .layer("e", 13)
        .connect("ab", "a", "b")
        .connect("ac", "a", "c")
        .copies(4)
        .orientation(Orientation::InOut)
        .connect("bd", "b", "d")
        .connect("cd", "c", "d")
        .connect("de", "d", "e")
        .build(&parameters(&branches))
        .unwrap();
    cases.push(case("branches, taps, copies", network, &branches, &|_| None));
    cases
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
        assert_eq!(one, count(&plan, &case.source, 4));
        let mut again = one.clone();
        plan.count(&case.source, &pool(3), &mut again).unwrap();
        assert_eq!(one, again);
    }
}

#[test]
fn the_estimate_is_exact_when_the_budget_covers_all_and_else_too_long() {
    for case in cases() {
        let draw = Draw::random(&case.network, 8, 3, 5).unwrap();
        let estimate = |budget| {
            let hops = Hops { most: 3, budget: Some(budget), seed: 9 };
            let plan = HopsPlan::new(&Method::default(), &case.network, &draw, hops).unwrap();
            count(&plan, &case.source, 2)
        };
        let (all, most, few) = (estimate(1000), estimate(10), estimate(3));
        for hops in [2, 3] {
            let error = all.error(hops).unwrap();
            assert_eq!((error.mean, error.max), (Some(0.0), Some(0.0)), "{}", case.name);
            assert_eq!(error.exact_share, Some(1.0), "{}", case.name);
            for sample in 0..3 {
                let in_range = |h: &Histogram| -> Vec<Vec<u32>> {
                    all_rows(h).iter().map(|row| row[1..].to_vec()).collect()
                };
                let exact = in_range(all.exact(hops, sample).unwrap());
                assert_eq!(in_range(all.estimated(hops, sample).unwrap()), exact);
                // Never shorter: at no radius more targets than there are.
                let few = in_range(few.estimated(hops, sample).unwrap());
                for (few, exact) in few.iter().zip(&exact) {
                    let (mut a, mut b) = (0, 0);
                    for (few, exact) in few.iter().zip(exact) {
                        (a, b) = (a + few, b + exact);
                        assert!(a <= b, "{}, {hops} hops", case.name);
                    }
                }
            }
            let (most, few) = (most.error(hops).unwrap(), few.error(hops).unwrap());
            assert!(few.mean >= most.mean && few.mean > Some(0.0), "{}: {few:?}", case.name);
            assert!(few.exact_share <= most.exact_share && few.exact_share < Some(1.0));
            assert!(few.max >= few.mean);
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
        HopsPlan::new(&Method::default(), network, &Draw::whole(), hops).err().unwrap()
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
    assert_eq!(why, "weights that are not finite: 1");
    assert!(measured.hops[0].estimated.as_ref().unwrap().is_err());
}

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
    struct Typed(OwnedValues);
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
