//! A series that many processes analyse, a shard each: merged, it is the run of one process.

mod loops;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loops::damage::damage;
use loops::interrupted::{assert_same, fast_folder, files_with_updates};
use loops::warnings::warnings_of;
use neuromfa::internals::record::{RunConfig, START, read_table};
use neuromfa::internals::replay::{Gathered, Shard, analyse_shard, gather, merge};
use neuromfa::mfa::Parameters;
use neuromfa::source::{Checkpoint, Memory, save};
use neuromfa::{Controls, Error, Replay, Samples};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use twox_hash::XxHash3_64;

const SHAPES: [(&str, [usize; 2]); 3] =
    [("0.weight", [24, 16]), ("1.weight", [20, 24]), ("2.weight", [14, 20])];

/// What is peculiar about the weights of a step.
#[derive(Clone, Copy, PartialEq)]
enum Weights {
    Plain,
    Zero,
    NotFinite,
    OfStep(u64),
    Smaller, // another shape
}

fn write(path: &Path, step: u64, weights: Weights) {
    let memory = Memory::new();
    let of = if let Weights::OfStep(other) = weights { other } else { step };
    for (seed, (name, shape)) in SHAPES.iter().enumerate() {
        let rows = if weights == Weights::Smaller && seed == 2 { shape[0] - 1 } else { shape[0] };
        let value = |k: usize| {
            let noise = ((k * 7919 + seed * 104_729) % 2003) as f32 / 2003.0 - 0.5;
            match weights {
                Weights::Zero => 0.0,
                Weights::NotFinite if k == 5 => f32::NAN,
                _ => noise * (1.0 + of as f32 * 0.001 * (k % 7) as f32),
            }
        };
        let values = (0..rows * shape[1]).map(value).collect::<Vec<f32>>();
        memory.set(name, &[rows, shape[1]], values).unwrap();
    }
    save(path, &memory, &SHAPES.map(|(name, _)| name)).unwrap();
}

/// Checkpoints of these steps in a folder, each in a folder of its own with the trainer's log.
fn series(
    folder: &Path,
    steps: impl Iterator<Item = u64>,
    of: impl Fn(u64) -> Weights,
) -> Vec<Checkpoint> {
    let checkpoint = |step: u64| {
        let path = folder.join(format!("checkpoint-{step}"));
        std::fs::create_dir_all(&path).unwrap();
        write(&path.join("model.safetensors"), step, of(step));
        let loss = |at: u64| {
            let loss =
                if at == 33 { "NaN".to_owned() } else { format!("{:?}", 1.0 / (1.0 + at as f64)) };
            format!("{{\"step\": {at}, \"loss\": {loss}}}")
        };
        let logged: Vec<String> = (0..=step).step_by(3).map(loss).collect();
        let state =
            format!("{{\"global_step\": {step}, \"log_history\": [{}]}}", logged.join(", "));
        std::fs::write(path.join("trainer_state.json"), state).unwrap();
        Checkpoint::new(step, path)
    };
    steps.map(checkpoint).collect()
}

fn replay(folder: &Path) -> Replay {
    let parameters = Parameters::default().q_step(0.5);
    Replay::new(folder)
        .sampled(Samples { neurons: 13, samples: 3, seed: 5 })
        .parameters(parameters)
        .controls(Controls::default().shuffled(3))
        .threads(1)
}

fn shard(replay: Replay, index: usize, count: usize, all: &[Checkpoint]) -> Result<usize, Error> {
    analyse_shard(replay, Shard::new(index, count).unwrap(), all, |_| {})
}

