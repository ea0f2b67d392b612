//! Series of checkpoints as trainers write them: which steps they have, what is not read, what is
//! refused, and what is said.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use neuromfa::internals::record::read_table;
use neuromfa::source::{Memory, save};
use serde_json::{Map, Value, json};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Three matrices that change with the step.
    fn model(&self, name: &str, step: u64) -> PathBuf {
        self.matrices(
            name,
            step,
            &[("0.weight", [24, 16]), ("1.weight", [20, 24]), ("2.weight", [12, 20])],
        )
    }

    fn matrices(&self, name: &str, step: u64, shapes: &[(&str, [usize; 2])]) -> PathBuf {
        let weights = Memory::new();
        for (seed, (name, shape)) in shapes.iter().enumerate() {
            let value = |k: usize| {
                let noise = ((k * 7919 + seed * 104_729) % 2003) as f32 / 2003.0 - 0.5;
                noise * (1.0 + step as f32 * 0.001 * (k % 7) as f32)
            };
            let values = (0..shape[0] * shape[1]).map(value).collect::<Vec<f32>>();
            weights.set(name, shape, values).unwrap();
        }
        let names: Vec<&str> = shapes.iter().map(|(name, _)| *name).collect();
        let path = self.path(name);
        save(&path, &weights, &names).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Done {
        let out = self.path("run");
        let from = self.path("ckpts");
        let mut all = vec![arguments[0], from.to_str().unwrap(), "--out", out.to_str().unwrap()];
        all.extend(&arguments[1..]);
        Done::new(&all, &out)
    }

    fn analyze(&self) -> Done {
        self.run(&["analyze", "--overwrite"])
    }
}

/// What a command said and wrote.
struct Done {
    output: Output,
    out: PathBuf,
}

impl Done {
    fn new(arguments: &[&str], out: &Path) -> Self {
        let output = Command::new(env!("CARGO_BIN_EXE_neuromfa")).args(arguments).output().unwrap();
        Self { output, out: out.to_owned() }
    }

    fn said(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    /// The steps of the rows; it has succeeded.
    fn steps(&self) -> Vec<u64> {
        assert_eq!(self.output.status.code(), Some(0), "{}", self.said());
        self.rows("emergence.csv").1.iter().map(|row| row[0].parse().unwrap()).collect()
    }

    fn rows(&self, table: &str) -> (Vec<String>, Vec<Vec<String>>) {
        read_table(&self.out.join(table)).unwrap()
    }

    /// The last line of a refusal, which has all of these words.
    fn refused(&self, words: &[&str]) {
        let said = self.said();
        assert_eq!(self.output.status.code(), Some(2), "{said}");
        let last = said.lines().last().unwrap();
        words.iter().for_each(|word| assert!(last.contains(word), "{word:?}: {said}"));
    }

    /// What is said has all of these words in one line.
    fn says(&self, words: &[&str]) {
        let said = self.said();
        let found = said.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?}: {said}");
    }
}

/// A safetensors file of zeros: name, type, bytes of an element, shape.
fn safetensors(tensors: &[(&str, &str, usize, &[usize])]) -> Vec<u8> {
    let (mut header, mut end) = (Map::new(), 0);
    for (name, dtype, size, shape) in tensors {
        let start = end;
        end += size * shape.iter().product::<usize>();
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]});
        header.insert((*name).to_owned(), entry);
    }
    let header = serde_json::to_vec(&Value::Object(header)).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(&header);
    bytes.resize(bytes.len() + end, 0);
    bytes
}

#[test]
fn steps_are_those_in_the_names() {
    for (names, steps) in [
        (
            [
                "epoch=0-step=100-train_loss_step=2.31.ckpt",
                "epoch=0-step=200-train_loss_step=1.92.ckpt",
                "epoch=1-step=300-train_loss_step=0.75.ckpt",
            ],
            [100, 200, 300],
        ),
        (
            [
                "step0-tokens0B/model.safetensors",
                "step1000-tokens4B/model.safetensors",
                "step2000-tokens8B/model.safetensors",
            ],
            [0, 1000, 2000],
        ),
        (["step-001000-2BT.pt", "step-002000-4BT.pt", "step-10.pt"], [10, 1000, 2000]),
        (["epoch=7.ckpt", "epoch=8.ckpt", "epoch=10.ckpt"], [7, 8, 10]),
    ] {
        let folder = Folder::new();
        for (k, name) in names.iter().enumerate() {
            folder.model(&format!("ckpts/{name}"), k as u64);
        }
        assert_eq!(folder.analyze().steps(), steps, "{names:?}");
    }
}

