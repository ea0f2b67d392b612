//! Disks that refuse, and disks that do not answer.

mod loops;

use std::io::{Error as IoError, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use loops::interrupted::{assert_same, builder, complete, files, run_to};
use loops::warnings::all_warnings;
use loops::{Table, weights_at};
use neuromfa::internals::record::{Call, inject};
use neuromfa::{Error, Monitor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const LAST: u64 = 40;

/// One test at a time: they read what the whole program warns of.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of frames of a run's event file, which are whole.
fn event_frames(run: &Path) -> usize {
    let mut files = std::fs::read_dir(run.join("tb")).unwrap();
    let bytes = std::fs::read(files.next().unwrap().unwrap().path()).unwrap();
    assert!(files.next().is_none());
    let (mut at, mut frames) = (0, 0);
    while at < bytes.len() {
        at += 16 + u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        frames += 1;
    }
    assert_eq!(at, bytes.len(), "the last event is whole");
    frames
}

/// A run in a folder whose disk fails once `armed` is set.
fn disturbed(
    run: &Path,
    armed: &Arc<AtomicBool>,
    fault: impl Fn(&Call<'_>) -> Result<usize, IoError> + Send + Sync + 'static,
) {
    let armed = Arc::clone(armed);
    inject(run, move |call| match armed.load(Ordering::SeqCst) {
        true => fault(call),
        false => Ok(usize::MAX),
    });
}

/// The disk refuses one call, or writes a part and then refuses; later it works. The files are those
/// of a run on a disk that never failed.
#[test]
fn one_refusal_anywhere_loses_nothing() {
    let _alone = alone();
    let dir = loops::interrupted::fast_folder();
    let whole = dir.path().join("whole");
    complete(builder(&whole).with_neurons(), LAST);
    let expected = files(&whole);

    let mut rng = ChaCha8Rng::seed_from_u64(15);
    for case in 0..60 {
        let run = dir.path().join(format!("run {case}"));
        let (calls, armed) = (AtomicU64::new(0), Arc::new(AtomicBool::new(false)));
        // Some 20 calls for each step.
        let at = rng.random_range(0..600);
        let (kind, torn, often) = (
            [ErrorKind::StorageFull, ErrorKind::StaleNetworkFileHandle, ErrorKind::Other][case % 3],
            rng.random_bool(0.5),
            rng.random_range(1..4),
        );
        disturbed(&run, &armed, move |call| {
            let number = calls.fetch_add(1, Ordering::SeqCst);
            match number.checked_sub(at) {
                Some(0) if call.what == "write" && torn => Ok(3),
                Some(k) if k <= often && call.what != "sync" => Err(IoError::from(kind)),
                _ => Ok(usize::MAX),
            }
        });
        let weights = weights_at(0);
        let mut monitor = builder(&run).with_neurons().attach_source(weights.clone()).unwrap();
        armed.store(true, Ordering::SeqCst);
        run_to(&mut monitor, &weights, LAST);
        monitor.flush().unwrap();
        armed.store(false, Ordering::SeqCst);
        monitor.finish().unwrap();
        assert_same(&files(&run), &expected, &format!("case {case}"));
        assert_eq!(event_frames(&run), event_frames(&whole), "case {case}");
        assert_eq!(
            std::fs::read_dir(run.join("neurons")).unwrap().count(),
            std::fs::read_dir(whole.join("neurons")).unwrap().count()
        );
        std::fs::remove_dir_all(&run).unwrap();
    }
}

/// The last state of a rule follows the last row, so no later row writes it again.
#[test]
fn the_last_state_of_a_rule_is_written_once_the_disk_answers_or_said() {
    let _alone = alone();
    let dir = loops::interrupted::fast_folder();
    let whole = dir.path().join("whole");
    let renames = Arc::new(AtomicU64::new(0));
    let of_state = |call: &Call<'_>| call.what == "rename" && call.name == "state.json";
    let counted = Arc::clone(&renames);
    inject(&whole, move |call| {
        counted.fetch_add(u64::from(of_state(call)), Ordering::SeqCst);
        Ok(usize::MAX)
    });
    complete(builder(&whole), LAST);
    let (expected, last) = (files(&whole), renames.load(Ordering::SeqCst) - 1);
    assert!(last > 3, "each row writes it");
    for (times, written) in [(1, true), (4, true), (u64::MAX, false)] {
        let run = dir.path().join(format!("{times} times"));
        let count = AtomicU64::new(0);
        inject(&run, move |call| match of_state(call) {
            true => match count.fetch_add(1, Ordering::SeqCst).checked_sub(last) {
                Some(k) if k < times => Err(IoError::from(ErrorKind::StaleNetworkFileHandle)),
                _ => Ok(usize::MAX),
            },
            false => Ok(usize::MAX),
        });
        let weights = weights_at(0);
        let mut monitor = builder(&run).attach_source(weights.clone()).unwrap();
        run_to(&mut monitor, &weights, LAST);
        match monitor.finish() {
            Ok(_) => assert_same(&files(&run), &expected, &format!("{times} times")),
            Err(why) => assert!(why.to_string().contains("state.json"), "{why}"),
        }
        assert_eq!(run.join("summary.json").exists(), written);
        assert!(!run.join("state.json.neuromfa-new").exists(), "{times} times");
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_loses_nothing() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let [run, whole] = ["run", "whole"].map(|name| dir.path().join(name));
    complete(builder(&whole), LAST);
    let full = Arc::new(AtomicBool::new(false));
    disturbed(&run, &full, |call| match call.what {
        "write" => Err(ErrorKind::StorageFull.into()),
        _ => Ok(usize::MAX),
    });
    let weights = weights_at(0);
    let mut monitor = builder(&run).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 10);
    monitor.flush().unwrap();
    full.store(true, Ordering::SeqCst);
    let said = all_warnings();
    run_to(&mut monitor, &weights, 25);
    let error = monitor.flush().unwrap_err();
    assert!(matches!(error, Error::NotWritten { .. }), "{error}");
    assert!(error.to_string().contains("20 rows are kept in memory: cannot write"), "{error}");
    run_to(&mut monitor, &weights, 30);
    assert!(monitor.flush().is_err());
    assert_eq!(Table::read(&run, "metrics.csv").rows.len(), 10);
    full.store(false, Ordering::SeqCst);
    run_to(&mut monitor, &weights, LAST);
    let summary = monitor.finish().unwrap();
    assert_eq!(summary.lost_steps(), 0);
    assert_same(&files(&run), &files(&whole), "a full disk");
    assert_eq!(event_frames(&run), event_frames(&whole));
    let said: Vec<String> = said.lock().unwrap().clone();
    let about = |what| said.iter().filter(|text| text.contains(what)).count();
    assert_eq!(about("rows are kept in memory until the disk takes them"), 1, "{said:#?}");
    assert_eq!(about("the disk takes rows again, and has taken "), 1, "{said:#?}");
}

/// What is kept has a limit. The steps that do not fit are counted; the files are whole, and the run
/// can be resumed.
#[test]
fn a_disk_that_stays_full_costs_the_steps_above_the_limit() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let full = Arc::new(AtomicBool::new(false));
    disturbed(&run, &full, |call| match call.what {
        "write" => Err(ErrorKind::StorageFull.into()),
        _ => Ok(usize::MAX),
    });
    let names: Vec<String> = (0..6000).map(|k| format!("m{k}")).collect();
    let scalars: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.5)).collect();
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(&run).every(60).attach_source(weights.clone()).unwrap();
    full.store(true, Ordering::SeqCst);
    let said = all_warnings();
    for step in 1..=600 {
        let _ = monitor.step(step, &scalars).unwrap();
        // Each step has met the disk.
        if step == 600 {
            assert!(monitor.flush().is_err());
        }
    }
    full.store(false, Ordering::SeqCst);
    monitor.flush().unwrap();
    for step in 601..=660 {
        let _ = monitor.step(step, &scalars).unwrap();
    }
    let summary = monitor.finish().unwrap();
    let (lost, kept) = (summary.lost_steps(), 660 - summary.lost_steps());
    assert!(lost > 5 && kept > 300, "{lost} lost");
    let expected: Vec<u64> = (1..=kept - 60).chain(601..=660).collect();
    let steps = |name| -> Vec<u64> {
        let steps = Table::read(&run, name).column("step");
        steps.iter().map(|step| step.parse().unwrap()).collect()
    };
    assert_eq!(steps("metrics.csv"), expected);
    let analysed = expected.iter().copied().filter(|step| step % 60 == 0);
    assert_eq!(steps("emergence.csv"), [0].into_iter().chain(analysed).collect::<Vec<_>>());
    let said = said.lock().unwrap().clone();
    assert_eq!(
        said.iter().filter(|text| text.contains("which is the limit")).count(),
        1,
        "{said:#?}"
    );
    assert!(summary.to_string().contains(&format!("lost     {lost} steps are in no file")));
    let resumed = Monitor::builder(&run).every(60).resume().attach_source(weights).unwrap();
    assert_eq!(resumed.next_step(), 661);
}

