//! A baseline at the first step that has edges, for weights that begin at zero.

mod loops;

use std::path::Path;

use loops::interrupted::{assert_same, files};
use loops::{Table, set_weights, weights_at};
use neuromfa::mfa::Values;
use neuromfa::source::{Checkpoint, Memory, Source};
use neuromfa::{Controls, Monitor, MonitorBuilder, Replay, Work};

/// The weights of a step: zero before step 3.
fn set(weights: &Memory, step: u64) {
    set_weights(weights, step);
    if step < 3 {
        for p in weights.parameters() {
            weights.set(&p.name, &p.shape, vec![0f32; p.shape.iter().product()]).unwrap();
        }
    }
}

fn builder(run: &Path) -> MonitorBuilder {
    Monitor::builder(run).every(1).threads(1).quiet().baseline_at_first_edges()
}

fn attach(builder: MonitorBuilder) -> (Monitor, Memory) {
    let weights = weights_at(0);
    set(&weights, 0);
    (builder.attach_source(weights.clone()).unwrap(), weights)
}

fn run_to(monitor: &mut Monitor, weights: &Memory, last: u64) {
    for step in monitor.next_step()..=last {
        set(weights, step);
        let _ = monitor.step(step, &[("loss", 1.0 / step as f64)]).unwrap();
    }
}

fn complete(builder: MonitorBuilder, last: u64) {
    let (mut monitor, weights) = attach(builder);
    run_to(&mut monitor, &weights, last);
    let _ = monitor.finish().unwrap();
}

/// The weights of steps 0 to `last` as checkpoints.
fn checkpoints(folder: &Path, last: u64) -> Vec<Checkpoint> {
    std::fs::create_dir(folder).unwrap();
    for step in 0..=last {
        let weights = weights_at(0);
        set(&weights, step);
        let tensors: Vec<_> = weights
            .parameters()
            .into_iter()
            .map(|p| {
                let tensor = weights.tensor(&p.name).unwrap();
                let Values::F32(values) = tensor.values() else { panic!("f32") };
                (p, bytemuck::cast_slice::<f32, u8>(values).to_vec())
            })
            .collect();
        let views = tensors.iter().map(|(p, bytes)| {
            let shape = p.shape.clone();
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes);
            (p.name.clone(), view.unwrap())
        });
        let file = folder.join(format!("model-step{step}.safetensors"));
        safetensors::serialize_to_file(views, None, &file).unwrap();
    }
    Checkpoint::find(&[folder]).unwrap()
}

#[test]
fn the_first_step_with_values_is_the_baseline() {
    for work in [Work::Background, Work::Inline] {
        let dir = tempfile::tempdir().unwrap();
        let (mut monitor, weights) = attach(builder(dir.path()).work(work));
        let said = monitor.warnings().join("\n");
        assert!(said.contains("so the first step that has some is the baseline of E"), "{said}");
        run_to(&mut monitor, &weights, 8);
        let _ = monitor.finish().unwrap();
        let rows = Table::read(dir.path(), "emergence.csv");
        let ok = "ok";
        let no = "no_neurons";
        assert_eq!(rows.column("status"), [no, no, no, ok, ok, ok, ok, ok, ok]);
        for name in ["E", "E_stable", "E_norm_matched"] {
            let column = rows.column(name);
            assert!(column[..3].iter().all(String::is_empty), "{name}");
            assert_eq!(column[3].parse(), Ok(0.0), "{name}");
            assert!(column[4..].iter().all(|cell| cell.parse::<f64>().unwrap() != 0.0), "{name}");
        }
        assert!(rows.column("width_excess")[3..].iter().all(|cell| !cell.is_empty()));
        let steps = Table::read(dir.path(), "metrics.csv").column("step");
        assert_eq!(steps, (1..=8).map(|step| step.to_string()).collect::<Vec<_>>());
        let baseline = std::fs::read_to_string(dir.path().join("baseline.json")).unwrap();
        assert!(baseline.contains("\"step\": 3"), "{baseline}");
        // Weights that have edges from the start need no other baseline.
        let other = dir.path().join("other");
        let monitor = builder(&other).attach_source(weights_at(0)).unwrap();
        assert_eq!(monitor.last_row().unwrap().value("E"), Some(0.0));
        let _ = monitor.finish().unwrap();
    }
}

#[test]
fn a_resumed_run_has_the_same_baseline() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), 8);
    for (last, at) in [(1, None), (2, None), (3, None), (6, None), (6, Some(2)), (6, Some(4))] {
        let _ = std::fs::remove_dir_all(&run);
        complete(builder(&run), last);
        let resumed = match at {
            Some(at) => builder(&run).resume_at(at),
            None => builder(&run).resume(),
        };
        let weights = weights_at(0);
        set(&weights, at.map_or(last, |at| at - 1));
        let mut monitor = resumed.attach_source(weights.clone()).unwrap();
        run_to(&mut monitor, &weights, 8);
        let _ = monitor.finish().unwrap();
        assert_same(&files(&run), &files(&whole), &format!("{last}, {at:?}"));
    }
    let without = Monitor::builder(&run).every(1).resume().attach_source(weights_at(8));
    let why = without.unwrap_err().to_string();
    assert!(why.contains("baseline_at_first_edges"), "{why}");
}

#[test]
fn a_replay_and_a_replay_like_the_run_have_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("live");
    complete(builder(&live), 6);
    let found = checkpoints(&dir.path().join("checkpoints"), 6);
    let expected = Table::read(&live, "emergence.csv");
    let compare = |name: &str, replay: Replay, from: usize| {
        let run = dir.path().join(name);
        let summary = replay.threads(1).run(&found[from..]).unwrap();
        assert_eq!(summary.rows(), (found.len() - from) as u64);
        let rows = Table::read(&run, "emergence.csv");
        let skipped =
            ["wall_time", "snapshot_ms", "analysis_ms", "loss", "same_as", "codes", "warning"];
        for column in rows.columns.iter().filter(|name| !skipped.contains(&name.as_str())) {
            // The first of a series has moved from nothing.
            let from = if column == "update" { from + 1 } else { from };
            let of_series = rows.column(column);
            let of_series = &of_series[usize::from(column == "update")..];
            assert_eq!(of_series, &expected.column(column)[from..], "{name}: {column}");
        }
    };
    let replay = Replay::new(dir.path().join("again")).baseline_at_first_edges();
    compare("again", replay, 0);
    // Also from a checkpoint after the baseline on.
    for (name, from) in [("like", 0), ("later", 5)] {
        compare(name, Replay::new(dir.path().join(name)).like(&live).unwrap(), from);
    }
}

#[test]
fn the_rescaled_start_needs_the_weights_of_step_0() {
    let dir = tempfile::tempdir().unwrap();
    let controls = Controls::default().with_rescaled_start();
    let why = builder(dir.path()).controls(controls).attach_source(weights_at(0)).unwrap_err();
    assert!(why.to_string().contains("exclude each other"), "{why}");
}
