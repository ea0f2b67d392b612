//! The monitor as a training loop meets it, over weights in memory.

mod loops;

use std::sync::{Arc, Barrier, Mutex};

use loops::{Table, set_weights, weights_at};
use neuromfa::internals::record::inject;
use neuromfa::source::Memory;
use neuromfa::{BackPressure, Error, Monitor, OnFailure, Samples, StopRule};

/// A loop of `last` steps; the loss is 1/step.
fn run(monitor: &mut Monitor, weights: &Memory, last: u64) {
    for step in monitor.next_step()..=last {
        set_weights(weights, step);
        let _ = monitor.step(step, &[("loss", 1.0 / step as f64), ("lr", 1e-3)]).unwrap();
    }
}

#[test]
fn writes_a_row_for_each_analysed_step_with_the_loss() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let builder = Monitor::builder(dir.path()).every(10);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    run(&mut monitor, &weights, 35);
    let summary = monitor.finish().unwrap();

    let emergence = Table::read(dir.path(), "emergence.csv");
    assert_eq!(emergence.column("step"), ["0", "10", "20", "30"]);
    assert_eq!(emergence.column("loss"), ["", "0.1", "0.05", "0.03333333333333333"]);
    assert_eq!(emergence.column("E")[0], "0.0");
    assert_eq!(emergence.column("E_stable")[0], "0.0");
    assert!(emergence.column("E_excess").iter().all(|excess| !excess.is_empty()));
    assert!(emergence.column("E_rescaled_start").iter().all(String::is_empty));
    assert!(emergence.column("status").iter().all(|status| status == "ok"));
    assert!(emergence.number("E", 3) != 0.0);
    let metrics = Table::read(dir.path(), "metrics.csv");
    assert_eq!(metrics.column("step").len(), 35);
    let spectra = Table::read(dir.path(), "spectra.csv");
    assert_eq!(spectra.column("step").len(), 4 * 61);
    assert_eq!((summary.rows(), summary.last_step()), (4, Some(35)));
    assert_eq!(summary.last_e().unwrap().1, emergence.number("E", 3));
    for file in ["run.json", "nodes.json", "baseline.json", "summary.json"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
}

/// Their rows wait to be recorded: the file is replaced once for all of them, not for each.
#[test]
fn new_names_of_steps_that_wait_are_taken_together() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let reported = Arc::new(Barrier::new(2));
    let (wait, file) = (Arc::clone(&reported), dir.path().join("metrics.csv"));
    let headers = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&headers);
    let builder = Monitor::builder(dir.path()).every(10).on_row(move |row| {
        if row.step() == 10 {
            wait.wait();
        } else if row.step() == 20 {
            let text = std::fs::read_to_string(&file).unwrap();
            seen.lock().unwrap().push(text.lines().next().unwrap().to_owned());
        }
    });
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    for step in 1..=29 {
        set_weights(&weights, step);
        let name = format!("metric {step}");
        let _ = monitor.step(step, &[(name.as_str(), 1.0), ("loss", 2.0)]).unwrap();
    }
    // A name that is refused is not announced, nor are those before it.
    assert!(monitor.step(30, &[("early", 1.0), ("step", 1.0)]).is_err());
    reported.wait();
    let _ = monitor.step(30, &[("loss", 2.0)]).unwrap();
    monitor.finish().unwrap();
    let metrics = Table::read(dir.path(), "metrics.csv");
    let names = (1..=29).map(|step| format!("metric {step}")).collect::<Vec<_>>();
    let expected =
        [&["step", "wall_time", "metric 1", "loss"].map(str::to_owned)[..], &names[1..]].concat();
    assert_eq!(metrics.columns, expected);
    // At step 20 all are there, or, if the analysis of step 10 took long, those that came meanwhile.
    let [header] = &headers.lock().unwrap()[..] else { panic!("one row of step 20") };
    assert!(expected.join(",").starts_with(header) && header.contains("metric 20"), "{header}");
}

