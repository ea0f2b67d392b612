//! The import rules of docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may use.
const RULE: [(&str, &[&str]); 10] = [
    ("mfa", &[]),
    ("network", &["mfa"]),
    ("stop", &[]),
    ("source", &["network", "mfa"]),
    ("analysis", &["source", "network", "mfa"]),
    ("record", &["stop", "analysis", "network", "mfa"]),
    ("pipeline", &["record", "stop", "analysis", "source", "network", "mfa", "error"]),
    ("monitor", &["pipeline", "record", "stop", "analysis", "source", "network", "mfa", "error"]),
    ("replay", &["pipeline", "record", "analysis", "source", "network", "mfa", "error"]),
    ("backtest", &["pipeline", "record", "stop", "analysis", "network", "mfa"]),
];

/// The same of the command.
const COMMAND: [(&str, &[&str]); 10] = [
    ("arrivals", &[]),
    ("compare", &[]),
    ("libtorch", &[]),
    ("output", &[]),
    ("threads", &[]),
    ("self_check", &["threads"]),
    ("sensitivity", &["threads"]),
    ("watch", &["arrivals"]),
    ("report", &["compare", "sensitivity"]),
    ("command", &["report", "watch", "compare", "sensitivity", "self_check", "libtorch", "output"]),
];

/// Files that may name tch: the live source, and the edge of the monitor that takes a VarStore.
const TCH: [&str; 4] = ["source/tch_varstore.rs", "source/mod.rs", "monitor/builder.rs", "lib.rs"];

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
        let room = file.split(['/', '.']).next().unwrap();
        let Some((_, allowed)) = rule.iter().find(|(name, _)| *name == room) else { continue };
        for (_, used) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + 7)) {
            let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            assert!(used == room || allowed.contains(&used), "{src}/{file} uses {used}: {line}");
            checked += 1;
        }
    }
    assert!(checked > 20, "the imports were found");
}

#[test]
fn every_room_has_its_rule() {
    for (src, rule) in [("src", &RULE[..]), ("cli/src", &COMMAND[..])] {
        for entry in std::fs::read_dir(folder(src)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let known = rule.iter().any(|(room, _)| *room == name);
            assert!(known || ["lib", "error", "main"].contains(&name), "{name} has no rule");
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

/// Cycles that are still to be broken.
const KNOTTED: [&str; 8] =
    ["analysis/", "mfa/", "monitor/", "network/", "pipeline/", "record/", "source/", "stop/"];

#[test]
fn no_file_imports_itself_through_others() {
    for src in ["src", "cli/src"] {
        let modules = Modules::read(&folder(src));
        let imports = modules.imports();
        assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 100, "{src}: imports found");
        let mut cycles = cycles(&imports);
        cycles.retain(|cycle| !KNOTTED.iter().any(|place| cycle.contains(place)));
        assert!(cycles.is_empty(), "import cycles in {src}:\n{}", cycles.join("\n"));
    }
}

/// `super::super::a::B` as its segments.
type Names = Vec<String>;

/// The modules of a package, test modules left out.
struct Modules(BTreeMap<Names, Module>);

/// A file: its module.
struct Module {
    file: String,
    /// Names that `use` brings into scope, each with its path.
    uses: BTreeMap<String, Names>,
    /// Paths, those of `use` too.
    paths: BTreeSet<Names>,
}

impl Modules {
    fn read(src: &Path) -> Self {
        let (mut modules, mut tests) = (BTreeMap::new(), BTreeSet::new());
        for path in sources(src) {
            let file = path.strip_prefix(src).unwrap().display().to_string();
            let mut module: Names = file[..file.len() - 3].split('/').map(str::to_owned).collect();
            module.pop_if(|name| ["mod", "lib", "main"].contains(&name.as_str()));
            let mut code = tokens(&std::fs::read_to_string(&path).unwrap());
            for name in cut_tests(&mut code) {
                tests.insert([&module[..], &[name]].concat());
            }
            let mut found = Module { file, uses: BTreeMap::new(), paths: BTreeSet::new() };
            found.read(&code);
            modules.insert(module, found);
        }
        modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Self(modules)
    }

    /// The files that each file imports.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let of_module = |(name, module): (&Names, &'_ Module)| {
            let files = module.paths.iter().filter_map(|path| self.file(name, path));
            files.filter(|file| *file != module.file).collect()
        };
        self.0.iter().map(|found| (found.1.file.as_str(), of_module(found))).collect()
    }

    /// The file that defines what `path` names in `module`: names that a module imports or exports
    /// again are followed to their definition. `None` for other packages, and for a module itself.
    fn file(&self, module: &[String], path: &[String]) -> Option<&str> {
        let mut at = module.to_vec();
        for (i, name) in path.iter().enumerate() {
            let last = i + 1 == path.len();
            let inner = [&at[..], std::slice::from_ref(name)].concat();
            match (name.as_str(), self.0[&at].uses.get(name)) {
                ("crate", _) => at.clear(),
                ("self", _) => {}
                ("super", _) => drop(at.pop()),
                (_, Some(used)) if (last || !self.0.contains_key(&inner)) && used != path => {
                    return self.file(&at, &[&used[..], &path[i + 1..]].concat());
                }
                _ if self.0.contains_key(&inner) => at = inner,
                _ if i == 0 => return None,
                _ => return Some(&self.0[&at].file),
            }
        }
        None
    }
}

