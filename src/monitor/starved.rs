//! Tests with a side thread that gets no processor: training does not wait for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::message::Verdicts;
use super::side::{Done, Side, Task};
use super::{Monitor, MonitorBuilder, OnFailure, Work};
use crate::error::Error;
use crate::record::{Summary, read_table};
use crate::source::Memory;

const STEPS: u64 = 12;
const SHAPES: [(&str, [usize; 2]); 2] = [("0.weight", [48, 32]), ("2.weight", [32, 48])];

/// The weights of a step. The second matrix never changes, so that what is measured of it is kept.
fn set_weights(weights: &Memory, step: u64) {
    for (k, (name, shape)) in SHAPES.into_iter().enumerate() {
        let growth = if k == 0 { 1.0 + 0.05 * step as f32 } else { 1.0 };
        let value = |i: usize| 0.1 * growth * ((i * i + k) as f32).sin();
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(value).collect();
        weights.set(name, &shape, values).unwrap();
    }
}

fn attach(
    builder: MonitorBuilder,
    weights: &Memory,
    start_side: impl FnOnce(Side) -> Result<(), Error>,
) -> Monitor {
    set_weights(weights, 0);
    Monitor::start_with(builder.every(1), Box::new(weights.clone()), start_side).unwrap()
}

fn train(monitor: &mut Monitor, weights: &Memory) {
    for step in 1..=STEPS {
        set_weights(weights, step);
        let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
    }
}

/// A run of [`STEPS`] steps, flushed and finished.
fn run(builder: MonitorBuilder, start_side: impl FnOnce(Side) -> Result<(), Error>) -> Summary {
    let weights = Memory::new();
    let mut monitor = attach(builder, &weights, start_side);
    train(&mut monitor, &weights);
    monitor.flush().unwrap();
    monitor.finish().unwrap()
}

/// Runs on another thread, and fails if that does not end.
fn ends<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, end) = mpsc::channel();
    let thread = std::thread::spawn(move || done.send(task()).unwrap());
    match end.recv_timeout(Duration::from_secs(60)) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("training waits for the side thread"),
        Err(RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err())
        }
    }
}

/// emergence.csv, layers.csv and distributions.csv without times.
fn rows(folder: &Path) -> Vec<(String, Vec<String>)> {
    let of_table = |name| {
        let (columns, rows) = read_table(&folder.join(name)).unwrap();
        let column = move |(k, column): (usize, String)| {
            (column, rows.iter().map(|row| row[k].clone()).collect::<Vec<_>>())
        };
        columns.into_iter().enumerate().map(column).collect::<Vec<_>>()
    };
    let tables = ["emergence.csv", "layers.csv", "distributions.csv"].map(of_table);
    let timed = |name: &str| name.ends_with("_ms") || name == "wall_time";
    tables.into_iter().flatten().filter(|(name, _)| !timed(name)).collect()
}

/// The rows of a run without a side thread.
fn expected() -> Vec<(String, Vec<String>)> {
    let dir = tempfile::tempdir().unwrap();
    run(Monitor::builder(dir.path()).work(Work::Inline), |_| panic!("inline has no side thread"));
    let rows = rows(dir.path());
    let steps: Vec<String> = (0..=STEPS).map(|step| step.to_string()).collect();
    assert_eq!(rows[0], ("step".to_owned(), steps));
    rows
}

#[test]
fn training_goes_on_without_a_side_thread() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Monitor::builder(dir.path());
    let summary = ends(move || {
        let mut kept = None;
        run(builder, |side| {
            kept = Some(side);
            Ok(())
        })
    });
    assert_eq!((summary.rows, summary.dropped), (STEPS + 1, 0));
    assert!(rows(dir.path()) == expected());
}

#[test]
fn a_row_is_written_though_the_side_thread_does_not_begin() {
    let dir = tempfile::tempdir().unwrap();
    let (written, rows) = mpsc::channel();
    let builder = Monitor::builder(dir.path()).on_row(move |row| written.send(row.step).unwrap());
    ends(move || {
        let (weights, mut kept) = (Memory::new(), None);
        let mut monitor = attach(builder, &weights, |side| {
            kept = Some(side);
            Ok(())
        });
        let _ = monitor.step(1, &[]).unwrap();
        // Nobody waits for the monitor's threads meanwhile.
        assert_eq!([rows.recv().unwrap(), rows.recv().unwrap()], [0, 1]);
        monitor.finish().unwrap();
    });
}

