//! mlp.json and neox.json: files through the whole pipeline, to 1e-9.

mod golden;

use golden::{
    Expected, assert_close, assert_fractal, assert_near, assert_tau, fractal, path, read, value,
};
use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Measurement, Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Fractal, Method};
use neuromfa::network::{Network, Selection};
use neuromfa::source::{CheckpointFile, Source};

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn plan(source: &dyn Source, draw: &Draw) -> Plan {
    let network = Network::infer(&source.parameters(), &Selection::default()).unwrap();
    Plan::new(&Method::default(), &network, draw, true).unwrap()
}

fn measure(plan: &Plan, source: &dyn Source, threads: usize) -> Measurement {
    let pool = pool(threads);
    let mut snapshot = Snapshot::new(plan);
    plan.snapshot(source, &pool, &mut snapshot).unwrap();
    pool.install(|| Estimators::new(plan).measure(plan, &snapshot, 0))
}

#[test]
fn mlp_over_all_layers() {
    let source = CheckpointFile::open(path("mlp.safetensors")).unwrap();
    let measured = measure(&plan(&source, &Draw::whole()), &source, 2);
    let expected = Expected::read(&read("mlp.json")["one_hop"]);
    expected.assert_published(&measured.published.unwrap()[0]);
    expected.assert_stable(measured.stable.unwrap().unwrap());
}

#[test]
fn mlp_layer_by_layer() {
    let source = CheckpointFile::open(path("mlp.safetensors")).unwrap();
    let parameters = source.parameters();
    for (k, expected) in read("mlp.json")["per_layer"].as_array().unwrap().iter().enumerate() {
        let only: Vec<_> =
            parameters.iter().filter(|p| p.name == format!("layers.{k}.weight")).cloned().collect();
        let network = Network::infer(&only, &Selection::default()).unwrap();
        let plan = Plan::new(&Method::default(), &network, &Draw::whole(), true).unwrap();
        let measured = measure(&plan, &source, 1);
        let expected = Expected::read(expected);
        expected.assert_published(&measured.published.unwrap()[0]);
        expected.assert_stable(measured.stable.unwrap().unwrap());
    }
}

#[test]
fn neox_emergence_of_each_sample() {
    let golden = read("neox.json");
    let fractals = |step: &str| -> Vec<Fractal> {
        golden["expected"][step]["samples"].as_array().unwrap().iter().map(fractal).collect()
    };
    for name in ["64", "300"] {
        let expected: Vec<f64> = value(&golden["expected"][name]["E_per_sample"]);
        let pairs = fractals("0").into_iter().zip(fractals(name));
        let e: Vec<f64> =
            pairs.map(|(a, b)| neuromfa::mfa::degree_of_emergence(a, b).unwrap()).collect();
        assert_close("E", &e, &expected);
    }
}

/// The standard error of the mean.
fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt()
}

#[test]
fn neox_samples_means_and_emergence() {
    let draw: Draw = value(&read("neox-nodes.json"));
    let golden = read("neox.json");
    let (mut start, mut start_whole) = (None, None);
    for step in [0u64, 64, 300] {
        let source = CheckpointFile::open(path(&format!("neox-step{step}.safetensors"))).unwrap();
        let expected = &golden["expected"][step.to_string()];

        let sampled = measure(&plan(&source, &draw), &source, 2);
        let samples = sampled.published.as_ref().unwrap();
        for (got, expected) in samples.iter().zip(expected["samples"].as_array().unwrap()) {
            assert_eq!(got.neurons, value::<usize>(&expected["nodes"]));
            assert_fractal("sample", got.fractal, fractal(expected));
            let list = |name| value::<Vec<f64>>(&expected[name]);
            assert_tau(got, &list("tau"), &list("r2"));
        }
        let baseline =
            start.get_or_insert_with(|| Baseline::new(step, &plan(&source, &draw), &sampled));
        let row = Emergence::new(&plan(&source, &draw), baseline, &sampled);
        assert_near("alpha0", row.alpha0.unwrap(), value(&expected["alpha0"]));
        assert_near("width", row.width.unwrap(), value(&expected["width"]));
        if step > 0 {
            let of_samples: Vec<f64> = value(&expected["E_per_sample"]);
            assert_near("E", row.e.unwrap(), value(&expected["E"]));
            assert_near("E_se", row.e_se.unwrap(), standard_error(&of_samples));
        }
        assert_near("E_stable", row.e_stable.unwrap(), value(&expected["E_stable_whole"]));

        let whole = measure(&plan(&source, &Draw::whole()), &source, 2);
        let full = Expected::read(&expected["whole"]);
        full.assert_published(&whole.published.as_ref().unwrap()[0]);
        full.assert_stable(*whole.stable.as_ref().unwrap().as_ref().unwrap());
        let baseline = start_whole
            .get_or_insert_with(|| Baseline::new(step, &plan(&source, &Draw::whole()), &whole));
        let row = Emergence::new(&plan(&source, &Draw::whole()), baseline, &whole);
        assert_near("E_whole", row.e.unwrap(), value(&expected["E_whole"]));
        assert_eq!(row.e_se, None, "one network has no spread");
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let source = CheckpointFile::open(path("neox-step300.safetensors")).unwrap();
    let draw: Draw = value(&read("neox-nodes.json"));
    for draw in [draw, Draw::whole()] {
        let plan = plan(&source, &draw);
        let one = measure(&plan, &source, 1);
        for threads in [2, 3, 7] {
            let many = measure(&plan, &source, threads);
            assert_eq!(one.published, many.published);
            assert_eq!(one.stable, many.stable);
        }
    }
}
