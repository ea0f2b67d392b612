//! Files in a run's folder that no run wrote are neither replaced nor removed, and what is no file is
//! not waited for.
#![cfg(unix)]

mod loops;

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use loops::interrupted::{builder, complete, fast_folder, files, run_to};
use loops::{TABLES, weights_at};
use neuromfa::internals::record::{RecordedRun, read_table};
use neuromfa::{Controls, MonitorBuilder};

const LAST: u64 = 12;
const THEIRS: &[u8] = b"theirs";
/// What every run of `builder` writes.
const WRITTEN: [&str; 15] = [
    "run.json",
    "nodes.json",
    "baseline.json",
    "state.json",
    "summary.json",
    "metrics.csv",
    "spectra.csv",
    "layers.csv",
    "distributions.csv",
    "hops.csv",
    "scaling.csv",
    "boxes.csv",
    "hashes.csv",
    "emergence.csv",
    ".neuromfa",
];
/// What it does not write, but another run, or a process that is killed, could.
const OTHERS: [&str; 9] = [
    "start.safetensors",
    "neurons/step-3.csv",
    "neurons/step-3.txt",
    "metrics.csv.new",
    "run.json.new",
    "metrics.csv.damaged",
    "tb/events.out.tfevents.1.theirs.0",
    ".lock",
    "notes.txt",
];

fn refusal(builder: MonitorBuilder) -> String {
    builder.attach_source(weights_at(0)).expect_err("the file is theirs").to_string()
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn files_of_others_with_a_runs_names_stay() {
    for name in WRITTEN {
        let dir = fast_folder();
        let theirs = dir.path().join(name);
        let link = dir.path().join("linked");
        for linked in [false, true] {
            let _ = std::fs::remove_file(&theirs);
            write(if linked { &link } else { &theirs }, THEIRS);
            if linked {
                symlink(&link, &theirs).unwrap();
            }
            let new = || builder(dir.path());
            for builder in [new(), new().overwrite(), new().resume(), new().repair().resume()] {
                let message = refusal(builder);
                assert!(
                    message.contains(theirs.to_str().unwrap()) || name == "run.json",
                    "{message}"
                );
                assert_eq!(std::fs::read(&theirs).unwrap(), THEIRS, "{name}");
                assert_eq!(theirs.is_symlink(), linked, "{name}");
            }
            let message = refusal(new().overwrite());
            assert!(message.contains("cannot replace ") && message.contains(name), "{message}");
            assert!(message.contains("move the file"), "{message}");
        }
    }
}

#[test]
fn files_that_the_run_does_not_write_stay() {
    let dir = fast_folder();
    let run = dir.path().join("run");
    OTHERS.iter().for_each(|name| write(&run.join(name), THEIRS));
    let intact = |case: &str| {
        for name in OTHERS {
            assert_eq!(std::fs::read(run.join(name)).unwrap(), THEIRS, "{case}: {name}");
        }
    };
    complete(builder(&run), LAST);
    intact("a new run");
    complete(builder(&run).overwrite(), LAST);
    intact("another instead of it");
    complete(builder(&run).resume_at(5), LAST);
    complete(builder(&run).resume_at(0), LAST);
    intact("a resume");
    std::fs::remove_file(run.join(".neuromfa")).unwrap();
    complete(builder(&run).resume_at(5), LAST);
    complete(builder(&run).overwrite(), LAST);
    intact("a run without a list");

    let with_start =
        || builder(&run).overwrite().controls(Controls::default().with_rescaled_start());
    let message = refusal(with_start());
    assert!(message.contains("start.safetensors: neuromfa did not write it"), "{message}");
    let message = refusal(builder(&run).overwrite().with_neurons());
    assert!(message.contains("neurons: neuromfa did not write it"), "{message}");
    intact("refused");
    std::fs::remove_file(run.join("start.safetensors")).unwrap();
    std::fs::remove_dir_all(run.join("neurons")).unwrap();
    let own = |builder: MonitorBuilder| builder.with_neurons();
    complete(own(with_start()), LAST);
    write(&run.join("neurons/step-03.csv"), THEIRS);
    complete(own(with_start()), LAST);
    assert_eq!(std::fs::read(run.join("neurons/step-03.csv")).unwrap(), THEIRS);
    complete(builder(&run).overwrite(), LAST);
    assert!(!run.join("start.safetensors").exists(), "the run's own is removed");
    let left = std::fs::read_dir(run.join("neurons")).unwrap().count();
    assert_eq!(left, 1, "and so are its neurons");
}

/// However far a beginning came, the next one needs no help.
#[test]
fn what_a_crash_leaves_of_a_beginning_is_replaced() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), LAST);
    let begun = [".lock", ".neuromfa", "nodes.json", "nodes.json.neuromfa-new", "baseline.json"];
    for there in 0..=begun.len() {
        let _ = std::fs::remove_dir_all(&run);
        begun[..there].iter().for_each(|name| {
            let bytes = std::fs::read(whole.join(name)).unwrap_or_else(|_| b"{".to_vec());
            write(&run.join(name), &bytes);
        });
        complete(if there % 2 == 0 { builder(&run) } else { builder(&run).resume() }, LAST);
        let names = |run: &Path| files(run).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&run), names(&whole), "{there}");
    }
}

