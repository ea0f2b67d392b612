//! The commands around a run as a process: compare, doctor, show --json, completions, man.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::path::Path;
use std::process::{Command, Output};

use loops::interrupted::{builder, complete};
use loops::{set_weights, weights_at};
use neuromfa::internals::record::{
    Conclusion, Format, Kind, View, column, columns, read_rows, shown_in,
};
use neuromfa::{Controls, Monitor, Samples};
use serde_json::Value;

fn neuromfa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuromfa")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A run to step 4 whose weights are, from step 2 on, those of a step `ahead` later.
fn run(folder: &Path, neurons: usize, ahead: u64) {
    let weights = weights_at(0);
    let monitor =
        Monitor::builder(folder).every(2).sampled(Samples { neurons, samples: 2, seed: 0 });
    let mut monitor = monitor.attach_source(weights.clone()).unwrap();
    for step in 1..=4 {
        set_weights(&weights, step + ahead);
        let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
    }
    monitor.finish().unwrap();
}

#[test]
fn compare_puts_runs_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let folders = ["a", "b", "c"].map(|name| dir.path().join(name));
    for (folder, ahead) in folders.iter().zip([0, 5, 50]) {
        run(folder, 8, ahead);
    }
    let [a, b, c] = folders.each_ref().map(|folder| folder.to_str().unwrap());
    let csv = dir.path().join("runs.csv");
    let shown = neuromfa(&["compare", a, b, c, "--csv", csv.to_str().unwrap()]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert!(!text(&shown.stderr).contains("do not compare"), "{}", text(&shown.stderr));
    let table = text(&shown.stdout);
    let lines: Vec<&str> = table.lines().collect();
    for (line, folder) in lines.iter().zip(&folders) {
        let conclusion = Conclusion::of(&read_rows(folder).unwrap());
        assert_eq!(*line, format!("{}: structure: {conclusion}", folder.display()));
    }
    assert_eq!(lines[3], "");
    assert!(lines[4].trim_start().starts_with("run  weights"), "{table}");
    assert!(table.contains("E_stable by layer at step 4"), "{table}");
    let written = std::fs::read_to_string(csv).unwrap();
    let head = "run,architecture,weights,rows,last_step,E,E_step,E_best,E_best_step,";
    assert!(written.starts_with(head) && written.lines().count() == 4, "{written}");

    let compared = json(&neuromfa(&["compare", a, b, c, "--json"]));
    let rows = json(&neuromfa(&["show", b, "--json"]));
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let last = &compared["runs"][1];
    assert_eq!(last["E_stable"]["value"], rows[2]["E_stable"]);
    assert_eq!((&last["E_stable"]["step"], &last["weights"]), (&4.into(), &3072.into()));
    assert_eq!(last["width_excess"]["value"], rows[2]["width_excess"]);
    assert_eq!(last["alpha0_excess"]["value"], rows[2]["alpha0_excess"]);
    let verdict = Conclusion::of(&read_rows(&folders[1]).unwrap());
    assert_eq!(last["verdict"], verdict.to_string());
    assert_eq!(last["p"].as_f64(), verdict.claim().map(|verdict| verdict.p));
    // The run that is far ahead is the one that stands out, in every layer.
    for layer in compared["layers"].as_array().unwrap() {
        let z = |k: usize| layer["z"][k].as_f64().unwrap().abs();
        assert!(z(2) > 2.0 && z(2) > z(0) && z(2) > z(1), "{layer}");
    }

    let other = dir.path().join("other");
    run(&other, 16, 0);
    let warned = neuromfa(&["compare", a, other.to_str().unwrap()]);
    assert_eq!(warned.status.code(), Some(0));
    let why = "the runs do not compare: alpha0, width and E of the published estimator depend";
    assert!(text(&warned.stderr).contains(why), "{}", text(&warned.stderr));
    let quiet = neuromfa(&["compare", "--quiet", a, other.to_str().unwrap()]);
    assert_eq!((text(&quiet.stderr), quiet.stdout), ("", warned.stdout));
    assert_eq!(neuromfa(&["compare", a]).status.code(), Some(2));
}