/// The files of a run; the neurons' and the event file's length, too, and the weights that it keeps.
fn all_files(run: &Path) -> BTreeMap<String, String> {
    let (kept, hidden) = (run.join(START), run.join("tb").join(START));
    let start = std::fs::read(&kept).ok();
    if start.is_some() {
        std::fs::create_dir_all(run.join("tb")).unwrap();
        std::fs::rename(&kept, &hidden).unwrap();
    }
    let mut all = files_with_updates(run);
    if start.is_some() {
        std::fs::rename(&hidden, &kept).unwrap();
    }
    all.insert(START.to_owned(), format!("{start:?}"));
    for folder in ["neurons", "tb"] {
        for entry in std::fs::read_dir(run.join(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let (name, text) = match folder {
                "tb" => ("tb".to_owned(), path.metadata().unwrap().len().to_string()),
                _ => (path.display().to_string(), std::fs::read_to_string(&path).unwrap()),
            };
            all.insert(name.replace(&run.display().to_string(), ""), text);
        }
    }
    all
}

/// The series merged from each of these numbers of shards, analysed in a mixed order, has the files of one process.
fn check(folder: &Path, all: &[Checkpoint], counts: &[usize], with: impl Fn(Replay) -> Replay) {
    let whole = folder.join("whole");
    let (summary, said) = warnings_of(|| with(replay(&whole)).run(all).unwrap());
    let expected = all_files(&whole);
    for &count in counts {
        let (shards, run) =
            (folder.join(format!("shards-{count}")), folder.join(format!("run-{count}")));
        for index in (1..=count).rev() {
            shard(with(replay(&shards)), index, count, all).unwrap();
        }
        let (merged, merging) = warnings_of(|| merge(Replay::new(&run), &[shards]).unwrap());
        assert!(merged.last_e().is_some());
        assert_eq!((merged.rows(), merged.last_e()), (summary.rows(), summary.last_e()));
        assert_eq!(merging, said, "{count} shards");
        assert_same(&all_files(&run), &expected, &format!("{count} shards"));
    }
}

/// More steps than all have details, weights that come back, weights that are not finite, logs between steps.
#[test]
fn merged_shards_are_the_run_of_one_process() {
    let dir = fast_folder();
    let of = |step: u64| match step {
        10 | 600 => Weights::OfStep(5),
        335 => Weights::NotFinite,
        _ => Weights::Plain,
    };
    let all = series(&dir.path().join("series"), (0..=600).step_by(5), of);
    check(dir.path(), &all, &[1, 2, 7], |replay| replay.every_detail(4));
}

#[test]
fn the_baseline_may_be_in_another_shard() {
    let dir = fast_folder();
    let of = |step: u64| if step < 30 { Weights::Zero } else { Weights::Plain };
    let all = series(&dir.path().join("series"), (0..=60).step_by(10), of);
    check(dir.path(), &all, &[1, 2, 7, 9], Replay::baseline_at_first_edges);
}

#[test]
fn every_option_that_a_replay_has() {
    let dir = fast_folder();
    let all = series(&dir.path().join("series"), (0..=40).step_by(10), |_| Weights::Plain);
    let file = dir.path().join("log.csv");
    std::fs::write(&file, "step,accuracy\n0,0.1\n7,0.5\n12,0.6\n40,0.9\n90,1\n").unwrap();
    let controls = Controls::default().shuffled(2).with_rescaled_start();
    check(dir.path(), &all, &[3], |replay| {
        let replay = replay.controls(controls).with_neurons().hops(2).hops_estimated(4);
        replay.metrics(&file).without_tensorboard().matrix_spectra()
    });
    let like = dir.path().join("like");
    std::fs::create_dir(&like).unwrap();
    let of = |replay: Replay| replay.like(dir.path().join("whole")).unwrap();
    check(&like, &all[1..], &[2], of);
    let baseline = all[0].path.clone();
    check(&dir.path().join("like/other"), &all[1..], &[2], |replay| {
        replay.controls(controls).baseline(&baseline).whole()
    });
}

/// A series in two shards.
struct Two {
    dir: tempfile::TempDir,
    all: Vec<Checkpoint>,
}

impl Two {
    fn new() -> Self {
        let dir = fast_folder();
        let all = series(&dir.path().join("series"), (0..=40).step_by(10), |_| Weights::Plain);
        let two = Self { dir, all };
        (1..=2).for_each(|index| two.shard(index, |replay| replay).map(|_| ()).unwrap());
        two
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("shards")
    }

    fn file(&self, index: usize) -> PathBuf {
        Shard::new(index, 2).unwrap().file(&self.folder())
    }

    fn shard(&self, index: usize, with: impl Fn(Replay) -> Replay) -> Result<usize, String> {
        shard(with(replay(&self.folder())), index, 2, &self.all).map_err(|e| e.to_string())
    }

    fn merged(&self) -> Result<BTreeMap<String, String>, String> {
        let run = self.dir.path().join("run");
        let merged = merge(Replay::new(&run).overwrite(), &[self.folder()]);
        merged.map(|_| all_files(&run)).map_err(|e| e.to_string())
    }

    fn refused(&self, words: &[&str]) {
        let said = self.merged().unwrap_err();
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?}: {said}"));
    }
}

