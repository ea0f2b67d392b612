//! The public surface is what tests/public_surface.txt lists: a name that is added or removed shows
//! there. After a change that is meant, `ACCEPT_SURFACE=1 cargo test --test public_surface` writes
//! the list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Words that begin a public item.
const ITEMS: [&str; 7] =
    ["pub struct ", "pub enum ", "pub trait ", "pub fn ", "pub const ", "pub type ", "pub static "];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The name at the beginning of a text.
fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The names of a file's `pub use`, each with the module that it comes from, and of its items.
fn names(text: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for used in text.split("\npub use ").skip(1).map(|rest| &rest[..rest.find(';').unwrap()]) {
        let (module, listed) = used.rsplit_once("::").unwrap_or(("", used));
        for each in listed.trim_matches(['{', '}']).split(',').map(str::trim) {
            assert_ne!(each, "*", "a glob says nothing: {used}");
            names.extend((!each.is_empty()).then(|| (module.to_owned(), each.to_owned())));
        }
    }
    let own = |line: &str| ITEMS.iter().find_map(|item| line.strip_prefix(item)).map(name);
    names.extend(text.lines().filter_map(own).map(|name| (String::new(), name)));
    names
}

/// The text of a module: its file, or all files of its folder.
fn text_of(module: &str) -> String {
    let file = root(&format!("src/{module}.rs"));
    let mut text = if file.is_file() { read(&file) } else { String::new() };
    let mut folders = vec![root(&format!("src/{module}"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => text += &read(&path),
            }
        }
    }
    text
}

/// The public methods with their signatures, the fields and the variants of a type of a module.
/// Those of an alias are what the module adds to the type that it stands for.
fn members(text: &str, of: &str) -> Vec<String> {
    let alias = text.split(&format!("\npub type {of} = ")).nth(1).map(name);
    let of = alias.as_deref().unwrap_or(of);
    let mut members = Vec::new();
    let mut inside = "";
    let (mut hidden, mut can_grow) = (false, false);
    let lines: Vec<&str> = text.lines().collect();
    for (k, line) in lines.iter().enumerate() {
        let head = line.strip_prefix("impl").unwrap_or(line);
        let generic = |head: &str| head.starts_with('<').then(|| head.find("> ")).flatten();
        let head = generic(head).map_or(head, |end| &head[end + 1..]).trim_start();
        let head = ITEMS[..3].iter().find_map(|item| line.strip_prefix(item)).unwrap_or(head);
        match *line {
            "}" => inside = "",
            _ if line.starts_with([' ', '}']) => {}
            _ if line.ends_with('{') && name(head) == of && !line.contains(" for ") => {
                inside = match line.split_once(' ') {
                    Some(("pub", rest)) if rest.starts_with("enum") => "enum",
                    Some(("pub", rest)) if rest.starts_with("trait") => "trait",
                    Some(("pub", _)) => ".",
                    _ => "::",
                };
                members.extend((can_grow && inside != "::").then(|| " can grow".to_owned()));
            }
            _ => {}
        }
        let member = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' '));
        let member = member.filter(|_| !hidden);
        let signature = || {
            let ends = |line: &&&str| line.ends_with(['{', ';', ',']);
            let last = match lines[k].ends_with('(') {
                true => lines[k..].iter().position(|line| line.starts_with("    )")),
                false => lines[k..].iter().take(1).position(|line| ends(&line)),
            };
            let text: Vec<&str> =
                lines[k..=k + last.unwrap_or(0)].iter().map(|l| l.trim()).collect();
            text.join(" ").trim_end_matches([' ', '{', ';', ',']).to_owned()
        };
        match (inside, member) {
            ("enum", Some(variant)) if variant.starts_with(char::is_uppercase) => {
                members.push(format!("::{}", name(variant)));
            }
            ("trait", Some(method)) if method.starts_with("fn ") => {
                members.push(format!("::{}", signature()));
            }
            ("::" | ".", Some(member)) if member.starts_with("pub ") => {
                members.push(format!("{inside}{}", signature().trim_start_matches("pub ")));
            }
            _ => {}
        }
        hidden = line.trim() == "#[doc(hidden)]";
        can_grow = *line == "#[non_exhaustive]" || can_grow && line.starts_with("#[");
    }
    members
}

#[test]
fn the_public_surface_is_the_listed_one() {
    let lib = read(&root("src/lib.rs"));
    let lib = lib.split("#[doc(hidden)]").next().unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut items: Vec<(String, String, String)> = Vec::new(); // path, module, name
    items.extend(names(lib).into_iter().map(|(module, name)| (String::new(), module, name)));
    for module in modules {
        let folder = root(&format!("src/{module}/mod.rs"));
        let file = if folder.is_file() { folder } else { root(&format!("src/{module}.rs")) };
        let path = format!("{module}::");
        let of_module = names(&read(&file)).into_iter();
        items.extend(of_module.map(|(_, name)| (path.clone(), module.to_owned(), name)));
    }
    let mut surface = BTreeSet::new();
    for (path, module, name) in items {
        let members = members(&text_of(&module), &name);
        surface.extend(members.into_iter().map(|member| format!("{path}{name}{member}")));
        surface.insert(format!("{path}{name}"));
    }
    let listing = root("tests/public_surface.txt");
    if std::env::var_os("ACCEPT_SURFACE").is_some() {
        let lines: String = surface.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&listing, lines).unwrap();
    }
    let listed: BTreeSet<String> = read(&listing).lines().map(str::to_owned).collect();
    let differ: Vec<&String> = surface.symmetric_difference(&listed).collect();
    assert!(differ.is_empty(), "public, or listed, and not both: {differ:#?}");
}
