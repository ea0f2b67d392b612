//! The measures of structure against literal shuffles.

use neuromfa::Controls;
use neuromfa::internals::analysis::{
    Baseline, Emergence, Estimators, Excess, Measurement, Plan, Snapshot, Structure,
};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Fractal, Method, degree_of_emergence};
use neuromfa::network::{Network, Selection};
use neuromfa::source::{Memory, Source};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Matrices [out, in] of a chain, row-major.
type Weights = Vec<([usize; 2], Vec<f32>)>;

/// Gaussian weights of a chain of these widths, each matrix of its own standard deviation.
fn gaussian(widths: &[usize], deviations: &[f32], seed: u64) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pairs = widths.windows(2).zip(deviations);
    let matrix = |(pair, std): (&[usize], &f32)| {
        let normal = |_| -> f32 { std * Distribution::<f32>::sample(&StandardNormal, &mut rng) };
        ([pair[1], pair[0]], (0..pair[0] * pair[1]).map(normal).collect())
    };
    pairs.map(matrix).collect()
}

fn memory(weights: &Weights) -> Memory {
    let memory = Memory::new();
    for (k, (shape, values)) in weights.iter().enumerate() {
        memory.set(&format!("{}.weight", 2 * k), shape, values.clone()).unwrap();
    }
    memory
}

fn plan(weights: &Weights, controls: Controls) -> Plan {
    let network = Network::infer(&memory(weights).parameters(), &Selection::default()).unwrap();
    let draw = Draw::random(&network, 16, 3, 5).unwrap();
    Plan::new(&Method::default(), &network, &draw, true).unwrap().with_controls(controls)
}

fn measure(plan: &Plan, weights: &Weights, step: u64) -> Measurement {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut snapshot = Snapshot::new(plan);
    plan.snapshot(&memory(weights), &pool, &mut snapshot).unwrap();
    pool.install(|| Estimators::new(plan).measure(plan, &snapshot, step))
}

/// The row of `now` against `start`.
fn row(start: &Weights, now: &Weights, controls: Controls) -> Emergence {
    let mut plan = plan(start, controls).with_details();
    let baseline = Baseline::new(0, &plan, &measure(&plan, start, 0));
    plan.start_from(&baseline.deviations);
    Emergence::new(&plan, &baseline, &measure(&plan, now, 9))
}

/// Each source neuron's weights times a factor of its own.
fn organised(weights: &Weights, spread: f32) -> Weights {
    let mut organised = weights.clone();
    for ([_, inputs], values) in &mut organised {
        let factor = |source: usize| 1.0 + spread * (source % 7) as f32 / 7.0;
        values.iter_mut().enumerate().for_each(|(at, w)| *w *= factor(at % *inputs));
    }
    organised
}

#[test]
fn a_power_of_two_on_each_matrix_changes_no_digit() {
    let start = gaussian(&[50, 70, 60, 40], &[0.05, 0.08, 0.03], 1);
    let now = organised(&gaussian(&[50, 70, 60, 40], &[0.06, 0.1, 0.02], 2), 0.3);
    let measures = |now: &Weights| {
        let row = row(&start, now, Controls::default());
        let of = |structure: Structure| [structure.width_excess, structure.alpha0_excess];
        let parts = row.parts.iter().map(|part| of(part.structure));
        let all: Vec<_> = parts.chain([of(row.structure)]).collect();
        (format!("{all:?}"), row.structure)
    };
    let (plain, structure) = measures(&now);
    let mut scaled = now.clone();
    for ((_, values), factor) in scaled.iter_mut().zip([0.25, 8.0, 2.0]) {
        values.iter_mut().for_each(|w| *w *= factor);
    }
    let (of_scaled, moved) = measures(&scaled);
    assert_eq!(plain, of_scaled);
    assert!(structure.width_excess.is_some() && structure.alpha0_excess.is_some());
    assert_ne!(structure.e_excess, moved.e_excess, "E_excess does depend on scale");
}

/// Mean over literal shuffles of ln width, ln alpha0 and E of the stable estimator, and their
/// standard deviations.
fn literal(weights: &Weights, shuffles: u64) -> [(f64, f64); 3] {
    let bare = plan(weights, Controls::none());
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let start = measure(&bare, weights, 0).stable.unwrap().unwrap();
    let mut logarithms = [Vec::new(), Vec::new(), Vec::new()];
    for step in 0..shuffles {
        let mut shuffled = weights.clone();
        shuffled.iter_mut().for_each(|(_, values)| values.shuffle(&mut rng));
        let now @ Fractal { alpha0, width } =
            measure(&bare, &shuffled, step).stable.unwrap().unwrap();
        logarithms[2].push(degree_of_emergence(start, now).unwrap());
        logarithms[0].push(width.ln());
        logarithms[1].push(alpha0.ln());
    }
    logarithms.map(|values| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance.sqrt())
    })
}

