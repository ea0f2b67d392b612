//! Compares with other programs on the same weights: NumPy and Python programs of the same method
//! against one analysis here, and the common practice (a copy and a histogram of every parameter)
//! against the time that training waits for the monitor.
//!
//!     make bench-peers
//!
//! Weights are those of a fresh Pythia 160M, 10 samples of 64 neurons. NEUROMFA_PYTHON names a Python
//! that has numpy.

#[path = "../gpt_neox/mod.rs"]
mod gpt_neox;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use gpt_neox::{Initialisation, Weights, pool, sampled};
use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Plan, Snapshot};
use neuromfa::source::{CheckpointFile, Source, save};

/// Repetitions of what takes less than a second.
const RUNS: usize = 9;

fn main() {
    let python = std::env::var("NEUROMFA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let source = Weights::draw(&Initialisation::pythia_160m(0));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [model, other, nodes] = ["model.safetensors", "other.safetensors", "nodes.json"]
        .map(|name| folder.path().join(name));
    let names: Vec<String> = source.parameters().into_iter().map(|p| p.name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    save(&model, &source, &names).expect("the weights are written");
    source.train();
    save(&other, &source, &names).expect("the weights are written");
    source.train();
    let plan = sampled(&source, false);
    std::fs::write(&nodes, serde_json::to_vec(plan.draw()).expect("nodes as JSON")).expect("nodes");

    println!("one analysis, 160M, 10 samples of 64 neurons, file to alpha0 (seconds)\n");
    let mut own = Vec::new();
    for threads in [1, 2] {
        let times = analyses(&plan, [&model, &other], threads);
        println!("neuromfa, {threads} threads      {}", spread(&times));
        own.push(median(&times));
    }
    for (style, runs) in [("vectorised", 5), ("loops", 1)] {
        let times: Option<Vec<f64>> =
            (0..runs).map(|_| peer(&python, style, &model, &nodes, &plan, &source)).collect();
        let Some(times) = times else {
            println!("{style}: {python} with numpy is not there (NEUROMFA_PYTHON)");
            continue;
        };
        let ratio = |own: &f64| format!("{:.0}", median(&times) / own);
        let ratios: Vec<String> = own.iter().map(ratio).collect();
        println!("{style:10} (one thread) {}  ratio {}", spread(&times), ratios.join(", "));
    }
    today::compare(&source);
}

fn analyses(plan: &Plan, models: [&Path; 2], threads: usize) -> Vec<f64> {
    let pool = pool(threads);
    let estimators = Estimators::new(plan);
    let mut snapshot = Snapshot::new(plan);
    let one = |k| {
        // In turn: unchanged weights are not counted again.
        let model = models[k % 2];
        let start = Instant::now();
        let file = CheckpointFile::open(model).expect("the file that was written");
        plan.snapshot(&file, &pool, &mut snapshot).expect("a snapshot");
        let measured = pool.install(|| estimators.measure(plan, &snapshot, 0));
        assert!(measured.published.is_ok());
        start.elapsed().as_secs_f64()
    };
    (0..RUNS).map(one).collect()
}

/// The seconds of a peer; none when it cannot run. Its result must be that of the crate.
fn peer(
    python: &str,
    style: &str,
    model: &Path,
    nodes: &Path,
    plan: &Plan,
    source: &Weights,
) -> Option<f64> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/method.py");
    let output = Command::new(python).arg(script).arg(style).arg(model).arg(nodes).output().ok()?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let mut snapshot = Snapshot::new(plan);
    plan.snapshot(source, &pool(1), &mut snapshot).expect("a snapshot");
    let measured = Estimators::new(plan).measure(plan, &snapshot, 0);
    let row = Emergence::new(plan, &Baseline::new(0, plan, &measured), &measured);
    for (name, own) in [("alpha0", row.alpha0), ("width", row.width)] {
        let (own, peer) = (own?, result[name].as_f64()?);
        assert!((own / peer - 1.0).abs() < 1e-9, "{style}: {name} is {peer}, here {own}");
    }
    result["seconds"].as_f64()
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn spread(times: &[f64]) -> String {
    let (min, max) = times.iter().fold((f64::MAX, 0f64), |(a, b), &t| (a.min(t), b.max(t)));
    format!("{:.4} ({min:.4} to {max:.4})", median(times))
}

#[cfg(not(feature = "tch"))]
mod today {
    pub fn compare(_: &super::Weights) {
        println!("\nwithout the feature tch, copies and histograms in tch are not compared");
    }
}

#[cfg(feature = "tch")]
mod today {
    use std::time::Instant;

    use neuromfa::Monitor;
    use neuromfa::mfa::Values;
    use neuromfa::source::Source;
    use neuromfa::tch::{Device, Kind, Tensor, nn};

    use super::{Weights, median, spread};

    /// Steps that are not timed: in them the monitor allocates what it keeps.
    const FIRST: usize = 2;

    /// Bins of a histogram, as many as TensorBoard's default writer keeps.
    const BINS: i64 = 30;

    /// Changes a weight of each tensor, as [`Weights::train`] does.
    fn train(store: &nn::VarStore) {
        neuromfa::tch::no_grad(|| {
            for weight in store.variables().into_values() {
                let _ = weight.flatten(0, -1).get(-1).neg_();
            }
        });
    }

    pub fn compare(source: &Weights) {
        let store = nn::VarStore::new(Device::Cpu);
        for parameter in source.parameters() {
            let tensor = source.tensor(&parameter.name).expect("a tensor");
            let Values::F32(values) = tensor.values() else { unreachable!("drawn as f32") };
            let shape: Vec<i64> = parameter.shape.iter().map(|&n| n as i64).collect();
            let mut path = store.root();
            let parts: Vec<&str> = parameter.name.split('.').collect();
            for part in &parts[..parts.len() - 1] {
                path = path / part;
            }
            let mut variable = path.zeros(parts[parts.len() - 1], &shape);
            neuromfa::tch::no_grad(|| variable.copy_(&Tensor::from_slice(values).reshape(&shape)));
        }
        println!("\nwhat training waits for at one step, 160M (seconds)\n");
        let today: Vec<f64> = (0..11)
            .map(|_| {
                let start = Instant::now();
                for tensor in store.variables().into_values() {
                    let copy = tensor.detach().copy().to_kind(Kind::Float).flatten(0, -1);
                    let (low, high) = (copy.min(), copy.max());
                    let _ = (low.double_value(&[]), high.double_value(&[]), copy.histc(BINS));
                }
                start.elapsed().as_secs_f64()
            })
            .skip(FIRST)
            .collect();
        println!("a copy and a histogram of every parameter in tch   {}", spread(&today));
        for (name, all) in [("default", true), ("without controls and layers", false)] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let builder = Monitor::builder(folder.path()).quiet().every(1);
            let builder = match all {
                true => builder,
                false => builder.without_layers().controls(neuromfa::Controls::none()),
            };
            let mut monitor = builder.attach(&store).expect("a monitor");
            let times: Vec<f64> = (1..=11)
                .map(|step| {
                    train(&store);
                    let start = Instant::now();
                    let _ = monitor.step(step, &[]).expect("a step");
                    let waited = start.elapsed().as_secs_f64();
                    monitor.flush().expect("the side thread");
                    waited
                })
                .skip(FIRST)
                .collect();
            let ratio = median(&today) / median(&times);
            println!("the monitor, {name:28}        {}  {ratio:.1} times cheaper", spread(&times));
        }
    }
}
