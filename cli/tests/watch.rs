//! `neuromfa watch` beside a trainer that is still writing.
#![cfg(unix)]

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use loops::Table;
use loops::interrupted::{assert_same, files};
use neuromfa::internals::record::read_table;

const STEPS: [u64; 3] = [0, 64, 300];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

fn name(step: u64) -> String {
    format!("neox-step{step}.safetensors")
}

fn copy(step: u64, to: &Path) {
    std::fs::copy(data(&name(step)), to.join(name(step))).unwrap();
}

fn command(subcommand: &str, folder: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neuromfa"));
    command.arg(subcommand).arg(folder).arg("--out").arg(out);
    command.arg("--nodes").arg(data("neox-nodes.json"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn watch(folder: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = command("watch", folder, out);
    command.args(["--every", "0.05"]).args(more);
    command
}

fn succeeded(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{error}");
    error
}

/// The files of `neuromfa analyze` on all three checkpoints.
fn analysed(dir: &Path) -> PathBuf {
    let [folder, out] = ["whole", "analysed"].map(|name| dir.join(name));
    std::fs::create_dir(&folder).unwrap();
    STEPS.iter().for_each(|step| copy(*step, &folder));
    succeeded(&command("analyze", &folder, &out).output().unwrap());
    out
}

fn wait_for_rows(out: &Path, rows: usize) {
    wait_until(&format!("{rows} rows"), || {
        read_table(&out.join("emergence.csv")).is_ok_and(|(_, found)| found.len() >= rows)
    });
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, which: &str) {
    let sent = Command::new("kill").args([which, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn the_files_are_those_of_analyze() {
    let dir = tempfile::tempdir().unwrap();
    let expected = files(&analysed(dir.path()));
    let [folder, out] = ["checkpoints", "run"].map(|name| dir.path().join(name));
    let mut watch = watch(&folder, &out, &["--until-step", "300"]);
    let mut child = watch.env("RUST_LOG", "warn,neuromfa::arrivals=debug").spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    std::fs::create_dir(&folder).unwrap();
    for (k, step) in STEPS.into_iter().enumerate() {
        // As a trainer writes it: the name is there before the weights are.
        let bytes = std::fs::read(data(&name(step))).unwrap();
        std::fs::write(folder.join(name(step)), &bytes[..bytes.len() / 2]).unwrap();
        let seen = format!("{} is not complete yet", name(step));
        assert!(log.by_ref().lines().any(|line| line.unwrap().contains(&seen)), "step {step}");
        std::fs::write(folder.join(name(step)), &bytes).unwrap();
        wait_for_rows(&out, k + 1);
    }
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{rest}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("step 0  width_excess ") && first.contains("  alpha0_excess "));
    assert_eq!(first.matches(" (p = ").count(), 2, "{text}");
    assert!(first.ends_with(")  E 0.00000  E_stable 0.00000  ok"), "{text}");
    assert!(text.contains("E_stable 0.00605 at step 300"), "{text}");
    assert_same(&files(&out), &expected, "watched");
}

#[test]
fn killed_and_started_again_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let expected = files(&analysed(dir.path()));
    // Between two steps, while the second is written, and after it.
    for (k, (file, rows_of)) in
        [("emergence.csv", "0"), ("spectra.csv", "64"), ("emergence.csv", "64")].iter().enumerate()
    {
        let [folder, out] =
            ["checkpoints", "run"].map(|name| dir.path().join(format!("{name}-{k}")));
        std::fs::create_dir(&folder).unwrap();
        copy(0, &folder);
        copy(64, &folder);
        let mut child = watch(&folder, &out, &[]).spawn().unwrap();
        let moment = format!("{file} has step {rows_of}");
        wait_until(&moment, || {
            let rows = read_table(&out.join(file)).map(|(_, rows)| rows).unwrap_or_default();
            rows.iter().any(|row| row[0] == *rows_of)
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!out.join("summary.json").exists());
        copy(300, &folder);
        // A trainer that keeps its last checkpoints only.
        std::fs::remove_file(folder.join(name(0))).unwrap();
        succeeded(&watch(&folder, &out, &["--until-step", "300"]).output().unwrap());
        assert_same(&files(&out), &expected, &format!("killed when {moment}"));
    }
}

#[test]
fn ctrl_c_writes_the_summary() {
    let dir = tempfile::tempdir().unwrap();
    let [folder, out] = ["checkpoints", "run"].map(|name| dir.path().join(name));
    std::fs::create_dir(&folder).unwrap();
    copy(0, &folder);
    let child = watch(&folder, &out, &["--json"]).spawn().unwrap();
    wait_for_rows(&out, 1);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    succeeded(&output);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let written = std::fs::read_to_string(out.join("summary.json")).unwrap();
    assert_eq!(told, serde_json::from_str::<serde_json::Value>(&written).unwrap());
    assert_eq!((&told["rows"], &told["last_step"]), (&1.into(), &0.into()));
}

#[test]
fn it_ends_with_the_trainer_and_reports_what_it_leaves_out() {
    let dir = tempfile::tempdir().unwrap();
    let [folder, out] = ["checkpoints", "run"].map(|name| dir.path().join(name));
    std::fs::create_dir(&folder).unwrap();
    copy(64, &folder);
    std::fs::write(folder.join("ckpt_100.pt"), "no checkpoint").unwrap();
    let mut trainer = Command::new("sleep").arg("600").spawn().unwrap();
    let id = trainer.id().to_string();
    let more = ["--pid", &id, "--give-up-after", "3"];
    let child = watch(&folder, &out, &more).spawn().unwrap();
    wait_for_rows(&out, 1);
    copy(0, &folder);
    copy(300, &folder);
    wait_for_rows(&out, 2);
    trainer.kill().unwrap();
    trainer.wait().unwrap();
    let error = succeeded(&child.wait_with_output().unwrap());
    assert_eq!(Table::read(&out, "emergence.csv").column("step"), ["64", "300"]);
    assert_eq!(error.matches("ckpt_100.pt is left out: cannot read").count(), 1, "{error}");
    let order = "its step 0 lies before step 64, which is analysed";
    assert_eq!(error.matches(order).count(), 1, "{error}");
}

#[test]
fn nothing_to_analyse_is_status_1() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let output = watch(dir.path(), &out, &["--idle", "0.1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("no checkpoint was analysed in"), "{error}");
    assert!(!out.exists());
    let output = watch(dir.path(), &out, &["--idle", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// A trainer that cuts a file short while it is read cannot end the watch, and is said of.
#[test]
fn files_that_are_cut_short_and_written_again_are_survived_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let [folder, out] = ["checkpoints", "run"].map(|name| dir.path().join(name));
    std::fs::create_dir(&folder).unwrap();
    copy(0, &folder);
    let said = dir.path().join("said.txt");
    let says = |words: &str| std::fs::read_to_string(&said).unwrap().contains(words);
    let mut watch_it = watch(&folder, &out, &["--until-step", "300"]);
    let mut child = watch_it.stderr(File::create(&said).unwrap()).spawn().unwrap();
    wait_for_rows(&out, 1);
    let whole = std::fs::read(data(&name(64))).unwrap();
    let path = folder.join(name(64));
    for k in 0..200 {
        std::fs::write(&path, &whole).unwrap();
        std::thread::sleep(Duration::from_millis(k % 20));
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(k * 1000).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
    }
    std::fs::write(&path, &whole).unwrap();
    wait_for_rows(&out, 2);
    // The same name, other weights.
    std::fs::copy(data(&name(300)), folder.join(name(0))).unwrap();
    std::fs::write(folder.join("last.ckpt"), &whole).unwrap();
    let again = "neox-step0.safetensors was written again after step 0 was analysed";
    let copied = "last.ckpt is left out: a copy of another checkpoint";
    wait_until("what was written again", || says(again));
    wait_until("the copy", || says(copied));
    copy(300, &folder);
    assert!(child.wait().unwrap().success());
    let error = std::fs::read_to_string(&said).unwrap();
    assert_eq!(Table::read(&out, "emergence.csv").column("step"), ["0", "64", "300"]);
    assert_eq!(error.matches(again).count(), 1, "{error}");
    // Started again, after a file was written while nobody watched.
    let file = std::fs::OpenOptions::new().write(true).open(folder.join(name(64))).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(60)).unwrap();
    let error = succeeded(&watch(&folder, &out, &["--idle", "1"]).output().unwrap());
    let later = "neox-step64.safetensors was written after step 64 was analysed";
    assert_eq!(error.matches(later).count(), 1, "{error}");
}