/// Layers of 24 and of some thousand neurons with unlike spectra. A draw deals all of the first,
/// and a third or a ninth of the second to represent all of it. For a ninth, the errors of E and
/// the width are those of the jackknife.
#[test]
fn a_share_of_the_sources_has_the_law_of_all_of_them() {
    for (wide, share) in [(3000, 1.0 / 3.0), (9000, 1.0 / 9.0)] {
        let weights = gaussian(&[24, wide, 30], &[0.02, 0.15], 4);
        let literal = literal(&weights, 40);
        let controls = Controls::default().shuffled(60);
        let row = row(&weights, &weights, controls);
        let bare = plan(&weights, Controls::none());
        let Fractal { alpha0, width } = measure(&bare, &weights, 0).stable.unwrap().unwrap();
        let Structure { width_excess, alpha0_excess, e_excess, .. } = row.structure;
        let excesses = [width_excess, alpha0_excess, e_excess];
        let measured = [width.ln(), alpha0.ln(), 0.0];
        let named = ["width", "alpha0", "E"].into_iter().zip(measured).zip(excesses).zip(literal);
        for (((name, measured), excess), (mean, spread)) in named {
            let Excess { value, se: Some(se), .. } = excess.unwrap() else { panic!("no error") };
            let centre = measured - value;
            // The error of both means: 40 literal shuffles, and 60 draws of a share.
            let control = 1.0 / (60.0 * share);
            let error = spread * (1.0f64 / 40.0 + control).sqrt();
            assert!(
                (centre - mean).abs() < 3.0 * error,
                "{wide}, {name}: {centre}, {mean} ± {error}"
            );
            // One network and the mean of the draws; the error of an error is 1 in 9 twice.
            let expected = spread * (1.0f64 + control).sqrt();
            assert!((se / expected).ln().abs() < 0.4, "{wide}, {name}: {se}, {expected}");
        }
    }
}

/// A draw deals a thirtieth of the sources, 16 draws more than a quarter; of a ninetieth, less.
#[test]
fn the_width_has_a_p_where_all_draws_deal_a_quarter() {
    for (wide, shown) in [(30_000, true), (90_000, false)] {
        let weights = gaussian(&[12, wide, 12], &[0.1, 0.1], 4);
        let Structure { width_excess, alpha0_excess, .. } =
            row(&weights, &weights, Controls::default()).structure;
        assert_eq!(width_excess.unwrap().p.is_some(), shown, "{wide}");
        assert_eq!(width_excess.unwrap().se.is_some(), shown, "{wide}");
        assert!(alpha0_excess.unwrap().p.is_some(), "{wide}");
    }
}

