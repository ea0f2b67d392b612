//! Attacks on runs, too long for every day: `make soak` runs them. Seeded, so that a finding can be
//! repeated; SOAK=10 makes each ten times as long, SOAK=0.1 a tenth, SOAK_SEED=2 tries other moments and other damage.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::collections::BTreeMap;
use std::io::{Error, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loops::damage::damage;
use loops::interrupted::{assert_same, builder, complete, fast_folder, files, run_to};
use loops::lives::{self, LAST, Life};
use loops::weights_at;
use neuromfa::OnFailure;
use neuromfa::internals::record::inject;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A setting from the environment.
fn setting(name: &str) -> f64 {
    std::env::var(name).map_or(1.0, |text| text.parse().expect("a number"))
}

/// So many, times what SOAK says.
fn times(count: u64) -> u64 {
    (count as f64 * setting("SOAK")).ceil() as u64
}

fn rng(attack: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1000 * setting("SOAK_SEED") as u64 + attack)
}

#[test]
#[ignore = "started by the other tests, in a process of its own"]
fn child_loop() {
    lives::child_loop();
}

/// 200 processes, ended by one of seven signals at any moment: the files are those of a run that was
/// never interrupted.
#[test]
#[ignore = "minutes: make soak"]
fn soak_signals() {
    const LIVES: u64 = 25;
    let mut rng = rng(1);
    let dir = fast_folder();
    let whole = dir.path().join("whole");
    complete(builder(&whole), LAST);
    let expected = files(&whole);
    let mut sent = BTreeMap::new();
    for run in 0..times(8) {
        let folder = dir.path().join("killed");
        for life in 1..=LIVES {
            let mut process = Life::start(&folder, LAST * life / (LIVES + 1));
            let moment = Duration::from_micros(rng.random_range(0..150_000));
            process.wait_for(|age| age >= moment);
            let signals = ["KILL", "TERM", "INT", "HUP", "QUIT", "ABRT", "SEGV"];
            let signal = signals[rng.random_range(0..signals.len())];
            process.signal(signal);
            *sent.entry(signal).or_insert(0) += 1;
        }
        Life::start(&folder, LAST).end();
        assert_same(&files(&folder), &expected, &format!("run {run}"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
    println!("signals: {sent:?}, no difference");
}

/// 80 runs whose disk fails at any of its calls, once, for a while or for good: training goes on, and
/// a resume completes the files.
#[test]
#[ignore = "minutes: make soak"]
fn soak_failing_disk() {
    const CALLS: [&str; 9] =
        ["open", "write", "truncate", "sync", "rename", "remove", "mkdir", "list", "stat"];
    // EINTR, EIO, ENOSPC, ESTALE, EDQUOT.
    const ERRORS: [i32; 5] = [4, 5, 28, 116, 122];
    let mut rng = rng(2);
    let dir = fast_folder();
    let last = 45;
    let whole = dir.path().join("whole");
    complete(builder(&whole), last);
    let expected = files(&whole);
    let mut outcomes = BTreeMap::new();
    let fired = Arc::new(AtomicU64::new(0));
    for run in 0..times(80) {
        let folder = dir.path().join(format!("run-{run}"));
        let what = CALLS[rng.random_range(0..CALLS.len())];
        let error = ERRORS[rng.random_range(0..ERRORS.len())];
        let first = rng.random_range(0..if what == "write" { 400 } else { 30 });
        // No system interrupts a call for ever; the standard library would try for as long.
        let most = if error == 4 { 20 } else { u64::MAX };
        let times = [1, 3, 20, u64::MAX][rng.random_range(0..4)].min(most);
        let short = what == "write" && rng.random_range(0..3) == 0;
        let case =
            format!("{what} fails with {error} at call {first}, {times} times, short {short}");
        let count = AtomicU64::new(0);
        let fired = Arc::clone(&fired);
        inject(&folder, move |call| {
            if call.what != what {
                return Ok(usize::MAX);
            }
            match count.fetch_add(1, Ordering::SeqCst) {
                n if n < first || n - first >= times => Ok(usize::MAX),
                // Half a row, then no more.
                n if short && n == first => Ok(7),
                _ => {
                    fired.fetch_add(1, Ordering::Relaxed);
                    Err(Error::from_raw_os_error(error))
                }
            }
        });
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let weights = weights_at(0);
            let mut monitor = builder(&folder)
                .on_failure(OnFailure::KeepTraining)
                .quiet()
                .attach_source(weights.clone())
                .map_err(|e| e.to_string())?;
            run_to(&mut monitor, &weights, last);
            monitor.finish().map(|_| ()).map_err(|e| e.to_string())
        }));
        let outcome: Result<(), String> = attempt.unwrap_or_else(|_| panic!("{case}: a panic"));
        *outcomes.entry(if outcome.is_ok() { "none lost" } else { "said" }).or_insert(0) += 1;
        inject(&folder, |_| Ok(usize::MAX));
        if outcome.is_err() {
            let again = match folder.join("run.json").exists() {
                true => builder(&folder).resume(),
                false => builder(&folder),
            };
            complete(again, last);
        }
        assert_same(&files(&folder), &expected, &case);
        std::fs::remove_dir_all(&folder).unwrap();
        println!("{case}: {outcome:?}");
    }
    let calls = fired.load(Ordering::Relaxed);
    assert!(calls > 0 && outcomes.contains_key("said"), "{calls} calls failed, {outcomes:?}");
    println!("{calls} calls failed; failing disks: {outcomes:?}, no difference after a resume");
}

