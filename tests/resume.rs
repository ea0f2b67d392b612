//! Resumes recorded runs: at which step, with which configuration, and with the stop rule in its
//! earlier state.

mod loops;

use std::collections::BTreeMap;
use std::path::Path;

use loops::interrupted::{
    NEW_METRICS, assert_same, builder, complete, copy, fast_folder, files, run_to,
};
use loops::warnings::warnings_of;
use loops::{TABLES, Table, set_weights, weights_at};
use neuromfa::mfa::Parameters;
use neuromfa::source::Memory;
use neuromfa::{MonitorBuilder, Samples, StopRule};

const LAST: u64 = 130;

/// What the files of a run are that ends with this step.
fn files_of_run_to(last: u64) -> BTreeMap<String, String> {
    let dir = fast_folder();
    complete(builder(dir.path()), last);
    files(dir.path())
}

fn refusal(builder: MonitorBuilder, weights: Memory) -> String {
    builder.attach_source(weights).expect_err("the run cannot continue").to_string()
}

#[test]
fn a_resume_at_a_step_drops_the_rows_from_it_on() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    let around_new_metrics = NEW_METRICS.start - 1..=NEW_METRICS.start + 4;
    let of_long = [3, 4, 19, 22, 60].into_iter().chain(around_new_metrics).chain([LAST + 1]);
    // A long run is not resumed at its first steps.
    let cases = [0, 1, 2].map(|at| (at, 60)).into_iter().chain(of_long.map(|at| (at, LAST)));
    for (at, last) in cases {
        if at == 0 || at == 3 {
            let _ = std::fs::remove_dir_all(&whole);
            complete(builder(&whole), last);
        }
        let at_end = files(&whole);
        copy(&whole, &run);
        // A loop that resumes has the weights of its checkpoint.
        let weights = weights_at(at.saturating_sub(1));
        let attach = || builder(&run).resume_at(at).attach_source(weights.clone()).unwrap();
        let monitor = attach();
        assert_eq!(monitor.next_step(), at.max(1));
        assert!(!run.join("summary.json").exists(), "the run is not at its end");
        monitor.finish().unwrap();
        let cut = files_of_run_to(at.saturating_sub(1));
        assert_same(&files(&run), &cut, &format!("resumed at {at} and ended"));
        let mut monitor = attach();
        run_to(&mut monitor, &weights, last);
        monitor.finish().unwrap();
        assert_same(&files(&run), &at_end, &format!("resumed at {at}"));
    }
}

#[test]
fn a_resume_at_a_step_may_itself_be_interrupted() {
    let dir = fast_folder();
    let [whole, cut, run] = ["whole", "cut", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), LAST);
    for at in [3, 60, 61, NEW_METRICS.start + 2] {
        copy(&whole, &cut);
        drop(builder(&cut).resume_at(at).attach_source(weights_at(at - 1)).unwrap());
        // The tables are cut in this order.
        for done in 1..TABLES.len() {
            copy(&whole, &run);
            for table in &TABLES[..done] {
                let _ = std::fs::remove_file(run.join(table));
                if std::fs::copy(cut.join(table), run.join(table)).is_err()
                    && *table == "metrics.csv"
                {
                    // Without rows it is removed after the others.
                    std::fs::write(run.join(table), "step\n").unwrap();
                }
            }
            let monitor = builder(&run).resume().attach_source(weights_at(at - 1)).unwrap();
            assert_eq!(monitor.next_step(), at);
            monitor.finish().unwrap();
            let case = format!("interrupted after {done} tables, at {at}");
            assert_same(&files(&run), &files(&cut), &case);
        }
    }
}

#[test]
fn a_resume_keeps_the_baseline_and_the_neurons() {
    for last in [0, 1, 20] {
        let dir = fast_folder();
        complete(builder(dir.path()), last);
        let before = files(dir.path());
        let resumed = builder(dir.path()).resume().attach_source(weights_at(last + 50)).unwrap();
        resumed.finish().unwrap();
        assert_same(&files(dir.path()), &before, &format!("after step {last}"));
    }
}

