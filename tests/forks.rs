//! A process that forks while it is monitored, as one whose data are loaded by workers does.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod loops;

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loops::interrupted::{assert_same, builder, complete, files, run_to};
use loops::weights_at;
use neuromfa::OnFailure;

const RUN: &str = "NEUROMFA_TEST_FORKED_RUN";

/// Runs `work` in a forked child, and waits until it is done.
fn in_a_child(mut work: impl FnMut() + Send + Sync + 'static) {
    let (done, finished) = channel();
    std::thread::spawn(move || {
        let mut child = Command::new("true");
        // SAFETY: the child uses only what this thread of the parent left it, and its allocator, which
        // glibc keeps usable in a forked child.
        unsafe {
            child.pre_exec(move || {
                work();
                Ok(())
            });
        }
        done.send(child.status().unwrap().success()).unwrap();
    });
    let ended = finished.recv_timeout(Duration::from_secs(120));
    assert_eq!(ended, Ok(true), "the child has ended");
}

#[test]
fn a_child_that_drops_the_monitor_neither_hangs_nor_writes() {
    let dir = tempfile::tempdir().unwrap();
    let [run, whole] = ["run", "whole"].map(|name| dir.path().join(name));
    let weights = weights_at(0);
    let monitor = builder(&run).attach_source(weights.clone()).unwrap();
    let monitor = Arc::new(Mutex::new(Some(monitor)));
    let with = |work: fn(neuromfa::Monitor)| {
        let monitor = Arc::clone(&monitor);
        in_a_child(move || work(monitor.lock().unwrap().take().unwrap()));
    };
    let reach = |step| run_to(monitor.lock().unwrap().as_mut().unwrap(), &weights, step);
    reach(10);
    with(drop);
    reach(15);
    with(|monitor| assert!(monitor.finish().unwrap_err().to_string().contains("forked child")));
    with(|mut monitor| {
        assert!(monitor.step(16, &[]).unwrap_err().to_string().contains("forked child"));
        assert!(monitor.flush().unwrap_err().to_string().contains("forked child"));
        assert!(monitor.finish().unwrap_err().to_string().contains("forked child"));
    });
    reach(20);
    let monitor = monitor.lock().unwrap().take().unwrap();
    monitor.finish().unwrap();
    complete(builder(&whole), 20);
    assert_same(&files(&run), &files(&whole), "after forks");
}

#[test]
fn a_child_that_keeps_training_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let builder = builder(dir.path()).on_failure(OnFailure::KeepTraining);
    let monitor = Mutex::new(builder.attach_source(weights_at(0)).unwrap());
    in_a_child(move || {
        let mut monitor = monitor.lock().unwrap();
        for step in 1..10_000 {
            let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
        }
        monitor.flush().unwrap();
    });
}

/// Attaches, forks a child that lives until its input ends, and says that this is done.
#[test]
#[ignore = "started by the test below, in a process of its own"]
fn parent() {
    let Some(run) = std::env::var_os(RUN) else { return };
    let weights = weights_at(0);
    let mut monitor = builder(Path::new(&run)).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 10);
    monitor.flush().unwrap();
    let mut child = Command::new("true");
    // SAFETY: the child writes and reads.
    unsafe {
        child.pre_exec(|| {
            std::io::stderr().write_all(b"forked\n")?;
            std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
        });
    }
    // Does not return before the child has replaced its program.
    child.status().unwrap();
}

#[test]
fn a_child_that_outlives_its_parent_does_not_keep_the_run_locked() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent", "--ignored", "--nocapture"])
        .env(RUN, &run)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = parent.stderr.take().unwrap();
    let mut word = Vec::new();
    while !word.ends_with(b"forked\n") {
        let mut byte = [0];
        assert_eq!(said.read(&mut byte).unwrap(), 1, "the parent forks");
        word.extend(byte);
    }
    let attach = || builder(&run).resume().attach_source(weights_at(0));
    let error = attach().expect_err("the parent lives").to_string();
    assert!(error.contains("another process is writing"), "{error}");
    let input = parent.stdin.take();
    parent.kill().unwrap();
    parent.wait().unwrap();
    let monitor = attach().expect("only the child lives");
    assert_eq!(monitor.next_step(), 11);
    // One process cannot open a run twice, either.
    let error = attach().expect_err("it is attached").to_string();
    assert!(error.contains("another monitor of this process is writing"), "{error}");
    drop(monitor);
    drop(attach().unwrap());
    drop(input);
}