/// A pickled step needs a pickle; safetensors files note it in their header.
fn noted(step: u64) -> Vec<u8> {
    let values: Vec<f32> =
        (0..24 * 16).map(|k| ((k * 7919) % 2003) as f32 / 2003.0 - 0.4).collect();
    let header = json!({
        "__metadata__": {"global_step": step.to_string()},
        "0.weight": {"dtype": "F32", "shape": [24, 16], "data_offsets": [0, 4 * values.len()]},
    });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| (value * (1.0 + step as f32)).to_le_bytes()));
    bytes
}

#[test]
fn where_names_are_silent_the_files_say_the_step() {
    let folder = Folder::new();
    folder.write("ckpts/epoch=00-val_loss=2.31.ckpt", noted(100));
    folder.write("ckpts/epoch=01-val_loss=1.92.ckpt", noted(200));
    folder.write("ckpts/last.ckpt", noted(200));
    let done = folder.analyze();
    assert_eq!(done.steps(), [100, 200]);
    done.says(&["not taken from", "last.ckpt (a copy of another checkpoint, by its name)"]);
    // A file, and one whose name says another step.
    let one = folder.path("ckpts/epoch=01-val_loss=1.92.ckpt");
    let run = folder.path("one");
    let done = Done::new(&["analyze", one.to_str().unwrap(), "--out", run.to_str().unwrap()], &run);
    assert_eq!(done.steps(), [200]);
    let folder = Folder::new();
    folder.write("ckpts/ckpt_100.pt", noted(100));
    folder.write("ckpts/ckpt_200.pt", noted(900));
    let done = folder.analyze();
    assert_eq!(done.steps(), [100, 200]);
    done.says(&["ckpt_200.pt says step 200", "noted step 900"]);
}

#[test]
fn steps_can_be_given() {
    let folder = Folder::new();
    for (k, name) in ["a2.pt", "a10.pt", "a1.pt"].iter().enumerate() {
        folder.model(&format!("ckpts/{name}"), k as u64);
    }
    folder.analyze().refused(&[
        "no checkpoints in it",
        "a2.pt (no number in its name is a step",
        "--steps",
    ]);
    let given = |more: &[&str]| folder.run(&[&["analyze", "--overwrite"], more].concat());
    assert_eq!(given(&["--steps", "0,5,700"]).steps(), [0, 5, 700]);
    given(&["--steps", "0,5"]).refused(&["2 steps are listed for 3 checkpoints", "a10.pt"]);
    assert_eq!(given(&["--step-pattern", r"^a(\d+)"]).steps(), [1, 2, 10]);
    let done = given(&["--step-pattern", r"a(\d)\.pt"]);
    assert_eq!(done.steps(), [1, 2]);
    done.says(&["a10.pt (the pattern finds no step)"]);
}

#[test]
fn what_is_not_taken_is_said_in_one_line() {
    let folder = Folder::new();
    folder.model("ckpts/checkpoint-100/model.safetensors", 100);
    folder.model("ckpts/checkpoint-200/model.safetensors", 200);
    folder.model("ckpts/tmp-checkpoint-200/model.safetensors", 200);
    folder.model("ckpts/ckpt_300_final.pt", 300);
    folder.write("ckpts/checkpoint-400/__0_0.distcp", "x");
    folder.write(
        "ckpts/checkpoint-500/global_step500/zero_pp_rank_0_mp_rank_00_model_states.pt",
        "x",
    );
    folder.write("ckpts/iter_0000600/mp_rank_00/model_optim_rng.pt", "x");
    folder.write("ckpts/checkpoint-700/model-00001-of-00002.safetensors", "x");
    folder.write("ckpts/optimizer.pt", "x");
    let done = folder.analyze();
    assert_eq!(done.steps(), [100, 200]);
    assert_eq!(done.said().matches("not taken from").count(), 1);
    for words in [
        "tmp-checkpoint-200 (it is being written, or was left by a crash)",
        "ckpt_300_final.pt (no number in its name is a step)",
        "checkpoint-400 (a distributed checkpoint of torch without its .metadata",
        "zero_to_fp32.py",
        "iter_0000600 (a checkpoint of Megatron-LM",
        "its shard model-00002-of-00002.safetensors is missing",
    ] {
        done.says(&["not taken from", words]);
    }
    let alone = folder.path("ckpts/checkpoint-500");
    let run = folder.path("alone");
    let done =
        Done::new(&["analyze", alone.to_str().unwrap(), "--out", run.to_str().unwrap()], &run);
    done.refused(&["checkpoint-500", "ZeRO-3", "zero_to_fp32.py"]);
}

