//! Folders as tools fill them: `analyze` and `watch` take the same checkpoints, and say what they do not take;
//! shards of a folder are analysed and merged.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::path::{Path, PathBuf};
use std::process::Command;

use loops::interrupted::{assert_same, files};
use neuromfa::internals::record::read_table;
use serde_json::json;

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with these files, whose weights differ; each may note a step in a tensor of this name.
    fn of(files: &[(&str, Option<(&str, i64)>)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (k, (name, noted)) in files.iter().enumerate() {
            folder.write(name, weights(k, *noted));
        }
        folder
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.ckpts().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn ckpts(&self) -> PathBuf {
        self.0.path().join("ckpts")
    }

    fn out(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit status, and what is said on standard error.
    fn call(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
        command.args(arguments).envs(variables.iter().copied()).current_dir(self.0.path());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// The status, and all that is printed.
    fn printed(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
        let output = command.args(arguments).current_dir(self.0.path()).output().unwrap();
        let both = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(both).unwrap())
    }

    fn analyze(&self, more: &[&str]) -> (Vec<u64>, String) {
        let first = ["analyze", "ckpts", "--out", "analyzed", "--overwrite"];
        let (status, said) = self.call(&[&first, more].concat(), &[]);
        if status != Some(0) {
            return (Vec::new(), said);
        }
        (steps(&self.out("analyzed")), said)
    }

    /// The same steps by analyze and by a watch, which ends with the last of them.
    fn read(&self, expected: &[u64], words: &[&str]) {
        let (found, said) = self.analyze(&[]);
        assert_eq!(found, expected, "{said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{word:?}: {said}"));
        let last = expected.last().unwrap().to_string();
        let watch = ["watch", "ckpts", "--out", "watched", "--overwrite", "--every", "0.02"];
        let (status, said) = self.call(&[&watch[..], &["--until-step", &last]].concat(), &[]);
        assert_eq!((status, steps(&self.out("watched"))), (Some(0), expected.to_vec()), "{said}");
        words.iter().for_each(|word| assert!(said.contains(word), "watch, {word:?}: {said}"));
    }
}

fn steps(run: &Path) -> Vec<u64> {
    let (_, rows) = read_table(&run.join("emergence.csv")).unwrap();
    rows.iter().map(|row| row[0].parse().unwrap()).collect()
}

/// A safetensors file, whatever its name.
fn weights(seed: usize, noted: Option<(&str, i64)>) -> Vec<u8> {
    let value = |k: usize| ((k * (7919 + 2 * seed)) % 2003) as f32 / 2003.0 - 0.4;
    let values: Vec<f32> = (0..24 * 16).map(value).collect();
    let end = 4 * values.len();
    let mut header =
        json!({"0.weight": {"dtype": "F32", "shape": [24, 16], "data_offsets": [0, end]}});
    if let Some((name, _)) = noted {
        header[name] = json!({"dtype": "I64", "shape": [], "data_offsets": [end, end + 8]});
    }
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(noted.iter().flat_map(|(_, step)| step.to_le_bytes()));
    bytes
}

#[test]
fn epochs_count_where_files_note_steps_within_them() {
    Folder::of(&[("epoch=0.ckpt", Some(("step", 47))), ("epoch=1.ckpt", Some(("step", 47)))])
        .read(&[0, 1], &[]);
    let step = |step| Some(("global_step", step));
    Folder::of(&[("epoch=0.ckpt", step(100)), ("epoch=1.ckpt", step(200))]).read(&[100, 200], &[]);
    // One file says less than the others: analyze sees all of them at once, a watch one after the other.
    let mixed = Folder::of(&[("epoch=3.ckpt", step(100)), ("epoch=4.ckpt", None)]);
    assert_eq!(mixed.analyze(&[]).0, [3, 4]);
    let watch = ["watch", "ckpts", "--out", "watched", "--every", "0.02", "--idle", "0.3"];
    let (_, said) = mixed.call(&watch, &[]);
    assert_eq!(steps(&mixed.out("watched")), [100]);
    assert!(said.contains("epoch=4.ckpt is left out: only its name says an epoch"), "{said}");
}

#[test]
fn averages_of_the_weights_are_a_series_of_their_own() {
    let why = "(averages of the weights, by its name, are a series of their own";
    let (first, last) = (format!("model_step0_ema.pt {why}"), format!("model_step10-EMA.pt {why}"));
    let names = ["model_step0.pt", "model_step0_ema.pt", "model_step10-EMA.pt", "model_step10.pt"];
    let both = Folder::of(&names.map(|name| (name, None)));
    let (found, said) = both.analyze(&[]);
    assert_eq!(found, [0, 10], "{said}");
    assert!(said.contains(&first) && said.contains(&last), "{said}");
    both.read(&[0, 10], &[]);
    Folder::of(&[("model_step0_ema.pt", None), ("model_step5_ema.pt", None)]).read(&[0, 5], &[]);
    let step = Some(("iter_num", 30));
    Folder::of(&[("ckpt.pt", step), ("ckpt_ema.pt", step)]).read(&[30], &[]);
    Folder::of(&[("schema_step0.pt", None), ("schema_step7.pt", None)]).read(&[0, 7], &[]);
}

#[test]
fn files_without_an_end_are_read_by_what_they_hold_or_said() {
    let folder = Folder::of(&[("g_00000005", None), ("g_00000010", None)]);
    folder.write("config", "a text");
    let (found, said) = folder.analyze(&[]);
    assert!(
        found.is_empty() && said.contains("g_00000005 (no number in its name is a step"),
        "{said}"
    );
    assert!(!said.contains("config"), "{said}");
    assert_eq!(folder.analyze(&["--step-pattern", r"^g_(\d+)$"]).0, [5, 10]);
    let folder = Folder::of(&[("model.1000", None), ("model.2000", None), ("step_3000", None)]);
    folder.write("step_4000", "a text");
    folder.write("LICENSE", "a text");
    folder.read(&[1000, 2000, 3000], &[]);
    let (_, said) = folder.analyze(&[]);
    assert!(said.contains("step_4000 (it is in no format that is read, and has no end"), "{said}");
    assert!(!said.contains("LICENSE"), "{said}");
}

#[test]
fn a_folder_and_what_is_in_it_are_checked_against_each_other() {
    let step = |step| Some(("global_step", step));
    let folder = Folder::of(&[
        ("checkpoint-500/model.safetensors", step(500)),
        ("checkpoint-600/model.safetensors", step(700)),
        ("checkpoint-800/ckpt_900.pt", None),
    ]);
    let counts = "the name counts (--steps gives others)";
    let words = [
        "checkpoint-600 says step 600, and its trainer noted step 700",
        "checkpoint-800 says step 800, and the file in it, ckpt_900.pt, says step 900",
        counts,
    ];
    folder.read(&[500, 600, 800], &words);
    // A file in the folder of its step.
    let (status, said) =
        folder.call(&["analyze", "ckpts/checkpoint-600/model.safetensors", "--out", "one"], &[]);
    assert_eq!((status, steps(&folder.out("one"))), (Some(0), vec![600]), "{said}");
    assert!(
        said.contains("checkpoint-600 says step 600, and its trainer noted step 700"),
        "{said}"
    );
    let given = folder.analyze(&["--steps", "1,2,3"]).1;
    assert!(!given.contains(counts), "{given}");
}

#[test]
fn a_folder_is_no_model_for_a_copy_in_it() {
    let names = ["step0/model.safetensors", "step10/model.safetensors", "best/model.safetensors"];
    let folder = Folder::of(&names.map(|name| (name, None)));
    let (found, said) = folder.analyze(&[]);
    assert_eq!(found, [0, 10]);
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("not taken")).collect();
    let [line] = lines[..] else { panic!("one line: {said}") };
    assert!(line.ends_with(": best (a copy of another checkpoint, by its name)"), "{line}");
    // A model next to the folders of the steps.
    folder.write("model.safetensors", weights(9, None));
    let said = folder.analyze(&[]).1;
    assert!(said.contains("(the model in it has no step)"), "{said}");
}

