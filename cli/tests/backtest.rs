//! `neuromfa backtest` as a process.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use loops::{set_weights, weights_at};
use neuromfa::{Monitor, Samples};

/// A loss that falls to its lowest at step 60 and then rises by a tenth.
fn loss(step: u64) -> f64 {
    let x = step as f64;
    if step <= 60 { 4.0 - 0.05 * x } else { 1.0 + 0.1 * (x - 60.0) / 60.0 }
}

/// 120 steps, every 5th analysed.
fn run(folder: &Path) {
    let weights = weights_at(0);
    let builder = Monitor::builder(folder)
        .every(5)
        .sampled(Samples { neurons: 16, samples: 4, seed: 7 })
        .without_layers()
        .threads(1);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    for step in 1..=120 {
        // Growth that ends at step 70: E_stable then stays.
        set_weights(&weights, step.min(70));
        let _ = monitor.step(step, &[("loss", loss(step))]).unwrap();
    }
    monitor.finish().unwrap();
}

#[test]
fn the_command_prints_a_table_csv_and_json() {
    let dir = tempfile::tempdir().unwrap();
    let run_folder = dir.path().join("run");
    run(&run_folder);
    let neuromfa = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
        command.arg("backtest").arg(&run_folder).args(arguments).output().unwrap()
    };
    let csv = dir.path().join("grid.csv");
    let shown = neuromfa(&["--patience", "2,4", "--csv", csv.to_str().unwrap()]);
    assert_eq!(shown.status.code(), Some(0), "{}", String::from_utf8_lossy(&shown.stderr));
    let text = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(text.lines().count(), 1 + 8, "{text}");
    assert!(text.contains("loss (baseline)"), "{text}");
    let csv = std::fs::read_to_string(csv).unwrap();
    assert_eq!(csv.lines().count(), 1 + 8);
    assert!(csv.starts_with("rank,monitor,mode,patience,min_delta,baseline,run,stop,saved,"));
    let json: serde_json::Value = serde_json::from_slice(&neuromfa(&["--json"]).stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 12);
    let wrong = neuromfa(&["--monitor", "E_total"]);
    assert_eq!(wrong.status.code(), Some(2));
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(error.contains("no analysed step has a value of \"E_total\""), "{error}");
}

/// The numbers of a picture's key: rank, saved and given up in percent.
fn named_rules(svg: &str) -> Vec<Vec<String>> {
    let words = svg.split("</text>").filter_map(|text| Some(text.rsplit_once('>')?.1.to_owned()));
    let words: Vec<String> = words.collect();
    let start = words.iter().position(|word| word == "given up").unwrap() + 1;
    words[start..].chunks_exact(4).map(<[String]>::to_vec).collect()
}

#[test]
fn a_picture_shows_every_rule_and_names_the_best() {
    let dir = tempfile::tempdir().unwrap();
    let runs = ["a", "b"].map(|name| dir.path().join(name));
    runs.iter().for_each(|folder| run(folder));
    let (svg_file, csv_file) = (dir.path().join("rules.svg"), dir.path().join("rules.csv"));
    for several in [false, true] {
        let output = Command::new(env!("CARGO_BIN_EXE_neuromfa"))
            .arg("backtest")
            .args(&runs[..1 + usize::from(several)])
            .args(["--patience", "2,3,5", "--min-delta", "0,0.01", "--svg"])
            .arg(&svg_file)
            .arg("--csv")
            .arg(&csv_file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let svg = std::fs::read_to_string(&svg_file).unwrap();
        assert_eq!(svg.contains("lines: all 2 runs"), several);
        let named = named_rules(&svg);
        let csv = std::fs::read_to_string(&csv_file).unwrap();
        let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 1 + 12 * (1 + usize::from(several)));
        assert_eq!(named[0][0], "1");
        for kind in ["false", "true"] {
            // A mark for each different outcome, and one in the heading.
            let of_kind = rows.iter().filter(|row| row[5] == kind);
            let outcomes: BTreeSet<_> = of_kind.map(|row| [row[9], row[11]]).collect();
            let marks = if kind == "true" { r#"Z"/>"# } else { "<circle" };
            assert_eq!(svg.matches(marks).count(), outcomes.len() + 1, "baseline {kind}");
        }
        for rule in &named {
            let row = rows.iter().find(|row| row[0] == rule[0]).unwrap();
            let min_delta: f64 = row[4].parse().unwrap();
            let expected = format!("{}: patience {}, min_delta {min_delta}", row[1], row[3]);
            assert_eq!(rule[1].split(", +").next().unwrap(), expected);
            let saved = 100.0 * row[9].parse::<f64>().unwrap();
            assert_eq!(rule[2], format!("{saved:.1} %"));
        }
    }
}

#[cfg(not(feature = "png"))]
#[test]
fn without_the_feature_png_it_says_how_to_build_it_in() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path());
    for arguments in [["backtest", "--png", "rules.png"], ["report", "--png", "--svg"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
        let output = command.args(arguments).arg(dir.path()).current_dir(dir.path()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("--features png") && error.contains("--svg"), "{error}");
    }
    assert!(!dir.path().join("emergence.svg").exists(), "it is said before anything is written");
}