#[test]
fn a_resume_beyond_the_end_leaves_gap_rows_and_warns() {
    let dir = fast_folder();
    complete(builder(dir.path()), 31);
    let weights = weights_at(44);
    let attach = || builder(dir.path()).resume_at(45).attach_source(weights.clone()).unwrap();
    let (monitor, warnings) = warnings_of(attach);
    assert_eq!(monitor.next_step(), 45);
    let lost = "the run was recorded up to step 31, and continues at step 45: what lies between is \
                lost (flush the monitor before a checkpoint is saved)";
    let mut expected = vec![lost.to_owned()];
    expected.extend(vec!["lost when the run was interrupted".to_owned(); 4]);
    assert_eq!(warnings, expected);
    assert!(monitor.finish().unwrap().to_string().contains("4 dropped"));

    // The gap stays where it is, however often the run is interrupted afterwards.
    for (last, resume_at) in [(46, 45), (50, 47), (60, 51)] {
        let builder = builder(dir.path());
        let summary = complete(builder.resume_at(resume_at), last);
        assert_eq!(summary.dropped(), 4, "up to {last}");
    }
    let emergence = Table::read(dir.path(), "emergence.csv");
    let dropped = emergence.rows.iter().zip(emergence.column("status"));
    let dropped = dropped.filter(|(_, status)| status == "dropped").map(|(row, _)| row[0].clone());
    assert_eq!(dropped.collect::<Vec<_>>(), ["33", "36", "39", "42"]);
    let steps: Vec<u64> = Table::read(dir.path(), "metrics.csv")
        .column("step")
        .iter()
        .map(|s| s.parse().unwrap())
        .collect();
    assert_eq!(steps, (1..=31).chain(45..=60).collect::<Vec<_>>());

    // Before the gap is another matter: those steps are run again.
    complete(builder(dir.path()).resume_at(20), LAST);
    assert_same(&files(dir.path()), &files_of_run_to(LAST), "resumed before the gap");
}

#[test]
fn without_a_run_a_resume_begins_one_or_says_why_it_cannot() {
    let expected = files_of_run_to(12);
    let from = |at| move |run: MonitorBuilder| run.resume_at(at);
    let resumes: [Box<dyn Fn(MonitorBuilder) -> MonitorBuilder>; 3] =
        [Box::new(MonitorBuilder::resume), Box::new(from(0)), Box::new(from(1))];
    for resume in resumes {
        let dir = fast_folder();
        complete(resume(builder(dir.path())), 12);
        assert_same(&files(dir.path()), &expected, "a resume without a run");
    }
    let dir = fast_folder();
    let message = refusal(builder(dir.path()).resume_at(500), weights_at(0));
    let way_out = "has no run that can resume at step 500: the results of step 0 are missing. \
                   Begin a new run (without resume), with the weights of step 0 as its baseline \
                   file if you have them";
    assert!(message.ends_with(way_out), "{message}");
    assert!(files(dir.path()).is_empty());

    complete(builder(dir.path()), 12);
    std::fs::remove_file(dir.path().join("emergence.csv")).unwrap();
    let before = files(dir.path());
    let message = refusal(builder(dir.path()).resume_at(500), weights_at(0));
    assert!(message.ends_with(way_out), "{message}");
    assert_same(&files(dir.path()), &before, "refused");
}

#[test]
fn files_of_a_run_without_its_run_json_are_replaced_on_request() {
    let dir = fast_folder();
    complete(builder(dir.path()), 12);
    std::fs::remove_file(dir.path().join("run.json")).unwrap();
    let before = files(dir.path());
    for builder in [builder(dir.path()), builder(dir.path()).resume()] {
        let message = refusal(builder, weights_at(0));
        assert!(message.contains("summary.json, a file of a run without a run.json"), "{message}");
        assert_same(&files(dir.path()), &before, "refused");
    }
    complete(builder(dir.path()).overwrite(), 12);
    assert_same(&files(dir.path()), &files_of_run_to(12), "overwritten");
}