#[test]
fn a_disk_that_is_full_at_the_end_is_an_error_that_says_how_much_is_lost() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let (weights, full) = (weights_at(0), Arc::new(AtomicBool::new(false)));
    complete(builder(&run), 10);
    disturbed(&run, &full, |call| match call.what {
        "write" => Err(ErrorKind::StorageFull.into()),
        _ => Ok(usize::MAX),
    });
    let mut monitor = builder(&run).resume().attach_source(weights.clone()).unwrap();
    full.store(true, Ordering::SeqCst);
    run_to(&mut monitor, &weights, 20);
    let error = monitor.finish().unwrap_err();
    assert!(error.to_string().contains("13 rows are kept in memory"), "{error}");
    full.store(false, Ordering::SeqCst);
    complete(builder(&run).resume(), 20);
    complete(builder(&dir.path().join("whole")), 20);
    assert_same(&files(&run), &files(&dir.path().join("whole")), "after a full disk");
}

/// A disk that answers nothing until it is let go.
#[derive(Default)]
struct Hung(Arc<(Mutex<bool>, Condvar)>);

impl Hung {
    fn set(&self, hung: bool) {
        *self.0.0.lock().unwrap() = hung;
        self.0.1.notify_all();
    }

    fn injected(run: &Path) -> Self {
        let hung = Self::default();
        let disk = Arc::clone(&hung.0);
        inject(run, move |_| {
            let mut hung = disk.0.lock().unwrap();
            while *hung {
                hung = disk.1.wait(hung).unwrap();
            }
            Ok(usize::MAX)
        });
        hung
    }
}

