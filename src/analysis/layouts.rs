//! Tests that the weights of each layout are counted as the model uses them, against a plain
//! reading.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::plan::{DrawnRun, SourceLayer};
use super::{Plan, Snapshot};
use crate::counting::PackedHistogram;
use crate::mfa::{Histogram, Method, Parameters, Values};
use crate::network::{Draw, Network, Parameter, Selection};
use crate::source::{Memory, Source};

/// Seeded weights under these names and shapes.
fn memory(seed: u64, tensors: &[(&str, &[usize])]) -> Memory {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let memory = Memory::new();
    for (name, shape) in tensors {
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| rng.random_range(-0.3..0.3f32)).collect();
        memory.set(name, shape, values).unwrap();
    }
    memory
}

fn values(memory: &Memory, name: &str) -> Vec<f32> {
    match memory.tensor(name).unwrap().values() {
        Values::F32(values) => values.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn infer(memory: &Memory, per_head: Option<usize>) -> Network {
    let selection = Selection { per_head, ..Selection::default() };
    Network::infer(&memory.parameters(), &selection).unwrap()
}

fn method() -> Method {
    Parameters::default().check().unwrap()
}

fn snapshot(memory: &Memory, network: &Network, draw: &Draw) -> Snapshot {
    let plan = Plan::new(&method(), network, draw, false).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut snapshot = Snapshot::new(&plan);
    plan.snapshot(memory, &pool, &mut snapshot).unwrap();
    snapshot
}

/// The element numbers of a tensor's weights between a source and a target neuron.
type Elements<'a> = &'a dyn Fn(&str, usize, usize) -> Vec<usize>;

/// Compares the snapshot with counts of single weights, for the complete network and for samples.
fn assert_counts(memory: &Memory, network: &Network, elements: Elements<'_>) {
    for draw in [Draw::whole(), Draw::random(network, 7, 3, 5).unwrap()] {
        let counted = snapshot(memory, network, &draw);
        for (sample, layers) in draw.resolve(network).unwrap().iter().enumerate() {
            let mut distances = Vec::new();
            for (index, sources) in layers.iter().enumerate() {
                let leaving: Vec<_> = network
                    .leaving(index)
                    .map(|c| (&c.parameter, &layers[c.target], values(memory, &c.parameter)))
                    .collect();
                for &source in sources.iter().filter(|_| !leaving.is_empty()) {
                    let mut edges = Vec::new();
                    for (name, targets, weights) in &leaving {
                        let at = targets.iter().flat_map(|&t| elements(name, source, t));
                        edges.extend(at.map(|k| 1.0 / f64::from(weights[k]).abs()));
                    }
                    distances.push(edges);
                }
            }
            assert!(distances.iter().map(Vec::len).sum::<usize>() > 100);
            let plain = Histogram::from_distances(&method(), &distances);
            let counted = counted.layers.iter().map(|layer| match draw.is_whole() {
                true => &layer.whole,
                false => &layer.samples[sample],
            });
            PackedHistogram::lend(counted, |rows| {
                assert_eq!(rows, plain.rows(0..plain.neurons()), "sample {sample}");
            });
        }
    }
}

#[test]
fn groups_and_flattened_maps() {
    // 3 channels → 16 → grouped by 4 → 24 → depthwise → 24 → a map of 4 positions → 10.
    let memory = memory(
        1,
        &[
            ("c1.weight", &[16, 3, 3, 3]),
            ("c2.weight", &[24, 4, 3, 3]),
            ("c3.weight", &[24, 1, 5]),
            ("fc1.weight", &[10, 96]),
        ],
    );
    let network = infer(&memory, None);
    let groups: Vec<usize> = network.connections().iter().map(|c| c.groups).collect();
    assert_eq!(groups, [1, 4, 24, 1]);
    assert_counts(&memory, &network, &|name, source, target| match name {
        "c1.weight" => (0..9).map(|k| (target * 3 + source) * 9 + k).collect(),
        // Inputs 4g to 4g + 3 meet outputs 6g to 6g + 5.
        "c2.weight" if source / 4 == target / 6 => {
            (0..9).map(|k| (target * 4 + source % 4) * 9 + k).collect()
        }
        "c3.weight" if source == target => (0..5).map(|k| target * 5 + k).collect(),
        "fc1.weight" => (0..4).map(|k| target * 96 + source * 4 + k).collect(),
        _ => Vec::new(),
    });
}

#[test]
fn experts_and_heads_in_one_tensor() {
    let memory = memory(
        8,
        &[
            ("layers.0.moe.router.weight", &[4, 12]),
            ("layers.0.moe.input_linear.weight", &[4, 20, 12]),
            ("layers.0.moe.output_linear.weight", &[4, 12, 10]),
            ("layers.1.mlp.router.weight", &[4, 12]),
            ("layers.1.mlp.experts.gate_up_proj", &[4, 12, 20]),
            ("layers.1.mlp.experts.down_proj", &[4, 10, 12]),
            ("layer.2.rel_attn.q", &[12, 3, 4]),
            ("layer.2.rel_attn.o", &[12, 3, 5]),
            ("rg_lru.input_gate_weight", &[6, 16, 16]),
        ],
    );
    let network = infer(&memory, None);
    assert_eq!(network.connections().len(), 9);
    assert_counts(&memory, &network, &|name, source, target| {
        let one = |element: usize| vec![element];
        match name {
            "layers.0.moe.router.weight" | "layers.1.mlp.router.weight" => {
                one(target * 12 + source)
            }
            "layers.0.moe.input_linear.weight" => one(target * 12 + source),
            "layers.0.moe.output_linear.weight" if source / 10 == target / 12 => {
                one(target * 10 + source % 10)
            }
            "layers.1.mlp.experts.gate_up_proj" => {
                one((target / 20 * 12 + source) * 20 + target % 20)
            }
            "layers.1.mlp.experts.down_proj" | "layer.2.rel_attn.q" => one(source * 12 + target),
            "layer.2.rel_attn.o" => one(target * 15 + source),
            "rg_lru.input_gate_weight" => one(source * 16 + target),
            _ => Vec::new(),
        }
    });
}

#[test]
fn transposed_convolutions() {
    let memory = memory(
        6,
        &[
            ("tr1.weight", &[12, 16, 3, 3]),
            ("tr2.weight", &[16, 9, 2, 2]),
            ("tr3.weight", &[9, 7, 5]),
        ],
    );
    let network = infer(&memory, None);
    let widths: Vec<usize> = network.layers().iter().map(|l| l.width).collect();
    assert_eq!(widths, [12, 16, 9, 7]);
    assert_counts(&memory, &network, &|name, source, target| {
        let (outputs, taps) = match name {
            "tr1.weight" => (16, 9),
            "tr2.weight" => (9, 4),
            _ => (7, 5),
        };
        (0..taps).map(|k| (source * outputs + target) * taps + k).collect()
    });
}

#[test]
fn drawn_sources_have_the_edges_of_their_group() {
    let memory = memory(4, &[("c1.weight", &[8, 3, 1, 1]), ("c2.weight", &[12, 2, 3, 3])]);
    let network = infer(&memory, None);
    let draw = r#"{"samples": [{"c1.in": [0, 2], "c1": [5, 0, 1, 7, 4], "c2": [0, 2, 6, 7, 1]}]}"#;
    let draw: Draw = serde_json::from_str(draw).unwrap();
    let plan = Plan::new(&method(), &network, &draw, false).unwrap();
    // 4 groups: inputs 2g and 2g + 1 meet outputs 3g to 3g + 2. Drawn neurons are in order: 0, 1,
    // 4, 5, 7.
    let [first, second] = plan.sources.as_slice() else { panic!("two source layers") };
    let runs = |layer: &SourceLayer| layer.tensors[0].drawn_runs(&layer.drawn[0], 0);
    assert_eq!(runs(first), [DrawnRun { rows: vec![0, 1], edges: 5 }]);
    let expected =
        [DrawnRun { rows: vec![0, 1], edges: 3 * 9 }, DrawnRun { rows: vec![2, 3], edges: 2 * 9 }];
    assert_eq!(runs(second), expected, "neuron 7 has no drawn target in its group");
    let counted = snapshot(&memory, &network, &draw);
    let edges: Vec<u32> = PackedHistogram::lend([&counted.layers[1].samples[0]], |rows| {
        rows.chunks(method().slots()).map(|row| row.iter().sum()).collect()
    });
    assert_eq!(edges, [27, 27, 18, 18, 0]);
}

const BLOCK: [(&str, usize, usize); 4] = [
    ("attn.c_attn", 24, 72),
    ("attn.c_proj", 24, 24),
    ("mlp.c_fc", 24, 96),
    ("mlp.c_proj", 96, 24),
];

#[test]
fn conv1d_and_linear_hold_the_same_edges() {
    let names = BLOCK.map(|(name, ..)| format!("h.0.{name}.weight"));
    let shapes = BLOCK.map(|(_, input, output)| [input, output]);
    let named: Vec<(&str, &[usize])> =
        names.iter().zip(&shapes).map(|(n, s)| (n.as_str(), s.as_slice())).collect();
    let conv1d = memory(2, &named);
    let linear = Memory::new();
    for (name, &[input, output]) in names.iter().zip(&shapes) {
        let all = values(&conv1d, name);
        let transposed = (0..output)
            .flat_map(|o| (0..input).map(move |i| (i, o)))
            .map(|(i, o)| all[i * output + o]);
        linear.set(name, &[output, input], transposed.collect::<Vec<f32>>()).unwrap();
    }
    let [a, b] = [&conv1d, &linear].map(|memory| infer(memory, None));
    assert_ne!(a.connections()[0].orientation, b.connections()[0].orientation);
    for draw in [Draw::whole(), Draw::random(&a, 9, 4, 3).unwrap()] {
        assert_eq!(snapshot(&conv1d, &a, &draw), snapshot(&linear, &b, &draw));
    }
    let rows = |name: &str| if name.ends_with("c_attn.weight") { 3 } else { 1 };
    assert_counts(&conv1d, &a, &|name, source, target| {
        let (at, copies) = (names.iter().position(|n| n == name).unwrap(), rows(name));
        let outputs = shapes[at][1];
        (0..copies).map(|c| source * outputs + c * (outputs / copies) + target).collect()
    });
}

#[test]
fn the_rows_of_a_feature_by_head_and_as_published() {
    let (d, heads, size) = (24, 4, 6);
    let stem = "gpt_neox.layers.0";
    let memory = memory(
        3,
        &[
            (&format!("{stem}.attention.query_key_value.weight"), &[3 * d, d]),
            (&format!("{stem}.attention.dense.weight"), &[d, d]),
            (&format!("{stem}.mlp.dense_h_to_4h.weight"), &[4 * d, d]),
            (&format!("{stem}.mlp.dense_4h_to_h.weight"), &[d, 4 * d]),
        ],
    );
    // [heads, 3, size]: which head and which of its features a row belongs to.
    let mut by_head = vec![Vec::new(); d];
    for row in 0..3 * d {
        let (head, within) = (row / (3 * size), row % (3 * size));
        by_head[head * size + within % size].push(row);
    }
    assert_eq!(by_head[7], [19, 25, 31]);
    let columns = |name: &str| if name.contains("4h_to_h") { 4 * d } else { d };
    for (per_head, fused) in [(Some(heads), true), (None, false)] {
        let network = infer(&memory, per_head);
        assert_counts(&memory, &network, &|name, source, target| {
            let rows = match name.contains("query_key_value") {
                true if fused => by_head[target].clone(),
                true => vec![target, d + target, 2 * d + target],
                false => vec![target],
            };
            rows.into_iter().map(|row| row * columns(name) + source).collect()
        });
    }
    // The edges of a sample differ, those of the complete network do not.
    let [published, interleaved] = [None, Some(heads)].map(|heads| infer(&memory, heads));
    let whole = Draw::whole();
    assert_eq!(snapshot(&memory, &published, &whole), snapshot(&memory, &interleaved, &whole));
    let drawn = Draw::random(&published, 8, 2, 0).unwrap();
    assert_ne!(snapshot(&memory, &published, &drawn), snapshot(&memory, &interleaved, &drawn));
}

#[test]
fn the_builder_takes_groups_heads_and_flattened_maps() {
    let parameters = [
        Parameter::new("conv", [24, 4, 3, 3]),
        Parameter::new("fc", [10, 96]),
        Parameter::new("qkv", [72, 10]),
    ];
    let builder = |groups, heads| {
        Network::builder()
            .layer("in", 16)
            .layer("map", 24)
            .layer("flat", 10)
            .layer("attention", 24)
            .connect("conv", "in", "map")
            .groups(groups)
            .connect("fc", "map", "flat")
            .flattened()
            .connect("qkv", "flat", "attention")
            .copies(3)
            .heads(heads)
            .build(&parameters)
    };
    let network = builder(4, 4).unwrap();
    let [conv, fc, qkv] = network.connections() else { panic!("three connections") };
    assert_eq!((conv.groups, conv.taps, conv.weights()), (4, 9, 864));
    assert_eq!((fc.taps, fc.flattened, fc.weights()), (4, true, 960));
    assert_eq!(qkv.output(1, 7), 25);
    let stored = serde_json::to_string(&network).unwrap();
    assert_eq!(serde_json::from_str::<Network>(&stored).unwrap(), network);
    for (from, to) in [("\"groups\":4", "\"groups\":5"), ("\"heads\":4", "\"heads\":5")] {
        let damaged = stored.replace(from, to);
        assert!(serde_json::from_str::<Network>(&damaged).is_err(), "{to}");
    }
    let error = builder(3, 4).unwrap_err().to_string();
    assert!(error.contains("[24, 16/3, taps..]"), "{error}");
    let error = builder(4, 5).unwrap_err().to_string();
    assert!(error.contains("heads 5, which must divide 24"), "{error}");
}