#[test]
fn inspect_takes_the_steps_that_analyze_takes() {
    let folder = Folder::of(&[("a2.pt", None), ("a10.pt", None)]);
    assert_eq!(folder.call(&["inspect", "ckpts"], &[]).0, Some(2));
    for more in [["--steps", "0,1"], ["--step-pattern", r"a(\d+)"]] {
        let (status, said) = folder.call(&[&["inspect", "ckpts"], &more[..]].concat(), &[]);
        assert_eq!(status, Some(0), "{said}");
    }
}

#[test]
fn shards_are_analysed_by_any_launcher_and_merged() {
    let names =
        ["s0.pt", "step10.pt", "step20.pt", "step30.pt"].map(|name| name.replace("s0", "step0"));
    let folder = Folder::of(&names.each_ref().map(|name| (&name[..], None)));
    assert_eq!(folder.analyze(&[]).0, [0, 10, 20, 30]);
    let shard = |shard: &str, more: &[&str], variables: &[(&str, &str)]| {
        let first = ["analyze", "ckpts", "--out", "shards", "--shard", shard];
        folder.call(&[&first, more].concat(), variables)
    };
    let rank = [("OMPI_COMM_WORLD_RANK", "2"), ("OMPI_COMM_WORLD_SIZE", "3")];
    assert_eq!(shard("1/3", &[], &[]).0, Some(0));
    assert_eq!(shard("auto", &["--threads", "1"], &rank).0, Some(0));
    let merge = ["merge", "shards", "--out", "run"];
    let (status, said) = folder.call(&merge, &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("shards: shards are missing: 2/3"), "{said}");
    let (status, said) = shard("1/3", &[], &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("shard-1-of-3.bin: this shard is there already"), "{said}");
    for more in [&["--resume"][..], &["--overwrite"]] {
        assert_eq!(shard("1/3", more, &[]).0, Some(0));
        assert_eq!(shard("2/3", more, &[]).0, Some(0));
    }
    let (status, said) = folder.call(&merge, &[]);
    assert_eq!(status, Some(0), "{said}");
    let [merged, whole] = ["run", "analyzed"].map(|name| files(&folder.out(name)));
    assert_same(&merged, &whole, "merged");
    assert_eq!(folder.call(&merge, &[]).0, Some(2), "there is a run");
    assert_eq!(folder.call(&[&merge[..], &["--numbered"]].concat(), &[]).0, Some(0));
    assert_eq!(steps(&folder.out("run-2")), [0, 10, 20, 30]);
    for wrong in [["--shard", "0/3"], ["--shard", "4/3"], ["--shard", "auto"]] {
        let (status, said) =
            folder.call(&[&["analyze", "ckpts", "--out", "x"], &wrong[..]].concat(), &[]);
        assert_eq!(status, Some(2), "{said}");
    }
    assert_eq!(shard("1/3", &["--numbered"], &[]).0, Some(2));
}