#[test]
fn show_json_has_every_column_and_digit() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 6);
    let rows = json(&neuromfa(&["show", dir.path().to_str().unwrap(), "--json"]));
    let table = loops::Table::read(dir.path(), "emergence.csv");
    assert_eq!(rows.as_array().unwrap().len(), table.rows.len());
    for (k, row) in rows.as_array().unwrap().iter().enumerate() {
        assert_eq!(row.as_object().unwrap().len(), table.columns.len());
        assert_eq!(row["E"].as_f64().unwrap(), table.number("E", k));
        assert_eq!(row["status"], "ok");
    }
    assert_eq!(rows[0]["loss"], Value::Null);
}

#[test]
fn show_prints_the_part_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 9);
    let run = dir.path().to_str().unwrap();
    let printed = |options: &[&str]| {
        let output = neuromfa(&[&["show", run], options].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let table = loops::Table::read(dir.path(), "emergence.csv");
    let [steps, e] = ["step", "E"].map(|name| table.column(name));
    assert_eq!(steps, ["0", "3", "6", "9"]);
    let expected = format!("step,E\n{},{}\n{},{}\n", steps[2], e[2], steps[3], e[3]);
    assert_eq!(printed(&["--csv", "--columns", "E", "--last", "2"]), expected);
    let all = std::fs::read_to_string(dir.path().join("emergence.csv")).unwrap();
    assert_eq!(printed(&["--csv"]), all);
    let one: Value =
        serde_json::from_str(&printed(&["--json", "--columns", "E,loss", "--step", "6"])).unwrap();
    assert_eq!(one.as_array().unwrap().len(), 1);
    assert_eq!(one[0]["E"].as_f64().unwrap(), table.number("E", 2));
    assert_eq!(one[0].as_object().unwrap().len(), 3);
    let rows = printed(&["--columns", "E", "--step", "6"]);
    let row: Vec<&str> = rows.lines().nth(3).unwrap().split_whitespace().collect();
    assert_eq!(row, [steps[2].as_str(), e[2].as_str()], "{rows}");
    for (option, value, way_out) in
        [("--columns", "Q", "step, wall_time, loss"), ("--step", "5", "steps 0 to 9")]
    {
        let output = neuromfa(&["show", run, option, value]);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains(&format!("{option} {value}: ")) && said.contains(way_out), "{said}");
    }

    // As wide as the terminal; what does not fit is named, and a p stays with its measure.
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
    let narrow = command.args(["show", run]).env("COLUMNS", "80").output().unwrap();
    let narrow = text(&narrow.stdout);
    let rows = narrow.lines().skip(2).take_while(|line| !line.is_empty());
    assert!(rows.clone().all(|row| row.chars().count() <= 80), "{narrow}");
    let head: Vec<&str> = rows.clone().next().unwrap().split_whitespace().collect();
    assert!(head.starts_with(&["step", "loss"]) && head.contains(&"width_excess"), "{head:?}");
    assert_eq!(head.iter().filter(|name| **name == "p").count(), 2, "{head:?}");
    let hidden = narrow.lines().find(|line| line.starts_with("Too wide")).unwrap();
    let hidden = hidden
        .trim_start_matches("Too wide for this terminal: ")
        .replace(" (--columns, --csv)", "");
    let hidden: Vec<&str> = hidden.split(", ").collect();
    let known = loops::Table::read(dir.path(), "emergence.csv").columns;
    for name in columns().filter(|c| c.format().is_some_and(|f| f != Format::P)).map(|c| c.name) {
        let there = known.iter().any(|column| column == name);
        assert_eq!(there, head.contains(&name) ^ hidden.contains(&name), "{name}: {narrow}");
    }
}