#[test]
fn models_are_found_in_the_forms_that_trainers_write() {
    let folder = Folder::new();
    folder.model("ckpts/checkpoint-1/my_adapter/adapter_model.safetensors", 1);
    folder.model("ckpts/checkpoint-2/pytorch_lora_weights.safetensors", 2);
    folder.model("ckpts/checkpoint-3/model-00001-of-00001.safetensors", 3);
    folder.model("ckpts/checkpoint-4/anything.safetensors", 4);
    folder.model("ckpts/checkpoint-5/global_step5/mp_rank_00_model_states.pt", 5);
    folder.write("ckpts/checkpoint-5/global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt", "x");
    assert_eq!(folder.analyze().steps(), [1, 2, 3, 4, 5]);
    // A distributed checkpoint of two ranks gives the digits of the whole model.
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/sharded");
    let row = |name: &str| {
        let run = folder.path(name);
        let from = data.join(name);
        let done =
            Done::new(&["analyze", from.to_str().unwrap(), "--out", run.to_str().unwrap()], &run);
        assert_eq!(done.steps(), [0], "{}", done.said());
        let (columns, rows) = done.rows("emergence.csv");
        let times = |name: &str| name.ends_with("_ms") || name == "wall_time";
        let cells = columns.into_iter().zip(rows[0].clone()).filter(|(name, _)| !times(name));
        cells.collect::<Vec<_>>()
    };
    let whole = row("whole.safetensors");
    for name in ["dcp", "pieces"] {
        assert_eq!(row(name), whole, "{name}");
    }
}

#[test]
fn quantised_and_empty_weights_are_refused_with_the_way_out() {
    let refused = |tensors: &[(&str, &str, usize, &[usize])], words: &[&str]| {
        let folder = Folder::new();
        folder.write("ckpts/checkpoint-100/model.safetensors", safetensors(tensors));
        let words = [&["checkpoint-100/model.safetensors"], words].concat();
        folder.analyze().refused(&words);
    };
    let head = ("lm_head.weight", "F16", 2, &[100, 64][..]);
    refused(
        &[
            head,
            ("l.0.q.qweight", "I32", 4, &[8, 64]),
            ("l.0.q.scales", "F16", 2, &[8, 64]),
            ("l.0.q.g_idx", "I32", 4, &[64]),
        ],
        &["GPTQ", "l.0.q.qweight", "dequantise"],
    );
    refused(
        &[head, ("l.0.q.weight", "U8", 1, &[2048, 1]), ("l.0.q.weight.absmax", "F32", 4, &[64])],
        &["bitsandbytes, 4 bits", "l.0.q.weight", "dequantise"],
    );
    refused(
        &[head, ("l.0.q.weight", "I8", 1, &[64, 64]), ("l.0.q.SCB", "F32", 4, &[64])],
        &["bitsandbytes, 8 bits"],
    );
    refused(
        &[
            head,
            ("l.0.q.weight_packed", "I32", 4, &[64, 8]),
            ("l.0.q.weight_scale", "BF16", 2, &[64, 1]),
        ],
        &["compressed-tensors"],
    );
    refused(
        &[("a.weight", "F32", 4, &[0]), ("b.weight", "F32", 4, &[0]), ("c.bias", "F32", 4, &[4])],
        &["2 of its 3 tensors are empty", "ZeRO-3", "zero_to_fp32.py"],
    );
    let folder = Folder::new();
    folder.write(
        "ckpts/checkpoint-100/model.safetensors",
        "version https://git-lfs.github.com/spec/v1\n",
    );
    folder.analyze().refused(&["checkpoint-100/model.safetensors", "Git LFS", "git lfs pull"]);
}

