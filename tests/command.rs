//! The command as a process, on real files.
#![cfg(feature = "cli")]

mod loops;

use std::path::Path;
use std::process::{Command, Output};

use loops::Table;

fn neuromfa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuromfa")).args(arguments).output().unwrap()
}

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn analyze_writes_a_run_and_show_prints_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let run = out.to_str().unwrap();
    let analysed =
        neuromfa(&["analyze", &data(""), "--out", run, "--nodes", &data("neox-nodes.json")]);
    assert_eq!(analysed.status.code(), Some(0), "{}", text(&analysed.stderr));
    assert!(text(&analysed.stdout).contains("E_stable 0.00605 at step 300"));
    let warnings = text(&analysed.stderr);
    assert!(warnings.lines().all(|line| line.contains(" WARN ")), "no bar here: {warnings}");
    assert!(warnings.contains("E_stable is that of shuffled weights"), "{warnings}");
    let emergence = Table::read(&out, "emergence.csv");
    assert_eq!(emergence.column("step"), ["0", "64", "300"]);

    let shown = neuromfa(&["show", run]);
    assert_eq!(shown.status.code(), Some(0));
    let lines: Vec<&str> = text(&shown.stdout).lines().collect();
    assert_eq!(
        lines[0],
        "gpt-neox: 9 neuron layers, 8 matrices, 98304 weights; neurons from a file"
    );
    assert_eq!(
        lines[2..],
        [
            "step  alpha0   width       E     E_se  E_shuffled  E_stable  E_excess  E_excess_se     r2  status",
            "   0  0.5452  0.3533  0.0000   0.0000     3.67e-4    0.0000   1.91e-4      1.70e-4  0.695      ok",
            "  64  0.5436  0.3523  0.0028  6.97e-4      0.0073    0.0028   8.29e-6      1.70e-4  0.694      ok",
            " 300  0.5364  0.3269  0.0150   0.0010      0.0175    0.0060  -2.40e-4      8.60e-5  0.689      ok",
            "",
            "3 of 3 steps have warnings. At step 300:",
            "  R² of ln Z falls to 0.67: no power law, so alpha depends on the range",
            "  E is that of shuffled weights: 0.01501 ± 0.00100 against 0.01755",
            "  E_stable is that of shuffled weights: E_excess is -0.00024 ± 0.00009, scale explains the rest",
        ]
    );
}

#[test]
fn whole_and_drawn_and_a_baseline() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let step = data("neox-step300.safetensors");
        let mut arguments = vec!["analyze", &step, "--out", out.to_str().unwrap()];
        arguments.extend(more);
        let output = neuromfa(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        Table::read(&out, "emergence.csv")
    };
    let start = data("neox-step0.safetensors");
    let whole = run("whole", &["--whole", "--baseline", &start]);
    // E_whole and E_stable_whole of step 300 in the golden file.
    assert!((whole.number("E", 0) - 0.008956859450210642).abs() < 1e-12);
    assert!((whole.number("E_stable", 0) - 0.006045511803907314).abs() < 1e-12);
    assert_eq!(whole.column("E_se"), [""]);
    let drawn = run("drawn", &["--neurons", "32", "--samples", "3", "--seed", "7"]);
    assert_eq!(drawn.column("neurons"), ["320"]);
    assert_ne!(drawn.column("E_se"), [""]);
}

