//! The command as a process, on real files.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::path::Path;
use std::process::{Command, Output};

use loops::{Table, set_weights, weights_at};
use neuromfa::internals::record::{Conclusion, View, read_rows, shown_in};
use neuromfa::mfa::Parameters;
use neuromfa::network::{Network, Parameter};
use neuromfa::source::save;
use neuromfa::{Controls, Monitor, Samples};

fn neuromfa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuromfa")).args(arguments).output().unwrap()
}

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name).display().to_string()
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
    assert!(
        warnings.lines().all(|line| line.starts_with("neuromfa: warning: ")),
        "no bar here: {warnings}"
    );
    assert!(warnings.contains("R² of ln Z falls to 0.67"), "{warnings}");
    let emergence = Table::read(&out, "emergence.csv");
    assert_eq!(emergence.column("step"), ["0", "64", "300"]);

    let shown = neuromfa(&["show", run]);
    assert_eq!(shown.status.code(), Some(0));
    let lines: Vec<&str> = text(&shown.stdout).lines().collect();
    assert_eq!(
        lines[0],
        "gpt-neox: 9 neuron layers, 8 matrices, 98304 weights; neurons from a file"
    );
    let row = |k: usize| lines[k].split_whitespace().collect::<Vec<_>>();
    let head =
        "step alpha0 width E E_se E_shuffled E_stable width_excess p alpha0_excess p r2 status";
    assert_eq!(row(2).join(" "), head);
    assert!(lines[2..6].iter().all(|line| line.chars().count() <= 120), "{lines:#?}");
    assert_eq!(row(5)[..5], ["300", "0.5364", "0.3269", "0.0150", "0.0010"]);
    assert_eq!([6, 11, 12].map(|k| row(5)[k]), ["0.0060", "0.689", "ok"]);
    for (k, (measure, p)) in (0..3).flat_map(|k| [(k, (7, 8)), (k, (9, 10))]) {
        let name = row(2)[measure];
        let [value, expected] = [name, &format!("{name}_p")].map(|name| emergence.number(name, k));
        let shown: f64 = row(3 + k)[measure].parse().unwrap();
        assert!((shown - value).abs() <= 5e-5, "{name}: {shown}, {value}");
        match row(3 + k)[p] {
            "<0.001" => assert!(expected < 0.001),
            shown => {
                let shown: f64 = shown.parse().unwrap();
                assert!((shown - expected).abs() <= 0.05 * expected, "{shown}, {expected}");
            }
        }
    }
    let rows = read_rows(&out).unwrap();
    let verdict = format!("structure: {}", Conclusion::of(&rows));
    assert_eq!(text(&analysed.stdout).lines().next(), Some(verdict.as_str()));
    let of_kind = |code| rows.iter().filter(|row| row.codes.split(' ').any(|c| c == code)).count();
    assert_eq!((of_kind("poor_fit"), of_kind("e_chance")), (3, 2));
    assert_eq!(
        lines[6..],
        [
            "",
            &verdict,
            "",
            "Warnings",
            "  poor_fit, 3 of 3 steps: ln Z_q is no straight line: alpha depends on the range of radii.",
            "  At step 0: R² of ln Z falls to 0.67: no power law",
            "",
            "Caveats of the published estimator",
            "  e_chance, 2 of 3 steps: Published E is indistinguishable from E of shuffled weights.",
        ]
    );
}

#[test]
fn steps_with_the_weights_of_an_earlier_one_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoints = dir.path().join("checkpoints");
    std::fs::create_dir(&checkpoints).unwrap();
    for (step, of) in [(0, 0), (64, 64), (100, 0), (200, 64)] {
        let to = checkpoints.join(format!("neox-step{step}.safetensors"));
        std::fs::copy(data(&format!("neox-step{of}.safetensors")), to).unwrap();
    }
    let out = dir.path().join("run");
    let [from, run] = [&checkpoints, &out].map(|path| path.to_str().unwrap());
    let analysed = neuromfa(&["analyze", from, "--out", run]);
    let said = "2 of 4 steps have the weights of an earlier step (see the column same_as): 100 = 0, \
                200 = 64";
    assert!(text(&analysed.stdout).contains(&format!("\nrepeats  {said}\n")), "{analysed:?}");
    let shown = neuromfa(&["show", run]);
    let shown = text(&shown.stdout);
    assert!(shown.contains(&format!("\n{said}\n")), "{shown}");
    assert!(shown.contains("  repeated, 2 of 4 steps: "), "{shown}");
    // What was said while it ran is what the files say.
    let conclusion = Conclusion::of(&read_rows(&out).unwrap());
    assert_eq!(conclusion.step, Some(64), "repeated rows claim nothing");
    let first = format!("structure: {conclusion}");
    assert_eq!(text(&analysed.stdout).lines().next(), Some(first.as_str()));
}

