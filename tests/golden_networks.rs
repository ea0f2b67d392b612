//! mlp.json and neox.json: files through the whole pipeline, to 1e-9.

mod golden;

use golden::{
    Expected, assert_fractal, assert_near, assert_tau, fractal, path, published_fractal, read,
    value,
};
use neuromfa::analysis::{Baseline, Emergence, Estimators, Measurement, Plan, Snapshot};
use neuromfa::mfa::{Fractal, Method};
use neuromfa::network::{Draw, Network, Selection};
use neuromfa::source::{CheckpointFile, Source};
use serde_json::Value;

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

fn mean(samples: &[Fractal]) -> Fractal {
    let mean = |of: fn(&Fractal) -> f64| samples.iter().map(of).sum::<f64>() / samples.len() as f64;
    Fractal { alpha0: mean(|s| s.alpha0), width: mean(|s| s.width) }
}

/// E from the means, and its paired standard error, straight from the definition.
fn emergence(start: &[Fractal], now: &[Fractal]) -> (f64, f64) {
    let e = |a: Fractal, b: Fractal| b.width / a.width * (a.alpha0 / b.alpha0).ln();
    let n = now.len() as f64;
    let each: Vec<f64> = start.iter().zip(now).map(|(&a, &b)| e(a, b)).collect();
    let mid = each.iter().sum::<f64>() / n;
    let variance = each.iter().map(|e| (e - mid).powi(2)).sum::<f64>() / (n - 1.0);
    (e(mean(start), mean(now)), (variance / n).sqrt())
}

/// Of the golden program's own E per sample, those in which rounding took the first alpha of the
/// tie at both steps (see [`published_fractal`]) agree as they are.
#[test]
fn neox_emergence_of_each_sample_where_golden_took_the_first_alpha() {
    let golden = read("neox.json");
    let step = |step: &str| golden["expected"][step]["samples"].as_array().unwrap().clone();
    let start = step("0");
    let mut compared = 0;
    for name in ["64", "300"] {
        let own: Vec<f64> = value(&golden["expected"][name]["E_per_sample"]);
        for ((a, b), own) in start.iter().zip(&step(name)).zip(own) {
            let first = |s: &Value| (published_fractal(s).alpha0 - fractal(s).alpha0).abs() < 1e-12;
            if first(a) && first(b) {
                let (a, b) = (published_fractal(a), published_fractal(b));
                assert_near("E", neuromfa::mfa::degree_of_emergence(a, b).unwrap(), own);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 14);
}

#[test]
fn neox_samples_means_and_emergence() {
    let draw: Draw = value(&read("neox-nodes.json"));
    let golden = read("neox.json");
    let (mut start, mut start_whole, mut expected_start) = (None, None, None);
    for step in [0u64, 64, 300] {
        let source = CheckpointFile::open(path(&format!("neox-step{step}.safetensors"))).unwrap();
        let expected = &golden["expected"][step.to_string()];

        let sampled = measure(&plan(&source, &draw), &source, 2);
        let samples = sampled.published.as_ref().unwrap();
        for (got, expected) in samples.iter().zip(expected["samples"].as_array().unwrap()) {
            assert_eq!(got.neurons, value::<usize>(&expected["nodes"]));
            assert_fractal("sample", got.fractal, published_fractal(expected));
            let list = |name| value::<Vec<f64>>(&expected[name]);
            assert_tau(got, &list("tau"), &list("r2"));
        }
        let expected_now: Vec<Fractal> =
            expected["samples"].as_array().unwrap().iter().map(published_fractal).collect();
        let baseline =
            start.get_or_insert_with(|| Baseline::new(step, &plan(&source, &draw), &sampled));
        let row = Emergence::new(&plan(&source, &draw), baseline, &sampled);
        let start = expected_start.get_or_insert_with(|| expected_now.clone());
        let (e, e_se) = emergence(start, &expected_now);
        assert_near("alpha0", row.alpha0.unwrap(), mean(&expected_now).alpha0);
        assert_near("width", row.width.unwrap(), value(&expected["width"]));
        assert_near("E", row.e.unwrap(), e);
        assert_near("E_se", row.e_se.unwrap(), e_se);
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
