//! The published graph edge by edge, and its shortest paths by plain loops.

use std::collections::BTreeMap;

use neuromfa::mfa::Values;
use neuromfa::network::{Network, Orientation, Parameter, Selection};
use neuromfa::source::{Memory, Source, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::INF;

/// Weights by name, a seeded draw with some zeros.
pub fn weights(shapes: &[(&str, Vec<usize>)], seed: u64) -> Memory {
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
pub enum Node {
    Neuron { layer: usize, neuron: usize },
    Projection { layer: usize, kind: char, neuron: usize },
}

/// An edge: from, to, distance, and which of several targets of a neuron it reaches.
pub type Edge = (Node, Node, f64, (usize, usize));

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
                Orientation::InOut => w[(input * c.outputs + output) * c.taps + tap],
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
pub fn plain(
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

pub struct Case {
    pub name: &'static str,
    pub network: Network,
    pub source: Memory,
    pub edges: Vec<Edge>,
}

pub fn cases() -> Vec<Case> {
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
    let mut per_head = Selection::default();
    per_head.per_head = Some(3);
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
