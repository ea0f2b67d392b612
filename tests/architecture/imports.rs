//! Which files of a package import each other.
//!
//! An import is a path, in a `use` or anywhere else, that names something another file defines. What a
//! module exports again counts as an import of the file that defines it. Test modules are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// `super::super::a::B` as its segments.
type Names = Vec<String>;

/// The modules of a package, test modules left out.
pub struct Modules(BTreeMap<Names, Module>);

#[derive(Default)]
struct Module {
    file: String,
    /// Names that `use` brings into scope, each with its path.
    uses: BTreeMap<String, Names>,
    /// Modules whose names are all in scope.
    globs: Vec<Names>,
    /// Paths, those of `use` too.
    paths: BTreeSet<Names>,
}

impl Modules {
    /// Of these files of a package.
    pub fn read(src: &Path, files: &[PathBuf]) -> Self {
        let (mut modules, mut tests) = (Self(BTreeMap::new()), BTreeSet::new());
        for path in files {
            let file = path.strip_prefix(src).unwrap().display().to_string();
            let mut name: Names = file[..file.len() - 3].split('/').map(str::to_owned).collect();
            name.pop_if(|name| ["mod", "lib", "main"].contains(&name.as_str()));
            let mut code = tokens(&std::fs::read_to_string(path).unwrap());
            tests.extend(cut_tests(&mut code).into_iter().map(|test| inner(&name, &test)));
            modules.add(name, &file, &code);
        }
        modules.0.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        modules
    }

    fn add(&mut self, name: Names, file: &str, code: &[String]) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let mut at = 0;
        while at < code.len() {
            match &code[at..] {
                [word, ..] if word == "use" => at = module.read_use(code, at + 1, &[]),
                [word, inline, open, ..] if word == "mod" && open == "{" => {
                    let end = item_end(code, at);
                    self.add(inner(&name, inline), file, &code[at + 3..end - 1]);
                    at = end;
                }
                _ => at = module.read_path(code, at),
            }
        }
        self.0.insert(name, module);
    }

    /// The files that each file imports.
    pub fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, module) in &self.0 {
            let mut files: BTreeSet<_> =
                module.paths.iter().filter_map(|path| self.file(name, path)).collect();
            for path in &module.globs {
                files.extend(self.module(name, path).map(|of| self.0[&of].file.as_str()));
            }
            files.remove(module.file.as_str());
            imports.entry(&module.file).or_default().extend(files);
        }
        imports
    }

    /// The file that defines what `path` names in `module`: names that a module imports or exports
    /// again are followed to their definition. `None` for other packages, and for a module itself.
    fn file(&self, module: &[String], path: &[String]) -> Option<&str> {
        let (last, before) = path.split_last()?;
        let at = self.module(module, before);
        if at.is_none() && !before.is_empty() {
            return self.file(module, before); // an item of an item
        }
        self.definition(&at?, last, before.is_empty())
    }

    /// The file that defines a name which is in scope in `module`.
    fn definition(&self, module: &[String], name: &str, local: bool) -> Option<&str> {
        let found = &self.0[module];
        if let Some(path) = self.used(module, name) {
            return self.file(module, path);
        }
        let mut globs = found.globs.iter().filter_map(|path| self.module(module, path));
        let through_globs = globs.find_map(|of| {
            self.used(&of, name)?;
            Some(self.definition(&of, name, false))
        });
        let is_module = self.0.contains_key(&inner(module, name)) || is_root(name);
        let here = (!is_module && !local).then_some(found.file.as_str());
        through_globs.unwrap_or(here)
    }

    /// The path by which a module has `name`; `anyhow::anyhow` is no path of this package.
    fn used(&self, module: &[String], name: &str) -> Option<&Names> {
        let path = self.0[module].uses.get(name)?;
        (path[0] != name || self.0.contains_key(&inner(module, name))).then_some(path)
    }

    /// The module that `path` names in `module`, if it is one of this package.
    fn module(&self, module: &[String], path: &[String]) -> Option<Names> {
        let mut at = module.to_vec();
        for name in path {
            match name.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ if self.0.contains_key(&inner(&at, name)) => at.push(name.clone()),
                _ => {
                    at = self.module(&at, self.used(&at, name)?)?;
                }
            }
        }
        Some(at)
    }
}

impl Module {
    /// Notes the path that begins at `at`, if one does; returns where to read on.
    fn read_path(&mut self, code: &[String], mut at: usize) -> usize {
        let begin = at;
        while is_name(&code[at]) && code.get(at + 1).is_some_and(|next| next == "::") {
            at += 2;
        }
        if at > begin {
            let end = if is_name(&code[at]) { at } else { at - 1 };
            self.paths.insert(code[begin..=end].iter().step_by(2).cloned().collect());
        }
        at + 1
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
                "*" => {
                    self.globs.push(path);
                    return at + 1;
                }
                "," | ";" | "}" | "as" => break,
                "::" => {}
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

fn inner(module: &[String], name: &str) -> Names {
    [module, &[name.to_owned()]].concat()
}

fn is_root(name: &str) -> bool {
    ["crate", "self", "super"].contains(&name)
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
        let end = item_end(code, begin + mark.len());
        if let [.., before, name, semicolon] = &code[begin..end]
            && (before.as_str(), semicolon.as_str()) == ("mod", ";")
        {
            modules.push(name.clone());
        }
        code.drain(begin..end);
    }
    modules
}

/// Where the item ends that begins at `at`.
fn item_end(code: &[String], mut at: usize) -> usize {
    let mut depth = 0;
    loop {
        match code[at].as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 && ["}", ";"].contains(&code[at - 1].as_str()) {
            return at;
        }
    }
}

/// Files that import each other, over others or at once: a line for each such set, with its imports.
pub fn cycles(imports: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
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

#[test]
fn imports_are_followed_to_the_defining_file() {
    let mut modules = Modules(BTreeMap::new());
    let mut add = |file: &str, name: &[&str], code| {
        let name = name.iter().map(|name| (*name).to_owned()).collect();
        let mut code = tokens(code);
        cut_tests(&mut code);
        modules.add(name, file, &code);
    };
    add("lib.rs", &[], "mod a; mod d; pub use a::all::*;");
    add(
        "a/mod.rs",
        &["a"],
        "mod b; mod c; pub(crate) use c::C; pub mod all { pub use super::b::{B as E, f}; }",
    );
    add("a/b.rs", &["a", "b"], "use super::C; pub struct B(C); const S: &str = \"crate::d::D\"");
    add(
        "a/c.rs",
        &["a", "c"],
        "fn g() { crate::d::h::<'a'>() } #[cfg(test)] mod tests { use super::super::b::B; }",
    );
    add("d.rs", &["d"], "use std::fmt; use crate::{E, a}; fn h() { let x: a::C; fmt::format() }");
    let imports = modules.imports();
    let of = |file| imports[file].iter().copied().collect::<Vec<_>>();
    assert_eq!(of("a/b.rs"), ["a/c.rs"]);
    assert_eq!(of("a/c.rs"), ["d.rs"]);
    assert_eq!(of("d.rs"), ["a/b.rs", "a/c.rs"]);
    let found = cycles(&imports);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("3 files:"), "{}", found[0]);
}
