//! Loops as real programs have them: counters, epochs, buffers, weights that are not finite.

mod loops;

use loops::{Table, set_weights, weights_at};
use neuromfa::network::{Orientation, Parameter};
use neuromfa::source::{Memory, Source, SourceError, Tensor};
use neuromfa::{Monitor, OnFailure, Schedule, StopRule, Work, backtest::History};

/// A model with one tensor that is not trained.
#[derive(Clone)]
struct WithBuffer(Memory);

impl Source for WithBuffer {
    fn parameters(&self) -> Vec<Parameter> {
        let of = |p: Parameter| if p.name == "pe" { p.not_trainable() } else { p };
        self.0.parameters().into_iter().map(of).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        self.0.tensor(name)
    }
}

fn with_buffer() -> WithBuffer {
    let weights = weights_at(0);
    weights.set("pe", &[32, 32], vec![f32::NEG_INFINITY; 32 * 32]).unwrap();
    WithBuffer(weights)
}

fn connections(monitor: &Monitor) -> Vec<&str> {
    monitor.network().connections().iter().map(|c| c.parameter.as_str()).collect()
}

#[test]
fn what_is_not_trained_is_left_out_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let monitor = Monitor::builder(dir.path()).attach_source(with_buffer()).unwrap();
    assert_eq!(connections(&monitor), ["0.weight", "2.weight"]);
    let [left] = monitor.network().left_out() else { panic!("one tensor") };
    assert_eq!(
        (left.name.as_str(), left.why.as_str()),
        ("pe", "not trainable, so a buffer and no weight")
    );
    assert_eq!(monitor.last_row().unwrap().value("E"), Some(0.0));
    let _ = monitor.finish().unwrap();
}

#[test]
fn what_is_not_trained_can_be_put_in_by_name_or_all() {
    // By its name a `pe` is a table of positions, which is left out too.
    let builders: [fn(&std::path::Path) -> neuromfa::MonitorBuilder; 2] = [
        |folder| Monitor::builder(folder).trainable_only(false).rename("pe", "noise"),
        |folder| Monitor::builder(folder).include("pe"),
    ];
    for builder in builders {
        let dir = tempfile::tempdir().unwrap();
        let monitor = builder(dir.path()).attach_source(with_buffer()).unwrap();
        assert!(connections(&monitor).contains(&"pe"));
        let row = monitor.last_row().unwrap();
        assert_eq!(row.status().as_str(), "non_finite");
        let warning = monitor.warnings().join("\n");
        assert!(
            warning.contains("weights that are not finite (NaN or infinite): 1024, in pe"),
            "{warning}"
        );
        let _ = monitor.finish().unwrap();
    }
}

#[test]
fn a_filter_chooses_by_name_and_shape() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Monitor::builder(dir.path()).filter(|p| p.shape[0] == 48);
    let monitor = builder.attach_source(weights_at(0)).unwrap();
    assert_eq!(connections(&monitor), ["0.weight"]);
    let [left] = monitor.network().left_out() else { panic!("one tensor") };
    assert_eq!(left.why, "excluded by the program's filter");
    let _ = monitor.finish().unwrap();
}

#[test]
fn a_matrix_without_spread_leaves_the_row_its_status() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    weights.set("4.weight", &[32, 32], vec![0.1f32; 1024]).unwrap();
    let mut monitor = Monitor::builder(dir.path()).every(1).attach_source(weights.clone()).unwrap();
    set_weights(&weights, 1);
    let _ = monitor.step(1, &[]).unwrap();
    let _ = monitor.finish().unwrap();
    let table = Table::read(dir.path(), "emergence.csv");
    assert_eq!(table.column("status"), ["ok", "ok"]);
    for column in ["E_stable", "width_excess", "width_excess_p", "alpha0_excess"] {
        assert!(table.column(column).iter().all(|value| !value.is_empty()), "{column}");
    }
    assert_eq!(table.column("E_norm_matched")[1], "");
    assert!(table.column("codes")[1].contains("not_matched"));
    let warning = "E_norm_matched: 4.weight has standard deviation 0, which cannot be rescaled to 0; \
                   width_excess and alpha0_excess are without it";
    assert_eq!(table.column("warning")[1], warning);
    // Of its own part alone everything is absent.
    let layers = Table::read(dir.path(), "layers.csv");
    let column = |name| layers.column(name).into_iter();
    let parts = column("step").zip(column("scope")).zip(column("width_excess"));
    let absent = parts
        .filter(|((step, scope), width)| *step == "1" && *scope == "layer" && width.is_empty());
    assert_eq!(absent.count(), 1);
}