#[test]
fn a_metric_that_comes_later_is_a_new_column_with_empty_fields_before() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(dir.path()).every(2).attach_source(weights).unwrap();
    let _ = monitor.step(1, &[("loss", 2.0)]).unwrap();
    let _ = monitor.step(2, &[("loss", f64::NAN)]).unwrap();
    let _ = monitor.step(3, &[("val, loss", 0.5)]).unwrap();
    let _ = monitor.step(4, &[("loss", 1.0), ("val, loss", 0.25)]).unwrap();
    monitor.finish().unwrap();
    let metrics = Table::read(dir.path(), "metrics.csv");
    assert_eq!(metrics.columns, ["step", "wall_time", "loss", "val, loss"]);
    assert_eq!(metrics.column("loss"), ["2.0", "NaN", "", "1.0"]);
    assert_eq!(metrics.column("val, loss"), ["", "", "0.5", "0.25"]);
    let emergence = Table::read(dir.path(), "emergence.csv");
    assert_eq!(emergence.columns[..5], ["step", "wall_time", "loss", "val, loss", "alpha0"]);
    assert_eq!(emergence.column("val, loss"), ["", "", "0.25"]);
}

#[test]
fn names_and_steps_are_checked_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Monitor::builder(dir.path()).attach_source(weights_at(0)).unwrap();
    let message = |result: Result<neuromfa::Verdict, Error>| result.unwrap_err().to_string();
    assert!(message(monitor.step(1, &[("E", 1.0)])).contains("has a column of this name"));
    assert!(message(monitor.step(1, &[("a", 1.0), ("a", 2.0)])).contains("twice"));
    assert!(message(monitor.step(1, &[("a\nb", 1.0)])).contains("line breaks"));
    let _ = monitor.step(5, &[("a", 1.0)]).unwrap();
    let order = message(monitor.step(5, &[("a", 1.0)]));
    assert_eq!(
        order,
        "step 5 is not after step 5, the last one reported: report each step once, in increasing \
                 order. To rewind, attach again with resume_at"
    );
    monitor.finish().unwrap();
    assert_eq!(Table::read(dir.path(), "metrics.csv").column("step"), ["5"]);
}

#[test]
fn a_folder_with_a_run_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let attach = || Monitor::builder(dir.path()).attach_source(weights_at(0));
    let first = attach().unwrap();
    let busy = Monitor::builder(dir.path()).resume().attach_source(weights_at(0));
    assert!(busy.unwrap_err().to_string().contains("another monitor of this process is writing"));
    first.finish().unwrap();
    let before = std::fs::read(dir.path().join("emergence.csv")).unwrap();
    assert!(attach().unwrap_err().to_string().contains("already holds a run"));
    assert_eq!(std::fs::read(dir.path().join("emergence.csv")).unwrap(), before);
    Monitor::builder(dir.path())
        .overwrite()
        .attach_source(weights_at(0))
        .unwrap()
        .finish()
        .unwrap();
}

#[test]
fn the_stop_rule_reports_reason_step_measured_and_step_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(dir.path())
        .every(10)
        .stop_when(StopRule::on("loss").patience(2))
        .attach_source(weights.clone())
        .unwrap();
    let mut stopped = None;
    for step in 1..=100 {
        set_weights(&weights, step);
        let verdict = monitor.step(step, &[("loss", 1.0 + step as f64)]).unwrap();
        if let Some(stop) = verdict.stop() {
            stopped = Some((step, stop.clone(), verdict.stopped_step()));
            break;
        }
        monitor.flush().unwrap(); // so that the verdict comes at the next call
    }
    let (step, stop, stopped_step) = stopped.unwrap();
    assert_eq!((stop.measured_step, stopped_step, step), (30, Some(31), 31));
    let reason = "loss did not improve on its best 11 (step 10) in 2 analysed steps (last 31)";
    assert_eq!(stop.reason, reason);
    let summary = monitor.finish().unwrap();
    assert_eq!(summary.stop(), Some(&stop));
    let said = "stop     asked for at step 31, where the loop ended: loss did not improve";
    assert!(summary.to_string().contains(said), "{summary}");
    let state = std::fs::read_to_string(dir.path().join("state.json")).unwrap();
    assert!(state.contains(reason), "{state}");
}

#[test]
fn a_loop_that_continues_after_the_verdict_is_not_called_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let rule = StopRule::on("loss").patience(2);
    let monitor = Monitor::builder(dir.path()).every(10).stop_when(rule);
    let mut monitor = monitor.attach_source(weights.clone()).unwrap();
    for step in 1..=60 {
        set_weights(&weights, step);
        let _ = monitor.step(step, &[("loss", step as f64)]).unwrap();
        monitor.flush().unwrap();
    }
    let summary = monitor.finish().unwrap();
    let at = summary.stopped_step().unwrap();
    assert!(at < 60);
    let said =
        format!("stop     asked for at step {at}, the loop continued to step 60: loss did not");
    assert!(summary.to_string().contains(&said), "{summary}");
}

