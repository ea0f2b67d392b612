//! The null controls against weights that are really shuffled or rescaled.

use std::ops::Range;

use neuromfa::Controls;
use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Measurement, Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Degenerate, Method};
use neuromfa::network::{Network, Selection};
use neuromfa::source::{Memory, Source};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Draws of each kind that are compared.
const DRAWS: u64 = 200;

/// Names, shapes and weights of a 60-80-50 chain, with gate-like second matrix into the same layer.
type Weights = Vec<(&'static str, [usize; 2], Vec<f32>)>;

/// Weights whose spread grows with the neuron: `organised` says how much.
fn weights(organised: f32, std: f32) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut matrix = |name, [targets, sources]: [usize; 2]| {
        let one = |k: usize| {
            let normal: f32 = StandardNormal.sample(&mut rng);
            std * normal * (1.0 + organised * (k % sources) as f32 / sources as f32)
        };
        (name, [targets, sources], (0..targets * sources).map(one).collect())
    };
    vec![matrix("0.weight", [80, 60]), matrix("2.weight", [50, 80])]
}

fn memory(weights: &Weights) -> Memory {
    let memory = Memory::new();
    for (name, shape, values) in weights {
        memory.set(name, shape, values.clone()).unwrap();
    }
    memory
}

fn plan(samples: usize, controls: Controls) -> Plan {
    let network =
        Network::infer(&memory(&weights(0.0, 0.1)).parameters(), &Selection::default()).unwrap();
    let draw = match samples {
        0 => Draw::whole(),
        _ => Draw::random(&network, 24, samples, 5).unwrap(),
    };
    Plan::new(&Method::default(), &network, &draw, true).unwrap().with_controls(controls)
}

fn measure(plan: &Plan, weights: &Weights, step: u64) -> Measurement {
    measured(plan, &memory(weights), step)
}

fn measured(plan: &Plan, memory: &Memory, step: u64) -> Measurement {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut snapshot = Snapshot::new(plan);
    plan.snapshot(memory, &pool, &mut snapshot).unwrap();
    pool.install(|| Estimators::new(plan).measure(plan, &snapshot, step))
}

fn shuffled(weights: &Weights, seed: u64) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut shuffled = weights.clone();
    shuffled.iter_mut().for_each(|(_, _, values)| values.shuffle(&mut rng));
    shuffled
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// Means within two standard errors of each other, spreads equal within two of theirs.
fn assert_same_law(what: &str, control: &[f64], literal: &[f64]) {
    let ((m0, s0), (m1, s1)) = (moments(control), moments(literal));
    let n = control.len() as f64;
    let error = ((s0 * s0 + s1 * s1) / n).sqrt();
    assert!((m0 - m1).abs() < 2.0 * error, "{what}: means {m0}, {m1} ± {error}");
    // ln s has a standard error of 1/√(2(n - 1)).
    let error = (1.0 / (n - 1.0)).sqrt();
    assert!((s0 / s1).ln().abs() < 2.0 * error, "{what}: spreads {s0}, {s1}");
}

/// E and E_stable of literally shuffled weights, and E_shuffled and E_stable_shuffled as computed.
fn laws(samples: usize) -> [Vec<f64>; 4] {
    let (start, now) = (weights(0.0, 0.05), weights(2.0, 0.06));
    let bare = plan(samples, Controls::none());
    let baseline = Baseline::new(0, &bare, &measure(&bare, &start, 0));
    let mut laws: [Vec<f64>; 4] = Default::default();
    for seed in 0..DRAWS {
        let literal = measure(&bare, &shuffled(&now, seed), 1);
        let literal = Emergence::new(&bare, &baseline, &literal);
        let controls = Controls::default().shuffled(1).without_norm_matched().seed(seed);
        let plan = plan(samples, controls);
        let computed = Emergence::new(&plan, &baseline, &measure(&plan, &now, 1));
        let values = [
            literal.e,
            literal.e_stable,
            computed.e_shuffled,
            computed.structure.e_stable_shuffled,
        ];
        laws.iter_mut().zip(values).for_each(|(law, value)| law.push(value.unwrap()));
    }
    laws
}

#[test]
fn the_shuffled_control_has_the_law_of_shuffled_weights_over_the_whole_network() {
    let [e, e_stable, e_shuffled, e_stable_shuffled] = laws(0);
    assert_same_law("E_stable_shuffled", &e_stable_shuffled, &e_stable);
    assert_same_law("E_shuffled", &e_shuffled, &e);
}

#[test]
fn the_shuffled_control_has_the_law_of_shuffled_weights_over_a_sample() {
    let [e, _, e_shuffled, _] = laws(1);
    assert_same_law("E_shuffled", &e_shuffled, &e);
}