#[test]
fn a_loop_without_a_counter_ticks() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(dir.path()).every(2).attach_source(weights.clone()).unwrap();
    for step in 1..=5 {
        set_weights(&weights, step);
        let _ = monitor.tick(&[("loss", step as f64)]).unwrap();
    }
    let _ = monitor.finish().unwrap();
    assert_eq!(Table::read(dir.path(), "emergence.csv").column("step"), ["0", "2", "4"]);
    assert_eq!(
        Table::read(dir.path(), "metrics.csv").column("loss"),
        ["1.0", "2.0", "3.0", "4.0", "5.0"]
    );
}

#[test]
fn steps_of_a_list_and_of_an_occasion_are_analysed() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let builder = Monitor::builder(dir.path()).schedule(Schedule::at([7, 3]));
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    let mut read = Vec::new();
    for step in 1..=10 {
        set_weights(&weights, step);
        let _ = match step {
            5 => monitor.analyse_now(step, &[("loss", 0.5)]).unwrap(),
            _ => monitor
                .step_with(step, || {
                    read.push(step);
                    [("loss", 1.0)]
                })
                .unwrap(),
        };
    }
    let _ = monitor.finish().unwrap();
    assert_eq!(Table::read(dir.path(), "emergence.csv").column("step"), ["0", "3", "5", "7"]);
    assert_eq!(read, [3, 7], "values are read at due steps only");
    let refused = Monitor::builder(dir.path().join("x")).schedule(Schedule::at([]));
    let error = refused.attach_source(weights_at(0)).unwrap_err().to_string();
    assert!(error.contains("the list has no step above 0"), "{error}");
    assert_eq!(Schedule::at([7, 3, 7]).to_string(), "steps [3, 7]");
}

#[test]
fn a_repeated_step_is_an_error_or_an_update() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let mut monitor =
        Monitor::builder(dir.path().join("a")).attach_source(weights.clone()).unwrap();
    let _ = monitor.step(1, &[("loss", 1.0)]).unwrap();
    assert!(monitor.step(1, &[("loss", 2.0)]).is_err());
    drop(monitor);

    let folder = dir.path().join("b");
    let builder = Monitor::builder(&folder).every(2).update_repeated_steps();
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    for step in 1..=4 {
        set_weights(&weights, step);
        for part in 0..3 {
            let loss = step as f64 + 0.1 * f64::from(part);
            let _ = monitor.step(step, &[("loss", loss)]).unwrap();
        }
    }
    assert!(monitor.step(2, &[]).is_err(), "an earlier step is an error still");
    let summary = monitor.finish().unwrap();
    assert_eq!(Table::read(&folder, "metrics.csv").column("loss"), ["1.2", "2.2", "3.2", "4.2"]);
    let emergence = Table::read(&folder, "emergence.csv");
    assert_eq!(emergence.column("step"), ["0", "2", "4"]);
    assert_eq!(emergence.column("loss"), ["", "2.2", "4.2"]);
    assert!(summary.to_string().contains("updates  8 calls reported a step again"), "{summary}");
}