#[test]
fn a_rule_on_what_is_not_computed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let attach = |rule: StopRule| {
        Monitor::builder(dir.path()).stop_when(rule).attach_source(weights_at(0)).unwrap_err()
    };
    let error = attach(StopRule::on("E_rescaled_start").max().into());
    assert!(
        error.to_string().contains("not computed in this run, which computes alpha0, width, E,")
    );
    let error = attach(StopRule::on("step").max().stopping_threshold(1e4).into());
    assert!(error.to_string().contains("\"step\": it is not computed in this run"), "{error}");
    let unstable = Monitor::builder(dir.path())
        .without_stable()
        .stop_when(StopRule::on("E_stable"))
        .attach_source(weights_at(0));
    assert!(unstable.unwrap_err().to_string().contains("not computed in this run"));
    let whole = Monitor::builder(dir.path()).whole().stop_when(StopRule::on("E_se"));
    let error = whole.attach_source(weights_at(0)).unwrap_err();
    assert!(error.to_string().contains("not computed in this run"), "{error}");
    assert!(attach(StopRule::on("e").into()).to_string().contains("\"E\""));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn nan_weights_leave_training_running_and_are_a_status() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(dir.path())
        .every(1)
        .stop_when(StopRule::on("E").max().patience(100))
        .attach_source(weights.clone())
        .unwrap();
    weights.set("0.weight", &[48, 32], vec![f32::NAN; 48 * 32]).unwrap();
    assert!(!monitor.step(1, &[("loss", f64::NAN)]).unwrap().should_stop());
    monitor.flush().unwrap();
    set_weights(&weights, 2);
    let verdict = monitor.step(2, &[("loss", 1.0)]).unwrap();
    assert!(verdict.stop().unwrap().reason.contains("not finite"), "{verdict:?}");
    let summary = monitor.finish().unwrap();
    assert_eq!(summary.without_value(), 1);
    let emergence = Table::read(dir.path(), "emergence.csv");
    assert_eq!(emergence.column("status"), ["ok", "non_finite", "ok"]);
    for name in ["alpha0", "width", "E", "E_se", "alpha0_stable", "E_stable", "neurons"] {
        assert_eq!(emergence.column(name)[1], "", "{name}");
    }
    assert_eq!(emergence.column("loss")[1], "NaN", "what the loop logged is kept as it is");
}

#[test]
fn a_full_disk_leaves_training_running_and_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    for (policy, reports) in [(OnFailure::Report, true), (OnFailure::KeepTraining, false)] {
        let run = dir.path().join(format!("{policy:?}"));
        inject(&run, |call| match (call.what, call.name) {
            ("write", "metrics.csv") => Err(std::io::Error::from_raw_os_error(28)), // ENOSPC
            _ => Ok(usize::MAX),
        });
        let mut monitor = Monitor::builder(&run)
            .every(2)
            .on_failure(policy)
            .attach_source(weights_at(0))
            .unwrap();
        for step in 1..=20 {
            let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
        }
        let flushed = monitor.flush();
        assert_eq!(flushed.is_err(), reports);
        for error in flushed.err().into_iter().chain(monitor.finish().err()) {
            assert!(error.to_string().contains("metrics.csv: No space left on device"), "{error}");
        }
        // Step 0 is unchanged.
        assert_eq!(Table::read(&run, "emergence.csv").column("status"), ["ok"]);
    }
}

#[test]
fn a_panic_on_the_side_thread_leaves_training_running_and_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Monitor::builder(dir.path())
        .every(1)
        .on_row(|row| assert!(row.step() < 2, "a listener's mistake"))
        .attach_source(weights_at(0))
        .unwrap();
    let mut errors = Vec::new();
    for step in 1..=50 {
        errors.extend(monitor.step(step, &[]).err().map(|error| error.to_string()));
        let _ = monitor.flush();
    }
    assert_eq!(errors.len(), 48);
    assert!(
        errors[0].contains("panic on a thread of the monitor: a listener's mistake"),
        "{}",
        errors[0]
    );
    assert!(monitor.finish().unwrap_err().to_string().contains("a listener's mistake"));
}

