//! The example char_lm as a person runs it: its checkpoints replayed, and its resume.
#![cfg(feature = "tch")]

mod loops;

use std::path::{Path, PathBuf};
use std::process::Command;

use loops::Table;
use neuromfa::Replay;
use neuromfa::source::Checkpoint;

/// The example's program, which cargo builds next to the tests.
fn char_lm() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.parent().unwrap().parent().unwrap().join("examples/char_lm");
    assert!(program.is_file(), "{} is built by `cargo test`", program.display());
    program
}

fn train(run: &Path, more: &[&str]) -> String {
    let text = run.with_extension("txt");
    if !text.exists() {
        let line = |k: u32| format!("fn f{}(x: u32) -> u32 {{ x * {} }}\n", k % 91, k % 17);
        std::fs::write(&text, (0..600).map(line).collect::<String>()).unwrap();
    }
    let output = Command::new(char_lm())
        .args(["--blocks", "2", "--width", "64", "--context", "32", "--batch", "4"])
        .args(["--every", "5", "--save-checkpoints", "--text"])
        .arg(&text)
        .arg("--run")
        .arg(run)
        .args(more)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

fn assert_same_rows(a: &Table, b: &Table) {
    assert_eq!(a.columns, b.columns);
    for name in a.columns.iter().filter(|n| !n.ends_with("_ms") && *n != "wall_time") {
        assert_eq!(a.column(name), b.column(name), "{name}");
    }
}

#[test]
fn a_replay_of_its_checkpoints_gives_the_runs_numbers_to_the_last_digit() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let printed = train(&run, &["--steps", "20"]);
    assert!(printed.contains("files    "), "it says where the files are: {printed}");
    let replayed = dir.path().join("replayed");
    let checkpoints = Checkpoint::find(&[run.join("checkpoints")]).unwrap();
    Replay::new(&replayed).nodes(run.join("nodes.json")).run(&checkpoints).unwrap();
    let live = Table::read(&run, "emergence.csv");
    assert_eq!(live.column("step"), ["0", "5", "10", "15", "20"]);
    assert_ne!(live.number("E_stable", 4), 0.0);
    assert_same_rows(&live, &Table::read(&replayed, "emergence.csv"));
    for name in ["spectra.csv", "scaling.csv", "boxes.csv"] {
        assert_same_rows(&Table::read(&run, name), &Table::read(&replayed, name));
    }
}

#[test]
fn a_resume_goes_on_from_the_newest_complete_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    train(&run, &["--steps", "13"]);
    let before = Table::read(&run, "emergence.csv");
    // A checkpoint that was being written when the run died has another name.
    let half = run.join("checkpoints/.checkpoint-15");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("model.safetensors"), "half").unwrap();
    let printed = train(&run, &["--steps", "20", "--resume"]);
    assert!(printed.contains("checkpoint-10; the optimizer's moments"), "{printed}");
    let after = Table::read(&run, "emergence.csv");
    assert_eq!(after.column("step"), ["0", "5", "10", "15", "20"]);
    for name in ["loss", "alpha0", "E", "E_stable"] {
        assert_eq!(before.column(name), after.column(name)[..3], "{name}");
    }
    let steps: Vec<String> = (1..=20).map(|step| step.to_string()).collect();
    assert_eq!(Table::read(&run, "metrics.csv").column("step"), steps);
}

#[test]
fn the_numbers_do_not_depend_on_where_the_work_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let rows = |work: &str| {
        let run = dir.path().join(work);
        train(&run, &["--steps", "40", "--threads", "1", "--work", work]);
        Table::read(&run, "emergence.csv")
    };
    let background = rows("background");
    assert_eq!(background.column("step").len(), 9);
    assert_same_rows(&rows("inline"), &background);
}
