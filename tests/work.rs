//! The ways to share the work give the same rows; and what only one of them guarantees.

mod loops;

use std::panic;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loops::{Table, set_weights, weights_at};
use neuromfa::network::Parameter;
use neuromfa::source::{Memory, Source, SourceError, Tensor};
use neuromfa::{Error, Monitor, OnFailure, StopRule, Work};

const BOTH: [Work; 2] = [Work::Background, Work::Inline];

/// emergence.csv without times.
fn rows(folder: &Path) -> Vec<(String, Vec<String>)> {
    let table = Table::read(folder, "emergence.csv");
    let timeless = table.columns.iter().filter(|n| !n.ends_with("_ms") && *n != "wall_time");
    timeless.map(|name| (name.clone(), table.column(name))).collect()
}

#[test]
fn both_write_the_same_rows() {
    let [background, inline] = BOTH.map(|work| {
        let dir = tempfile::tempdir().unwrap();
        let weights = weights_at(0);
        let builder = Monitor::builder(dir.path()).every(2).work(work);
        let mut monitor = builder.attach_source(weights.clone()).unwrap();
        for step in 1..=12 {
            set_weights(&weights, step);
            let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
        }
        monitor.finish().unwrap();
        rows(dir.path())
    });
    assert_eq!(background[0].1, ["0", "2", "4", "6", "8", "10", "12"]);
    assert!(background == inline);
}

/// Weights whose second tensor cannot be read, at times.
struct Failing {
    weights: Memory,
    fails: Arc<AtomicBool>,
}

impl Source for Failing {
    fn parameters(&self) -> Vec<Parameter> {
        self.weights.parameters()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let fails = name == "2.weight" && self.fails.load(Ordering::SeqCst);
        assert!(!fails, "the framework panicked");
        self.weights.tensor(name)
    }
}

#[test]
fn a_panic_while_weights_are_read_costs_a_row_and_not_the_run() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic.to_string().contains("the framework panicked") {
            hook(panic);
        }
    }));
    for (work, policy) in BOTH.into_iter().zip([OnFailure::Report, OnFailure::KeepTraining]) {
        let dir = tempfile::tempdir().unwrap();
        let (weights, fails) = (weights_at(0), Arc::<AtomicBool>::default());
        let source = Failing { weights: weights.clone(), fails: Arc::clone(&fails) };
        let builder = Monitor::builder(dir.path()).every(1).work(work).on_failure(policy);
        let mut monitor = builder.attach_source(source).unwrap();
        for step in 1..=4 {
            set_weights(&weights, step);
            fails.store(step == 2, Ordering::SeqCst);
            match monitor.step(step, &[]) {
                Ok(_) => assert!(step != 2 || policy == OnFailure::KeepTraining),
                Err(error) => {
                    assert!(matches!(error, Error::Snapshot { step: 2, .. }), "{error}");
                    assert!(error.to_string().contains("the framework panicked"), "{error}");
                }
            }
        }
        assert_eq!(monitor.finish().unwrap().dropped(), 1);
        let table = Table::read(dir.path(), "emergence.csv");
        // Step 3 is counted into memory that a panic has left.
        assert_eq!(table.column("status"), ["ok", "ok", "dropped", "ok", "ok"]);
        assert!(!table.column("E_stable")[3].is_empty());
    }
}

#[test]
fn inline_gives_the_verdict_on_the_step_itself() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let rule = StopRule::on("loss").patience(2);
    let builder = Monitor::builder(dir.path()).every(1).work(Work::Inline).stop_when(rule);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    let stopped = (1..=10).find(|&step| {
        set_weights(&weights, step);
        monitor.step(step, &[("loss", step as f64)]).unwrap().should_stop()
    });
    assert_eq!(stopped, Some(3));
    let summary = monitor.finish().unwrap();
    assert_eq!(summary.stop().unwrap().measured_step, 3);
    assert_eq!(summary.stopped_step(), Some(3));
}
