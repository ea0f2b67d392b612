//! Weights that go back to those of an earlier step, and a second axis next to the steps.

mod loops;

use std::path::Path;

use loops::interrupted::{assert_same, files};
use loops::{Table, set_weights, weights_at};
use neuromfa::source::Memory;
use neuromfa::{Monitor, MonitorBuilder, StopRule};

/// Whether the loop says that it loads the weights of step 6 before step 11, and what it says then.
#[derive(Clone, Copy, PartialEq)]
enum Load {
    Silent,
    Said,
}

fn builder(run: &Path) -> MonitorBuilder {
    Monitor::builder(run).every(2).axis("env_steps").threads(1)
}

/// Runs from the monitor's next step to `last`: at step 10 the weights of step 6 are loaded; at some
/// steps the second axis is logged.
fn run_to(monitor: &mut Monitor, weights: &Memory, load: Load, last: u64) {
    for step in monitor.next_step()..=last {
        if step == 11 && load == Load::Said {
            monitor.rolled_back(6).unwrap();
        }
        // The first update after the rollback changes nothing.
        set_weights(weights, if step > 10 { 6 + (step - 11) / 2 } else { step });
        let env_steps = [("env_steps", 100.0 * step as f64)];
        let scalars = if step % 4 == 1 { &env_steps[..] } else { &[] };
        let _ = monitor.step(step, scalars).unwrap();
    }
}

fn complete(run: &Path, load: Load) -> Vec<String> {
    let weights = weights_at(0);
    let mut monitor = builder(run).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, load, 14);
    monitor.flush().unwrap();
    let _ = monitor.step(15, &[]).unwrap();
    let warnings = monitor.warnings().to_vec();
    let _ = monitor.finish().unwrap();
    warnings
}

#[test]
fn weights_that_went_back_are_said_unless_the_loop_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let [silent, said] = ["silent", "said"].map(|name| dir.path().join(name));
    let text = "the weights are those of step 6, bit for bit";
    let hint = format!(
        "{text}, and step 10 had others: if they were loaded, call monitor.rolled_back(6) before the \
         next step"
    );
    let hints = |run, load| {
        let warnings = complete(run, load).into_iter();
        warnings.filter(|warning| warning.contains("rolled_back")).collect::<Vec<_>>()
    };
    assert_eq!(hints(&silent, Load::Silent), [format!("step 12: {hint}")]);
    assert_eq!(hints(&said, Load::Said), [""; 0]);
    for (run, text) in [(&silent, hint.as_str()), (&said, text)] {
        let rows = Table::read(run, "emergence.csv");
        assert_eq!(rows.column("same_as"), ["", "", "", "", "", "", "6", ""]);
        assert!(rows.column("warning")[6].contains(text));
        assert_eq!(rows.column("warning")[6].contains("others"), run == &silent);
    }
    let back = Table::read(&said, "metrics.csv").column("rolled_back_to");
    let expected: Vec<&str> = (1..=15).map(|step| if step == 11 { "6" } else { "" }).collect();
    assert_eq!(back, expected);
    let columns = Table::read(&silent, "metrics.csv").columns;
    assert!(!columns.contains(&"rolled_back_to".to_owned()));
}

#[test]
fn an_axis_is_carried_forward_from_0() {
    let dir = tempfile::tempdir().unwrap();
    complete(dir.path(), Load::Said);
    let logged = Table::read(dir.path(), "metrics.csv").column("env_steps");
    let expected = ["100.0", "500.0", "900.0"].map(|steps| [steps; 4]).concat();
    assert_eq!(logged[..12], expected);
    let rows = Table::read(dir.path(), "emergence.csv").column("env_steps");
    assert_eq!(rows, ["0.0", "100.0", "100.0", "500.0", "500.0", "900.0", "900.0", "1300.0"]);
}

/// The run is interrupted before and after the rollback, and after the row that sees it.
#[test]
fn a_resumed_run_knows_its_axis_and_its_rollback() {
    let dir = tempfile::tempdir().unwrap();
    for load in [Load::Silent, Load::Said] {
        let whole = dir.path().join("whole");
        let run = dir.path().join("run");
        for folder in [&whole, &run] {
            let _ = std::fs::remove_dir_all(folder);
        }
        let weights = weights_at(0);
        let mut monitor = builder(&whole).attach_source(weights.clone()).unwrap();
        run_to(&mut monitor, &weights, load, 16);
        let _ = monitor.finish().unwrap();
        for last in [5, 10, 11, 12, 16] {
            let weights = weights_at(0);
            let mut monitor = builder(&run).resume().attach_source(weights.clone()).unwrap();
            run_to(&mut monitor, &weights, load, last);
            drop(monitor);
        }
        assert_same(&files(&run), &files(&whole), "interrupted");
    }
    let other = Monitor::builder(dir.path().join("run")).every(2).resume();
    let why = other.attach_source(weights_at(0)).unwrap_err().to_string();
    assert!(why.contains("axis") && why.contains("env_steps") && why.contains("none"), "{why}");
}

#[test]
fn what_cannot_be_is_refused_or_said() {
    let dir = tempfile::tempdir().unwrap();
    let attach = |axis: &str| {
        let builder = Monitor::builder(dir.path().join(axis)).every(2).axis(axis);
        builder.attach_source(weights_at(0))
    };
    let why = attach("E").unwrap_err().to_string();
    assert!(why.contains("the monitor has a column of this name"), "{why}");
    let mut monitor = attach("token").unwrap();
    let _ = monitor.step(1, &[("tokens", 10.0)]).unwrap();
    let why = monitor.rolled_back(2).unwrap_err().to_string();
    assert!(why.starts_with("cannot roll back to step 2: the last step reported is 1"), "{why}");
    let why = monitor.step(2, &[("rolled_back_to", 1.0)]).unwrap_err().to_string();
    assert!(why.contains("rolled_back_to"), "{why}");
    let summary = monitor.finish().unwrap().to_string();
    assert!(
        summary.contains("the axis \"token\" was never logged: it is 0 at all steps"),
        "{summary}"
    );
}

#[test]
fn patience_starts_again_at_a_rollback() {
    let stopped = |rollback: bool| {
        let dir = tempfile::tempdir().unwrap();
        let weights = weights_at(0);
        let rule = StopRule::on("loss").min().patience(3);
        let builder = Monitor::builder(dir.path()).every(1).stop_when(rule);
        let mut monitor = builder.attach_source(weights.clone()).unwrap();
        for step in 1..=20 {
            if rollback && step == 5 {
                monitor.rolled_back(2).unwrap();
            }
            set_weights(&weights, step);
            let _ = monitor.step(step, &[("loss", (step as f64 - 2.0).abs())]).unwrap();
        }
        let summary = monitor.finish().unwrap();
        summary.stop().unwrap().measured_step
    };
    assert_eq!([stopped(false), stopped(true)], [5, 7]);
}
