//! `kill -9` at any moment, then a resume: the files are those of a run that was never interrupted.

mod loops;

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use loops::interrupted::{EVERY, NEW_METRICS, assert_same, builder, complete, files};
use loops::lives::{self, LAST, Life};
use loops::{Table, weights_at};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
#[ignore = "started by the other tests, in a process of its own"]
fn child_loop() {
    lives::child_loop();
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |data| data.len())
}

/// Kills a run at seeded moments, then lets it end.
fn a_killed_run_equals_one_that_was_not(seed: u64) {
    const LIVES: u64 = 30;
    let dir = tempfile::tempdir().unwrap();
    let [run, whole] = ["killed", "whole"].map(|name| dir.path().join(name));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for life in 1..=LIVES {
        // However slow this machine is, the remaining steps must last for the remaining processes.
        let until = LAST * life / (LIVES + 1) + LAST / 4;
        let process = Life::start(&run, until.min(LAST - 1));
        let (file, bytes) = match rng.random_range(0..7) {
            // Some time after the start: the first processes have then not even begun the run.
            0 => {
                let moment = Duration::from_micros(rng.random_range(0..30_000));
                process.kill_when(|age| age >= moment);
                continue;
            }
            // Right when a file has grown: the next one is then about to grow.
            1 => ("metrics.csv", 1000),
            2 => ("spectra.csv", 10_000),
            3 => ("hops.csv", 2500),
            4 => ("scaling.csv", 5000),
            5 => ("boxes.csv", 5000),
            _ => ("emergence.csv", 2500),
        };
        let file = run.join(file);
        let enough = length(&file) + rng.random_range(1..bytes);
        process.kill_when(|_| length(&file) >= enough);
    }
    Life::start(&run, LAST).end();
    complete(builder(&whole), LAST);
    assert_same(&files(&run), &files(&whole), &format!("seed {seed}"));
    assert_eq!(Table::read(&run, "metrics.csv").rows.len(), LAST as usize);
}

#[test]
fn killed_at_random_moments_1() {
    a_killed_run_equals_one_that_was_not(1);
}

#[test]
fn killed_at_random_moments_2() {
    a_killed_run_equals_one_that_was_not(2);
}

#[test]
fn killed_at_random_moments_3() {
    a_killed_run_equals_one_that_was_not(3);
}

#[test]
fn a_second_process_is_refused_while_the_first_lives() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let attach = || builder(&run).resume().attach_source(weights_at(0));
    let mut first = Life::start(&run, 30);
    first.wait_for(|_| false);
    let message = attach().expect_err("the run is the child's").to_string();
    assert!(message.contains("another process is writing to the run in"), "{message}");
    first.kill();
    assert!(attach().is_ok(), "the lock went with its process");
}

#[test]
fn killed_while_it_attaches() {
    let dir = tempfile::tempdir().unwrap();
    let [run, whole] = ["killed", "whole"].map(|name| dir.path().join(name));
    // Each file of the beginning in turn, and what it is written as before it has its name.
    let begun = [
        ".neuromfa.neuromfa-new",
        ".neuromfa",
        "nodes.json.neuromfa-new",
        "nodes.json",
        "baseline.json.neuromfa-new",
        "run.json",
        "spectra.csv",
        "hops.csv",
        "scaling.csv",
        "boxes.csv",
    ];
    for name in begun.iter().chain(&begun) {
        let file = run.join(name);
        Life::start(&run, 0).kill_when(|_| file.exists());
        // Once there is a row, a resume attaches to it and begins nothing.
        if run.join("emergence.csv").exists() {
            std::fs::remove_dir_all(&run).unwrap();
        }
    }
    Life::start(&run, LAST).end();
    complete(builder(&whole), LAST);
    assert_same(&files(&run), &files(&whole), "killed while it attaches");
}

#[test]
fn killed_while_a_column_is_added() {
    let dir = tempfile::tempdir().unwrap();
    let [run, whole] = ["killed", "whole"].map(|name| dir.path().join(name));
    complete(builder(&run), NEW_METRICS.start - 1);
    let files_replaced =
        ["metrics.csv.neuromfa-new", "emergence.csv.neuromfa-new"].map(|name| run.join(name));
    for until in NEW_METRICS {
        let file = &files_replaced[usize::from(until.is_multiple_of(EVERY))];
        // One may be there from the life before; attaching removes it.
        let absent = Cell::new(false);
        Life::start(&run, until).kill_when(|_| {
            let there = file.exists();
            absent.set(absent.get() || !there);
            there && absent.get()
        });
    }
    Life::start(&run, LAST).end();
    complete(builder(&whole), LAST);
    assert_same(&files(&run), &files(&whole), "killed while a column is added");
}