#[test]
fn one_clear_line_and_status_2() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let run = out.to_str().unwrap();
    let cut = dir.path().join("cut-step1.safetensors");
    let whole = std::fs::read(data("neox-step0.safetensors")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() - 4]).unwrap();
    let nodes = dir.path().join("nodes.json");
    std::fs::write(&nodes, r#"{"samples": [{"block.0.residual": [64]}]}"#).unwrap();
    let checkpoints = data("");
    let legacy = data("mlp-legacy.pth");
    let cases: &[(&[&str], &str)] = &[
        (&["analyze", "/nowhere", "--out", run], "cannot read /nowhere: No such file"),
        (&["analyze", cut.to_str().unwrap(), "--out", run], "not a whole safetensors file"),
        (&["analyze", &legacy, "--out", run], "mlp-legacy.pth: the format of torch before"),
        (
            &["analyze", &checkpoints, "--out", run, "--nodes", nodes.to_str().unwrap()],
            "nodes.json: sample 0 names neuron 64 of layer `block.0.residual`",
        ),
        (&["analyze", &checkpoints, "--out", run, "--neurons", "0"], "neurons = 0"),
        (&["analyze", &checkpoints, "--out", "/dev/null/run"], "cannot write /dev/null/run"),
        (&["show", run], "run.json"),
    ];
    for (arguments, expected) in cases {
        let output = neuromfa(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(!out.exists(), "nothing was written");
}

#[test]
fn an_interrupted_analysis_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = dir.path().join("checkpoints");
    std::fs::create_dir(&checkpoints).unwrap();
    let copy = |step: &str| {
        let name = format!("neox-step{step}.safetensors");
        std::fs::copy(data(&name), checkpoints.join(&name)).unwrap();
    };
    copy("0");
    copy("64");
    std::fs::write(checkpoints.join("neox-step300.safetensors"), "cut").unwrap();
    let out = dir.path().join("run");
    let arguments = ["analyze", checkpoints.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let broken = neuromfa(&arguments);
    assert!(text(&broken.stderr).contains("neox-step300.safetensors"), "{}", text(&broken.stderr));
    assert_eq!(Table::read(&out, "emergence.csv").column("step"), ["0", "64"]);
    let refused = neuromfa(&arguments);
    assert!(text(&refused.stderr).contains("already holds a run"));
    copy("300");
    let resumed = neuromfa(&[&arguments[..], &["--resume"]].concat());
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
    assert!(text(&resumed.stdout).contains("for 1 analysis\n"), "{}", text(&resumed.stdout));
    assert_eq!(Table::read(&out, "emergence.csv").column("step"), ["0", "64", "300"]);
}

#[test]
fn sensitivity_tables_one_line_for_each_case_and_step() {
    let files = ["neox-step0.safetensors", "neox-step300.safetensors"].map(data);
    let shown = neuromfa(&["sensitivity", &files[0], &files[1], "--samples", "2"]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let lines: Vec<&str> = text(&shown.stdout).lines().collect();
    // The defaults, two ranges, 32 and whole, two steps, two transfer functions; of 128 neurons
    // every layer is whole.
    assert_eq!(lines.len(), 1 + 9, "{lines:#?}");
    assert!(lines[0].trim_start().starts_with("parameter") && lines[1].contains("defaults"));
    let json = neuromfa(&["sensitivity", &files[1], "--samples", "2", "--json"]);
    let cases: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    // The whole network, at alpha0 of analyze --whole.
    let whole = cases.as_array().unwrap().iter().find(|case| case["value"] == "whole").unwrap();
    let alpha0 = whole["points"][0]["alpha0"].as_f64().unwrap();
    assert!((alpha0 - 0.554711).abs() < 1e-6, "{alpha0}");
}

#[test]
fn hops_and_their_estimate() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let run = |more: &[&str]| {
        let (data, nodes) = (data(""), data("neox-nodes.json"));
        let arguments = ["analyze", &data, "--out", out.to_str().unwrap(), "--nodes", &nodes];
        neuromfa(&[&arguments, more].concat())
    };
    let analysed = run(&["--hops", "3", "--hops-estimate", "16"]);
    assert_eq!(analysed.status.code(), Some(0), "{}", text(&analysed.stderr));
    let hops = Table::read(&out, "hops.csv");
    assert_eq!(hops.column("step"), ["0", "0", "64", "64", "300", "300"]);
    assert_eq!(hops.column("hops"), ["2", "3", "2", "3", "2", "3"]);
    for (row, status) in hops.column("status").iter().enumerate() {
        assert_eq!(status, "ok");
        assert!(hops.number("estimate_error_mean", row) > 0.0);
        assert!(hops.number("estimate_exact_share", row) < 1.0);
    }
    let refused = run(&["--hops", "4", "--overwrite"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).starts_with("neuromfa: hops = 4 is out of range"));
}
