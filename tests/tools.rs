//! The files of a run as other tools read them, and of a run as another version wrote it.

mod loops;

use std::path::Path;

use loops::interrupted::{builder, complete, files, run_to};
use loops::{Table, set_weights, weights_at};
use neuromfa::backtest::History;
use neuromfa::internals::record::{RecordedRun, repair};
use neuromfa::{Monitor, Replay, Summary};
use serde_json::{Value, json};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn write(path: &Path, value: &Value) {
    std::fs::write(path, serde_json::to_vec_pretty(value).unwrap()).unwrap();
}

/// A run whose loop logs whole numbers, and loads weights.
fn whole_numbers(run: &Path) -> Summary {
    let weights = weights_at(0);
    let mut monitor = builder(run).with_neurons().attach_source(weights.clone()).unwrap();
    for step in 1..=12 {
        set_weights(&weights, step);
        if step == 9 {
            monitor.rolled_back(6).unwrap();
        }
        let scalars = [("epoch", (step / 4) as f64), ("loss", 0.0), ("1e300", 1e300)];
        let _ = monitor.step(step, &scalars).unwrap();
    }
    monitor.finish().unwrap()
}

#[test]
fn columns_json_names_each_column_and_cells_have_its_type() {
    let dir = tempfile::tempdir().unwrap();
    whole_numbers(dir.path());
    let described = read(&dir.path().join("columns.json"));
    let tables = described["tables"].as_object().unwrap();
    assert_eq!(tables.len(), 10);
    for (name, table) in tables {
        let file = match name.as_str() {
            "neurons" => "neurons/step-3.csv",
            name => name,
        };
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        let header: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
        let columns = table["columns"].as_array().unwrap();
        let named = |name: &str| columns.iter().find(|column| column["name"] == name);
        let mut described = header.iter().filter(|name| named(name).is_some());
        assert!(
            columns.iter().all(|column| Some(column["name"].as_str().unwrap())
                == described.next().map(String::as_str)),
            "{file}"
        );
        assert!(columns.len() == header.len() || table["other_columns"].is_string(), "{file}");
        for row in csv.records() {
            for (cell, name) in
                row.unwrap().iter().zip(&header).filter(|(cell, _)| !cell.is_empty())
            {
                let kind = match named(name) {
                    Some(column) => column["type"].as_str().unwrap(),
                    None if name == "rolled_back_to" => "integer",
                    None => "float",
                };
                let fits = match kind {
                    "integer" => cell.bytes().all(|byte| byte.is_ascii_digit()),
                    "float" => cell.parse::<f64>().is_ok() && cell.contains(['.', 'e', 'N', 'i']),
                    _ => true,
                };
                assert!(fits, "{file}: {name} is {cell}, not {kind}");
            }
        }
    }
    assert!(described["begun"].is_string() && described["command"].is_array());
    let page = std::fs::read_to_string(dir.path().join("README.md")).unwrap();
    for name in ["emergence.csv", "hops.csv", "neurons", "summary.json", "columns.json"] {
        assert!(page.contains(&format!("| {name} | ")), "{page}");
    }
    assert!(!page.contains("start.safetensors"), "{page}");
}

#[test]
fn a_quantity_has_one_name() {
    let dir = tempfile::tempdir().unwrap();
    let summary = whole_numbers(dir.path());
    let (last_e, best_e) = (summary.last_e().unwrap(), summary.best_e().unwrap());
    let written = read(&dir.path().join("summary.json"));
    let at = |(step, value): (u64, f64)| json!({ "step": step, "value": value });
    assert_eq!(written["last"]["E"], at(last_e));
    assert_eq!(written["best"]["E"], at(best_e));
    let emergence = Table::read(dir.path(), "emergence.csv");
    for name in written["last"].as_object().unwrap().keys() {
        assert!(emergence.columns.contains(name), "{name}");
    }
    assert_eq!(serde_json::from_value::<Summary>(written).unwrap(), summary);
}

#[test]
fn a_summary_of_an_older_version_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let summary = whole_numbers(dir.path());
    let mut written = read(&dir.path().join("summary.json"));
    let fields = written.as_object_mut().unwrap();
    let [last, best] = ["last", "best"].map(|name| fields.remove(name).unwrap());
    fields.insert("last_e".into(), last["E"].clone());
    fields.insert("best_e".into(), best["E"].clone());
    fields.insert("last_e_stable".into(), last["E_stable"].clone());
    fields.insert("best_e_stable".into(), best["E_stable"].clone());
    fields.insert("last_e_excess".into(), last["E_excess"].clone());
    fields.insert("last_e_excess_p".into(), last["E_excess_p"]["value"].clone());
    let older: Summary = serde_json::from_value(written).unwrap();
    assert_eq!(older.to_string(), summary.to_string());
    assert_eq!(older.best_e_stable(), summary.best_e_stable());
}

#[test]
fn a_readme_of_the_users_stays_and_the_run_begins() {
    for name in ["README.md", "columns.json"] {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join(name);
        std::fs::write(&theirs, "theirs").unwrap();
        let intact = || assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
        complete(builder(dir.path()), 4);
        intact();
        let list = std::fs::read_to_string(dir.path().join(".neuromfa")).unwrap();
        assert!(!list.lines().any(|line| line == name), "{list}");
        complete(builder(dir.path()).resume(), 8);
        complete(builder(dir.path()).overwrite(), 4);
        intact();
        // Of an older version, which had no such files.
        std::fs::remove_file(dir.path().join(".neuromfa")).unwrap();
        complete(builder(dir.path()).overwrite(), 4);
        intact();
    }
}

