//! When the numbers of a step are not to be believed: each rule, on both sides of its threshold.

use neuromfa::Controls;
use neuromfa::internals::analysis::{
    Baseline, Concern, Emergence, Estimators, Measurement, Plan, Snapshot, WarningKind,
};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::Method;
use neuromfa::network::{Network, Selection};
use neuromfa::source::{Memory, Source};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const OUT: usize = 60;
const IN: usize = 40;

/// One matrix, its weights by target and source.
fn memory(mut weight: impl FnMut(usize, usize) -> f32) -> Memory {
    let memory = Memory::new();
    let values: Vec<f32> = (0..OUT * IN).map(|at| weight(at / IN, at % IN)).collect();
    memory.set("0.weight", &[OUT, IN], values).unwrap();
    memory
}

/// Distances from 2 to 80 or so, in another order for each neuron.
fn healthy(target: usize, source: usize) -> f32 {
    1.0 / (2.0 + ((target * (source + 1)) % 79) as f32)
}

fn plan(draw: impl Fn(&Network) -> Draw) -> Plan {
    let network = Network::infer(&memory(healthy).parameters(), &Selection::default()).unwrap();
    Plan::new(&Method::default(), &network, &draw(&network), true).unwrap()
}

fn sampled(neurons: usize, samples: usize) -> Plan {
    plan(|network| Draw::random(network, neurons, samples, 3).unwrap())
}

fn measure(plan: &Plan, memory: &Memory) -> Measurement {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut snapshot = Snapshot::new(plan);
    plan.snapshot(memory, &pool, &mut snapshot).unwrap();
    pool.install(|| Estimators::new(plan).measure(plan, &snapshot, 1))
}

/// The row of weights against healthy ones.
fn row(plan: &Plan, now: &Memory) -> Emergence {
    let baseline = Baseline::new(0, plan, &measure(plan, &memory(healthy)));
    Emergence::new(plan, &baseline, &measure(plan, now))
}

fn warns(row: &Emergence, kind: WarningKind) -> bool {
    row.trust.warnings.iter().any(|warning| warning.kind == kind)
}

#[test]
fn less_than_half_of_the_neurons() {
    let plan = plan(|_| Draw::whole());
    for (kept, warned) in [(40, false), (20, false), (19, true), (1, true)] {
        // The others' weights are too large: all their distances are one half.
        let row = row(&plan, &memory(|t, s| if s < kept { healthy(t, s) } else { 2.0 }));
        assert_eq!(row.trust.kept, Some(kept as f64 / IN as f64));
        assert_eq!(warns(&row, WarningKind::FewNeurons), warned, "{kept} of {IN}");
    }
}

#[test]
fn less_than_half_of_the_weights() {
    let plan = plan(|_| Draw::whole());
    for (targets, warned) in [(60, false), (30, false), (29, true), (15, true)] {
        // Every source keeps more than 10 edges.
        let row = row(&plan, &memory(|t, s| if t < targets { healthy(t, s) } else { 1.0 }));
        assert_eq!(
            (row.trust.in_range, row.trust.kept),
            (Some(targets as f64 / OUT as f64), Some(1.0))
        );
        assert_eq!(warns(&row, WarningKind::InRange), warned, "{targets} of {OUT}");
    }
    let words = row(&plan, &memory(|t, s| if t < 15 { healthy(t, s) } else { 1.0 })).trust;
    assert_eq!(words.codes(), ["in_range"]);
    assert_eq!(
        words.text(Concern::Conclusion, false).as_deref(),
        Some("only 25 % of the weights are at distances from 1 to 150")
    );
}

/// Where only drawn weights are counted, the share is theirs.
#[test]
fn the_share_in_range_of_drawn_weights() {
    let network = Network::infer(&memory(healthy).parameters(), &Selection::default()).unwrap();
    let draw = r#"{"samples": [{"0.in": [0, 1], "0": [0, 1, 2, 3, 58, 59]}]}"#;
    let draw = draw.replace("0.in", &network.layers()[0].name);
    let draw = draw.replace("\"0\"", &format!("{:?}", network.layers()[1].name));
    let draw: Draw = serde_json::from_str(&draw).unwrap();
    let plan = Plan::new(&Method::default(), &network, &draw, false).unwrap();
    let now = memory(|t, s| if t < 30 { healthy(t, s) } else { 1.0 });
    assert_eq!(measure(&plan, &now).in_range, Some(4.0 / 6.0));
}

