//! `neuromfa backtest` as a process.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use loops::synthetic::write_run;
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

/// Three tasks with four seeds each; E peaks where the judged loss is lowest.
fn write_tasks(folder: &Path) {
    for (task, best) in [("early", 20.0), ("middle", 50.0), ("late", 75.0)] {
        for seed in 0..4u8 {
            let best = best + f64::from(seed);
            let away = move |step: u64| (step as f64 - best).abs();
            let loss = move |step: u64| 1.0 + away(step) / 50.0;
            let uneven = move |step: u64| loss(step) + 0.3 * f64::from((step * 7 % 5) as u8);
            let height = 9.0 * f64::from(seed);
            write_run(
                &folder.join(task).join(format!("small-seed{seed}")),
                100,
                &[
                    ("E", &|step| Some(height - away(step))),
                    ("weight_norm", &|step| Some(step as f64)),
                ],
                &[
                    ("loss", &|step| Some(1.0 / (1.0 + step as f64))),
                    ("val_loss", &|step| Some(uneven(step))),
                    ("test_loss", &|step| Some(loss(step))),
                ],
            );
        }
    }
}

#[test]
fn rules_are_compared_on_tasks_that_they_were_not_tuned_on() {
    let dir = tempfile::tempdir().unwrap();
    write_tasks(&dir.path().join("study"));
    let neuromfa = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
        command.arg("backtest").args(arguments.split(' ')).current_dir(dir.path());
        let output = command.env("COLUMNS", "80").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let files = "--csv rules.csv --runs-csv runs.csv --svg rules.svg";
    let (status, text, error) = neuromfa(&format!("study --judge test_loss {files}"));
    assert_eq!((status, error.as_str()), (Some(0), ""));
    println!("{text}");
    assert!(
        text.starts_with("12 runs in 3 families; rules tuned on the other families\n"),
        "{text}"
    );
    assert!(text.contains("judged by test_loss, mean of 5 evaluations\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let row = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap();
    assert!(row("1  ").contains("E plateau"), "{text}");
    assert!(row("-  ").contains("full budget *") && row("-  ").contains("never"), "{text}");
    assert!(
        text.contains("not judged, no run has it: E_stable plateau, E_stable threshold,"),
        "{text}"
    );
    assert!(row("rank").contains("95 %") && !row("rank").contains("wins"), "{text}");
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let table = |name: &str| -> Vec<Vec<String>> {
        let text = read(name);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.deserialize().collect::<Result<_, _>>().unwrap()
    };
    let (rules, runs) = (table("rules.csv"), table("runs.csv"));
    let json: serde_json::Value =
        serde_json::from_str(&neuromfa("study --judge test_loss --json").1).unwrap();
    let standings = json["standings"].as_array().unwrap();
    // Each rule has a line for all families and one for each, and one for each run.
    assert_eq!(rules.len(), 1 + 4 * standings.len());
    assert_eq!(runs.len(), 1 + 12 * standings.len());
    let cost: f64 = rules[1][5].parse().unwrap();
    assert_eq!(Some(cost), standings[0]["all"]["cost"]["value"].as_f64());
    // The mean over families of the runs' regret is that of the table.
    let regret = |family: &str| {
        let of = |row: &&Vec<String>| row[0] == "E plateau" && row[2] == family;
        let values = runs.iter().filter(of).map(|row| row[9].parse::<f64>().unwrap());
        values.sum::<f64>() / 4.0
    };
    let by_hand = ["early", "middle", "late"].map(regret).iter().sum::<f64>() / 3.0;
    let shown = standings[0]["all"]["regret"]["value"].as_f64().unwrap();
    assert!((by_hand - shown).abs() < 1e-12, "{by_hand} {shown}");
    let svg = read("rules.svg");
    let named = standings.iter().filter(|standing| !standing["rank"].is_null());
    assert!(svg.contains("lines: 95 % intervals") && svg.contains("baselines"));
    for standing in named.filter(|s| s["all"]["saved"]["value"].as_f64().unwrap() > 0.0) {
        let rule = standing["rule"].as_str().unwrap().split(' ').next_back().unwrap();
        assert!(svg.contains(rule), "{rule}");
    }
    assert!(svg.contains(">full budget</text>") && svg.matches(">-</text>").count() == 2, "{svg}");
    for (arguments, expected) in [
        ("study --judge val_loss --monitor val_loss", "no rule may watch what it is judged by"),
        ("study --judge test_loss --patience 0", "cannot be used with"),
        ("study/early --patience 0 --monitor E", "No such file"),
        ("study/early/small-seed0 --patience 0 --monitor E", "patience is 0 analysed steps"),
        ("study/early/small-seed0 --min-delta=-1 --monitor E", "min_delta is -1"),
        ("study/early/small-seed0 --judge test_loss", "all runs are one family and one group"),
        ("study study/late --judge test_loss", "this run was given twice"),
        ("study --judge test_loss --family x(y)", "it finds nothing in"),
        ("study --judge test_loss --smooth 2", "give an odd number"),
        ("study --judge accuracy", "(name one with --judge)"),
        ("study/early/small-seed0 --monitor E,E_stable", "--judge"),
        ("study/early/small-seed0 --smooth 3", "--judge"),
    ] {
        let (status, _, error) = neuromfa(arguments);
        assert_eq!(status, Some(2), "{arguments}: {error}");
        assert!(error.contains(expected), "{arguments}: {error}");
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