#[test]
fn a_shard_that_is_not_there_or_not_whole_is_named() {
    let two = Two::new();
    let (whole, bytes) = (two.merged().unwrap(), std::fs::read(two.file(2)).unwrap());
    std::fs::remove_file(two.file(2)).unwrap();
    two.refused(&["shards are missing: 2/2"]);
    // Cut anywhere, as by a signal: it is incomplete, and is continued.
    for part in [0.0, 0.01, 0.4, 0.6, 0.7, 0.95, 1.0] {
        let end = ((bytes.len() - 1) as f64 * part) as usize;
        std::fs::write(two.file(2), &bytes[..end]).unwrap();
        let said = two.merged().unwrap_err();
        assert!(said.contains("shard-2-of-2.bin") && said.contains("(resume)"), "{part}: {said}");
        two.shard(2, Replay::resume).unwrap();
        assert_same(&two.merged().unwrap(), &whole, &format!("{part}"));
    }
    // A shard that is whole is not analysed again.
    let written = std::fs::read(two.file(2)).unwrap();
    two.shard(2, Replay::resume).unwrap();
    assert!(std::fs::read(two.file(2)).unwrap() == written);
    // A bit that has changed is no value of a row.
    let mut changed = bytes.clone();
    let at = bytes.len() - 100;
    changed[at] ^= 4;
    std::fs::write(two.file(2), &changed).unwrap();
    two.refused(&["shard 2/2 has", "checkpoints: run it again"]);
    let copy = two.folder().join("copy");
    std::fs::copy(two.file(1), &copy).unwrap();
    std::fs::write(two.file(2), &bytes).unwrap();
    let said = merge(Replay::new(two.dir.path().join("x")), &[two.folder(), copy]).unwrap_err();
    assert!(said.to_string().contains("same shard as"), "{said}");
}

/// The shards of a series, as the process of shard 1 of 2 sees them.
fn seen(two: &Two, overwriting: bool) -> Result<Gathered, String> {
    gather(&two.folder(), Shard::new(1, 2).unwrap(), overwriting).map_err(|e| e.to_string())
}

/// Shard 2 of 2 is not done, for this reason.
fn not_yet(two: &Two, overwriting: bool, reason: &str) {
    match seen(two, overwriting) {
        Ok(Gathered::NotYet(why)) => assert_eq!(why, reason),
        other => panic!("{reason}: {other:?}"),
    }
}

fn is_error(two: &Two, overwriting: bool, words: &[&str]) {
    let said = seen(two, overwriting).unwrap_err();
    for word in words.iter().chain(&["shard-2-of-2.bin"]) {
        assert!(said.contains(word), "{word:?}: {said}");
    }
}

#[test]
fn what_is_not_done_yet_is_told_from_what_is_wrong() {
    let two = Two::new();
    let bytes = std::fs::read(two.file(2)).unwrap();
    let Ok(Gathered::All { files, hash }) = seen(&two, false) else { panic!("all are there") };
    assert_eq!(files, [two.file(1), two.file(2)]);
    two.merged().unwrap();
    let run = RunConfig::read(&two.dir.path().join("run")).unwrap();
    assert_eq!(run.origin.shards.as_ref(), Some(&hash), "the run says which shards it has");
    // The same values at other times are other shards; a shard that is only opened again is not.
    two.shard(2, Replay::resume).unwrap();
    assert!(matches!(seen(&two, false), Ok(Gathered::All { hash: again, .. }) if again == hash));
    two.shard(2, Replay::overwrite).unwrap();
    assert!(matches!(seen(&two, false), Ok(Gathered::All { hash: again, .. }) if again != hash));
    // Shards of another division are no matter.
    std::fs::write(two.folder().join("shard-1-of-3.bin"), "x").unwrap();
    assert!(matches!(seen(&two, false), Ok(Gathered::All { .. })));

    let places = frames(&bytes);
    for overwriting in [false, true] {
        let put = |bytes: &[u8]| std::fs::write(two.file(2), bytes).unwrap();
        put(&bytes[..places[0].end - 1]);
        not_yet(&two, overwriting, "2/2 has no checkpoints");
        put(&bytes[..places[2].end + 30]);
        not_yet(&two, overwriting, "2/2 has 2 of its 3 checkpoints");
        let changed = |at: usize| {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            put(&changed);
        };
        // The last frame may be one that is being written; after the others comes one.
        changed(places[3].start);
        not_yet(&two, overwriting, "2/2 has 2 of its 3 checkpoints");
        for frame in &places[..3] {
            changed(frame.start);
            is_error(&two, overwriting, &["not those that were written", "(resume)"]);
        }
        put(b"step,E\n");
        is_error(&two, overwriting, &["no shard", "analyse this shard again"]);
        std::fs::copy(two.file(1), two.file(2)).unwrap();
        is_error(&two, overwriting, &["it holds shard 1/2, not 2/2", "(overwrite)"]);
        std::fs::remove_file(two.file(2)).unwrap();
        not_yet(&two, overwriting, "2/2 has no file");
        std::fs::create_dir(two.file(2)).unwrap();
        is_error(&two, overwriting, &["cannot read it", "(overwrite)"]);
        std::fs::remove_dir(two.file(2)).unwrap();
    }
}