/// A chain of layers of 30 neurons, each matrix of one weight only, so that shuffling it changes nothing;
/// those of the layers `out` are out of range. What is measured of it.
fn of_equal_weights(layers: usize, out: Range<usize>) -> Measurement {
    let memory = Memory::new();
    for k in 0..layers {
        let weight = if out.contains(&k) { 2.0 } else { 1.0 / (20 + 3 * k) as f32 };
        memory.set(&format!("{}.weight", 2 * k), &[30, 30], vec![weight; 900]).unwrap();
    }
    let network = Network::infer(&memory.parameters(), &Selection::default()).unwrap();
    let draw = Draw::random(&network, 24, 3, 5).unwrap();
    let plan = Plan::new(&Method::default(), &network, &draw, true).unwrap();
    measured(&plan.with_controls(Controls::default()), &memory, 0)
}

#[test]
fn shuffling_equal_weights_changes_nothing_in_any_number_of_layers() {
    for (layers, out) in [(3, 0..0), (20, 0..0), (20, 8..16), (20, 0..10)] {
        let measured = of_equal_weights(layers, out);
        let (published, shuffled) =
            (measured.published.unwrap(), measured.controls.shuffled.unwrap().unwrap());
        assert_eq!((published.len(), shuffled.len()), (3, 3));
        for (one, other) in published.iter().zip(&shuffled) {
            assert_eq!((one.neurons, one.radii), (other.neurons, other.radii));
            assert!((one.fractal.alpha0 - other.fractal.alpha0).abs() < 1e-11);
            assert!((one.fractal.width - other.fractal.width).abs() < 1e-11);
        }
    }
    let none = of_equal_weights(20, 0..20).controls.shuffled.unwrap();
    assert_eq!(none.unwrap_err(), Degenerate::NoNeurons { min_edges: 10 });
}

#[test]
fn the_excess_is_what_shuffling_takes_away() {
    let row = |now: &Weights| {
        let mut plan = plan(4, Controls::default());
        let start = weights(0.0, 0.05);
        let baseline = Baseline::new(0, &plan, &measure(&plan, &start, 0));
        plan.start_from(&baseline.deviations);
        Emergence::new(&plan, &baseline, &measure(&plan, now, 9))
    };
    // Growth alone: nothing is left beyond the control, or once the spread is matched.
    let grown = row(&weights(0.0, 0.06));
    let (e, structure) = (grown.e_stable.unwrap(), grown.structure);
    let excess = structure.e_excess.unwrap();
    assert!(e > 0.05 && structure.e_norm_matched.unwrap().abs() < 1e-3);
    assert!(excess.p.unwrap() > 0.01, "{excess:?}");
    assert_eq!(excess.value, e - structure.e_stable_shuffled.unwrap());
    // Neurons that differ.
    let organised = row(&weights(2.0, 0.05));
    for excess in [organised.structure.e_excess, organised.structure.width_excess] {
        let excess = excess.unwrap();
        assert!(excess.value > 5.0 * excess.se.unwrap() && excess.p.unwrap() < 1e-3, "{excess:?}");
    }
}

#[test]
fn controls_are_the_same_bits_on_any_number_of_threads_and_differ_by_step_and_seed() {
    let now = weights(1.0, 0.05);
    let values = |threads: usize, seed, step| {
        let mut plan = plan(3, Controls::default().seed(seed));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut snapshot = Snapshot::new(&plan);
        plan.start_from(&[("0.weight".to_owned(), 0.04), ("2.weight".to_owned(), 0.07)].into());
        plan.snapshot(&memory(&now), &pool, &mut snapshot).unwrap();
        let controls =
            pool.install(|| Estimators::new(&plan).measure(&plan, &snapshot, step)).controls;
        format!("{controls:?}")
    };
    let one = values(1, 0, 7);
    assert!([2, 3, 8].into_iter().all(|threads| values(threads, 0, 7) == one));
    assert!(values(1, 1, 7) != one && values(1, 0, 8) != one);
}

#[test]
fn rescaling_weights_literally_gives_the_norm_matched_value() {
    let (start, now) = (weights(0.0, 0.05), weights(1.0, 0.08));
    let mut plan = plan(0, Controls::default().shuffled(0));
    let first = measure(&plan, &start, 0);
    let baseline = Baseline::new(0, &plan, &first);
    plan.start_from(&baseline.deviations);
    let matched =
        Emergence::new(&plan, &baseline, &measure(&plan, &now, 1)).structure.e_norm_matched;

    let bare = self::plan(0, Controls::none());
    let std = |values: &[f32]| {
        let n = values.len() as f64;
        let mean = values.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
        (values.iter().map(|&w| (f64::from(w) - mean).powi(2)).sum::<f64>() / n).sqrt()
    };
    let mut literal = now.clone();
    for ((_, _, values), (_, _, start)) in literal.iter_mut().zip(&start) {
        let factor = (std(start) / std(values)) as f32;
        values.iter_mut().for_each(|w| *w *= factor);
    }
    let literal = Emergence::new(&bare, &baseline, &measure(&bare, &literal, 1)).e_stable;
    let (matched, literal) = (matched.unwrap(), literal.unwrap());
    assert!((matched / literal - 1.0).abs() < 1e-12, "{matched}, {literal}");
}

