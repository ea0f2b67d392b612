//! Degenerate input has a named outcome: never a panic, and no 0 or NaN where there is no value.
//!
//! The text of `why` is compared word for word: it is shown next to an empty field.

use neuromfa::Status;
use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Measurement, Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{
    BoxMasses, Degenerate, Fractal, Histogram, Method, Parameters, Published, Stable,
};
use neuromfa::network::{Network, NetworkError, Parameter, Selection};
use neuromfa::source::{Memory, Source, SourceError};

const OUT: usize = 40;
const IN: usize = 30;

/// One matrix `[OUT, IN]`.
fn source(weight: impl FnMut(usize) -> f32) -> Memory {
    of_shape([OUT, IN], weight)
}

fn of_shape(shape: [usize; 2], weight: impl FnMut(usize) -> f32) -> Memory {
    let memory = Memory::new();
    let weights: Vec<f32> = (0..shape[0] * shape[1]).map(weight).collect();
    memory.set("0.weight", &shape, weights).unwrap();
    memory
}

/// Distances from 2 to 80, in another order for each neuron.
fn healthy(k: usize) -> f32 {
    let (target, source) = (k / IN, k % IN);
    let sign = if k.is_multiple_of(3) { -1.0 } else { 1.0 };
    sign / (2.0 + ((target * (source + 1)) % 79) as f32)
}

fn network(source: &Memory) -> Network {
    Network::infer(&source.parameters(), &Selection::default()).unwrap()
}

fn plan(source: &Memory, draw: &Draw) -> Plan {
    Plan::new(&Method::default(), &network(source), draw, true).unwrap()
}

fn measure(source: &Memory, draw: &Draw) -> Measurement {
    let plan = plan(source, draw);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut snapshot = Snapshot::new(&plan);
    plan.snapshot(source, &pool, &mut snapshot).unwrap();
    pool.install(|| Estimators::new(&plan).measure(&plan, &snapshot, 0))
}

/// The row of a measurement against another one, none of whose values may be NaN or infinite.
fn row_against(start: &Measurement, now: &Measurement) -> Emergence {
    let plan = plan(&source(healthy), &Draw::whole());
    let row = Emergence::new(&plan, &Baseline::new(0, &plan, start), now);
    for (name, value) in values(&row) {
        assert!(value.is_none_or(f64::is_finite), "{name}: {row:?}");
    }
    assert_eq!(row.status == Status::Ok, row.why.is_none());
    row
}

/// The row of the whole network as step 0.
fn row(source: &Memory) -> Emergence {
    let measured = measure(source, &Draw::whole());
    row_against(&measured, &measured)
}

fn values(row: &Emergence) -> [(&'static str, Option<f64>); 12] {
    [
        ("alpha0", row.alpha0),
        ("width", row.width),
        ("E", row.e),
        ("E_se", row.e_se),
        ("alpha0_std", row.alpha0_std),
        ("width_std", row.width_std),
        ("r2", row.r2),
        ("neurons", row.neurons),
        ("radii", row.radii),
        ("alpha0_stable", row.alpha0_stable),
        ("width_stable", row.width_stable),
        ("E_stable", row.e_stable),
    ]
}

/// The names of the values that are there.
fn present(row: &Emergence) -> Vec<&'static str> {
    values(row).into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect()
}

#[track_caller]
fn assert_outcome(row: &Emergence, status: Status, why: &[&str], there: &[&str]) {
    assert_eq!(row.status, status, "{row:?}");
    assert_eq!(row.why.as_deref(), Some(why.join("; ").as_str()));
    assert_eq!(present(row), there);
    assert_eq!(row.spectrum.is_empty(), row.alpha0.is_none());
}

const NO_NEURON: &str = "no neuron has more than 10 edges with distances in range";