#[test]
fn a_source_that_fails_costs_one_row() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(dir.path()).every(1).attach_source(weights.clone()).unwrap();
    weights.set("0.weight", &[2, 2], vec![0.1f32; 4]).unwrap();
    let error = monitor.step(1, &[("loss", 1.0)]).unwrap_err().to_string();
    assert!(error.contains("\"0.weight\"") && error.contains("[48, 32, 1]"), "{error}");
    set_weights(&weights, 2);
    let _ = monitor.step(2, &[("loss", 1.0)]).unwrap();
    assert_eq!(monitor.finish().unwrap().dropped(), 1);
    assert_eq!(Table::read(dir.path(), "emergence.csv").column("status"), ["ok", "dropped", "ok"]);
}

#[test]
fn drop_newest_leaves_a_gap_row_and_block_leaves_none() {
    for (policy, dropped) in [(BackPressure::DropNewest, true), (BackPressure::Block, false)] {
        let dir = tempfile::tempdir().unwrap();
        let weights = weights_at(0);
        // Holds the recording thread at step 1's row: it is passed once when the thread is there,
        // and once to let it go on.
        let barrier = Arc::new(Barrier::new(2));
        let gate = Arc::clone(&barrier);
        let mut monitor = Monitor::builder(dir.path())
            .every(1)
            .back_pressure(policy)
            .on_row(move |row| {
                if row.step() == 1 {
                    gate.wait();
                    gate.wait();
                }
            })
            .attach_source(weights.clone())
            .unwrap();
        let steps: u64 = if dropped { 6 } else { 2 };
        for step in 1..=steps {
            let _ = monitor.step(step, &[]).unwrap();
            if step == 1 {
                barrier.wait();
            }
        }
        barrier.wait();
        let summary = monitor.finish().unwrap();
        let status = Table::read(dir.path(), "emergence.csv").column("status");
        if dropped {
            assert_eq!(status, ["ok", "ok", "ok", "dropped", "dropped", "dropped", "dropped"]);
            assert_eq!(summary.dropped(), 4);
        } else {
            assert_eq!(status, ["ok", "ok", "ok"]);
        }
    }
}

#[test]
fn dropping_the_monitor_finishes_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut monitor = Monitor::builder(dir.path()).every(1).attach_source(weights_at(0)).unwrap();
    let _ = monitor.step(1, &[]).unwrap();
    drop(monitor);
    assert!(dir.path().join("summary.json").is_file());
    assert_eq!(Table::read(dir.path(), "emergence.csv").column("step"), ["0", "1"]);
}

#[test]
fn a_run_can_compare_against_another_run_or_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    Monitor::builder(&first).attach_source(weights_at(0)).unwrap().finish().unwrap();
    let second = dir.path().join("second");
    let attach = |baseline: &std::path::Path| {
        Monitor::builder(&second).overwrite().baseline(baseline).attach_source(weights_at(7))
    };
    attach(&first).unwrap().finish().unwrap();
    let e = Table::read(&second, "emergence.csv").number("E", 0);
    assert!(e != 0.0);

    let direct = dir.path().join("direct");
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(&direct).every(7).attach_source(weights.clone()).unwrap();
    set_weights(&weights, 7);
    let _ = monitor.step(7, &[]).unwrap();
    monitor.finish().unwrap();
    assert_eq!(Table::read(&direct, "emergence.csv").number("E", 1), e);

    let other = dir.path().join("other");
    Monitor::builder(&other)
        .sampled(Samples { neurons: 16, samples: 3, seed: 1 })
        .attach_source(weights_at(0))
        .unwrap()
        .finish()
        .unwrap();
    let error = attach(&other).unwrap_err().to_string();
    assert!(error.contains("analysed other neurons"), "{error}");
    let nan = dir.path().join("nan");
    let poisoned = Memory::new();
    poisoned.set("0.weight", &[48, 32], vec![f32::NAN; 48 * 32]).unwrap();
    poisoned.set("2.weight", &[32, 48], vec![f32::NAN; 48 * 32]).unwrap();
    Monitor::builder(&nan).attach_source(poisoned).unwrap().finish().unwrap();
    let error = attach(&nan).unwrap_err().to_string();
    assert!(error.contains("no values of the published estimator"), "{error}");
    let error = attach(&dir.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("baseline") && error.contains("none"), "{error}");
}
