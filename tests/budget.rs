//! A budget for monitoring, as a run keeps and records it.

mod loops;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loops::{Table, set_weights, weights_at};
use neuromfa::{Monitor, MonitorBuilder, Summary};

/// A run that analyses what it may of these steps and ends once it has `rows` rows.
fn run(
    configure: impl Fn(MonitorBuilder) -> MonitorBuilder,
    steps: impl IntoIterator<Item = u64>,
    rows: usize,
) -> (Table, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let written = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&written);
    let builder = Monitor::builder(dir.path()).every(1).on_row(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    let mut monitor = configure(builder).attach_source(weights.clone()).unwrap();
    for step in steps {
        set_weights(&weights, step);
        let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
        if written.load(Ordering::Relaxed) >= rows {
            break;
        }
    }
    let summary = monitor.finish().unwrap();
    let logged = Table::read(dir.path(), "metrics.csv").column("step").len() as u64;
    assert!(Some(logged) <= summary.last_step(), "every step is logged, analysed or not");
    (Table::read(dir.path(), "emergence.csv"), summary)
}

#[test]
fn what_a_run_cannot_pay_is_passed_over_and_leaves_no_row() {
    let (table, summary) = run(|builder| builder.budget(1e-9), 1..=20, 2);
    assert_eq!(table.column("step"), ["0"]);
    assert_eq!((summary.dropped(), summary.last_step()), (0, Some(20)));
    let budget = &serde_json::to_value(&summary).unwrap()["budget"];
    assert_eq!(budget["share"], 1e-9);
    assert!(budget["spacings"][0]["every"].as_u64() > Some(1000), "{budget}");
    assert!(summary.to_string().contains("\nbudget   "), "{summary}");
}

#[test]
fn what_is_analysed_has_the_numbers_of_a_run_without_a_budget() {
    let (some, summary) = run(|builder| builder.budget(1.0), 1..100_000, 3);
    assert!(summary.to_string().contains("\nbudget   ") && some.column("step").len() >= 3);
    let steps: Vec<u64> = some.column("step").iter().map(|step| step.parse().unwrap()).collect();
    let (all, summary) = run(|builder| builder, steps[1..].iter().copied(), usize::MAX);
    assert!(!summary.to_string().contains("\nbudget   "));
    for name in ["step", "alpha0", "E", "E_stable", "E_excess"] {
        assert_eq!(some.column(name), all.column(name), "{name}");
    }
}

#[test]
fn a_run_with_a_budget_is_gone_on_with_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let attach = || {
        let builder = Monitor::builder(dir.path()).every(1).budget(1e-9).resume();
        builder.attach_source(weights.clone()).unwrap()
    };
    let mut monitor = attach();
    let _ = (1..=5).map(|step| monitor.step(step, &[("loss", 1.0)]).unwrap()).last();
    drop(monitor);
    let monitor = attach();
    assert_eq!(monitor.next_step(), 6, "skipped steps are not missing");
    drop(monitor);
    let other = Monitor::builder(dir.path()).every(1).budget(0.5).resume();
    let error = other.attach_source(weights.clone()).unwrap_err().to_string();
    assert!(error.contains("budget"), "{error}");
}

#[test]
fn a_budget_that_no_run_can_keep_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for share in [0.0, -0.01, 1.5, f64::NAN, f64::INFINITY] {
        let builder = Monitor::builder(dir.path()).budget(share);
        let error = builder.attach_source(weights_at(0)).unwrap_err().to_string();
        assert_eq!(error, format!("budget must be in (0, 1], got {share} (0.01 = 1 %)"));
    }
    assert!(!dir.path().join("run.json").exists());
}