#[test]
fn a_healthy_network_has_every_value_of_one_network() {
    let row = row(&source(healthy));
    let single = ["alpha0", "width", "E", "r2", "neurons", "radii"];
    let stable = ["alpha0_stable", "width_stable", "E_stable"];
    assert_eq!((row.status, &row.why), (Status::Ok, &None));
    assert_eq!(present(&row), [&single[..], &stable].concat(), "one network has no spread");
}

#[test]
fn no_neuron_left() {
    let cases: [(&str, Memory); 6] = [
        ("zeros", source(|_| 0.0)),
        ("beyond the range", source(|_| 1e30)),
        ("below the range, subnormal", source(|_| 1e-40)),
        ("ten edges in range each", source(|k| if k < 10 * IN { 0.02 } else { 0.0 })),
        ("a layer of width 1 after it", of_shape([1, 40], |k| 1.0 / (k + 2) as f32)),
        ("one weight", of_shape([1, 1], |_| 0.1)),
    ];
    let published = format!("published estimator: the whole network: {NO_NEURON}");
    let stable = format!("stable estimator: the whole network: {NO_NEURON}");
    for (case, source) in cases {
        println!("{case}");
        assert_outcome(&row(&source), Status::NoNeurons, &[&published, &stable], &[]);
    }
}

#[test]
fn constant_weights_have_one_radius() {
    let published = |radius| {
        format!(
            "published estimator: the whole network: all distances lie at the one radius \
             {radius}: no slope can be fitted"
        )
    };
    // On its fixed grid the mass still grows, at 50, in the same way for all neurons.
    assert_outcome(
        &row(&source(|_| 0.02)),
        Status::Degenerate,
        &[&published(50), "E_stable: the width of the baseline is 0 within rounding"],
        &["alpha0_stable", "width_stable"],
    );
    assert_outcome(
        &row(&source(|_| -0.9)),
        Status::Degenerate,
        &[
            &published(1),
            "stable estimator: the whole network: the box mass is the same at every radius",
        ],
        &[],
    );
}

/// One neuron has one dimension: tau is a straight line and the spectrum a point.
#[test]
fn a_first_layer_of_width_1_has_no_width() {
    let row = row(&of_shape([40, 1], |k| 1.0 / (k + 2) as f32));
    let there = ["alpha0", "width", "r2", "neurons", "radii", "alpha0_stable", "width_stable"];
    assert_eq!((row.status, row.neurons), (Status::Degenerate, Some(1.0)));
    assert_eq!(present(&row), there);
    let why = row.why.unwrap();
    let (published, stable) = why.split_once("; ").unwrap();
    assert_eq!(published, "E: the width of the baseline is 0 within rounding");
    assert!(stable.starts_with("E_stable: the width of the baseline is"), "{why}");
}

/// Differences over a small step of q enlarge the rounding errors of a width of 0.
#[test]
fn no_width_is_recognised_on_the_finest_q_grid() {
    let (q_min, q_max) = (-20.0, 20.0);
    let fine = Parameters::default().q_min(q_min).q_max(q_max).q_step(0.001);
    let method = fine.check().unwrap();
    let distances: Vec<f64> = (0..200).map(|k| 2.0 + f64::from(k * k % 140)).collect();
    let histogram = Histogram::from_distances(&method, &[distances]);
    let mut published = Published::new(&method);
    published.reach(201);
    let masses = BoxMasses::new(&method, &histogram).unwrap();
    let one = published.estimate(&masses).unwrap().fractal;
    let error = neuromfa::mfa::degree_of_emergence(one, Fractal { alpha0: 1.0, width: 0.5 });
    assert!(matches!(error, Err(neuromfa::mfa::NoEmergence::ZeroWidth { .. })), "{error:?}");
}

#[test]
fn weights_that_are_not_finite() {
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let row = row(&source(|k| if k % 600 == 7 { odd } else { healthy(k) }));
        let why = [
            "published estimator: weights that are not finite (NaN or infinite): 2, in 0.weight",
            "stable estimator: weights that are not finite (NaN or infinite): 2, in 0.weight",
        ];
        assert_outcome(&row, Status::NonFinite, &why, &[]);
    }
}