#[test]
fn what_is_not_read_is_listed_and_its_share_is_said() {
    let folder = Folder::new();
    let f32s = |name| (name, "F32", 4, &[64, 64][..]);
    let tensors = [
        f32s("0.weight"),
        f32s("1.weight"),
        ("codes", "I8", 1, &[64, 128]),
        ("mask", "BOOL", 1, &[64, 64]),
    ];
    let file = folder.write("ckpts/m-step0.safetensors", safetensors(&tensors));
    folder.analyze().says(&[
        "1 of its 4 tensors, 50 % of the elements",
        "\"codes\" [64, 128]",
        "I8",
    ]);
    let inspected = Done::new(&["inspect", file.to_str().unwrap()], &file);
    let text = String::from_utf8(inspected.output.stdout).unwrap();
    let expected = "\nNot read\n  1 × of the type I8\n      codes [64, 128]\n  1 × of the type BOOL\n      \
                    mask [64, 64]\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn tensors_that_change_come_or_go_are_said_with_both_shapes() {
    let first = [("0.weight", [24, 16]), ("1.weight", [20, 24])];
    let series = |later: &[(&str, [usize; 2])]| {
        let folder = Folder::new();
        folder.matrices("ckpts/m-step0.safetensors", 0, &first);
        folder.matrices("ckpts/m-step100.safetensors", 100, later);
        (folder.analyze(), folder)
    };
    series(&[("0.weight", [24, 16]), ("1.weight", [22, 24])]).0.refused(&[
        "m-step100.safetensors",
        "\"1.weight\" has shape [22, 24], at step 0 it was [20, 24]",
        "--exclude",
    ]);
    series(&first[..1]).0.refused(&["\"1.weight\" is not there", "--exclude"]);
    let (done, _folder) =
        series(&[first[0], first[1], ("2.weight", [12, 20]), ("3.weight", [8, 12])]);
    assert_eq!(done.steps(), [0, 100]);
    done.says(&[
        "2 matrices (\"2.weight\" the first) are there at step 100 and were not at step 0",
    ]);
}

#[test]
fn losses_between_the_checkpoints_are_recorded() {
    let folder = Folder::new();
    let log = |last: u64| {
        let entries = (1..=last / 7).map(|k| json!({"loss": 3.0 - 0.05 * k as f64, "step": 7 * k}));
        json!({"global_step": last, "log_history": entries.collect::<Vec<_>>()}).to_string()
    };
    for step in [0, 20, 40, 60] {
        folder.model(&format!("ckpts/checkpoint-{step}/model.safetensors"), step);
        folder.write(&format!("ckpts/checkpoint-{step}/trainer_state.json"), log(step));
    }
    let whole = folder.analyze();
    assert_eq!(whole.steps(), [0, 20, 40, 60]);
    let (columns, rows) = whole.rows("metrics.csv");
    let (step, loss) = (0, columns.iter().position(|name| name == "loss").unwrap());
    let losses: Vec<u64> = rows
        .iter()
        .filter(|row| !row[loss].is_empty())
        .map(|row| row[step].parse().unwrap())
        .collect();
    assert_eq!(losses, [7, 14, 21, 28, 35, 42, 49, 56]);
    let run = whole.out.to_str().unwrap();
    let backtest = Done::new(&["backtest", run], &whole.out);
    assert_eq!(backtest.output.status.code(), Some(0), "{}", backtest.said());
    // Interrupted after the second checkpoint, and resumed.
    let metrics = || std::fs::read_to_string(whole.out.join("metrics.csv")).unwrap();
    let without_times = |text: String| -> Vec<String> {
        let wall = text.lines().next().unwrap().split(',').position(|name| name == "wall_time");
        let cells = |line: &str| {
            let cells = line.split(',').enumerate().filter(|(k, _)| Some(*k) != wall);
            cells.map(|(_, cell)| cell.to_owned()).collect::<Vec<_>>().join(",")
        };
        text.lines().map(cells).collect()
    };
    let expected = without_times(metrics());
    let all = folder.path("ckpts");
    let kept = folder.path("kept");
    std::fs::rename(&all, &kept).unwrap();
    for step in [0, 20] {
        let name = format!("checkpoint-{step}");
        std::fs::create_dir_all(&all).unwrap();
        std::fs::rename(kept.join(&name), all.join(&name)).unwrap();
    }
    folder.analyze().steps();
    for step in [40, 60] {
        let name = format!("checkpoint-{step}");
        std::fs::rename(kept.join(&name), all.join(&name)).unwrap();
    }
    assert_eq!(folder.run(&["analyze", "--resume"]).steps(), [0, 20, 40, 60]);
    assert_eq!(without_times(metrics()), expected);
}