#[test]
fn a_loop_that_counts_from_0_is_gone_on_with_in_the_same_way() {
    let dir = fast_folder();
    // Interrupted before its first step, and after it.
    complete(builder(dir.path()), 0);
    let mut monitor = builder(dir.path()).resume().attach_source(weights_at(0)).unwrap();
    let _ = monitor.step(0, &[]).unwrap();
    monitor.finish().unwrap();
    let mut monitor = builder(dir.path()).resume().attach_source(weights_at(0)).unwrap();
    assert_eq!(monitor.next_step(), 1);
    assert!(monitor.step(0, &[]).unwrap_err().to_string().contains("is not after step 0"));
    monitor.finish().unwrap();
    assert_eq!(Table::read(dir.path(), "metrics.csv").column("step"), ["0"]);
}

/// A loop that reports every `stride`-th step, and logs nothing.
fn sparse(builder: MonitorBuilder, stride: u64, last: u64) {
    let weights = weights_at(0);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    let steps = (1..=last).filter(|step| step.is_multiple_of(stride));
    for step in steps.filter(|&step| step >= monitor.next_step()).collect::<Vec<_>>() {
        set_weights(&weights, step);
        let _ = monitor.step(step, &[]).unwrap();
    }
    monitor.finish().unwrap();
}

#[test]
fn a_loop_that_logs_nothing_or_skips_steps_is_gone_on_with_in_the_same_way() {
    for stride in [1, 3, 4, 6, 7] {
        let dir = fast_folder();
        let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
        sparse(builder(&whole), stride, 60);
        for at in [2, 12, 25, 36, 56] {
            copy(&whole, &run);
            sparse(builder(&run).resume_at(at), stride, 60);
            let case = format!("every {stride} steps, resumed at {at}");
            assert_same(&files(&run), &files(&whole), &case);
        }
        for table in
            ["metrics.csv", "spectra.csv", "hops.csv", "scaling.csv", "boxes.csv", "emergence.csv"]
        {
            copy(&whole, &run);
            let bytes = std::fs::read(run.join(table)).unwrap();
            std::fs::write(run.join(table), &bytes[..bytes.len() - 100]).unwrap();
            sparse(builder(&run).resume(), stride, 60);
            let case = format!("every {stride} steps, {table} cut");
            assert_same(&files(&run), &files(&whole), &case);
        }
    }
}

fn weights_of_width(width: usize) -> Memory {
    let weights = Memory::new();
    for (name, shape) in [("0.weight", [width, 32]), ("2.weight", [32, width])] {
        weights.set(name, &shape, vec![0.1_f32; shape[0] * shape[1]]).unwrap();
    }
    weights
}

#[test]
fn what_does_not_match_is_named_with_both_values() {
    let dir = fast_folder();
    let run = dir.path().join("run");
    complete(builder(&run), 12);
    let before = files(&run);
    let refused = |with: MonitorBuilder, weights: Memory, difference: &str| {
        let expected = format!(
            "the run in {} does not match: its {difference}. Resume with the same model, \
             configuration and version of neuromfa, or begin a new run (in another folder, or \
             overwrite)",
            run.display()
        );
        assert_eq!(refusal(with.resume(), weights), expected);
        assert_same(&files(&run), &before, difference);
    };
    let again = || builder(&run);
    let parameters = Parameters::default().q_step(0.1);
    let cases = [
        (again().every(5), "schedule.every is 3, that of this program is 5"),
        (again().parameters(parameters), "method.q_step is 0.5, that of this program is 0.1"),
        (
            again().sampled(Samples { neurons: 32, samples: 4, seed: 7 }),
            "sampling.drawn.neurons is 16, that of this program is 32",
        ),
        (
            again().whole(),
            "sampling is drawn (neurons 16, samples 4, seed 7), that of this program is whole",
        ),
        (again().hops(3), "hops is 2, that of this program is 3"),
        (again().hops_estimated(9), "hops_estimated is 8, that of this program is 9"),
        (again().without_stable(), "stable is true, that of this program is false"),
        (
            again().stop_when(StopRule::on("E").max().patience(7)),
            "stop_rule is (E (max) not improved in 10000 analysed steps, or not finite) or \
             (grad_norm (min) not improved in 10000 analysed steps), that of this program is \
             E (max) not improved in 7 analysed steps, or not finite",
        ),
        (again().baseline("other/run"), "baseline is none, that of this program is other/run"),
    ];
    for (with, difference) in cases {
        refused(with, weights_at(0), difference);
    }
    refused(
        again(),
        weights_of_width(64),
        "network.layers[layer.1].width is 48, that of this program is 64",
    );
}