/// Every column with this view, in words that the view must have.
#[test]
fn views_show_the_columns_of_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let controls = Controls::default().with_rescaled_start();
    complete(builder(&run).controls(controls).matrix_spectra(), 6);
    let run = run.to_str().unwrap();

    let shown = neuromfa(&["show", run]);
    let head = text(&shown.stdout).lines().nth(2).unwrap();
    let head: Vec<&str> = head.split_whitespace().collect();
    let of_table = columns().filter_map(|column| Some((column, column.format()?)));
    let names =
        of_table.map(|(column, format)| if format == Format::P { "p" } else { column.name });
    let names: Vec<&str> = names.collect();
    let logged = head.iter().filter(|name| *name != &"p" && column(name).is_none());
    assert_eq!(head.len(), names.len() + logged.count(), "{head:?}");
    assert!(names.iter().all(|name| head.contains(name)), "{head:?}");

    let page = dir.path().join("page");
    assert!(neuromfa(&["report", run, "--out", page.to_str().unwrap()]).status.success());
    let page = std::fs::read_to_string(page.join("report.html")).unwrap();
    for column in shown_in(View::Report) {
        let cell = format!("<th scope=\"row\">{}</th>", column.name);
        assert!(page.contains(&cell), "{}", column.name);
    }

    let picture = page.split("<figure class=\"emergence\"").nth(1).unwrap();
    let picture = picture.split("</figure>").next().unwrap();
    for column in columns().filter(|column| column.kind == Kind::E) {
        for view in column.views {
            if let View::Live(label) = view {
                assert!(picture.contains(&format!(">{label}<")), "{}: {label}", column.name);
            }
        }
    }
    let compared = neuromfa(&["compare", run, run]);
    let head = text(&compared.stdout).lines().nth(3).unwrap();
    for column in shown_in(View::Headline) {
        assert!(head.split_whitespace().any(|name| name == column.name), "{}: {head}", column.name);
    }

    let checkpoints = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
    let watched = dir.path().join("watched");
    let options = ["--neurons", "16", "--every", "0.1", "--until-step", "300", "--out"];
    let watch = [&["watch", checkpoints][..], &options, &[watched.to_str().unwrap()]].concat();
    let watched = neuromfa(&watch);
    let line = text(&watched.stdout).lines().next().unwrap();
    for column in shown_in(View::Headline) {
        assert!(line.contains(&format!("  {} ", column.name)), "{}: {line}", column.name);
    }
}

#[test]
fn doctor_checks_itself() {
    let told = neuromfa(&["doctor"]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stdout));
    assert!(text(&told.stdout).contains("self-check  passed"), "{}", text(&told.stdout));
    let told = json(&neuromfa(&["doctor", "--json"]));
    assert_eq!(told["sound"], true);
    assert_eq!(told["libtorch"].is_null(), !cfg!(feature = "tch"));
    let checks = told["self_check"].as_array().unwrap();
    assert_eq!(checks.len(), 6);
    for check in checks {
        let [expected, found] = ["expected", "found"].map(|key| check[key].as_f64().unwrap());
        assert!((found / expected - 1.0).abs() < 1e-9, "{check}");
    }
}

#[test]
fn completions_and_manual_pages_know_the_options() {
    for shell in ["bash", "zsh", "fish"] {
        let output = neuromfa(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("until-step"), "{shell}");
    }
    let page = neuromfa(&["man"]);
    assert!(text(&page.stdout).contains(".TH neuromfa 1"), "{}", text(&page.stdout));
    assert!(text(&page.stdout).contains("Exit status"), "{}", text(&page.stdout));
    let page = neuromfa(&["man", "watch"]);
    assert!(text(&page.stdout).contains(".TH neuromfa-watch 1"), "{}", text(&page.stdout));
    assert!(text(&page.stdout).contains("until\\-step"), "{}", text(&page.stdout));
    let unknown = neuromfa(&["man", "nothing"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("no subcommand \"nothing\""));
}

/// The subcommands, as `--help` lists them.
fn subcommands() -> Vec<String> {
    let help = neuromfa(&["--help"]);
    let list =
        text(&help.stdout).split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let name = |line: &str| {
        line.strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))?
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    list.lines().filter_map(name).filter(|name| name != "help").collect()
}