/// Runs the command; it ends by itself, with a status that it chooses.
fn ends(arguments: &[&Path], case: &str) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_neuromfa"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if started.elapsed() > Duration::from_secs(30) => {
                child.kill().unwrap();
                panic!("{case}: {arguments:?} hangs");
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let chosen = matches!(status.code(), Some(0..=2));
    assert!(chosen && !said.contains("panicked"), "{case}: {arguments:?}: {status}, {said}");
    assert!(
        status.success() || !said.trim().is_empty(),
        "{case}: {arguments:?} fails without a word"
    );
    status.success()
}

/// 2000 folders with garbage in one or two of their files: every command and a resume go on or say
/// what is wrong.
#[test]
#[ignore = "minutes: make soak"]
fn soak_mutated_folders() {
    let dir = fast_folder();
    let whole = dir.path().join("whole");
    complete(builder(&whole), 60);
    let files: Vec<_> =
        std::fs::read_dir(&whole).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files: Vec<_> = files.into_iter().filter(|path| path.extension().is_some()).collect();
    let texts: Vec<_> = files.iter().map(|file| std::fs::read(file).unwrap_or_default()).collect();
    let (read, resumed) = (AtomicU64::new(0), AtomicU64::new(0));
    let each = times(1000);
    let attack = |thread: u64| {
        let mut rng = rng(3 + thread);
        let folder = dir.path().join(format!("mutated-{thread}"));
        for k in 0..each {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir(&folder).unwrap();
            let chosen = [rng.random_range(0..files.len()), rng.random_range(0..files.len())];
            for (n, (file, text)) in
                files.iter().zip(&texts).enumerate().filter(|(_, (file, _))| file.is_file())
            {
                let mut text = text.clone();
                if chosen.contains(&n) {
                    damage(&mut text, &mut rng);
                }
                std::fs::write(folder.join(file.file_name().unwrap()), text).unwrap();
            }
            let case = format!("thread {thread}, folder {k}");
            let out = folder.join("out");
            let name = Path::new;
            let commands: [&[&Path]; 4] = [
                &[name("show"), &folder],
                &[name("compare"), &folder, &whole],
                &[name("report"), &folder, name("--out"), &out],
                &[name("backtest"), &folder],
            ];
            let worked = commands.iter().filter(|command| ends(command, &case)).count();
            read.fetch_add(worked as u64, Ordering::Relaxed);
            let attempt = catch_unwind(AssertUnwindSafe(|| {
                let weights = weights_at(0);
                let mut monitor = builder(&folder)
                    .resume()
                    .quiet()
                    .attach_source(weights.clone())
                    .map_err(|_| ())?;
                run_to(&mut monitor, &weights, 63);
                monitor.finish().map(|_| ()).map_err(|_| ())
            }));
            let outcome = attempt.unwrap_or_else(|_| panic!("{case}: a panic in a resume"));
            resumed.fetch_add(u64::from(outcome.is_ok()), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|thread| scope.spawn(move || attack(thread))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    println!(
        "{} mutated folders: {} of {} commands read them, {} resumes went on; the rest said why not",
        2 * each,
        read.into_inner(),
        8 * each,
        resumed.into_inner()
    );
}