#[test]
fn given_neurons_must_be_those_of_the_run() {
    let dir = fast_folder();
    let [run, other] = ["run", "other"].map(|name| dir.path().join(name));
    let nodes = dir.path().join("nodes.json");
    complete(builder(&other), 0);
    std::fs::copy(other.join("nodes.json"), &nodes).unwrap();
    let given = || builder(&run).nodes(&nodes);
    complete(given(), 12);
    complete(given().resume(), 24);
    let text = std::fs::read_to_string(&nodes).unwrap();
    complete(builder(&other).sampled(Samples { neurons: 16, samples: 4, seed: 8 }).overwrite(), 0);
    std::fs::copy(other.join("nodes.json"), &nodes).unwrap();
    let message = refusal(given().resume(), weights_at(0));
    let difference = "its nodes.samples[0].layer.0[0] is 0, that of this program is 1";
    assert!(message.contains(difference), "{message}");
    std::fs::write(&nodes, text).unwrap();
    complete(given().resume(), 36);
}

/// Resumes the loop until the rule stops it, or up to `last`. Flushes, so that the verdict comes at
/// the call after the measured step.
fn until_stopped(builder: MonitorBuilder, last: u64) -> Option<(u64, String)> {
    let weights = weights_at(0);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    while !monitor.verdict().should_stop() && monitor.next_step() <= last {
        let next = monitor.next_step();
        run_to(&mut monitor, &weights, next);
        monitor.flush().unwrap();
    }
    let summary = monitor.finish().unwrap();
    summary.stop().map(|stop| (summary.stopped_step().unwrap(), stop.reason.clone()))
}