#[test]
fn shards_of_other_options_are_not_done_where_each_is_overwritten() {
    let two = Two::new();
    let bytes = std::fs::read(two.file(2)).unwrap();
    let seed =
        |replay: Replay| replay.overwrite().sampled(Samples { neurons: 13, samples: 3, seed: 6 });
    two.shard(1, seed).unwrap();
    is_error(&two, false, &["config.sampling.drawn.seed is 5 in it and 6 in shard-1-of-2.bin"]);
    not_yet(&two, true, "2/2 is old (config.sampling.drawn.seed is 5 in it and 6 now)");
    std::fs::write(two.file(2), [b"neuromfa shard 9\n", &bytes[17..]].concat()).unwrap();
    is_error(&two, false, &["no shard that this version of neuromfa wrote", "(overwrite)"]);
    not_yet(&two, true, "2/2 is old (it is no shard that this version of neuromfa wrote)");
    two.shard(2, seed).unwrap();
    assert!(matches!(seen(&two, true), Ok(Gathered::All { .. })));
}

#[test]
fn shards_that_do_not_belong_together_are_refused_by_what_differs() {
    let two = Two::new();
    let overwrite =
        |with: &dyn Fn(Replay) -> Replay| two.shard(2, |replay| with(replay.overwrite())).unwrap();
    overwrite(&|replay| replay.sampled(Samples { neurons: 13, samples: 3, seed: 6 }));
    two.refused(&[
        "config.sampling.drawn.seed is",
        "5",
        "6",
        "each shard needs the same checkpoints",
    ]);
    overwrite(&|replay| replay.parameters(Parameters::default()));
    two.refused(&["config.method.q_step is"]);
    overwrite(&|replay| replay.without_tensorboard());
    two.refused(&["tensorboard is false in it and true in"]);
    let other = dir_of(&two, "other", |_| Weights::Plain);
    shard(replay(&two.folder()).overwrite(), 2, 2, &other).unwrap();
    two.refused(&["series[0][1] is", "other/checkpoint-0"]);
    shard(replay(&two.folder()).overwrite(), 2, 2, &two.all[..4]).unwrap();
    two.refused(&["series is a list of 4 in it and a list of 5 in"]);
    // Other weights under the same names.
    write(&two.all[0].path.join("model.safetensors"), 3, Weights::Plain);
    overwrite(&|replay| replay);
    two.refused(&["baseline."]);
    write(&two.all[0].path.join("model.safetensors"), 0, Weights::Plain);
    shard(replay(&two.folder()).overwrite(), 1, 3, &two.all).unwrap();
    overwrite(&|replay| replay);
    two.refused(&["shard.count is"]);
    let version = std::fs::read(two.file(1)).unwrap();
    std::fs::remove_file(Shard::new(1, 3).unwrap().file(&two.folder())).unwrap();
    assert!(two.merged().is_ok());
    // Its header says another version.
    std::fs::write(two.file(1), [b"neuromfa shard 9\n", &version[17..]].concat()).unwrap();
    two.refused(&["shard-1-of-2.bin", "no shard that this version of neuromfa wrote"]);
    std::fs::write(two.file(1), "step,E\n").unwrap();
    two.refused(&["shard-1-of-2.bin", "no shard"]);
    let said = two.shard(1, Replay::overwrite).unwrap_err();
    assert!(said.contains("did not write this file"), "{said}");
}