/// 20 epochs of 47 steps; `val_loss` gets worse from the second on.
fn epochs(folder: &std::path::Path, resumed_at: Option<u64>) -> (Option<u64>, String) {
    let weights = weights_at(0);
    let rule = StopRule::on("val_loss").patience(2);
    let builder = Monitor::builder(folder).every(100).work(Work::Inline).stop_when(rule);
    let builder = if resumed_at.is_some() { builder.resume() } else { builder };
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    let mut stopped = None;
    for step in monitor.next_step()..=20 * 47 {
        set_weights(&weights, step);
        let scalars = [("loss", 1.0), ("val_loss", 1.0 + (step / 47) as f64)];
        let scalars = if step % 47 == 0 { &scalars[..] } else { &scalars[..1] };
        if monitor.step(step, scalars).unwrap().should_stop() {
            stopped = Some(step);
            break;
        }
        if resumed_at.is_none() && step == 120 {
            monitor.flush().unwrap();
            break;
        }
    }
    let summary = monitor.finish().unwrap();
    (stopped, summary.to_string())
}

#[test]
fn a_value_at_the_ends_of_epochs_stops_the_run_also_after_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    let (stopped, _) = epochs(dir.path(), None);
    assert_eq!(stopped, None, "interrupted at step 120");
    let (stopped, summary) = epochs(dir.path(), Some(121));
    assert!(stopped.is_some_and(|step| (142..=200).contains(&step)), "{stopped:?}");
    assert!(summary.contains("(measured at step 141)"), "{summary}");
    let outcome = History::read(dir.path(), None).unwrap();
    let outcome = outcome.try_rule(&StopRule::on("val_loss").patience(2).into());
    assert_eq!(outcome.unwrap().stop, Some(141), "a back-test sees what the run saw");
}

/// An actor and a critic of one store, and a target that must not count.
#[test]
fn groups_are_read_by_themselves_and_measured_each() {
    let dir = tempfile::tempdir().unwrap();
    let weights = Memory::new();
    let set = |growth: f32| {
        for (k, name) in
            ["actor.0", "actor.2", "critic.0", "critic.2", "target.0"].iter().enumerate()
        {
            let mut state = 17 + k as u64;
            let values: Vec<f32> = (0..64 * 64)
                .map(|_| {
                    state =
                        state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let uniform = (state >> 40) as f32 / (1 << 24) as f32;
                    (uniform - 0.5) * 0.1 * if name.starts_with("actor") { growth } else { 1.0 }
                })
                .collect();
            weights.set(&format!("{name}.weight"), &[64, 64], values).unwrap();
        }
    };
    set(1.0);
    let builder = Monitor::builder(dir.path()).every(1).groups(["actor", "critic"]);
    let builder = builder.exclude("critic.2.*");
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    assert_eq!(connections(&monitor), ["actor.0.weight", "actor.2.weight", "critic.0.weight"]);
    let layers: Vec<&str> = monitor.network().layers().iter().map(|l| l.name.as_str()).collect();
    assert!(layers.contains(&"actor/layer.0") && layers.contains(&"critic/layer.1"), "{layers:?}");
    let left: Vec<_> =
        monitor.network().left_out().iter().map(|l| (&l.name[..], &l.why[..])).collect();
    assert!(left.contains(&("target.0.weight", "in none of the groups")), "{left:?}");
    assert!(
        left.contains(&("critic.2.weight", "excluded by the pattern `critic.2.*`")),
        "{left:?}"
    );
    set(2.0);
    let _ = monitor.tick(&[]).unwrap();
    let _ = monitor.finish().unwrap();
    let table = Table::read(dir.path(), "layers.csv");
    let [step, scope, name] = ["step", "scope", "part"].map(|column| table.column(column));
    let e = table.column("E_stable");
    let of = |group: &str| {
        let row = (0..e.len()).find(|&k| step[k] == "1" && scope[k] == "group" && name[k] == group);
        e[row.unwrap()].parse::<f64>().unwrap()
    };
    assert!(of("actor").abs() > 0.1, "{}", of("actor"));
    assert_eq!(of("critic"), 0.0, "its weights did not change");

    let none = Monitor::builder(dir.path().join("x")).groups(["acto"]).attach_source(weights);
    let error = none.unwrap_err().to_string();
    assert!(error.contains("none of the 5 parameters is in the group `acto`"), "{error}");
}