impl Module {
    fn read(&mut self, code: &[String]) {
        let mut at = 0;
        while at < code.len() {
            if code[at] == "use" {
                at = self.read_use(code, at + 1, &[]);
                continue;
            }
            let begin = at;
            while is_name(&code[at]) && code.get(at + 1).is_some_and(|next| next == "::") {
                at += 2;
            }
            if at > begin {
                let end = if is_name(&code[at]) { at } else { at - 1 };
                self.paths.insert(code[begin..=end].iter().step_by(2).cloned().collect());
            }
            at += 1;
        }
    }

    /// Reads a tree of `use` from `at` on; returns where it ends.
    fn read_use(&mut self, code: &[String], mut at: usize, before: &[String]) -> usize {
        let mut path = before.to_vec();
        loop {
            match code[at].as_str() {
                "{" => {
                    while code[at] != "}" {
                        at = self.read_use(code, at + 1, &path);
                    }
                    return at + 1;
                }
                "," | ";" | "}" | "as" => break,
                "::" => {}
                "*" => drop(path.push("*".to_owned())),
                "self" if !path.is_empty() => {}
                name => path.push(name.to_owned()),
            }
            at += 1;
        }
        if path.len() > before.len() || code[at - 1] == "self" {
            let renamed = code[at] == "as";
            let name = if renamed { &code[at + 1] } else { path.last().unwrap() };
            if path.len() > 1 {
                self.uses.insert(name.clone(), path.clone());
            }
            self.paths.insert(path);
            at += if renamed { 2 } else { 0 };
        }
        at
    }
}

/// Names, `::` and other characters of a program; comments and the insides of strings left out.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let raw = rest.strip_prefix("br").or(rest.strip_prefix('r')).unwrap_or_default();
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let begin = rest.len() - raw.len() + hashes + 1;
            begin + rest[begin..].find(&end).unwrap() + end.len()
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            // A lifetime, or a character.
            let next = rest.chars().nth(2);
            if rest[1..].starts_with('\\') || next == Some('\'') { quoted(rest) } else { 1 }
        } else if is_name(rest) {
            let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..name].to_owned());
            name
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the string or character at the beginning of `text`.
fn quoted(text: &str) -> usize {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next().unwrap();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return at + 1;
        } else if c == '\\' {
            chars.next();
        }
    }
    panic!("a string without its end");
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Takes items out that only tests have; returns the modules that lie in other files.
fn cut_tests(code: &mut Vec<String>) -> Vec<String> {
    let (mark, mut modules) = (["#", "[", "cfg", "(", "test", ")", "]"], Vec::new());
    while let Some(begin) = code.windows(mark.len()).position(|w| w == mark) {
        let (mut end, mut depth) = (begin + mark.len(), 0);
        loop {
            match code[end].as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            end += 1;
            if depth == 0 && ["}", ";"].contains(&code[end - 1].as_str()) {
                break;
            }
        }
        if let [.., before, name, semicolon] = &code[begin..end]
            && (before.as_str(), semicolon.as_str()) == ("mod", ";")
        {
            modules.push(name.clone());
        }
        code.drain(begin..end);
    }
    modules
}

/// Files that import each other, over others or at once: a line for each such set, with its imports.
fn cycles(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let mut reached = imports.clone();
    for between in imports.keys() {
        let beyond = reached[between].clone();
        for files in reached.values_mut().filter(|files| files.contains(between)) {
            files.extend(&beyond);
        }
    }
    let (mut cycles, mut seen) = (Vec::new(), BTreeSet::new());
    for (file, files) in reached.iter().filter(|(file, files)| files.contains(*file)) {
        let knot: BTreeSet<_> = files.iter().filter(|f| reached[*f].contains(file)).collect();
        if seen.insert(knot.clone()) {
            let mut text = format!("{} files:", knot.len());
            for from in &knot {
                let to: Vec<_> = imports[**from].iter().filter(|to| knot.contains(to)).collect();
                text += &format!("\n    {from} -> {to:?}");
            }
            cycles.push(text);
        }
    }
    cycles
}