#[test]
fn training_goes_on_when_the_side_thread_stays_within_an_analysis() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Monitor::builder(dir.path());
    let (verdicts, late) = ends(move || {
        let (begun, has_begun) = mpsc::channel();
        let (give, given) = mpsc::channel();
        let mut verdicts = None;
        let weights = Memory::new();
        let mut monitor = attach(builder, &weights, |side| {
            verdicts = Some(Arc::clone(&side.verdicts));
            std::thread::spawn(move || {
                let task: Arc<Task> = side.tasks.recv().unwrap();
                begun.send(()).unwrap();
                // Held to the end of the run, and done then.
                let () = given.recv().unwrap();
                let done = task.analyse();
                assert!(done.result.is_ok());
                let _ = task.answer.send(done);
                Task::let_go(task, &side.free);
                begun.send(()).unwrap();
            });
            Ok(())
        });
        set_weights(&weights, 1);
        let _ = monitor.step(1, &[("loss", 1.0)]).unwrap();
        has_begun.recv().unwrap();
        for step in 2..=STEPS {
            set_weights(&weights, step);
            let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
        }
        monitor.flush().unwrap();
        let summary = monitor.finish().unwrap();
        assert_eq!((summary.rows, summary.dropped), (STEPS + 1, 0));
        give.send(()).unwrap();
        has_begun.recv().unwrap();
        (verdicts.unwrap(), summary.cost.analysed)
    });
    assert_eq!((verdicts.spent().0, late), (STEPS, STEPS), "no step twice");
    assert!(rows(dir.path()) == expected());
}

#[test]
fn a_panic_while_training_waits_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Monitor::builder(dir.path()).on_failure(OnFailure::Report).on_row(|row| {
        assert!(row.step < 2, "a listener's mistake");
    });
    let errors = ends(move || {
        let (weights, mut kept) = (Memory::new(), None);
        let mut monitor = attach(builder, &weights, |side| {
            kept = Some(side);
            Ok(())
        });
        let _ = monitor.step(1, &[]).unwrap();
        let _ = monitor.step(2, &[]).unwrap();
        let errors = [monitor.flush().err(), monitor.step(3, &[]).err(), monitor.finish().err()];
        errors.map(|error| error.unwrap().to_string())
    });
    let of_listener =
        |error: &String| error.contains("panic on a thread of the monitor: a listener's");
    assert!(errors.iter().all(of_listener), "{errors:?}");
    assert_eq!(read_table(&dir.path().join("emergence.csv")).unwrap().1.len(), 3, "steps 0 to 2");
}

/// What the side thread could not analyse is a failure, and is not tried again.
#[test]
fn a_failure_of_the_side_thread_is_the_monitors() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Monitor::builder(dir.path()).on_failure(OnFailure::KeepTraining);
    let error = ends(move || {
        let (weights, (report, is_reported)) = (Memory::new(), mpsc::channel::<Arc<Verdicts>>());
        let mut monitor = attach(builder, &weights, |side| {
            std::thread::spawn(move || {
                for task in side.tasks {
                    let (answer, result) = (task.answer.clone(), Err("no luck".to_owned()));
                    Task::let_go(task, &side.free);
                    let _ = answer.send(Done { result, took: Duration::ZERO });
                    let _ = report.send(Arc::clone(&side.verdicts));
                }
            });
            Ok(())
        });
        let _ = monitor.step(1, &[]).unwrap();
        let verdicts = is_reported.recv().unwrap();
        while verdicts.failure().is_none() {
            std::thread::yield_now();
        }
        train_on(&mut monitor);
        assert!(is_reported.try_recv().is_err(), "no more is analysed");
        monitor.finish().unwrap_err().to_string()
    });
    assert!(error.contains("no luck"), "{error}");
}

fn train_on(monitor: &mut Monitor) {
    for step in 2..=STEPS {
        let _ = monitor.step(step, &[]).unwrap();
    }
}
