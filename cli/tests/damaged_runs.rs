//! A run with a damaged row is not shown as if it ended there; `neuromfa repair` drops that row.

#[path = "../../tests/loops/mod.rs"]
mod loops;

use std::path::Path;
use std::process::{Command, Output};

use loops::interrupted::{builder, complete};

fn neuromfa(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_neuromfa")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Damages a row, and returns the text without it.
fn damage(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let damaged = format!("x{}", lines[4]);
    lines[4] = &damaged;
    std::fs::write(file, lines.concat()).unwrap();
    lines.remove(4);
    lines.concat()
}

#[test]
fn readers_fail_and_a_repair_helps() {
    let dir = tempfile::tempdir().unwrap();
    let [run, other] = ["run", "other"].map(|name| dir.path().join(name));
    complete(builder(&run), 30);
    complete(builder(&other), 30);
    let out = dir.path().join("pages");
    let [path, other, out] = [&run, &other, &out].map(|path| path.to_str().unwrap());
    let readers: [&[&str]; 5] = [
        &["show", path],
        &["show", "--json", path],
        &["compare", other, path],
        &["backtest", path],
        &["report", path, "--out", out],
    ];
    for (name, most) in [("emergence.csv", 5), ("metrics.csv", 3), ("layers.csv", 2)] {
        let repaired = damage(&run.join(name));
        let mut failed = 0;
        for reader in &readers {
            let output = neuromfa(reader);
            let error = text(&output.stderr);
            if output.status.code() != Some(0) {
                assert_eq!(output.status.code(), Some(1), "{reader:?}: {error}");
                assert!(text(&output.stdout).is_empty(), "{reader:?}");
                let place = format!("line 5 of {}", run.join(name).display());
                assert!(error.contains(&place) && error.contains("\"x"), "{error}");
                assert!(error.contains(&format!("neuromfa repair {path}")), "{error}");
                assert_eq!(error.lines().count(), 1, "{error}");
                failed += 1;
            }
        }
        assert_eq!(failed, most, "{name}: the readers of this table");
        let mended = neuromfa(&["repair", path]);
        assert_eq!(mended.status.code(), Some(0), "{mended:?}");
        let said = text(&mended.stdout);
        assert!(said.contains("1 damaged row dropped (line 5: ") && said.contains(name), "{said}");
        assert_eq!(std::fs::read_to_string(run.join(name)).unwrap(), repaired);
        assert!(run.join(format!("{name}.damaged")).exists());
    }
    for reader in readers {
        assert_eq!(neuromfa(reader).status.code(), Some(0), "{reader:?}");
    }
    let again = neuromfa(&["repair", path]);
    assert_eq!(text(&again.stdout), format!("{path}: no damaged rows\n"));
    let nowhere = neuromfa(&["repair", dir.path().to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(2), "{nowhere:?}");
    assert!(text(&nowhere.stderr).contains("is it a run's folder?"), "{nowhere:?}");
    assert!(!dir.path().join(".lock").exists(), "nothing is written there");
}
