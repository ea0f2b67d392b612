//! What a person reads at the terminal. Each program here is this test binary, started once more.

mod loops;

use std::process::Command;

use loops::{set_weights, weights_at};
use neuromfa::source::Memory;
use neuromfa::{Monitor, OnFailure, StopRule};

/// Which program the child is.
const PROGRAM: &str = "NEUROMFA_TEST_PROGRAM";

/// A subscriber that wants everything and keeps nothing.
struct Subscriber;

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        eprintln!("event {}", event.metadata().level());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn training(weights: &Memory, quiet: bool) {
    let dir = tempfile::tempdir().unwrap();
    let builder = Monitor::builder(dir.path().join("run")).every(5);
    let builder = builder.stop_when(StopRule::on("los").patience(1));
    let builder = if quiet { builder.quiet() } else { builder };
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    for step in 1..=10 {
        set_weights(weights, step);
        let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
    }
    let _ = monitor.finish().unwrap();
}

/// Weights that a layer of two neurons makes useless.
fn two_classes() -> Memory {
    let weights = Memory::new();
    weights.set("fc.weight", &[2, 64], vec![0.1f32; 128]).unwrap();
    weights
}

#[test]
#[ignore = "the program that the other tests start"]
fn program() {
    match std::env::var(PROGRAM).as_deref() {
        Ok("plain") => training(&weights_at(0), false),
        Ok("hostile") => {
            let dir = tempfile::tempdir().unwrap();
            let run = dir.path().join("fc\u{1b}[2J\u{202e}\nneuromfa: all is well");
            let monitor = Monitor::builder(run).attach_source(weights_at(0));
            let _ = monitor.unwrap().finish().unwrap();
        }
        Ok("loading") => {
            let dir = tempfile::tempdir().unwrap();
            let weights = weights_at(0);
            let builder = Monitor::builder(dir.path().join("run")).every(1);
            let mut monitor = builder.attach_source(weights.clone()).unwrap();
            for at in [1, 2, 3, 1, 2, 1] {
                set_weights(&weights, at);
                let _ = monitor.tick(&[]).unwrap();
            }
            let _ = monitor.finish().unwrap();
        }
        Ok("diverging") => {
            let dir = tempfile::tempdir().unwrap();
            let weights = weights_at(0);
            let builder = Monitor::builder(dir.path().join("run")).every(1);
            let mut monitor = builder.attach_source(weights.clone()).unwrap();
            for step in 1..=4 {
                set_weights(&weights, step);
                if step > 2 {
                    weights.set("0.weight", &[48, 32], vec![f32::NAN; 48 * 32]).unwrap();
                }
                let loss = if step > 1 { f64::NAN } else { 1.0 };
                let _ = monitor.step(step, &[("loss", loss), ("lr", 0.1)]).unwrap();
            }
            let _ = monitor.finish().unwrap();
        }
        Ok("quiet") => training(&weights_at(0), true),
        Ok("subscribed") => {
            tracing::subscriber::set_global_default(Subscriber).unwrap();
            training(&weights_at(0), false);
        }
        Ok("two_classes") => {
            let dir = tempfile::tempdir().unwrap();
            let monitor = Monitor::builder(dir.path().join("run")).attach_source(two_classes());
            let _ = monitor.unwrap().finish().unwrap();
        }
        Ok("failing") => {
            let dir = tempfile::tempdir().unwrap();
            let builder = Monitor::builder(dir.path().join("run")).every(1);
            let builder = builder.on_failure(OnFailure::KeepTraining);
            let builder = builder.on_row(|row| assert_eq!(row.step(), 0, "a listener that panics"));
            let mut monitor = builder.attach_source(weights_at(0)).unwrap();
            for _ in 0..3 {
                let _ = monitor.tick(&[]).unwrap();
                monitor.flush().unwrap();
            }
        }
        other => panic!("no program {other:?}"),
    }
}

/// The standard error of a program.
fn stderr_of(program: &str) -> String {
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "program", "--ignored", "--nocapture"];
    let output = Command::new(this).args(arguments).env(PROGRAM, program).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn a_plain_program_says_what_it_watches_and_what_it_found() {
    let text = stderr_of("plain");
    let lines: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("neuromfa: ")).collect();
    let first = "mlp: 2 matrices, 100 % of 3072 weights analysed, 10 samples of 64 neurons, ";
    assert!(lines[0].starts_with(first), "{text}");
    assert!(lines[0].contains(" 1 warning; results in "), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("warning: step 0: ")), "{text}");
    let verdict = lines.iter().position(|line| line.starts_with("structure: ")).unwrap();
    assert!(lines[verdict].contains("; warnings of 3 rows: "), "{text}");
    assert_eq!(
        lines[verdict + 1],
        "warning: the stop rule watches \"los\", which never had a value: that part had no effect"
    );
}

#[test]
fn a_name_moves_no_cursor_and_makes_no_line() {
    let text = stderr_of("hostile");
    let escaped = "fc\\u001b[2J\\u202e\\nneuromfa: all is well";
    assert!(text.contains(escaped) && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
    assert!(text.lines().all(|line| !line.starts_with("neuromfa: all is well")), "{text}");
}

#[test]
fn weights_that_were_loaded_are_said_once() {
    let text = stderr_of("loading");
    let hint = "neuromfa: warning: step 4: the weights are those of step 1, bit for bit, and step 3 had \
                others: if they were loaded, call monitor.rolled_back(1)";
    assert!(text.contains(hint) && text.matches("rolled_back").count() == 1, "{text}");
}

#[test]
fn quiet_is_quiet() {
    assert!(!stderr_of("quiet").contains("neuromfa:"));
}

#[test]
fn a_subscriber_gets_events_and_no_lines() {
    let text = stderr_of("subscribed");
    assert!(!text.contains("neuromfa:"), "{text}");
    assert!(text.contains("event INFO") && text.contains("event WARN"), "{text}");
}

#[test]
fn a_network_that_can_have_no_value_is_named_at_attach() {
    let text = stderr_of("two_classes");
    assert!(text.contains("warning: the 64 neurons of layer "), "{text}");
    assert!(text.contains("no row can have a value"), "{text}");
    assert!(text.contains("warning: step 0 has no values, so E has no baseline"), "{text}");
}

#[test]
fn a_failure_that_does_not_end_training_is_said_once() {
    let text = stderr_of("failing");
    let said =
        text.matches("neuromfa: warning: monitoring has stopped, training continues: ").count();
    assert_eq!(said, 1, "{text}");
}

#[test]
fn what_is_not_finite_is_said_once() {
    let text = stderr_of("diverging");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("said once")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("neuromfa: warning: step 2: loss is NaN"), "{text}");
    assert!(lines[1].starts_with("neuromfa: warning: step 3: "), "{text}");
    assert!(lines[1].contains("0.weight"), "{text}");
}