#[test]
fn not_finite_or_degenerate_only_now() {
    let start = measure(&source(healthy), &Draw::whole());
    let nan = measure(&source(|k| if k == 7 { f32::NAN } else { healthy(k) }), &Draw::whole());
    assert_eq!(row_against(&start, &nan).status, Status::NonFinite);
    let zeros = measure(&source(|_| 0.0), &Draw::whole());
    assert_eq!(row_against(&start, &zeros).status, Status::NoNeurons);
}

#[test]
fn a_baseline_without_values() {
    let zeros = measure(&source(|_| 0.0), &Draw::whole());
    let row = row_against(&zeros, &measure(&source(healthy), &Draw::whole()));
    assert_outcome(
        &row,
        Status::Degenerate,
        &[
            "E: the baseline (step 0) has no values",
            "E_stable: the baseline (step 0) has no values",
        ],
        &["alpha0", "width", "r2", "neurons", "radii", "alpha0_stable", "width_stable"],
    );
}

/// A baseline may come from a file: its numbers are not trusted either.
#[test]
fn a_baseline_with_values_that_e_cannot_use() {
    let measured = measure(&source(healthy), &Draw::whole());
    let why = |alpha0, width| {
        let start = Fractal { alpha0, width };
        let (samples, stable) = (vec![start], Some(start));
        let baseline = Baseline { step: 3, samples, stable, ..Baseline::default() };
        let row = Emergence::new(&plan(&source(healthy), &Draw::whole()), &baseline, &measured);
        assert_eq!((row.status, row.e, row.e_stable), (Status::Degenerate, None, None));
        row.why.unwrap()
    };
    let not_positive = "alpha0 of the baseline = -1 is not above 0, so ln(alpha0(0)/alpha0(t)) \
                        has no value";
    assert_eq!(why(-1.0, 1.0), format!("E: {not_positive}; E_stable: {not_positive}"));
    assert!(why(0.0, 1.0).contains("alpha0 of the baseline = 0 is not above 0"));
    assert!(why(f64::NAN, 1.0).contains("alpha0 of the baseline = NaN is not finite"));
    assert!(why(1.0, f64::INFINITY).contains("the width of the baseline = inf is not finite"));
    assert!(why(1.0, 0.0).contains("the width of the baseline is 0 within rounding"));
}

fn draw(samples: &str) -> Draw {
    serde_json::from_str(&format!("{{\"samples\": [{samples}]}}")).unwrap()
}

#[test]
fn one_bad_sample_is_named() {
    let all: Vec<usize> = (0..OUT).collect();
    let draw = draw(&format!(
        r#"{{"layer.0": [0, 1], "layer.1": {all:?}}},
           {{"layer.0": [0, 1], "layer.1": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}}"#
    ));
    let measured = measure(&source(healthy), &draw);
    assert_outcome(
        &row_against(&measured, &measured),
        Status::NoNeurons,
        &[&format!("published estimator: sample 1: {NO_NEURON}")],
        &["alpha0_stable", "width_stable", "E_stable"],
    );
}