#[test]
fn one_checkpoint_has_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let run = out.to_str().unwrap();
    let analysed = neuromfa(&["analyze", &data("neox-step0.safetensors"), "--out", run]);
    let first = "structure: no verdict from one step";
    assert_eq!(text(&analysed.stdout).lines().next(), Some(first));
    let shown = neuromfa(&["show", run]);
    assert!(text(&shown.stdout).contains(&format!("\n{first}\n")), "{shown:?}");
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
    assert_eq!(drawn.column("neurons"), ["320.0"]);
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
    let piece = data("sharded/dcp/__0_0.distcp");
    let cases: &[(&[&str], &str)] = &[
        (&["analyze", "/nowhere", "--out", run], "cannot read /nowhere: No such file"),
        (&["analyze", cut.to_str().unwrap(), "--out", run], "not a whole safetensors file"),
        (&["analyze", &piece, "--out", run], "__0_0.distcp: a part of a distributed checkpoint"),
        (
            &["analyze", &checkpoints, "--out", run, "--nodes", nodes.to_str().unwrap()],
            "nodes.json: sample 0 names neuron 64 of layer `block.0.residual`",
        ),
        (&["analyze", &checkpoints, "--out", run, "--neurons", "0"], "cannot draw 0 neurons"),
        (&["analyze", &checkpoints, "--out", "/dev/null/run"], "cannot write /dev/null/run"),
        (&["show", run], "run.json"),
    ];
    for (arguments, expected) in cases {
        let output = neuromfa(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        // The folder holds other files too.
        let lines = error.lines().filter(|line| !line.contains("not taken from"));
        assert_eq!(lines.count(), 1, "{error}");
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
    for column in shown_in(View::Sensitivity) {
        assert!(lines[0].split_whitespace().any(|name| name == column.name), "{}", column.name);
    }
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
    assert!(text(&refused.stderr).contains("neuromfa: 4 hops (hops, --hops) are out of range"));
}

/// A run whose network was described by hand and whose options are not the defaults, with a
/// checkpoint of each analysed step.
#[test]
fn analyze_like_a_run_gives_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let [run, checkpoints, again] = ["run", "checkpoints", "again"].map(|n| dir.path().join(n));
    std::fs::create_dir(&checkpoints).unwrap();
    let names = ["0.weight", "2.weight"];
    let network = Network::builder()
        .layer("in", 32)
        .layer("hidden", 48)
        .layer("out", 32)
        .connect("0.weight", "in", "hidden")
        .connect("2.weight", "hidden", "out")
        .build(&[Parameter::new(names[0], [48, 32]), Parameter::new(names[1], [32, 48])])
        .unwrap();
    let weights = weights_at(0);
    let mut monitor = Monitor::builder(&run)
        .every(5)
        .network(network)
        .sampled(Samples { neurons: 16, samples: 3, seed: 9 })
        .parameters(Parameters::default().max_distance(120.0))
        .controls(Controls::default().shuffled(4).seed(3))
        .hops(2)
        .hops_estimated(8)
        .quiet()
        .attach_source(weights.clone())
        .unwrap();
    for step in 0..=10 {
        set_weights(&weights, step);
        if step % 5 == 0 {
            let to = checkpoints.join(format!("step{step}.safetensors"));
            save(&to, &weights, &names).unwrap();
        }
        let _ = monitor.step(step, &[]).unwrap();
    }
    monitor.finish().unwrap();

    let [like, from, to] = [&run, &checkpoints, &again].map(|path| path.to_str().unwrap());
    let analysed = neuromfa(&["analyze", from, "--like", like, "--out", to]);
    assert_eq!(analysed.status.code(), Some(0), "{}", text(&analysed.stderr));
    for table in ["emergence.csv", "spectra.csv", "layers.csv", "hops.csv"] {
        let [live, again] = [&run, &again].map(|folder| Table::read(folder, table));
        assert_eq!(live.columns, again.columns);
        for name in live.columns.iter().filter(|n| !n.ends_with("_ms") && *n != "wall_time") {
            assert_eq!(live.column(name), again.column(name), "{table}: {name}");
        }
    }

    for flag in ["--seed=1", "--orient=a=in-out", "--rename=a=b", "--exclude=a", "--whole"] {
        let both = neuromfa(&["analyze", from, "--like", like, flag, "--out", to]);
        assert!(text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));
    }
    let nowhere = neuromfa(&["analyze", from, "--like", from, "--out", to]);
    assert!(text(&nowhere.stderr).contains("is it a run's folder?"), "{}", text(&nowhere.stderr));
}
