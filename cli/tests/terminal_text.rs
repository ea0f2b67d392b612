//! What names, files and the system put on a terminal: no character that a terminal acts on, names of
//! any length, and for each failure what was being done and the reason.

use std::path::Path;
use std::process::{Command, Output};

use neuromfa::Monitor;
use neuromfa::source::{Memory, save};

/// Clears the screen, and hides and turns what follows.
const HOSTILE: &str = "\u{1b}[2J\u{9b}8m\u{7f}\u{202e}\u{2066}\u{2028}\r";
const ESCAPED: &str = "\\u001b[2J\\u009b8m\\u007f\\u202e\\u2066\\u2028\\r";

fn neuromfa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuromfa")).args(arguments).output().unwrap()
}

fn texts(output: &Output) -> [&str; 2] {
    [&output.stdout, &output.stderr].map(|bytes| std::str::from_utf8(bytes).unwrap())
}

fn assert_plain(output: &Output) {
    for text in texts(output) {
        let acts = |c: char| c != '\n' && (c.is_control() || HOSTILE.contains(c) && c > '\u{2000}');
        assert!(!text.contains(acts), "{text:?}");
    }
}

fn values(n: usize, step: u64) -> Vec<f32> {
    (0..n).map(|k| (0.01 + 0.001 * (k % 97) as f32) * (1.0 + 0.02 * step as f32)).collect()
}