#[test]
fn any_log_is_joined_by_step() {
    let folder = Folder::new();
    for step in [10, 20, 30] {
        folder.model(&format!("ckpts/ckpt_{step}.pt"), step);
    }
    let log =
        folder.write("log.csv", "step,val_loss\n5,3.5\n10,3.0\n15,2.5\n20,\n25,2.0\n35,1.0\n");
    let done = folder.run(&["analyze", "--metrics", log.to_str().unwrap()]);
    assert_eq!(done.steps(), [10, 20, 30]);
    let (_, rows) = done.rows("metrics.csv");
    let steps: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(steps, ["5", "10", "15", "20", "25", "30"]);
    let lines =
        folder.write("log.jsonl", "{\"iter\": 10, \"loss\": 3}\n{\"iter\": 30, \"loss\": 2}\n");
    let done = folder.run(&["analyze", "--overwrite", "--metrics", lines.to_str().unwrap()]);
    assert_eq!(done.steps(), [10, 20, 30]);
    assert!(done.rows("metrics.csv").0.contains(&"loss".to_owned()));
    let wrong = folder.write("wrong.csv", "epoch,loss\n1,2\n");
    let done = folder.run(&["analyze", "--overwrite", "--metrics", wrong.to_str().unwrap()]);
    done.refused(&["wrong.csv", "none of its columns is a step"]);
}

#[test]
fn ways_out_are_options_of_the_command() {
    let folder = Folder::new();
    folder.model("ckpts/m-step0.safetensors", 0);
    folder.run(&["analyze"]).steps();
    folder.run(&["analyze"]).refused(&[
        "already holds a run. Resume it (--resume), replace it (--overwrite), or use another folder \
         (--numbered takes the next free one)",
    ]);
}

#[test]
fn names_of_tensors_are_escaped_wherever_they_are_shown() {
    let folder = Folder::new();
    let name = |k: usize| format!("\u{1b}]0;title\u{7}\u{1b}[31m{k}.weight");
    let names = [name(0), name(1)];
    for step in [0, 100] {
        let shapes = [(&*names[0], [24, 16]), (&*names[1], [20 + step as usize / 50, 24])];
        folder.matrices(&format!("ckpts/m-step{step}.safetensors"), step, &shapes);
    }
    let run = folder.path("run");
    let (from, run) = (folder.path("ckpts/m-step0.safetensors"), run.to_str().unwrap());
    let from = from.to_str().unwrap();
    folder.analyze().refused(&["has shape [22, 24]"]);
    for arguments in [
        &["analyze", from, "--out", run, "--overwrite"][..],
        &["inspect", from],
        &["inspect", from, "--json"],
        &["show", run],
        &["show", run, "--json"],
        &["inspect", from, "--architecture", "gpt2"],
        &["sensitivity", from, "--samples", "1"],
        &["compare", run, run],
    ] {
        let output = Done::new(arguments, from.as_ref()).output;
        for text in [output.stdout, output.stderr] {
            assert!(!text.contains(&0x1b) && !text.contains(&7), "{arguments:?}");
        }
    }
}

#[test]
fn gaps_file_times_and_weights_of_another_run_are_warned_of() {
    let folder = Folder::new();
    for step in [0, 100, 200, 300, 500] {
        folder.model(&format!("ckpts/m-step{step}.safetensors"), step / 100);
    }
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let path = folder.path("ckpts/m-step200.safetensors");
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_modified(old).unwrap();
    let done = folder.analyze();
    assert_eq!(done.steps(), [0, 100, 200, 300, 500]);
    done.says(&["100 steps apart, and 1 are missing: steps 400"]);
    done.says(&["m-step200.safetensors (step 200) was written before", "m-step100.safetensors"]);
    assert!(!done.said().contains("descend"), "{}", done.said());
    // Another initialisation.
    let weights = Memory::new();
    let values = |seed: usize| (0..24 * 16).map(move |k| if k % 3 == seed { 0.1 } else { 0.0 });
    weights.set("0.weight", &[24, 16], values(1).collect::<Vec<f32>>()).unwrap();
    let folder = Folder::new();
    save(&folder.path("ckpts/m-step0.safetensors"), &weights, &["0.weight"]).unwrap();
    for step in [100, 200] {
        let grown = |value: f32| value * (1.0 + step as f32 / 1000.0);
        weights.set("0.weight", &[24, 16], values(2).map(grown).collect::<Vec<f32>>()).unwrap();
        save(&folder.path(&format!("ckpts/m-step{step}.safetensors")), &weights, &["0.weight"])
            .unwrap();
    }
    let done = folder.analyze();
    assert_eq!(done.steps(), [0, 100, 200]);
    done.says(&["step 100 and those after it do not descend from step 0"]);
}
