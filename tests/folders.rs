//! A run's folder and files that are moved, removed or replaced while the run writes to them.
#![cfg(unix)]

mod loops;

use std::path::Path;

use loops::interrupted::{complete, files, run_to};
use loops::{Table, weights_at};
use neuromfa::{Error, Monitor, MonitorBuilder, OnFailure};

fn builder(run: &Path) -> MonitorBuilder {
    Monitor::builder(run).every(3).on_failure(OnFailure::KeepTraining).quiet()
}

/// Runs to step 10, does something to the folder, runs to step 20 and ends.
fn disturbed(builder: MonitorBuilder, disturb: impl FnOnce()) -> Error {
    let weights = weights_at(0);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 10);
    monitor.flush().unwrap();
    disturb();
    run_to(&mut monitor, &weights, 20);
    monitor.finish().unwrap_err()
}

fn is_gone(error: &Error, path: &Path) -> bool {
    error.to_string().contains(&format!("{} was removed, renamed or replaced", path.display()))
}

#[test]
fn a_relative_folder_is_that_of_the_attach() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (here, there) = (dir.join("here"), dir.join("there"));
    [&here, &there].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    complete(builder(&there.join("run")), 10);
    let before = files(&there.join("run"));

    std::env::set_current_dir(&here).unwrap();
    let weights = weights_at(0);
    let mut monitor =
        builder(Path::new("run")).with_neurons().attach_source(weights.clone()).unwrap();
    std::env::set_current_dir(&there).unwrap();
    run_to(&mut monitor, &weights, 20);
    let summary = monitor.finish().unwrap();
    assert_eq!(summary.folder(), here.join("run"));
    assert!(summary.to_string().ends_with(&format!("files    {}", here.join("run").display())));
    assert_eq!(Table::read(&here.join("run"), "metrics.csv").rows.len(), 20);
    assert!(
        here.join("run/summary.json").is_file() && here.join("run/neurons/step-18.csv").is_file()
    );
    assert_eq!(files(&there.join("run")), before, "the other run is as it was");
    std::env::set_current_dir(&here).unwrap();
    assert!(summary.to_string().ends_with("files    run"));
}

#[test]
fn a_folder_that_is_removed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    for builder in [builder(&run), builder(&run).with_neurons()] {
        let error = disturbed(builder, || std::fs::remove_dir_all(&run).unwrap());
        assert!(is_gone(&error, &run), "{error}");
        assert!(!run.exists(), "it is not made again");
    }
}

#[test]
fn a_folder_that_is_renamed_or_replaced_is_an_error() {
    for replaced in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let [run, moved] = ["run", "moved"].map(|name| dir.path().join(name));
        let error = disturbed(builder(&run).with_neurons(), || {
            std::fs::rename(&run, &moved).unwrap();
            if replaced {
                complete(builder(&run), 5);
            }
        });
        assert!(is_gone(&error, &run), "{error}");
        if replaced {
            assert_eq!(Table::read(&run, "metrics.csv").rows.len(), 5, "the new run is as it was");
            assert!(!run.join("neurons").exists());
        } else {
            assert!(!run.exists(), "it is not made again");
        }
        // Nothing that came to the old folder is cut.
        complete(builder(&moved).with_neurons().resume(), 20);
        assert_eq!(Table::read(&moved, "metrics.csv").rows.len(), 20);
    }
}

#[test]
fn a_file_that_is_removed_or_replaced_is_an_error() {
    for (file, replaced) in [
        ("spectra.csv", false),
        ("emergence.csv", true),
        ("metrics.csv", false),
        ("hashes.csv", true),
        ("neurons", false),
        ("neurons", true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (run, copy) = (dir.path().join("run"), dir.path().join("copy"));
        let error = disturbed(builder(&run).with_neurons(), || {
            std::fs::rename(run.join(file), &copy).unwrap();
            match replaced {
                true if copy.is_dir() => std::fs::create_dir(run.join(file)).unwrap(),
                true => drop(std::fs::copy(&copy, run.join(file)).unwrap()),
                false => {}
            }
        });
        assert!(is_gone(&error, &run.join(file)), "{error}");
    }
}

#[test]
fn the_loop_learns_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let weights = weights_at(0);
    let builder = builder(&run).on_failure(OnFailure::Report);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 10);
    monitor.flush().unwrap();
    std::fs::remove_file(run.join("emergence.csv")).unwrap();
    let error = monitor.flush().unwrap_err();
    assert!(is_gone(&error, &run.join("emergence.csv")), "{error}");
    assert!(monitor.step(11, &[]).is_err());
}