#[test]
fn a_run_replaces_its_own_readme() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 4);
    let page = dir.path().join("README.md");
    std::fs::write(&page, "# A run of neuromfa\n\nBegun long ago\n").unwrap();
    complete(builder(dir.path()).overwrite(), 4);
    assert!(std::fs::read_to_string(&page).unwrap().contains("| emergence.csv | "));
}

#[test]
fn a_newer_schema_is_refused_everywhere_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let run = &dir.path().join("run");
    complete(builder(run), 6);
    let mut config = read(&run.join("run.json"));
    config["schema"] = 99.into();
    config["network"] = Value::Null; // whatever a newer version makes of it
    write(&run.join("run.json"), &config);
    let before = files(run);
    let attach = |builder: neuromfa::MonitorBuilder| {
        builder.attach_source(weights_at(0)).expect_err("newer").to_string()
    };
    let refusals = [
        RecordedRun::read(run).unwrap_err().to_string(),
        History::read(run, None).unwrap_err().to_string(),
        repair(run).unwrap_err().to_string(),
        Replay::new(dir.path().join("other")).like(run).unwrap_err().to_string(),
        attach(builder(run).resume()),
        attach(builder(run).overwrite()),
        attach(builder(&dir.path().join("other")).baseline(run)),
    ];
    for refusal in refusals {
        assert!(refusal.contains("schema 99") && refusal.contains("Update"), "{refusal}");
    }
    assert_eq!(files(run), before);
}

/// Of an older run whose tables lack columns, the refusal names the version.
#[test]
fn a_run_without_later_columns_is_not_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    complete(builder(&run), 10);
    let path = run.join("emergence.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen(",weight_norm,", ",another,", 1)).unwrap();
    let refusal = builder(&run).resume().attach_source(weights_at(0)).unwrap_err().to_string();
    assert!(refusal.contains("version of neuromfa"), "{refusal}");
}

#[test]
fn a_run_of_an_older_schema_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let [whole, run] = ["whole", "run"].map(|name| dir.path().join(name));
    complete(builder(&whole), 20);
    let weights = weights_at(0);
    let mut monitor = builder(&run).attach_source(weights.clone()).unwrap();
    run_to(&mut monitor, &weights, 10);
    drop(monitor);
    let mut config = read(&run.join("run.json"));
    config["schema"] = 4.into();
    config.as_object_mut().unwrap().remove("every_detail");
    write(&run.join("run.json"), &config);
    complete(builder(&run).resume(), 20);
    let (found, expected) = (files(&run), files(&whole));
    for name in loops::TABLES {
        assert_eq!(found[name], expected[name], "{name}");
    }
}

#[test]
fn debug_of_an_error_is_its_sentence() {
    let dir = tempfile::tempdir().unwrap();
    complete(builder(dir.path()), 3);
    let refused = builder(dir.path()).attach_source(weights_at(0)).unwrap_err();
    let printed = format!("{refused:?}");
    assert_eq!(printed, refused.to_string());
    for way in ["already holds a run", "resume()", "overwrite()", "numbered()"] {
        assert!(printed.contains(way), "{printed}");
    }
}

#[test]
fn a_numbered_run_takes_the_next_free_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("first");
    let begin = || Monitor::builder(first.join("")).numbered().quiet();
    let summary = |monitor: Monitor| monitor.finish().unwrap().folder().to_owned();
    let attach = || begin().attach_source(weights_at(0)).unwrap();
    assert_eq!(summary(attach()), first);
    let running = attach();
    let beside = attach();
    assert_eq!(summary(running), dir.path().join("first-2"));
    assert_eq!(summary(beside), dir.path().join("first-3"));
    // A folder without a run is free.
    std::fs::remove_dir_all(dir.path().join("first-2")).unwrap();
    std::fs::create_dir(dir.path().join("first-2")).unwrap();
    assert_eq!(summary(attach()), dir.path().join("first-2"));
}

#[test]
fn the_newest_row_is_in_a_text_file_for_prometheus() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.prom");
    complete(builder(&dir.path().join("first")).prometheus(&file), 7);
    let text = std::fs::read_to_string(&file).unwrap();
    let emergence = Table::read(&dir.path().join("first"), "emergence.csv");
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(&format!("neuromfa_{name}{{run=\"first\"}} ")));
        line.unwrap_or_else(|| panic!("{name}: {text}")).parse::<f64>().unwrap()
    };
    assert_eq!(value("step"), 6.0);
    for name in ["E", "E_stable", "width_excess", "alpha0_excess_p"] {
        assert_eq!(value(name), emergence.number(name, 2), "{name}");
    }
    assert!(text.contains("neuromfa_logged{run=\"first\",name=\"loss\"} 0.1666"), "{text}");
    // A numbered run is named with its number.
    complete(builder(&dir.path().join("first")).numbered().prometheus(&file), 7);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("neuromfa_step{run=\"first-2\"} 6"), "{text}");
    // Where it cannot be written, the run continues.
    let summary = complete(builder(&dir.path().join("second")).prometheus(dir.path()), 7);
    assert_eq!(summary.rows(), 3);
}
