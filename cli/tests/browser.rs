//! The page of `neuromfa report` in a real browser: Chromium, driven by Node.js (tests/browser).

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::path::{Path, PathBuf};
use std::process::Command;

use loops::{Table, set_weights, skipped, weights_at};
use neuromfa::Monitor;
use serde_json::{Value, json};

/// A program that runs and says its version.
fn found(programs: &[&str]) -> Option<String> {
    let runs = |program: &&&str| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    programs.iter().find(runs).map(|program| (*program).to_owned())
}

/// Every step of `rows` analysed, with a loss.
fn run(folder: &Path, rows: u64, loss: impl Fn(u64) -> f64) {
    let weights = weights_at(0);
    let monitor = Monitor::builder(folder).every(1).threads(1).quiet();
    let mut monitor = monitor.attach_source(weights.clone()).unwrap();
    for step in 1..rows {
        set_weights(&weights, step);
        let _ = monitor.step(step, &[("a<b loss", loss(step)), ("lr", 0.1)]).unwrap();
    }
    monitor.finish().unwrap();
}

fn report(runs: &[PathBuf], out: &Path) -> PathBuf {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
    let output = command.arg("report").args(runs).arg("--out").arg(out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out.join("report.html")
}

/// A copy of a run with one of its tables changed.
fn changed(from: &Path, to: &Path, name: &str, change: impl Fn(&str) -> String) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let text = std::fs::read_to_string(to.join(name)).unwrap();
    std::fs::write(to.join(name), change(&text)).unwrap();
}

/// The numbers of a table's columns by step.
fn values(run: &Path) -> Value {
    let table = Table::read(run, "emergence.csv");
    let steps = table.column("step");
    let column = |name: &String| {
        let cells = steps.iter().cloned().zip(table.column(name));
        let numbers = cells.filter_map(|(step, cell)| Some((step, cell.parse::<f64>().ok()?)));
        let numbers = numbers.filter(|(_, number)| number.is_finite());
        (name.clone(), json!(numbers.collect::<std::collections::BTreeMap<_, _>>()))
    };
    Value::Object(table.columns.iter().map(column).collect())
}

#[test]
fn a_reader_uses_the_page_in_a_browser() {
    let node = found(&["node"]);
    let chromium = found(&["chromium", "chromium-browser", "google-chrome"]);
    let (Some(node), Some(chromium)) = (node, chromium) else {
        skipped::skip("Node.js or Chromium is missing");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    run(&at("one"), 31, |step| 1.0 / step as f64);
    run(&at("nan"), 12, |step| if step > 5 { f64::NAN } else { 1.0 });
    // A name that is a program, and 41 layers with long names.
    let script = at("<script>window.harmed = 1</script>".replace('/', "\u{2215}").as_str());
    changed(&at("one"), &script, "layers.csv", |text| {
        let many = |line: &str| -> String {
            let cells: Vec<&str> = line.split(',').collect();
            if cells[1] != "layer" {
                return format!("{line}\n");
            }
            let of_layer = |k| {
                let name = format!("model.a_very_long_name_of_a_block.{k}.<script>.weight");
                format!("{},layer,{name},{}\n", cells[0], cells[3..].join(","))
            };
            (0..41).map(of_layer).collect()
        };
        let (head, rows) = text.split_once('\n').unwrap();
        assert!(head.starts_with("step,scope,part"), "{head}");
        format!("{head}\n{}", rows.lines().map(many).collect::<String>())
    });
    let twelve: Vec<PathBuf> = (0..12).map(|k| at(&format!("run-{k}"))).collect();
    twelve.iter().for_each(|copy| changed(&at("one"), copy, "metrics.csv", str::to_owned));
    let case = |name: &str, page: PathBuf, checks: &[&str]| {
        json!({ "name": name, "page": page, "checks": checks, "values": values(&at("one")),
                "charts": 3, "pages": 5, "count": 12 })
    };
    let page = |name: &str, runs: &[PathBuf]| report(runs, &at(&format!("page-{name}")));
    let cases = json!([
        case("one", page("one", &[at("one")]), &["opens", "reader", "prints"]),
        case("nan", page("nan", &[at("nan")]), &["opens"]),
        case("names", page("names", &[script]), &["opens"]),
        case("twelve", page("twelve", &twelve), &["opens", "runs"]),
    ]);
    std::fs::write(at("cases.json"), cases.to_string()).unwrap();
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/page.mjs");
    let output =
        Command::new(node).arg(driver).arg(chromium).arg(at("cases.json")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    println!("{}", text(&output.stdout));
}