/// Two clusters of distances, the more apart the less of a line.
#[test]
fn a_fit_that_is_no_line() {
    let plan = plan(|_| Draw::whole());
    let (mut below, mut above) = (0, 0);
    for far in 3..150 {
        let row = row(
            &plan,
            &memory(|t, s| 1.0 / if t % 2 == 0 { 2.0 + (s % 3) as f32 } else { far as f32 }),
        );
        let Some(r2) = row.trust.r2_min else { continue };
        assert_eq!(warns(&row, WarningKind::PoorFit), r2 < 0.7, "{far}: {r2}");
        below += usize::from((0.4..0.7).contains(&r2));
        above += usize::from((0.7..0.9).contains(&r2));
    }
    assert!(below > 3 && above > 3, "{below}, {above}");
}

/// Concave by the chords from point to point, and the first of the highest points.
fn shape(row: &Emergence) -> (bool, usize) {
    let points = row.spectrum.iter().filter_map(|p| Some((p.alpha?, p.f?)));
    let points: Vec<(f64, f64)> = points.collect();
    let highest = points.iter().map(|p| p.1).fold(f64::MIN, f64::max);
    let top = points.iter().position(|p| p.1 >= highest - 1e-12).unwrap();
    // alpha falls as q rises, so that slopes df/dalpha, which are q, must rise.
    let falls = points.windows(2).all(|pair| pair[1].0 <= pair[0].0 + 1e-12);
    (falls, top)
}

#[test]
fn spectra_that_are_not_concave() {
    let whole = plan(|_| Draw::whole());
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let start = shape(&row(&whole, &memory(healthy))).1;
    let mut concave = [0, 0];
    for round in 0..300 {
        let many = rng.random_range(5..35);
        let near = rng.random_range(2.0..30.0f32);
        let now = memory(|t, s| {
            1.0 / match (round % 2 == 0, t < OUT / 2, s < many) {
                (true, _, true) => near + rng.random_range(0.0..3.0),
                (true, _, false) => rng.random_range(1.0..149.0),
                // Neurons that are alike at small radii and differ at large ones.
                (false, true, _) => rng.random_range(2.0..6.0),
                (false, false, true) => rng.random_range(70.0..75.0),
                (false, false, false) => rng.random_range(135.0..140.0),
            }
        });
        let row = row(&whole, &now);
        let (is_concave, top) = shape(&row);
        assert_eq!(row.trust.concave, Some(f64::from(u8::from(is_concave))));
        assert_eq!(warns(&row, WarningKind::NotConcave), !is_concave);
        assert_eq!(row.trust.argmax_stable, Some(f64::from(u8::from(top == start))));
        assert_eq!(warns(&row, WarningKind::PeakMoved), top != start);
        concave[usize::from(is_concave)] += 1;
    }
    assert!(concave.iter().all(|n| *n > 5), "{concave:?}");
}

#[test]
fn what_moved_since_step_0_in_half_of_the_samples() {
    let plan = sampled(20, 4);
    let measured = measure(&plan, &memory(healthy));
    let baseline = Baseline::new(0, &plan, &measured);
    for moved in 0..=4 {
        let mut other = baseline.clone();
        other.positions[..moved].iter_mut().for_each(|position| position.smallest_radius += 1.0);
        let row = Emergence::new(&plan, &other, &measured);
        assert_eq!(warns(&row, WarningKind::RadiiMoved), moved >= 2, "{moved} of 4");
        let mut other = baseline.clone();
        other.positions[..moved].iter_mut().for_each(|position| position.top += 1);
        let row = Emergence::new(&plan, &other, &measured);
        assert_eq!(warns(&row, WarningKind::PeakMoved), moved >= 1, "{moved} of 4");
        assert_eq!(row.trust.argmax_stable, Some((4 - moved) as f64 / 4.0));
    }
}

