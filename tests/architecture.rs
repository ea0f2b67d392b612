//! The import rules of docs/architecture.md.

#[path = "architecture/imports.rs"]
mod imports;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imports::{Modules, cycles};

/// Each module with the modules that it may use.
const RULE: [(&str, &[&str]); 13] = [
    ("mfa", &[]),
    ("counting", &["mfa"]),
    ("network", &["mfa"]),
    ("stop", &[]),
    ("source", &["network", "mfa"]),
    ("group", &["source", "network", "mfa"]),
    ("analysis", &["source", "network", "counting", "mfa"]),
    ("record", &["stop", "analysis", "network", "mfa"]),
    ("error", &["record", "stop", "analysis", "source", "network", "mfa"]),
    ("pipeline", &["record", "stop", "analysis", "source", "network", "mfa", "error"]),
    (
        "monitor",
        &["pipeline", "record", "stop", "analysis", "group", "source", "network", "mfa", "error"],
    ),
    ("replay", &["pipeline", "record", "analysis", "source", "network", "mfa", "error"]),
    ("backtest", &["pipeline", "record", "stop", "analysis", "network", "mfa"]),
];

/// The same for the command.
const COMMAND: [(&str, &[&str]); 14] = [
    ("arrivals", &["steps"]),
    ("compare", &[]),
    ("libtorch", &[]),
    ("messages", &["wording"]),
    ("output", &["wording"]),
    ("remote", &["steps", "messages"]),
    ("steps", &[]),
    ("threads", &[]),
    ("wording", &[]),
    ("self_check", &["threads"]),
    ("sensitivity", &["threads"]),
    ("watch", &["arrivals", "steps"]),
    ("report", &["compare", "sensitivity", "wording"]),
    (
        "command",
        &[
            "report",
            "watch",
            "compare",
            "remote",
            "sensitivity",
            "self_check",
            "libtorch",
            "output",
            "steps",
        ],
    ),
];

/// Files that may name tch: the live source, and the edge of the monitor that takes a VarStore.
const TCH: [&str; 5] = [
    "source/tch_varstore.rs",
    "source/tch_values.rs",
    "source/mod.rs",
    "monitor/attach.rs",
    "lib.rs",
];

/// A folder of this repository.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

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

/// Lines of code of a folder, with their files; comments and tests' own files left out.
fn code(src: &str) -> Vec<(String, String)> {
    let src = folder(src);
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
    check_imports("src", &RULE);
    check_imports("cli/src", &COMMAND);
}

fn check_imports(src: &str, rule: &[(&str, &[&str])]) {
    let mut checked = 0;
    for (file, line) in code(src) {
        let module = file.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = rule.iter().find(|(name, _)| *name == module) else { continue };
        for (_, used) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + 7)) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(used == module || allowed.contains(&used), "{src}/{file} uses {used}: {line}");
            checked += 1;
        }
    }
    assert!(checked > 20, "the imports were found");
}

#[test]
fn every_module_has_its_rule() {
    for (src, rule) in [("src", &RULE[..]), ("cli/src", &COMMAND[..])] {
        for entry in std::fs::read_dir(folder(src)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let known = rule.iter().any(|(module, _)| *module == name);
            assert!(known || ["lib", "main"].contains(&name), "{name} has no rule");
        }
    }
}

#[test]
fn tch_is_named_at_the_edge_only() {
    let mut named = Vec::new();
    for (file, line) in code("src") {
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
    let src = folder("src");
    for path in sources(&src) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&src).unwrap().display().to_string();
        let unsafe_here = |line: &&str| line.contains("unsafe {") || line.contains("unsafe impl");
        let blocks = text.lines().filter(unsafe_here).count();
        if blocks > 0 {
            let known = [
                "counting/kernel/avx2.rs",
                "counting/kernel/avx512.rs",
                "group/mpi.rs",
                "source/mapped.rs",
                "source/tch_values.rs",
            ];
            assert!(known.contains(&name.as_str()), "{name}");
            assert_eq!(text.matches("// SAFETY").count(), blocks, "{name}");
        }
    }
}

#[test]
fn no_file_imports_itself_through_others() {
    for src in ["src", "cli/src"] {
        let modules = Modules::read(&folder(src), &sources(&folder(src)));
        let imports = modules.imports();
        assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 100, "{src}: imports found");
        let cycles = cycles(&imports);
        assert!(cycles.is_empty(), "import cycles in {src}:\n{}", cycles.join("\n"));
    }
}

/// The files of a module in the order of the table in docs/architecture.md. A name that ends with a
/// slash is the folder of those that come after it in its row.
fn order(module: &str) -> Vec<String> {
    let page = std::fs::read_to_string(folder("docs/architecture.md")).unwrap();
    let table = page.split_once("| layer | files |\n|---|---|\n").expect("the table is there").1;
    let mut order = Vec::new();
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let mut within = format!("{module}/");
        for name in row.split('`').skip(1).step_by(2) {
            match name.ends_with('/') {
                true => within += name,
                false => order.push(format!("{within}{name}.rs")),
            }
        }
    }
    order
}

#[test]
fn files_of_analysis_import_those_before_them_in_the_table() {
    let modules = Modules::read(&folder("src"), &sources(&folder("src")));
    let (imports, order) = (modules.imports(), order("analysis"));
    let place = |file: &str| order.iter().position(|listed| listed == file);
    for (file, imported) in imports {
        if !file.starts_with("analysis/") || file.ends_with("/mod.rs") {
            continue;
        }
        let own = place(file).unwrap_or_else(|| panic!("{file} is not in the table"));
        for used in imported.into_iter().filter(|used| used.starts_with("analysis/")) {
            let before = place(used).is_some_and(|place| place < own);
            assert!(before, "src/{file} uses {used}, which does not stand before it");
        }
    }
    let missing = order.iter().find(|listed| !folder("src").join(listed).is_file());
    assert_eq!(missing, None, "a file of the table is not there");
}