#[test]
fn an_update_can_ask_for_the_analysis_and_a_flush_ends_the_step() {
    for work in [Work::Inline, Work::Background] {
        let dir = tempfile::tempdir().unwrap();
        let weights = weights_at(0);
        let builder = Monitor::builder(dir.path()).every(100).work(work).update_repeated_steps();
        let mut monitor = builder.attach_source(weights.clone()).unwrap();
        set_weights(&weights, 1);
        let _ = monitor.step(1, &[("loss", 2.0)]).unwrap();
        let _ = monitor.analyse_now(1, &[("val_loss", 1.0)]).unwrap();
        monitor.flush().unwrap();
        assert!(monitor.step(1, &[]).is_err(), "the step is on the disk");
        let _ = monitor.step(2, &[("loss", 1.0)]).unwrap();
        drop(monitor);
        let emergence = Table::read(dir.path(), "emergence.csv");
        assert_eq!(emergence.column("step"), ["0", "1"]);
        assert_eq!(
            (emergence.column("loss")[1].as_str(), emergence.column("val_loss")[1].as_str()),
            ("2.0", "1.0")
        );
        assert_eq!(Table::read(dir.path(), "metrics.csv").column("loss"), ["2.0", "1.0"]);
    }
}

/// A failed monitor ends no loop that repeats its steps.
#[test]
fn after_a_failure_a_repeated_step_is_no_error_of_its_own() {
    for policy in [OnFailure::KeepTraining, OnFailure::Report] {
        let dir = tempfile::tempdir().unwrap();
        let builder = Monitor::builder(dir.path().join("run")).every(1).on_failure(policy);
        let builder = builder.on_row(|row| assert_eq!(row.step(), 0, "a listener that panics"));
        let builder = builder.update_repeated_steps().quiet();
        let mut monitor = builder.attach_source(weights_at(0)).unwrap();
        let mut errors = Vec::new();
        for step in [1, 1, 2, 2, 3, 3] {
            errors.extend(monitor.step(step, &[]).err().map(|error| error.to_string()));
            let _ = monitor.flush();
        }
        match policy {
            OnFailure::KeepTraining => assert!(errors.is_empty(), "{errors:?}"),
            _ => assert!(
                errors.iter().all(|e| e.contains("panic")) && !errors.is_empty(),
                "{errors:?}"
            ),
        }
    }
}

#[test]
fn a_budget_that_passes_a_step_over_reads_no_values() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights_at(0);
    let builder = Monitor::builder(dir.path()).every(1).budget(1e-9);
    let mut monitor = builder.attach_source(weights).unwrap();
    let mut read = 0;
    for step in 1..=50 {
        let _ = monitor
            .step_with(step, || {
                read += 1;
                [("loss", 1.0)]
            })
            .unwrap();
    }
    let summary = monitor.finish().unwrap();
    assert_eq!(summary.rows(), 1 + read, "read where analysed");
    assert!(read < 50, "{read}");
}

#[test]
fn groups_that_overlap_are_refused_and_advice_in_a_group_has_complete_names() {
    let weights = Memory::new();
    for name in ["a.w", "b.w"] {
        weights.set(name, &[32, 32], vec![0.1f32; 1024]).unwrap();
    }
    for groups in [["a", "a"], ["a", "a.x"]] {
        let dir = tempfile::tempdir().unwrap();
        let builder = Monitor::builder(dir.path()).groups(groups);
        let error = builder.attach_source(weights.clone()).unwrap_err().to_string();
        assert!(error.contains("overlap: give each parameter to one group"), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let monitor = Monitor::builder(dir.path()).groups(["a", "b"]).attach_source(weights.clone());
    let monitor = monitor.unwrap();
    let advice = monitor.network().warnings().join("\n");
    for line in [".orient(\"a.w\", Orientation::InOut), --orient a.w=in-out", ".orient(\"b.w\""] {
        assert!(advice.contains(line), "{advice}");
    }
    let _ = monitor.finish().unwrap();
    let builder = Monitor::builder(dir.path().join("x")).groups(["a", "b"]);
    let turned = builder.orient("a.w", Orientation::InOut).attach_source(weights).unwrap();
    assert!(!turned.network().warnings().join("\n").contains("a.w"));
    let _ = turned.finish().unwrap();
}