#[test]
fn a_width_of_step_0_near_zero() {
    let plan = sampled(20, 4);
    let measured = measure(&plan, &memory(healthy));
    for (published, stable, warned) in
        [(0.031, 0.031, false), (0.029, 0.031, true), (0.031, 0.029, true)]
    {
        let mut baseline = Baseline::new(0, &plan, &measured);
        baseline.samples.iter_mut().for_each(|sample| sample.width = published);
        baseline.stable.as_mut().unwrap().width = stable;
        let row = Emergence::new(&plan, &baseline, &measured);
        assert_eq!(warns(&row, WarningKind::NarrowStart), warned, "{published}, {stable}");
    }
}

#[test]
fn samples_of_most_of_the_network_overlap_and_equal_ones_have_no_error() {
    // A sample of n has n/40 of the sources and n/60 of the targets.
    for (neurons, warned) in [(20, false), (39, true)] {
        let row = row(&sampled(neurons, 4), &memory(|t, s| 1.1 * healthy(t, s)));
        assert_eq!(warns(&row, WarningKind::Overlap), warned, "{neurons}");
        assert!(row.e_se.is_some() && row.width_std.is_some());
    }
    let row = row(&sampled(60, 4), &memory(|t, s| 1.1 * healthy(t, s)));
    assert!(row.e.is_some() && warns(&row, WarningKind::Overlap));
    assert_eq!((row.e_se, row.alpha0_std, row.width_std), (None, None, None));
    assert!(row.spectrum.iter().all(|point| point.tau_std.is_none() && point.f_std.is_none()));
}

/// Growth alone moves E, and the shuffled control with it.
#[test]
fn an_e_that_shuffled_weights_have_too() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let random: Vec<f32> = (0..OUT * IN).map(|_| rng.random_range(-0.1..0.1)).collect();
    let of = |spread: f32| {
        memory(|t, s| 1.5 * random[t * IN + s] * (1.0 + spread * s as f32 / IN as f32))
    };
    let plan = sampled(16, 8).with_controls(Controls::default());
    let start = memory(|t, s| random[t * IN + s]);
    let baseline = Baseline::new(0, &plan, &measure(&plan, &start));
    let row = |now: &Memory| Emergence::new(&plan, &baseline, &measure(&plan, now));
    let grown = row(&of(0.0));
    assert!(grown.e.unwrap() > 0.0 && grown.e_p.unwrap() >= 0.05, "{:?}", grown.e_p);
    assert!(warns(&grown, WarningKind::EIndistinguishable));
    let caveat = grown.trust.text(Concern::Published, false).unwrap();
    assert!(caveat.contains("E is indistinguishable from the shuffled control ("), "{caveat}");
    let organised = row(&of(20.0));
    assert!(organised.e_p.unwrap() < 0.05, "{:?}", organised.e_p);
    assert!(!warns(&organised, WarningKind::EIndistinguishable));
}

#[test]
fn what_holds_from_step_0_on_is_said_in_the_first_row_only() {
    let plan = plan(|_| Draw::whole());
    let few = |weight: f32| memory(move |t, s| if s < 10 { healthy(t, s) } else { weight });
    let measured = measure(&plan, &few(2.0));
    let row = Emergence::new(&plan, &Baseline::new(0, &plan, &measured), &measured);
    let codes = row.trust.codes();
    assert!(
        codes.starts_with(&["few_neurons", "in_range"]),
        "the codes are in every row: {codes:?}"
    );
    assert_eq!(row.trust.text(Concern::Conclusion, false), None);
    let first = row.trust.text(Concern::Conclusion, true).unwrap();
    assert!(first.contains("25 % of the neurons"), "{first}");
    let later = self::row(&plan, &few(2.0));
    assert!(later.trust.text(Concern::Conclusion, false).is_some(), "it began later");
}