/// Names, shapes and weights of two blocks of query, key, value and output.
fn attention(mut of: impl FnMut(&str) -> f32, std: f32, seed: u64) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut matrix = |name, shape: [usize; 2]| {
        let one = |_| std * rand_distr::Distribution::<f32>::sample(&StandardNormal, &mut rng);
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(one).collect();
        let factor = of(name);
        (name, shape, values.iter().map(|w| factor * w).collect())
    };
    vec![
        matrix("model.layers.0.self_attn.q_proj.weight", [48, 48]),
        matrix("model.layers.0.self_attn.k_proj.weight", [48, 48]),
        matrix("model.layers.0.self_attn.v_proj.weight", [48, 48]),
        matrix("model.layers.0.self_attn.o_proj.weight", [48, 48]),
        matrix("model.layers.0.mlp.gate_proj.weight", [96, 48]),
        matrix("model.layers.0.mlp.up_proj.weight", [96, 48]),
        matrix("model.layers.0.mlp.down_proj.weight", [48, 96]),
    ]
}

/// A matrix out of range and one without spread have no edges, so that what is left, measured and
/// shuffled, is the same: in a layer of several matrices and in one of its own.
#[test]
fn a_matrix_without_spread_is_left_out_as_one_out_of_range_is() {
    for name in ["v_proj", "o_proj", "down_proj"] {
        let row = |out: &dyn Fn(&mut Vec<f32>)| {
            let of = |seed| {
                let mut weights = attention(|_| 1.0, 0.05, seed);
                let found = weights.iter_mut().filter(|(n, ..)| n.contains(name));
                found.for_each(|(_, _, values)| out(values));
                weights
            };
            let (start, now) = (of(1), of(2));
            let network = Network::infer(&memory(&start).parameters(), &Selection::default());
            let network = network.unwrap();
            let draw = Draw::random(&network, 24, 2, 5).unwrap();
            let plan = Plan::new(&Method::default(), &network, &draw, true).unwrap();
            let mut plan = plan.with_controls(Controls::default()).with_details();
            let baseline = Baseline::new(0, &plan, &measure(&plan, &start, 0));
            plan.start_from(&baseline.deviations);
            Emergence::new(&plan, &baseline, &measure(&plan, &now, 1))
        };
        let beyond = row(&|values| values.iter_mut().for_each(|w| *w *= 1e9));
        let flat = row(&|values| values.fill(0.02));
        let excess = |row: &Emergence| {
            let parts = row.parts.iter().map(|p| p.structure);
            let all = parts.chain([row.structure]);
            all.map(|s| (s.width_excess, s.alpha0_excess)).collect::<Vec<_>>()
        };
        assert_eq!(excess(&flat), excess(&beyond), "{name}");
        let (width, alpha0) = (flat.structure.width_excess, flat.structure.alpha0_excess);
        assert!(width.unwrap().p.is_some() && alpha0.unwrap().p.is_some());
        let absent = flat.structure.e_norm_matched.is_none();
        assert!(absent && beyond.structure.e_norm_matched.is_some());
        let of_layers = flat.parts.iter().map(|part| part.structure.e_norm_matched.is_some());
        let with = of_layers.filter(|there| *there).count();
        assert!(with > 0 && with < flat.parts.len(), "{name}: {with}");
    }
}

#[test]
fn a_matrix_that_has_no_spread_cannot_be_matched_and_says_so() {
    let mut flat = weights(0.0, 0.05);
    flat[0].2.fill(0.02);
    let mut plan = plan(0, Controls::default().shuffled(0));
    let baseline = Baseline::new(0, &plan, &measure(&plan, &weights(0.0, 0.05), 0));
    plan.start_from(&baseline.deviations);
    let row = Emergence::new(&plan, &baseline, &measure(&plan, &flat, 1));
    assert_eq!(row.structure.e_norm_matched, None);
    let why = "E_norm_matched: 0.weight has standard deviation 0";
    let warnings = &row.trust.warnings;
    assert!(warnings.iter().any(|warning| warning.text.contains(why)), "{warnings:?}");
}