#[test]
fn the_job_that_ends_last_merges() {
    let names = ["step0.pt", "step10.pt", "step20.pt"];
    let folder = Folder::of(&names.map(|name| (name, None)));
    assert_eq!(folder.analyze(&[]).0, [0, 10, 20]);
    let shard = |shard: &str, more: &[&str]| {
        let first =
            ["analyze", "ckpts", "--out", "shards", "--merge-into", "run", "--shard", shard];
        folder.printed(&[&first, more].concat())
    };
    let (status, said) = shard("2/3", &[]);
    assert_eq!(status, Some(0), "{said}");
    let not_done = "not merged, as not all shards are done: 1/3 has no file, 3/3 has no file";
    assert!(said.contains(not_done), "{said}");
    assert!(!folder.out("run").exists());
    // Two that end at the same time: one of them merges.
    let said: Vec<(Option<i32>, String)> = std::thread::scope(|scope| {
        let jobs = ["1/3", "3/3"].map(|part| scope.spawn(move || shard(part, &[])));
        jobs.map(|job| job.join().unwrap()).into()
    });
    assert!(said.iter().all(|(status, _)| *status == Some(0)), "{said:?}");
    let [merged, whole] = ["run", "analyzed"].map(|name| files(&folder.out(name)));
    assert_same(&merged, &whole, "merged");
    // A job that is started again merges what is new, and only that.
    let summary = || std::fs::metadata(folder.out("run/summary.json")).unwrap().modified().unwrap();
    let before = summary();
    let (status, said) = shard("3/3", &["--resume"]);
    assert_eq!((status, summary()), (Some(0), before), "{said}");
    assert!(said.contains("these shards are merged in run already"), "{said}");
    let (status, said) = shard("3/3", &["--overwrite"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("structure: ") && summary() > before, "{said}");
    // A merge that was interrupted.
    std::fs::remove_file(folder.out("run/summary.json")).unwrap();
    let (status, said) = shard("2/3", &["--resume"]);
    assert_eq!(status, Some(0), "{said}");
    assert_same(&files(&folder.out("run")), &whole, "merged again");
    // The run of other shards is replaced only with --overwrite.
    std::fs::remove_file(folder.out("shards/shard-3-of-3.bin")).unwrap();
    let (status, said) = shard("3/3", &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("--overwrite"), "{said}");
    // With other options: shards that are still to be overwritten are not done yet.
    for (part, words) in [
        (
            "3/3",
            "not all shards are done: 1/3 is old (config.sampling.drawn.seed is 0 in it and 5 now), 2/3",
        ),
        ("1/3", "not all shards are done: 2/3 is old ("),
        ("2/3", "structure: "),
    ] {
        let (status, said) = shard(part, &["--overwrite", "--seed", "5"]);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains(words), "{said}");
    }
    // What is wrong with a shard is an error.
    for more in [&["--resume", "--seed", "5"][..], &["--overwrite"]] {
        std::fs::write(folder.out("shards/shard-2-of-3.bin"), "a text").unwrap();
        let (status, said) = shard("3/3", more);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("neuromfa: shards/shard-2-of-3.bin: it is no shard"), "{said}");
    }
    let alone = folder.call(&["analyze", "ckpts", "--out", "x", "--merge-into", "y"], &[]);
    assert_eq!(alone.0, Some(2), "{}", alone.1);
}
