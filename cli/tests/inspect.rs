//! `neuromfa inspect` and the choices it shares with `analyze`, as processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use neuromfa::Architecture;
use neuromfa::network::Network;
use neuromfa::source::{Memory, save};
use serde_json::{Value, json};

fn neuromfa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuromfa")).args(arguments).output().unwrap()
}

/// What it prints when all is well.
fn printed(arguments: &[&str]) -> String {
    let output = neuromfa(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert_eq!(error, "");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it refuses: one line.
fn refused(arguments: &[&str]) -> String {
    let output = neuromfa(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

/// A checkpoint of names and shapes: its weights are a hole in the file.
fn checkpoint(path: &Path, tensors: &[(String, Vec<usize>)]) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let entry = json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&Value::Object(header)).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(&header);
    std::fs::write(path, &bytes).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len((bytes.len() + end) as u64).unwrap();
}

fn gpt2() -> Vec<(String, Vec<usize>)> {
    let mut all = vec![("wte.weight".to_owned(), vec![50_257, 768])];
    for i in 0..12 {
        for (name, shape) in [
            ("attn.c_attn.weight", vec![768, 2304]),
            ("attn.c_attn.bias", vec![2304]),
            ("attn.c_proj.weight", vec![768, 768]),
            ("mlp.c_fc.weight", vec![768, 3072]),
            ("mlp.c_proj.weight", vec![3072, 768]),
            ("ln_1.weight", vec![768]),
        ] {
            all.push((format!("h.{i}.{name}"), shape));
        }
    }
    all
}

#[test]
fn gpt2_small_on_one_screen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    checkpoint(&path, &gpt2());
    let folder = dir.path().to_str().unwrap();
    let expected = "\
gpt2: 49 neuron layers, 48 matrices, 84,934,656 edges; 25 left out

Neuron layer           width  drawn  role           block
  block.0 … block.11 (12 alike)
    block.0.residual     768     64  qkv                0
    block.0.attention    768     64  attention_out      0
    block.0.middle       768     64  mlp_in             0
    block.0.mlp        3,072    128  mlp_out            0
  block.12.residual      768     64  output

Connection                  shape            edges
  h.0 … h.11 (12 alike)
    h.0.attn.c_attn.weight  [768, 2304]  1,769,472  in, out, 3 copies
        block.0.residual → block.0.attention
    h.0.attn.c_proj.weight  [768, 768]     589,824  in, out
        block.0.attention → block.0.middle
    h.0.mlp.c_fc.weight     [768, 3072]  2,359,296  in, out
        block.0.middle → block.0.mlp
    h.0.mlp.c_proj.weight   [3072, 768]  2,359,296  in, out
        block.0.mlp → block.1.residual

Left out
  12 × bias: it joins no neurons
      h.0.attn.c_attn.bias [2304]
      h.1.attn.c_attn.bias [2304]
      h.2.attn.c_attn.bias [2304]
      … and 9 more
  12 × normalisation: it joins no neurons
      h.0.ln_1.weight [768]
      h.1.ln_1.weight [768]
      h.2.ln_1.weight [768]
      … and 9 more
  1 × embedding
      wte.weight [50257, 768]
";
    assert_eq!(printed(&["inspect", folder]), expected);
    assert_eq!(printed(&["inspect", path.to_str().unwrap()]), expected);

    let all = printed(&["inspect", folder, "--all", "--neurons", "1000"]);
    assert!(!all.contains("alike"));
    assert!(all.contains("\n  block.7.mlp         3,072  2,000  mlp_out            7\n"), "{all}");
    assert_eq!(all.matches("attn.c_attn.weight").count(), 12);
    assert_eq!(all.matches("attn.c_attn.bias").count(), 12);
}

#[test]
fn the_network_as_json_is_that_of_run_json() {
    let neox = data("neox-step0.safetensors");
    let text = printed(&["inspect", neox.to_str().unwrap(), "--json"]);
    let network: Network = serde_json::from_str(&text).unwrap();
    assert_eq!(network.architecture(), Architecture::GptNeox);
    assert_eq!(network.connections().iter().map(|c| c.weights()).sum::<usize>(), 98_304);

    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let choice = ["--per-head=4", "--exclude", "*.1.mlp.*"];
    let inspected =
        printed(&[&["inspect", neox.to_str().unwrap(), "--json"], &choice[..]].concat());
    let out = ["analyze", neox.to_str().unwrap(), "--out", run.to_str().unwrap()];
    let analysed = neuromfa(&[&out[..], &choice].concat());
    assert_eq!(analysed.status.code(), Some(0));
    let config: Value =
        serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(config["network"], serde_json::from_str::<Value>(&inspected).unwrap());
    assert_eq!(config["network"]["connections"][0]["heads"], 4);
}

#[test]
fn heads_come_from_the_config_beside_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    std::fs::copy(data("neox-step0.safetensors"), &path).unwrap();
    let path = path.to_str().unwrap();
    let error = refused(&["inspect", path, "--per-head"]);
    assert!(error.contains("config.json") && error.contains("--per-head=12"), "{error}");
    std::fs::write(dir.path().join("config.json"), r#"{"num_attention_heads": 8}"#).unwrap();
    for shown in [dir.path().to_str().unwrap(), path] {
        let text = printed(&["inspect", "--per-head", shown]);
        assert!(text.contains("12,288  3 copies, 8 heads\n"), "{text}");
    }
    let error = refused(&["inspect", path, "--per-head=7"]);
    assert!(error.contains("per-head with 7 heads") && error.contains("64 neurons"), "{error}");
}

#[test]
fn a_gpt_bigcode_is_interleaved_by_its_config() {
    let dir = tempfile::tempdir().unwrap();
    let memory = Memory::new();
    let named: [(&str, [usize; 2]); 4] = [
        ("h.0.attn.c_attn.weight", [24, 8]),
        ("h.0.attn.c_proj.weight", [8, 8]),
        ("h.0.mlp.c_fc.weight", [32, 8]),
        ("h.0.mlp.c_proj.weight", [8, 32]),
    ];
    for (name, [rows, columns]) in named {
        let values: Vec<f32> = (0..rows * columns).map(|k| (k as f32).sin() * 0.1).collect();
        memory.set(name, &[rows, columns], values).unwrap();
    }
    let path = dir.path().join("model.safetensors");
    save(&path, &memory, &named.map(|(name, _)| name)).unwrap();
    for (config, interleaved) in [
        (r#"{"model_type": "gpt_bigcode", "n_head": 2, "multi_query": false}"#, true),
        (r#"{"model_type": "gpt_bigcode", "n_head": 2, "multi_query": true}"#, false),
        (r#"{"model_type": "gpt2", "n_head": 2}"#, false),
    ] {
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        let text = printed(&["inspect", path.to_str().unwrap()]);
        assert_eq!(text.contains("3 copies, 2 heads"), interleaved, "{config}: {text}");
    }
}

#[test]
fn sampled_edges_depend_on_the_rows_of_a_head() {
    let dir = tempfile::tempdir().unwrap();
    let alpha0 = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let neox = data("neox-step300.safetensors");
        let start = ["analyze", neox.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let output = neuromfa(&[&start[..], more].concat());
        assert_eq!(output.status.code(), Some(0));
        let text = std::fs::read_to_string(out.join("emergence.csv")).unwrap();
        let (heads, row) = text.split_once('\n').unwrap();
        let at = heads.split(',').position(|head| head == "alpha0").unwrap();
        row.split(',').nth(at).unwrap().to_owned()
    };
    let sampled = ["--neurons", "16", "--samples", "4"];
    let by_head = [&sampled[..], &["--per-head=4"]].concat();
    assert_ne!(alpha0("published", &sampled), alpha0("by-head", &by_head));
    assert_eq!(alpha0("whole", &["--whole"]), alpha0("whole-heads", &["--whole", "--per-head=4"]));
}

#[test]
fn adapters_and_diffusion_models_are_found_by_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let q = "base_model.model.model.layers.0.self_attn.q_proj";
    let pair = vec![
        (format!("{q}.lora_A.weight"), vec![8, 64]),
        (format!("{q}.lora_B.weight"), vec![64, 8]),
    ];
    checkpoint(&dir.path().join("adapter_model.safetensors"), &pair);
    let text = printed(&["inspect", dir.path().to_str().unwrap()]);
    assert!(text.starts_with("lora: 3 neuron layers, 2 matrices, 1,024 edges; 0 left out\n"));
    assert!(text.contains("\nWarnings\n  - Low-rank adapters"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");

    let dir = tempfile::tempdir().unwrap();
    let kernel = vec![("down_blocks.0.resnets.0.conv1.weight".to_owned(), vec![8, 8, 3, 3])];
    checkpoint(&dir.path().join("diffusion_pytorch_model.safetensors"), &kernel);
    let text = printed(&["inspect", dir.path().to_str().unwrap()]);
    assert!(text.starts_with("generic:"), "half a resnet: {text}");
    assert!(text.contains("`down_blocks.0.resnets.0.conv2.weight`"), "{text}");
}

#[test]
fn matrices_are_turned_and_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    checkpoint(&path, &[("w".to_owned(), vec![12, 40]), ("v".to_owned(), vec![12, 20])]);
    let path = path.to_str().unwrap();
    let choice = ["--orient", "w=in-out", "--orient", "v=out-in", "--rename", "v=0"];
    let network = |choice: &[&str]| -> Value {
        let text = printed(&[&["inspect", path, "--json"], choice].concat());
        serde_json::from_str(&text).unwrap()
    };
    // v reads 20 values and gives 12, which w reads.
    let read = network(&choice);
    let connections = read["connections"].as_array().unwrap();
    let named: Vec<_> =
        connections.iter().map(|c| (&c["parameter"], &c["orientation"], &c["inputs"])).collect();
    assert_eq!(named[0], (&Value::from("v"), &Value::from("out_in"), &Value::from(20)));
    assert_eq!(named[1], (&Value::from("w"), &Value::from("in_out"), &Value::from(12)));
    let run = dir.path().join("run");
    let out = ["analyze", path, "--out", run.to_str().unwrap()];
    assert_eq!(neuromfa(&[&out[..], &choice].concat()).status.code(), Some(0));
    let config: Value =
        serde_json::from_slice(&std::fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!(config["network"], read);
    for (arguments, expected) in [
        (["--orient", "w=up"], "the layout is `up`"),
        (["--orient", "x=in-out"], "orient pattern `x` matches none"),
        (["--rename", "v=*"], "more `*` than the pattern"),
        (["--rename", "v=w"], "are both read as `w`"),
    ] {
        let output = neuromfa(&[&["inspect", path][..], &arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expected), "{error}");
    }
}

/// A printed network, given back as it is, makes the same run; edited, the run that was asked for.
#[test]
fn a_network_is_printed_edited_and_analysed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("net.json");
    let [neox, later] = ["neox-step0.safetensors", "neox-step300.safetensors"].map(data);
    let [neox, later] = [&neox, &later].map(|path| path.to_str().unwrap());
    let text = printed(&["inspect", neox, "--json"]);
    std::fs::write(&file, &text).unwrap();
    let given = ["--network", file.to_str().unwrap()];
    assert_eq!(printed(&[&["inspect", neox, "--json"][..], &given].concat()), text);
    let run = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let start = ["analyze", neox, later, "--neurons", "16", "--out", out.to_str().unwrap()];
        assert_eq!(neuromfa(&[&start[..], more].concat()).status.code(), Some(0));
        let config: Value =
            serde_json::from_slice(&std::fs::read(out.join("run.json")).unwrap()).unwrap();
        let spectra = std::fs::read_to_string(out.join("spectra.csv")).unwrap();
        (config["network"].clone(), spectra)
    };
    assert_eq!(run("given", &given), run("read", &[]));
    // Without one matrix: what its layers were called stays, what is left out is said.
    let mut network: Value = serde_json::from_str(&text).unwrap();
    let connections = network["connections"].as_array_mut().unwrap();
    let gone = connections.pop().unwrap();
    let idle = gone["target"].as_str().unwrap();
    network["layers"].as_array_mut().unwrap().retain(|layer| layer["name"] != idle);
    std::fs::write(&file, network.to_string()).unwrap();
    let (edited, _) = run("edited", &given);
    assert_eq!(edited["connections"], network["connections"]);
    let left = edited["left_out"].as_array().unwrap();
    let why = |of: &Value| left.iter().find(|left| left["name"] == *of).map(|left| &left["why"]);
    assert_eq!(why(&gone["parameter"]), Some(&"not among the connections given".into()));

    network["layers"][0]["width"] = json!(7);
    std::fs::write(&file, network.to_string()).unwrap();
    for command in
        [&["inspect", neox][..], &["analyze", neox, "--out", "unused"], &["sensitivity", neox]]
    {
        let error = refused(&[command, &given].concat());
        for part in ["net.json", "has shape", "(width 7)", "residual"] {
            assert!(error.contains(part), "{error}");
        }
    }
    let error = neuromfa(&[&["inspect", neox, "--exclude", "x"][..], &given].concat()).stderr;
    assert!(String::from_utf8(error).unwrap().contains("cannot be used with"), "both choose");
}

#[test]
fn one_clear_line_and_status_2() {
    let neox = data("neox-step0.safetensors");
    let neox = neox.to_str().unwrap();
    for (arguments, expected) in [
        (&["inspect", "/nowhere"][..], "cannot read /nowhere"),
        (&["inspect", neox, "--exclude", "nothing"], "`nothing` matches none"),
        (&["inspect", neox, "--architecture", "gpt2"], "h.{i}.attn.c_attn.weight"),
    ] {
        let error = refused(arguments);
        assert!(error.contains(expected), "{error}");
    }
    let unknown = neuromfa(&["inspect", neox, "--architecture", "gpt3"]);
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(error.contains("there are lora, gpt-neox, gpt2"), "{error}");
}