#[test]
fn the_measures_are_what_their_equations_say() {
    let start = gaussian(&[60, 50, 40], &[0.1, 0.07], 5);
    let now = organised(&gaussian(&[60, 50, 40], &[0.15, 0.05], 6), 1.0);
    let mut plan = plan(&start, Controls::default()).with_details();
    let baseline = Baseline::new(0, &plan, &measure(&plan, &start, 0));
    plan.start_from(&baseline.deviations);
    let measured = measure(&plan, &now, 9);
    let row = Emergence::new(&plan, &baseline, &measured);
    let nulls = measured.controls.groups.last().unwrap();
    let matched = nulls.matched.clone().unwrap().unwrap();
    let draws = nulls.matched_shuffled.clone().unwrap().unwrap();
    assert_eq!((draws.fractals.len(), draws.share), (16, 1.0), "15 degrees of freedom");
    let of = |value: fn(&Fractal) -> f64, excess: Excess| {
        let n = draws.fractals.len() as f64;
        let logs: Vec<f64> = draws.fractals.iter().map(|f| value(f).ln()).collect();
        let mean = logs.iter().sum::<f64>() / n;
        let s = (logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        assert!((excess.value - (value(&matched).ln() - mean)).abs() < 1e-12);
        assert!((excess.se.unwrap() - s * (1.0 + 1.0 / n).sqrt()).abs() < 1e-12);
        excess.value / excess.se.unwrap()
    };
    let width = of(|f| f.width, row.structure.width_excess.unwrap());
    let alpha0 = of(|f| f.alpha0, row.structure.alpha0_excess.unwrap());
    assert!(width > 3.0 && alpha0 > 3.0, "there is structure: t = {width}, {alpha0}");
}

#[test]
fn a_layer_is_measured_as_a_network_of_its_own() {
    let start = gaussian(&[60, 50, 40], &[0.1, 0.07], 5);
    let now = organised(&gaussian(&[60, 50, 40], &[0.15, 0.05], 6), 1.0);
    let both = row(&start, &now, Controls::default());
    let alone = row(&start[..1].to_vec(), &now[..1].to_vec(), Controls::default());
    assert_eq!(both.parts[0].structure, alone.structure);
    assert_eq!(alone.parts[0].structure, alone.structure);
    assert_eq!(both.parts.last().unwrap().structure, both.structure);
    let layers = &both.parts[..2];
    assert!(layers.iter().all(|part| part.structure.width_excess.unwrap().value > 0.0));
}

#[test]
fn step_0_is_tested_too() {
    let start = organised(&gaussian(&[60, 50, 40], &[0.1, 0.07], 5), 0.5);
    let plan = plan(&start, Controls::default());
    let measured = measure(&plan, &start, 0);
    let row = Emergence::new(&plan, &Baseline::new(0, &plan, &measured), &measured);
    assert!(row.structure.alpha0_excess.unwrap().p.unwrap() < 1e-3, "{:?}", row.structure);
    assert_eq!(row.structure.e_norm_matched, Some(0.0));
}

#[test]
fn without_their_control_the_measures_are_absent() {
    let start = gaussian(&[60, 50], &[0.1], 5);
    let none = |controls| {
        let row = row(&start, &start, controls);
        assert_eq!((row.structure.width_excess, row.structure.alpha0_excess), (None, None));
        row
    };
    assert_eq!(none(Controls::default().without_norm_matched()).why, None);
    assert_eq!(none(Controls::default().shuffled(0)).why, None);
    let one = row(&start, &start, Controls::default().shuffled(1));
    let width = one.structure.width_excess.unwrap();
    assert_eq!((width.se, width.p), (None, None), "one draw has no error");
}

/// E - E_shuffled has the errors of two means over samples, the measured ones as alike as their
/// edges are the same.
#[test]
fn the_published_e_is_tested_against_its_own_control() {
    let start = gaussian(&[60, 50, 40], &[0.1, 0.07], 5);
    let now = gaussian(&[60, 50, 40], &[0.13, 0.09], 7);
    let row = row(&start, &now, Controls::default());
    let (e, shuffled) = (row.e.unwrap(), row.e_shuffled.unwrap());
    let plan = plan(&start, Controls::default());
    // Three samples: two degrees of freedom, p = 1 - t/√(2 + t²).
    let error = row.e_shuffled_se.unwrap() * (2.0 + 2.0 * plan.overlap()).sqrt();
    let t = (e - shuffled).abs() / error;
    assert!((row.e_p.unwrap() - (1.0 - t / (2.0 + t * t).sqrt())).abs() < 1e-9);
}

#[test]
fn samples_overlap_by_the_edges_that_they_share() {
    let weights = gaussian(&[6, 4], &[0.1], 1);
    let network = Network::infer(&memory(&weights).parameters(), &Selection::default()).unwrap();
    let overlap = |nodes: &str| {
        let draw: Draw = serde_json::from_str(nodes).unwrap();
        let plan = Plan::new(&Method::default(), &network, &draw, false).unwrap();
        (plan.overlap(), plan.samples_coincide())
    };
    let layers: Vec<&str> = network.layers().iter().map(|layer| layer.name.as_str()).collect();
    let nodes = |samples: &[(&str, &str)]| {
        let sample = |(from, to): &(&str, &str)| {
            format!(r#"{{"{}": {from}, "{}": {to}}}"#, layers[0], layers[1])
        };
        let samples: Vec<String> = samples.iter().map(sample).collect();
        format!(r#"{{"samples": [{}]}}"#, samples.join(", "))
    };
    // 3 × 2 edges each; 2 sources and 1 target in common.
    assert_eq!(
        overlap(&nodes(&[("[0, 1, 2]", "[0, 1]"), ("[1, 2, 5]", "[1, 3]")])),
        (2.0 / 6.0, false)
    );
    assert_eq!(overlap(&nodes(&[("[0, 1]", "[0]"), ("[1, 0]", "[0]")])), (1.0, true));
    assert_eq!(overlap(&nodes(&[("[0, 1]", "[0]"), ("[2, 3]", "[0]")])), (0.0, false));
    // Pairs share 1, 0 and 0 of 1 edge.
    let three = [("[0]", "[0]"), ("[0]", "[0]"), ("[1]", "[0]")];
    assert_eq!(overlap(&nodes(&three)), (1.0 / 3.0, false));
    assert_eq!(overlap(&nodes(&[("[0]", "[0]")])), (0.0, false), "one sample has no other");
}