/// The frames of a file that are whole: their places.
fn frames(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut at, mut frames) = (bytes.iter().position(|b| *b == b'\n').unwrap() + 1, Vec::new());
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        frames.push(at + 16..at + 16 + length);
        at += 16 + length;
    }
    frames
}

/// Shards from elsewhere: damaged values with the right hashes, which no file system makes.
#[test]
fn mutated_shards_are_merged_or_refused() {
    let two = Two::new();
    let bytes = std::fs::read(two.file(2)).unwrap();
    let all = frames(&bytes);
    assert_eq!(all.len(), 4, "a header and three entries");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut merged = 0;
    for k in 0..400 {
        let frame = all[if k % 3 == 0 { 0 } else { rng.random_range(1..4) }].clone();
        let mut inner = bytes[frame.clone()].to_vec();
        damage(&mut inner, &mut rng);
        let head = [inner.len() as u64, XxHash3_64::oneshot(&inner)].map(u64::to_le_bytes).concat();
        let parts = [&bytes[..frame.start - 16], &head, &inner, &bytes[frame.end..]];
        std::fs::write(two.file(2), parts.concat()).unwrap();
        match two.merged() {
            Ok(_) => merged += 1,
            Err(why) => assert!(!why.is_empty(), "{k}"),
        }
    }
    assert!((20..380).contains(&merged), "{merged} were merged");
}

#[test]
fn a_header_that_no_shard_has_is_damaged() {
    let two = Two::new();
    let bytes = std::fs::read(two.file(2)).unwrap();
    let header = frames(&bytes)[0].clone();
    let text = String::from_utf8(bytes[header.clone()].to_vec()).unwrap();
    let series = "[[0,";
    assert!(text.contains(series));
    for (from, to) in [
        ("\"index\":2,\"count\":2", "\"index\":3,\"count\":2"),
        ("\"index\":2,\"count\":2", "\"index\":0,\"count\":2"),
        ("\"index\":2,\"count\":2", "\"index\":0,\"count\":0"),
        (series, "[[40,"),
    ] {
        let inner = text.replace(from, to).into_bytes();
        let head = [inner.len() as u64, XxHash3_64::oneshot(&inner)].map(u64::to_le_bytes).concat();
        let parts = [&bytes[..header.start - 16], &head, &inner, &bytes[header.end..]];
        std::fs::write(two.file(2), parts.concat()).unwrap();
        two.refused(&["shard-2-of-2.bin", "its header is damaged"]);
    }
}

fn dir_of(two: &Two, name: &str, of: impl Fn(u64) -> Weights) -> Vec<Checkpoint> {
    series(&two.dir.path().join(name), (0..=40).step_by(10), of)
}

#[test]
fn a_shard_that_is_there_is_replaced_or_continued_only_when_that_is_asked_for() {
    let two = Two::new();
    let said = two.shard(2, |replay| replay).unwrap_err();
    assert!(said.contains("--resume") && said.contains("--overwrite"), "{said}");
    let other =
        |replay: Replay| replay.resume().sampled(Samples { neurons: 12, samples: 3, seed: 5 });
    let said = two.shard(2, other).unwrap_err();
    assert!(said.contains("config.sampling.drawn.neurons is"), "{said}");
    assert!(two.merged().is_ok(), "it is left as it was");
    let held = std::fs::File::open(two.file(2)).unwrap();
    held.lock().unwrap();
    let said = two.shard(2, Replay::overwrite).unwrap_err();
    assert!(said.contains("another process is writing this shard"), "{said}");
    held.unlock().unwrap();
    // A checkpoint that is none of the series is an error of its shard.
    write(&two.all[3].path.join("model.safetensors"), 30, Weights::Smaller);
    let said = two.shard(2, Replay::overwrite).unwrap_err();
    assert!(said.contains("checkpoint-30") && said.contains("has shape [13, 20]"), "{said}");
    assert_eq!(two.shard(1, Replay::overwrite).unwrap(), 2);
    let table = |run: &str| read_table(&two.dir.path().join(run).join("emergence.csv"));
    assert!(table("run").is_ok());
}