/// A checkpoint of two matrices whose names begin so.
fn checkpoint(folder: &Path, name: &str) -> String {
    let memory = Memory::new();
    let names = ["0.weight", "2.weight"].map(|end| format!("{name}.{end}"));
    names.iter().for_each(|name| memory.set(name, &[32, 32], values(1024, 0)).unwrap());
    let path = folder.join("m-step0.safetensors");
    save(&path, &memory, &[&names[0], &names[1]]).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A recorded run of a matrix and a metric with these names.
fn run(folder: &Path, tensor: &str, metric: &str) -> String {
    let memory = Memory::new();
    memory.set(tensor, &[32, 32], values(1024, 0)).unwrap();
    let builder = Monitor::builder(folder).every(1).quiet();
    let mut monitor = builder.attach_source(memory.clone()).unwrap();
    for step in 1..4 {
        memory.set(tensor, &[32, 32], values(1024, step)).unwrap();
        let _ = monitor.step(step, &[(metric, 1.0 / step as f64)]).unwrap();
    }
    monitor.finish().unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn a_warning_begins_with_its_step_and_code_and_names_options() {
    let dir = tempfile::tempdir().unwrap();
    let memory = Memory::new();
    // A square matrix that stands alone, with ten edges for each neuron.
    memory.set("a.weight", &[10, 10], values(100, 0)).unwrap();
    let path = dir.path().join("m-step0.safetensors");
    save(&path, &memory, &["a.weight"]).unwrap();
    let (path, out) = (path.to_str().unwrap(), dir.path().join("run"));
    let output = neuromfa(&["analyze", path, "--out", out.to_str().unwrap()]);
    let [_, said] = texts(&output);
    assert!(said.contains("and a neuron counts only with more than 10: no row can have a value\n"));
    let step = said.lines().find(|line| line.starts_with("neuromfa: warning: step 0, "));
    assert!(step.is_some_and(|line| !line.contains("step=") && !line.contains("code=")), "{said}");
    let inspected = neuromfa(&["inspect", path]);
    for text in [said, texts(&inspected)[0]] {
        assert!(
            !text.contains("::") && !text.contains("()") && !text.contains(".orient"),
            "{text}"
        );
    }
}

#[test]
fn names_move_no_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{HOSTILE}\nneuromfa: all is well");
    let path = checkpoint(dir.path(), &name);
    for more in [&[][..], &["--all"], &["--exclude", "*0.weight"]] {
        let shown = neuromfa(&[&["inspect", &path], more].concat());
        assert_plain(&shown);
        assert_eq!(shown.status.code(), Some(0), "{shown:?}");
        let [text, _] = texts(&shown);
        assert!(text.contains(&format!("{ESCAPED}\\nneuromfa: all is well.")), "{text}");
    }
    let json = neuromfa(&["inspect", "--json", &path]);
    assert_plain(&json);
    let network: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let read = network["connections"][0]["parameter"].as_str().unwrap();
    assert_eq!(read, format!("{name}.0.weight"));
    let refused = neuromfa(&["inspect", &path, "--include", &name]);
    assert_plain(&refused);
    assert_eq!(texts(&refused)[1].lines().count(), 1, "{refused:?}");
    let metric = HOSTILE.replace(char::is_control, "");
    let runs = ["a", HOSTILE].map(|folder| run(&dir.path().join(folder), "0.weight", &metric));
    for arguments in [
        &["show", &runs[0]][..],
        &["compare", &runs[0], &runs[1]],
        &["backtest", &runs[1], "--loss", &metric],
    ] {
        let shown = neuromfa(arguments);
        assert_plain(&shown);
        assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    }
    let analysed = neuromfa(&["analyze", &path, "--out", &runs[1], "--overwrite"]);
    assert_plain(&analysed);
    assert!(texts(&analysed)[0].contains(ESCAPED), "{analysed:?}");
    assert_plain(&neuromfa(&["show", &format!("{}/absent", runs[1])]));
}

#[test]
fn names_of_any_length_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    for length in [65_534, 65_535, 65_536, 200_000] {
        let name = "n".repeat(length);
        let shown = neuromfa(&["inspect", &checkpoint(dir.path(), &name)]);
        assert_eq!(shown.status.code(), Some(0), "{length}: {:?}", texts(&shown)[1]);
        let longest = texts(&shown)[0].lines().map(str::len).max();
        assert!(longest < Some(300), "{longest:?}");
        let folder = dir.path().join(length.to_string());
        let run = run(&folder, &format!("{name}.weight"), &name);
        for arguments in [&["show", &run][..], &["compare", &run, &run]] {
            let shown = neuromfa(arguments);
            assert_eq!(shown.status.code(), Some(0), "{length}: {:?}", texts(&shown)[1]);
            assert!(texts(&shown)[0].lines().all(|line| line.len() < 1000), "{arguments:?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let runs = ["a", "b"].map(|folder| run(&dir.path().join(folder), "0.weight", "loss"));
    let full = "cannot write /dev/full: No space left on device";
    for arguments in [
        &["compare", &runs[0], &runs[1], "--csv", "/dev/full"][..],
        &["backtest", &runs[0], "--loss", "loss", "--csv", "/dev/full"],
    ] {
        let refused = neuromfa(arguments);
        assert_eq!(refused.status.code(), Some(2));
        assert!(texts(&refused)[1].starts_with(&format!("neuromfa: {full}")), "{refused:?}");
        assert_eq!(texts(&refused)[1].matches("No space").count(), 1, "{refused:?}");
    }
    // A limit on the size of files, which is a full disk to the program.
    let limited = |more: &[&str], redirect: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\" {redirect}");
        let program = env!("CARGO_BIN_EXE_neuromfa");
        Command::new("sh").args(["-c", &script, program]).args(more).output().unwrap()
    };
    let out = dir.path().join("pages");
    let page = limited(&["report", &runs[0], "--out", out.to_str().unwrap()], "");
    assert_eq!(page.status.code(), Some(2), "{page:?}");
    let error =
        format!("neuromfa: cannot write {}: File too large", out.join("report.html").display());
    assert!(texts(&page)[1].starts_with(&error), "{page:?}");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "no part of a page is left");
    let whole = neuromfa(&["report", &runs[0], "--out", out.to_str().unwrap()]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let before = std::fs::read(out.join("report.html")).unwrap();
    let again = limited(&["report", &runs[1], "--out", out.to_str().unwrap()], "");
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert_eq!(std::fs::read(out.join("report.html")).unwrap(), before, "the page that was there");
    let shown = limited(&["show", &runs[0]], "> /dev/full");
    assert_eq!(shown.status.code(), Some(2), "{shown:?}");
    let error = "neuromfa: cannot write to standard output: No space left on device";
    assert!(texts(&shown)[1].starts_with(error), "{shown:?}");
    let nowhere = neuromfa(&["report", &runs[0], "--out", "/dev/null/pages"]);
    let error = "neuromfa: cannot make /dev/null/pages: Not a directory";
    assert!(texts(&nowhere)[1].starts_with(error), "{nowhere:?}");
}

#[test]
fn a_report_replaces_its_own_files_only() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(&dir.path().join("run"), "0.weight", "loss");
    let out = dir.path().join("pages");
    let report = || neuromfa(&["report", &run, "--html", "--svg", "--out", out.to_str().unwrap()]);
    for _ in 0..2 {
        assert_eq!(report().status.code(), Some(0), "its own are replaced");
    }
    let files = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.collect();
    assert!(files.len() > 3, "{files:?}");
    for path in files {
        std::fs::write(&path, "theirs").unwrap();
        let refused = report();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let error = texts(&refused)[1];
        assert!(error.contains(&format!("cannot replace {}", path.display())), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        std::fs::remove_file(&path).unwrap();
    }
}