fn rules() -> [(StopRule, u64, &'static str); 2] {
    let norm = || StopRule::on("grad_norm").patience(5).ignore_not_finite();
    let validated = StopRule::on("val, loss").stopping_threshold(0.05).patience(1000);
    [
        (
            norm().into(),
            37,
            "grad_norm did not improve on its best 4.58258 (step 21) in 5 analysed steps (last 6)",
        ),
        (
            norm().and(validated),
            43,
            "grad_norm did not improve on its best 4.58258 (step 21) in 7 analysed steps (last \
             6.48074); and val, loss = 0.047619047619047616 is below the stopping threshold 0.05",
        ),
    ]
}

#[test]
fn an_interrupted_patience_rule_stops_at_the_same_step() {
    for (rule, step, reason) in rules() {
        let dir = fast_folder();
        let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
        let with = |run: &Path| builder(run).stop_when(rule.clone());
        let stop = until_stopped(with(&whole), LAST);
        assert_eq!(stop, Some((step, reason.to_owned())));
        // The last of them is the last before the step that leads to the verdict.
        for interrupted in [0, 1, 20, 21, 22, 23, 24, 30, 33, step - 2] {
            until_stopped(with(&run).overwrite(), interrupted);
            assert_eq!(until_stopped(with(&run).resume(), LAST), stop, "after {interrupted}");
            let case = format!("{rule}, interrupted after {interrupted}");
            assert_same(&files(&run), &files(&whole), &case);
            // Once more, from an earlier step on.
            let at = interrupted.max(1);
            assert_eq!(until_stopped(with(&run).resume_at(at), LAST), stop, "at {at}");
            assert_same(&files(&run), &files(&whole), &case);
        }
    }
}

#[test]
fn a_run_that_its_rule_has_stopped_says_so_at_once() {
    for (rule, step, reason) in rules() {
        let dir = fast_folder();
        let resumed = || builder(dir.path()).stop_when(rule.clone()).resume();
        until_stopped(resumed(), LAST);
        let stopped = files(dir.path());

        let monitor = resumed().attach_source(weights_at(0)).unwrap();
        let verdict = monitor.verdict();
        let stop = verdict.stop().expect("before any step");
        assert_eq!((stop.reason.as_str(), verdict.stopped_step()), (reason, Some(step)));
        monitor.finish().unwrap();
        assert_same(&files(dir.path()), &stopped, "started once more");

        // As after a crash: the files do not say at which step the stop was reported.
        std::fs::remove_file(dir.path().join("summary.json")).unwrap();
        let mut monitor = resumed().attach_source(weights_at(0)).unwrap();
        assert_eq!(monitor.verdict().stopped_step(), None);
        let verdict = monitor.step(step + 1, &[]).unwrap();
        assert_eq!(verdict.stopped_step(), Some(step + 1));
        assert_eq!(monitor.finish().unwrap().stop(), verdict.stop());

        // Before the step at which the stop was reported, there is a verdict all the same.
        let monitor = resumed().resume_at(step).attach_source(weights_at(0)).unwrap();
        assert_eq!(monitor.verdict().stopped_step(), None);
        monitor.finish().unwrap();

        // Before the step that led to the verdict there is none.
        let monitor = resumed().resume_at(30).attach_source(weights_at(0)).unwrap();
        assert!(!monitor.verdict().should_stop());
        assert_eq!(monitor.finish().unwrap().stop(), None);
    }
}

/// A checkpoint's step that could not be read is most often taken for 0.
#[test]
fn a_resume_that_would_remove_a_long_run_is_refused() {
    let dir = fast_folder();
    let run = dir.path().join("run");
    complete(builder(&run), 102);
    let before = files(&run);
    for at in [0, 1, 2] {
        let message = refusal(builder(&run).resume_at(at), weights_at(0));
        let rows = 103 - at.max(1);
        assert!(
            message.contains(&format!("resume_at({at}) would remove {rows} recorded steps"))
                && message.contains("up to step 102")
                && message.contains("replace the run (overwrite)"),
            "{message}"
        );
        assert_same(&files(&run), &before, "nothing has changed");
    }
    let monitor = builder(&run).resume_at(3).attach_source(weights_at(2)).unwrap();
    assert_eq!(monitor.next_step(), 3);
    drop(monitor);
    // Of a short run, little is lost.
    let monitor = builder(&run).resume_at(1).attach_source(weights_at(0)).unwrap();
    assert_eq!(monitor.next_step(), 1);
}

#[test]
fn a_step_far_after_the_last_is_refused_unless_it_is_allowed() {
    const FAR: u64 = 1_000_000_010;
    let dir = fast_folder();
    let run = dir.path().join("run");
    let weights = weights_at(0);
    let mut monitor = builder(&run).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 10);
    let error = monitor.step(FAR, &[]).unwrap_err().to_string();
    assert!(
        error.contains("is 1000000000 steps after step 10") && error.contains("allow_gaps"),
        "{error}"
    );
    let _ = monitor.step(FAR - 1, &[]).unwrap();
    run_to(&mut monitor, &weights, FAR);
    monitor.finish().unwrap();

    let run = dir.path().join("resumed");
    complete(builder(&run), 10);
    let before = files(&run);
    let message = refusal(builder(&run).resume_at(FAR), weights_at(0));
    assert!(message.contains("is 1000000000 steps after step 10"), "{message}");
    assert_same(&files(&run), &before, "nothing has changed");
    let monitor = builder(&run).allow_gaps().resume_at(FAR);
    let mut monitor = monitor.attach_source(weights.clone()).unwrap();
    assert_eq!(monitor.next_step(), FAR);
    let _ = monitor.step(FAR, &[]).unwrap();
    let _ = monitor.step(2 * FAR, &[]).unwrap();
    monitor.finish().unwrap();
    assert_eq!(Table::read(&run, "metrics.csv").rows.len(), 12);
}
