//! A loop that can be interrupted and resumed: what it logs is a function of the step, too.

use std::collections::BTreeMap;
use std::path::Path;

use neuromfa::mfa::Parameters;
use neuromfa::source::Memory;
use neuromfa::{Monitor, MonitorBuilder, Samples, StopRule, Summary};
use serde_json::Value;
use tempfile::TempDir;

use super::{set_weights, weights_at};

/// Steps between two analysed ones.
pub const EVERY: u64 = 3;
/// Steps at each of which a metric is new.
pub const NEW_METRICS: std::ops::Range<u64> = 100..120;

/// The loss at every step; another metric at some steps, one from a step on, and ones that are
/// logged once.
pub fn scalars(step: u64) -> Vec<(String, f64)> {
    let x = step as f64;
    let mut scalars = vec![("loss".to_owned(), 1.0 / x)];
    if step.is_multiple_of(7) {
        scalars.push(("val, loss".to_owned(), 2.0 / x));
    }
    if step >= 20 {
        let norm = if step.is_multiple_of(11) { f64::NAN } else { x.sqrt() };
        scalars.push(("grad_norm".to_owned(), norm));
    }
    if NEW_METRICS.contains(&step) {
        scalars.push((format!("probe {step}"), x));
    }
    scalars
}

/// The monitor of the loop; its stop rule has a state, and does not stop the loop.
pub fn builder(run: &Path) -> MonitorBuilder {
    let loss = StopRule::on("grad_norm").patience(10_000).ignore_not_finite();
    Monitor::builder(run)
        .every(EVERY)
        .sampled(Samples { neurons: 16, samples: 4, seed: 7 })
        .hops(2)
        .hops_estimated(8)
        .parameters(Parameters::default().q_step(0.5))
        .stop_when(StopRule::on("E").max().patience(10_000).or(loss))
        .threads(1)
}

/// Runs the loop from the monitor's next step up to and including the step `last`.
pub fn run_to(monitor: &mut Monitor, weights: &Memory, last: u64) {
    for step in monitor.next_step()..=last {
        set_weights(weights, step);
        let scalars = scalars(step);
        let scalars: Vec<(&str, f64)> = scalars.iter().map(|(n, x)| (n.as_str(), *x)).collect();
        let _ = monitor.step(step, &scalars).unwrap();
    }
}

/// Attaches, runs the loop up to `last`, finishes.
pub fn complete(builder: MonitorBuilder, last: u64) -> Summary {
    let weights = weights_at(0);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, last);
    monitor.finish().unwrap()
}

/// A folder for runs that are opened and flushed thousands of times: in memory, where the system
/// offers that.
pub fn fast_folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Copies the files of a run, without folders, instead of what is there.
pub fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A run's files: name and text, without the times, the folder's name, the command, and the updates of the
/// weights, of which the first after a resume may be absent. TensorBoard's, which are
/// one for each process and full of times, are left out.
pub fn files(run: &Path) -> BTreeMap<String, String> {
    files_without(run, &["wall_time", "snapshot_ms", "analysis_ms", "update"])
}

/// The same with the updates.
pub fn files_with_updates(run: &Path) -> BTreeMap<String, String> {
    files_without(run, &["wall_time", "snapshot_ms", "analysis_ms"])
}

fn files_without(run: &Path, blank: &[&str]) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let file = |path: std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".safetensors") {
            return (name, format!("{:?}", std::fs::read(&path).unwrap()));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = match name.as_str() {
            "summary.json" => without(&text, &["cost", "hook_share", "folder"]),
            "run.json" => without(&text, &["origin"]),
            "columns.json" => without(&text, &["begun", "command"]),
            // The last one of these lines is the command.
            "README.md" => text.lines().filter(|line| !line.contains("Begun ")).skip(4).collect(),
            csv if csv.ends_with(".csv") => table_without(&text, &name, blank),
            _ => text,
        };
        (name, text)
    };
    entries.filter(|path| path.is_file()).map(file).collect()
}

/// JSON without the values of some keys.
fn without(text: &str, keys: &[&str]) -> String {
    let mut value: Value = serde_json::from_str(text).unwrap();
    for key in keys {
        value[key] = Value::Null;
    }
    value.to_string()
}

fn table_without(text: &str, name: &str, blank: &[&str]) -> String {
    assert!(text.ends_with('\n'), "{name} ends within a row");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect(name)).collect();
    let mut blanked = String::new();
    for row in &rows {
        for (column, cell) in rows[0].iter().zip(row) {
            blanked += if blank.contains(&column) { "" } else { cell };
            blanked.push('|');
        }
        blanked.push('\n');
    }
    blanked
}

/// Fails at the first line in which two runs' files differ.
pub fn assert_same(
    found: &BTreeMap<String, String>,
    expected: &BTreeMap<String, String>,
    case: &str,
) {
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{case}");
    for (name, text) in found {
        let expected = &expected[name];
        if text != expected {
            let mut lines = text.lines().zip(expected.lines()).enumerate();
            let first = lines.find(|(_, (a, b))| a != b);
            panic!(
                "{case}: {name} differs ({} lines, expected {}); first in {first:#?}",
                text.lines().count(),
                expected.lines().count(),
            );
        }
    }
}