#[test]
fn each_help_and_manual_page_has_examples_that_are_read() {
    let all = subcommands();
    assert_eq!(all.len(), 14, "{all:?}");
    for name in &all {
        let help = neuromfa(&[name, "--help"]);
        let (_, examples) = text(&help.stdout).split_once("\nExamples:\n").expect(name);
        let lines: Vec<&str> = examples.lines().map(str::trim).collect();
        assert!(!lines.is_empty());
        for line in lines {
            assert!(line.len() < 78, "{line}");
            let words = line.split("  ").next().unwrap().split(['>', '|']).next().unwrap();
            let words = words.replace("runs/*", "runs/first runs/second");
            let words: Vec<&str> = words.split_whitespace().collect();
            assert_eq!(words[..2], ["neuromfa", name], "{line}");
            // With options that do not exist it would be wrong usage; what it names does not exist.
            let folder = tempfile::tempdir().unwrap();
            // No server is asked.
            let nowhere = "http://127.0.0.1:9";
            let remote = line.contains("://") && cfg!(feature = "remote");
            let run = Command::new(env!("CARGO_BIN_EXE_neuromfa"))
                .env("HF_ENDPOINT", nowhere)
                .env("AWS_ENDPOINT_URL", nowhere)
                .env("HTTPS_PROXY", nowhere)
                .arg(words[1])
                .args(if remote { &["--retries", "0"][..] } else { &[] })
                .args(words[2..].iter().map(|word| word.trim_matches('\'')))
                .args(if ["watch"].contains(&name.as_str()) {
                    &["--idle", "0.01"][..]
                } else {
                    &[]
                })
                .current_dir(folder.path())
                .output()
                .unwrap();
            let said = text(&run.stderr);
            assert!(!said.contains("Usage:") || said.contains("--idle"), "{line}: {said}");
        }
        let page = neuromfa(&["man", name]);
        assert!(text(&page.stdout).contains("\n.SH EXAMPLES\n"), "{name}");
    }
}

#[test]
fn wrong_usage_is_said_as_other_failures_are() {
    for arguments in [&["analyze", "--nonsense"][..], &["frobnicate"], &["show"]] {
        let refused = neuromfa(arguments);
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).starts_with("neuromfa: "), "{}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains("Usage: neuromfa"));
    }
    let help = neuromfa(&[]);
    assert!(text(&help.stderr).starts_with("Watch a network"), "{}", text(&help.stderr));
}

#[test]
fn quiet_leaves_results_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    run(&folder, 8, 0);
    let (folder, pages) = (folder.to_str().unwrap(), dir.path().join("pages"));
    let pages = pages.to_str().unwrap();
    for arguments in [&["report", folder, "--out", pages][..], &["repair", folder]] {
        assert!(!neuromfa(arguments).stdout.is_empty());
        let quiet = neuromfa(&[arguments, &["--quiet"]].concat());
        assert_eq!((quiet.stdout.len(), quiet.stderr.len()), (0, 0), "{arguments:?}");
    }
    assert!(!neuromfa(&["show", folder, "--quiet"]).stdout.is_empty());
}

#[test]
fn a_run_of_a_newer_version_is_refused_by_each_command() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    run(&folder, 8, 0);
    let path = folder.join("run.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["schema"] = 99.into();
    std::fs::write(&path, config.to_string()).unwrap();
    let (folder, pages) = (folder.to_str().unwrap(), dir.path().join("pages"));
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/neox-step0.safetensors");
    let pages = pages.to_str().unwrap();
    let commands = [
        &["show", folder][..],
        &["show", folder, "--json"],
        &["show", folder, "--csv"],
        &["report", folder, "--out", pages],
        &["compare", folder, folder],
        &["backtest", folder],
        &["repair", folder],
        &["analyze", data, "--out", folder, "--resume"],
        &["analyze", data, "--out", folder, "--overwrite"],
        &["analyze", data, "--out", pages, "--like", folder],
        &["analyze", data, "--out", pages, "--baseline", folder],
    ];
    for arguments in commands {
        let refused = neuromfa(arguments);
        let said = text(&refused.stderr);
        assert!(said.contains("schema 99") && said.contains("Update"), "{arguments:?}: {said}");
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0), "{arguments:?}");
    }
}

#[test]
fn analyze_numbered_takes_the_next_free_folder() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/neox-step0.safetensors");
    let analyze = ["analyze", data, "--out", out.to_str().unwrap()];
    assert!(neuromfa(&analyze).status.success());
    let refused = neuromfa(&analyze);
    assert!(text(&refused.stderr).contains("--numbered"), "{}", text(&refused.stderr));
    let numbered = neuromfa(&[&analyze[..], &["--numbered"]].concat());
    assert!(text(&numbered.stdout).contains("run-2"), "{numbered:?}");
    assert!(dir.path().join("run-2/emergence.csv").exists());
}
