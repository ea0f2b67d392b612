//! Attacks on runs, too long for every day: `make soak` runs them. Seeded, so that a finding can be
//! repeated; SOAK=10 makes each ten times as long, SOAK=0.1 a tenth, SOAK_SEED=2 tries other moments and other damage.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::collections::BTreeMap;
use std::io::{Error, Read, Seek};
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
    ends_in(command.args(arguments), Duration::from_secs(30), case)
}

/// The same within some time.
fn ends_in(command: &mut Command, limit: Duration, case: &str) -> bool {
    let arguments = format!("{command:?}");
    // No pipe, which holds so much and no more.
    let mut errors = tempfile::tempfile().unwrap();
    let stderr = Stdio::from(errors.try_clone().unwrap());
    let mut child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let started = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if started.elapsed() > limit => {
                child.kill().unwrap();
                panic!("{case}: {arguments} hangs");
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let mut said = Vec::new();
    errors.rewind().and_then(|()| errors.read_to_end(&mut said)).unwrap();
    let said = String::from_utf8_lossy(&said);
    let chosen = matches!(status.code(), Some(0..=2));
    assert!(chosen && !said.contains("panicked"), "{case}: {arguments}: {status}, {said}");
    assert!(
        status.success() || !said.trim().is_empty(),
        "{case}: {arguments} fails without a word"
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

/// Changes bytes at one to four places: bits, numbers at their limits, pieces that are cut, moved or repeated;
/// mostly near the ends, where formats have their tables.
fn mutate(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    for _ in 0..rng.random_range(1..=4) {
        let end = bytes.len();
        if end == 0 {
            return;
        }
        let at = match rng.random_range(0..4) {
            0 => rng.random_range(0..end),
            1 | 2 => rng.random_range(0..end.min(2000)),
            _ => rng.random_range(end.saturating_sub(2000)..end),
        };
        let width = rng.random_range(1..=40).min(end - at);
        match rng.random_range(0..9) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3 => bytes[at..at + width].fill([0, 255][rng.random_range(0..2)]),
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..at + width)),
            6 => {
                let piece = bytes[at..at + width].to_vec();
                let to = rng.random_range(0..end);
                drop(bytes.splice(to..to, piece));
            }
            7 => {
                let number =
                    [i64::MAX, i64::MIN, -1, 1 << 32, 1 << 40, 65_536][rng.random_range(0..6)];
                let number = &number.to_le_bytes()[..width.min(8)];
                bytes[at..at + number.len()].copy_from_slice(number);
            }
            _ => drop(bytes.splice(at..at, *b"99999999999999999999")),
        }
    }
}

/// The files of a checkpoint, by name.
type Checkpoint = Vec<(String, Vec<u8>)>;

/// Checkpoints in each format that is read, each named by its format.
fn formats() -> Vec<(&'static str, Vec<Checkpoint>)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data");
    let single = |names: &[&str]| -> Vec<Checkpoint> {
        let one = |name: &&str| vec![("model".to_owned(), std::fs::read(data.join(name)).unwrap())];
        names.iter().map(one).collect()
    };
    let folder = |name: &str| -> Checkpoint {
        let entries = std::fs::read_dir(data.join("sharded").join(name)).unwrap().flatten();
        let file = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files: Checkpoint =
            entries.map(|e| (file(&e.path()), std::fs::read(e.path()).unwrap())).collect();
        files.sort();
        files
    };
    let safetensors = single(&["mlp.safetensors", "odd.safetensors", "sharded/whole.safetensors"]);
    let map = [0, 1, 2].map(|k| format!("\"layers.{k}.weight\": \"model\"")).join(", ");
    let index = format!("{{\"weight_map\": {{{map}}}}}");
    let index = ("model.safetensors.index.json".to_owned(), index.into_bytes());
    vec![
        ("index", vec![vec![index, safetensors[0][0].clone()]]),
        ("safetensors", safetensors),
        ("8-bit floats", single(&["sharded/f8-scaled.safetensors"])),
        (
            "zip, state dict",
            single(&["mlp.bin", "mlp-training.pt", "odd.pt", "sharded/dtensor.pt"]),
        ),
        ("zip, module", single(&["mlp-module.pt", "mlp-lightning.ckpt"])),
        ("zip, TorchScript and tch", single(&["mlp-script.pt", "mlp.ot"])),
        ("before 1.6", single(&["mlp-legacy.pth", "sharded/legacy-4.pth"])),
        ("distributed", vec![folder("dcp"), folder("stacked")]),
        ("pieces", vec![folder("pieces")]),
    ]
}

/// 1,000 mutated checkpoints of each format (SOAK=10: 10,000) through the command: it reads them or says why not, within 10
/// seconds of a processor, and takes no more than 200 MB for data (a pickle may take 64 MB and its file's length).
#[test]
#[cfg(target_os = "linux")]
#[ignore = "minutes: make soak"]
fn soak_mutated_checkpoints() {
    let dir = fast_folder();
    let all = formats();
    let counts = |(format, (name, checkpoints)): (usize, &(&str, Vec<Checkpoint>))| {
        let mut rng = rng(100 + format as u64);
        let folder = dir.path().join(format.to_string());
        let (from, run) = (folder.join("checkpoint-5"), folder.join("run"));
        let write = |checkpoint: &Checkpoint, mut change: Option<(usize, &mut ChaCha8Rng)>| {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&from).unwrap();
            for (n, (file, bytes)) in checkpoint.iter().enumerate() {
                let mut bytes = bytes.clone();
                if let Some((_, rng)) = change.as_mut().filter(|(chosen, _)| *chosen == n) {
                    mutate(&mut bytes, rng);
                }
                std::fs::write(from.join(file), bytes).unwrap();
            }
            if checkpoint.len() == 1 { from.join("model") } else { from.clone() }
        };
        let whole = |checkpoint: &Checkpoint| {
            bounded(&["inspect".as_ref(), &write(checkpoint, None)], name)
        };
        assert!(checkpoints.iter().any(whole), "none of {name} is read");
        let (mut read, mut analysed) = (0, 0);
        for k in 0..times(1000) {
            let checkpoint = &checkpoints[rng.random_range(0..checkpoints.len())];
            let chosen = rng.random_range(0..checkpoint.len());
            let path = write(checkpoint, Some((chosen, &mut rng)));
            let case = format!("{name}, seed {}, file {k}", setting("SOAK_SEED"));
            if bounded(&["inspect".as_ref(), &path], &case) {
                read += 1;
                let threads = ["--threads", "1", "--out"].map(Path::new);
                let arguments = [&["analyze".as_ref(), path.as_path()], &threads[..], &[&run]];
                analysed += u64::from(bounded(&arguments.concat(), &case));
            }
        }
        let all = times(1000);
        println!("{name}: {all} mutated, {read} read, {analysed} analysed, the rest said why not");
    };
    all.iter().enumerate().for_each(counts);
}

/// Runs the command in bounded memory and processor time; it ends by itself, with a status that it chooses.
#[cfg(target_os = "linux")]
fn bounded(arguments: &[&Path], case: &str) -> bool {
    let limited = "ulimit -d 204800 && ulimit -t 10 && exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_neuromfa")]);
    ends_in(command.args(arguments), Duration::from_secs(120), case)
}
