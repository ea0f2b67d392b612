//! The import rule of docs/architecture.md.

use std::path::{Path, PathBuf};

/// Each room with the rooms that it may use.
const RULE: [(&str, &[&str]); 15] = [
    ("mfa", &[]),
    ("network", &["mfa"]),
    ("stop", &[]),
    ("source", &["network", "mfa"]),
    ("analysis", &["source", "network", "mfa"]),
    ("record", &["stop", "analysis", "network", "mfa"]),
    ("pipeline", &["record", "stop", "analysis", "source", "network", "mfa", "error"]),
    ("monitor", &["pipeline", "record", "stop", "analysis", "source", "network", "mfa", "error"]),
    ("replay", &["pipeline", "record", "analysis", "source", "network", "mfa", "error"]),
    ("watch", &["replay", "record", "source", "error"]),
    ("compare", &["record"]),
    ("sensitivity", &["pipeline", "analysis", "source", "network", "mfa", "error"]),
    ("self_check", &["pipeline", "analysis", "source", "network", "mfa", "error"]),
    ("backtest", &["pipeline", "record", "stop", "analysis", "network", "mfa"]),
    (
        "report",
        &["backtest", "compare", "stop", "sensitivity", "record", "analysis", "network", "mfa"],
    ),
];

/// Files that may name tch: the live source, what is told of libtorch, and the edge of the monitor that takes a VarStore.
const TCH: [&str; 5] = [
    "source/tch_varstore.rs",
    "source/tch_info.rs",
    "source/mod.rs",
    "monitor/builder.rs",
    "lib.rs",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// Lines of code, with their files; comments and tests' own files left out.
fn code() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    for path in sources(&src) {
        let name = path.strip_prefix(&src).unwrap().display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().take_while(|line| *line != "mod tests {");
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            lines.push((name.clone(), line.to_owned()));
        }
    }
    lines
}

#[test]
fn imports_point_one_way() {
    let mut checked = 0;
    for (file, line) in code() {
        let room = file.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = RULE.iter().find(|(name, _)| *name == room) else { continue };
        for (_, used) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + 7)) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(used == room || allowed.contains(&used), "src/{file} uses {used}: {line}");
            checked += 1;
        }
    }
    assert!(checked > 50, "the imports were found");
}

#[test]
fn every_room_has_its_rule() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = RULE.iter().any(|(room, _)| *room == name);
        assert!(known || ["lib", "error", "bin"].contains(&name.as_str()), "{name} has no rule");
    }
}

#[test]
fn tch_is_named_at_the_edge_only() {
    let mut named = Vec::new();
    for (file, line) in code() {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '"');
        if words.into_iter().any(|word| word == "tch") {
            assert!(TCH.contains(&file.as_str()), "src/{file} names tch: {line}");
            named.push(file);
        }
    }
    assert!(named.iter().any(|file| file == TCH[0]), "the live source was looked at");
}

#[test]
fn unsafe_code_is_in_few_files_each_block_with_its_reason() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&src) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&src).unwrap().display().to_string();
        let blocks = text.lines().filter(|line| line.contains("unsafe {")).count();
        if blocks > 0 {
            let known = [
                "mfa/kernel/avx2.rs",
                "mfa/kernel/avx512.rs",
                "source/mapped.rs",
                "source/tch_varstore.rs",
            ];
            assert!(known.contains(&name.as_str()), "{name}");
            assert_eq!(text.matches("SAFETY:").count(), blocks, "{name}");
        }
    }
}