/// While the disk hangs, a loop that is longer than the queue comes to its end.
#[test]
fn a_disk_that_hangs_does_not_hang_training() {
    let _alone = alone();
    for every in [1, 100_000] {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let hung = Hung::injected(&run);
        let weights = weights_at(0);
        let builder = Monitor::builder(&run).every(every).without_layers();
        let mut monitor = builder.attach_source(weights.clone()).unwrap();
        let _ = monitor.step(1, &[("loss", 1.0)]).unwrap();
        monitor.flush().unwrap();
        let said = all_warnings();
        hung.set(true);
        for step in 2..=6000 {
            let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
        }
        hung.set(false);
        monitor.flush().unwrap();
        let _ = monitor.step(6001, &[("loss", 1.0)]).unwrap();
        let summary = monitor.finish().unwrap();
        let metrics = Table::read(&run, "metrics.csv");
        assert!(summary.lost_steps() > 1000, "{summary}");
        assert_eq!(metrics.rows.len() as u64 + summary.lost_steps(), 6001);
        assert_eq!(metrics.column("step").last().unwrap(), "6001");
        let emergence = Table::read(&run, "emergence.csv");
        if every == 1 {
            // Each step has a row in both, or in none.
            assert_eq!(emergence.rows.len(), metrics.rows.len() + 1);
            assert_eq!(emergence.column("status").last().unwrap(), "ok");
            assert!(summary.dropped() > 1000, "{summary}");
        }
        let said = said.lock().unwrap().clone();
        let about = |what| said.iter().filter(|text| text.contains(what)).count();
        assert_eq!(about("the disk has not answered for 1 s"), 1, "{said:#?}");
    }
}

#[test]
fn a_disk_that_hangs_for_ever_does_not_hang_the_end() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let hung = Hung::injected(&run);
    let weights = weights_at(0);
    let mut monitor = builder(&run).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 4);
    monitor.flush().unwrap();
    hung.set(true);
    run_to(&mut monitor, &weights, 10);
    let error = monitor.finish().unwrap_err();
    assert!(matches!(error, Error::NotWritten { .. }), "{error}");
    assert!(error.to_string().contains("the disk has not answered for 30 s; about"), "{error}");
    // When it answers after all, what was handed over is written.
    hung.set(false);
    let attach = || builder(&run).resume().attach_source(weights.clone());
    let monitor = std::iter::repeat_with(attach).find_map(Result::ok).unwrap();
    assert_eq!(monitor.next_step(), 11);
}

/// A second attempt to sync may succeed although the first has lost something.
#[test]
fn what_the_disk_loses_at_a_sync_is_said_at_the_end() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let (armed, failed) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    disturbed(&run, &armed, move |call| match call.what == "sync" && call.name == "metrics.csv" {
        true if !failed.swap(true, Ordering::SeqCst) => Err(IoError::from(ErrorKind::StorageFull)),
        _ => Ok(usize::MAX),
    });
    let weights = weights_at(0);
    let mut monitor = builder(&run).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 9);
    armed.store(true, Ordering::SeqCst);
    let error = monitor.finish().unwrap_err().to_string();
    assert!(error.contains("metrics.csv"), "{error}");
}