#[test]
fn no_link_is_followed_to_write() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), LAST);
    let mut names: Vec<&str> = TABLES.to_vec();
    names.push(".lock");
    for name in names {
        let _ = std::fs::remove_dir_all(&run);
        for (name, _) in files(&whole) {
            write(&run.join(&name), &std::fs::read(whole.join(&name)).unwrap());
        }
        let target = dir.path().join("target");
        std::fs::copy(whole.join(name), &target).unwrap();
        std::fs::remove_file(run.join(name)).unwrap();
        symlink(&target, run.join(name)).unwrap();
        let message = refusal(builder(&run).resume_at(5));
        assert!(message.contains(name) && message.contains("a symbolic link"), "{message}");
        assert_eq!(std::fs::read(&target).unwrap(), std::fs::read(whole.join(name)).unwrap());
    }
    // A name under which a file is written before it is renamed.
    let _ = std::fs::remove_dir_all(&run);
    let target = dir.path().join("theirs");
    write(&target, THEIRS);
    for name in ["nodes.json", "state.json", "run.json", "metrics.csv"] {
        write(&run.join("notes.txt"), THEIRS);
        symlink(&target, run.join(format!("{name}.neuromfa-new"))).unwrap();
    }
    complete(builder(&run), LAST);
    assert_eq!(std::fs::read(&target).unwrap(), THEIRS);
}

/// A FIFO would be waited for; from /dev/zero a reader would never come back.
#[test]
fn what_is_no_file_is_refused() {
    let dir = fast_folder();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), LAST);
    type Make = fn(&Path);
    let kinds: [(&str, Make); 4] = [
        ("it is a FIFO, not a file", |path| {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
        ("it is a socket, not a file", |path| drop(UnixListener::bind(path).unwrap())),
        ("it is a folder, not a file", |path| std::fs::create_dir(path).unwrap()),
        ("it is a device, not a file", |path| symlink("/dev/zero", path).unwrap()),
    ];
    let read = ["run.json", "metrics.csv", "emergence.csv"];
    let resumed =
        ["nodes.json", "baseline.json", "spectra.csv", "hashes.csv", ".lock", ".neuromfa"];
    for (what, make) in kinds {
        for name in read.iter().chain(&resumed) {
            let _ = std::fs::remove_dir_all(&run);
            for (name, _) in files(&whole) {
                write(&run.join(&name), &std::fs::read(whole.join(&name)).unwrap());
            }
            let path = run.join(name);
            std::fs::remove_file(&path).unwrap();
            make(&path);
            let message = refusal(builder(&run).resume());
            let link = what.contains("device") && message.contains("a symbolic link");
            assert!(message.contains(what) || link, "{name}: {message}");
            assert!(message.contains(path.to_str().unwrap()), "{name}: {message}");
            if read.contains(name) {
                let message = RecordedRun::read(&run).unwrap_err().to_string();
                assert!(message.contains(what), "{name}: {message}");
            }
            if name.ends_with(".csv") {
                let message = read_table(&path).unwrap_err().to_string();
                assert!(message.contains(what), "{name}: {message}");
            }
        }
    }
}

#[test]
fn a_file_that_comes_during_the_run_stays() {
    let dir = fast_folder();
    let weights = weights_at(0);
    let mut monitor = builder(dir.path()).attach_source(weights.clone()).unwrap();
    let theirs = dir.path().join("metrics.csv");
    write(&theirs, THEIRS);
    run_to(&mut monitor, &weights, 1);
    let message = monitor.finish().unwrap_err().to_string();
    assert!(message.contains("metrics.csv: neuromfa did not write it"), "{message}");
    assert_eq!(std::fs::read(&theirs).unwrap(), THEIRS);
}