#[test]
fn a_sample_of_no_neurons_is_named() {
    let measured = measure(&source(healthy), &draw(r#"{"layer.0": [], "layer.1": []}"#));
    let why = format!("published estimator: sample 0: {NO_NEURON}");
    let there = ["alpha0_stable", "width_stable", "E_stable"];
    assert_outcome(&row_against(&measured, &measured), Status::NoNeurons, &[&why], &there);
}

#[test]
fn nothing_to_analyse_is_an_error_before_the_run() {
    let infer =
        |source: &Memory| Network::infer(&source.parameters(), &Selection::default()).unwrap_err();
    assert_eq!(infer(&Memory::new()), NetworkError::NoMatrices { count: 0, untrained: 0 });
    for shape in [[0, IN], [OUT, 0], [0, 0]] {
        assert_eq!(
            infer(&of_shape(shape, |_| 1.0)),
            NetworkError::NoMatrices { count: 1, untrained: 0 }
        );
    }
    let message = infer(&Memory::new()).to_string();
    assert!(message.starts_with("none of the 0 parameters is left to analyse"), "{message}");
}

#[test]
fn a_matrix_without_weights_is_left_out_with_a_reason() {
    let source = source(healthy);
    source.set("1.weight", &[0, OUT], Vec::<f32>::new()).unwrap();
    let network = network(&source);
    assert_eq!(network.connections().len(), 1);
    let left_out = &network.left_out()[0];
    assert_eq!((left_out.name.as_str(), left_out.why.as_str()), ("1.weight", "holds no weights"));
    assert_eq!(row(&source).status, Status::Ok);
}

#[test]
fn a_tensor_that_changed_is_an_error_of_the_snapshot() {
    let before = source(healthy);
    let plan = Plan::new(&Method::default(), &network(&before), &Draw::whole(), true).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut snapshot = Snapshot::new(&plan);
    let mut now = |source: &Memory| plan.snapshot(source, &pool, &mut snapshot).unwrap_err();
    let error = now(&of_shape([OUT, IN - 1], |_| 0.1));
    assert!(matches!(&error, SourceError::Shape { name, .. } if name == "0.weight"), "{error}");
    let error = now(&of_shape([0, 0], |_| 0.1));
    assert!(matches!(&error, SourceError::Shape { .. }), "{error}");
    let error = now(&Memory::new());
    assert!(matches!(&error, SourceError::Missing { name, .. } if name == "0.weight"), "{error}");
    let other_name = Network::infer(&[Parameter::new("x", [OUT, IN])], &Selection::default());
    let plan = Plan::new(&Method::default(), &other_name.unwrap(), &Draw::whole(), true).unwrap();
    let error = plan.snapshot(&before, &pool, &mut Snapshot::new(&plan)).unwrap_err();
    assert_eq!(error.to_string(), "no tensor \"x\" in memory");
}

#[test]
fn degenerate_networks_of_distances() {
    let method = Method::default();
    let estimate = |method: &Method, distances: &[Vec<f64>]| {
        let histogram = Histogram::from_distances(method, distances);
        let masses = BoxMasses::new(method, &histogram)?;
        let (mut published, mut stable) = (Published::new(method), Stable::new(method));
        published.reach(100);
        stable.reach(100);
        published.estimate(&masses)?;
        stable.estimate(&masses).map(|spectrum| spectrum.fractal)
    };
    let none = Err(Degenerate::NoNeurons { min_edges: 10 });
    let outside = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -3.0, 1.0, 150.5];
    assert_eq!(estimate(&method, &[]), none);
    assert_eq!(estimate(&method, &[vec![]]), none);
    assert_eq!(estimate(&method, &[vec![5.0; 10]]), none);
    assert_eq!(estimate(&method, &[outside.repeat(9), vec![5.0; 10]]), none);
    let one_radius = Err(Degenerate::OneRadius { radius: 5.0 });
    assert_eq!(estimate(&method, &[vec![5.0; 11], vec![4.9; 20]]), one_radius);
    assert!(estimate(&method, &[vec![5.0; 11], vec![4.0; 11]]).is_ok());

    let narrow = Parameters::default().max_distance(1.4).check().unwrap();
    let one_radius = Err(Degenerate::OneRadius { radius: 1.0 });
    assert_eq!(estimate(&narrow, &[vec![1.2; 11]]), one_radius);
    let histogram = Histogram::from_distances(&narrow, &[vec![1.2; 11]]);
    let mut stable = Stable::new(&narrow);
    stable.reach(12);
    let alone = stable.estimate(&BoxMasses::new(&narrow, &histogram).unwrap());
    assert_eq!(alone.map(|spectrum| spectrum.fractal), one_radius);
}
