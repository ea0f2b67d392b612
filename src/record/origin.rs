//! Where a run comes from: when, where and by which command it was begun.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Where a run comes from. What is not known is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Origin {
    /// When the run was begun, in UTC, as RFC 3339 has it: `2026-01-31T12:00:00Z`.
    pub begun: Option<String>,
    /// The machine's name.
    pub host: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The folder that it was started in.
    pub folder: Option<PathBuf>,
    /// The commit that is checked out in this folder, or in one above it: its hash.
    pub git: Option<String>,
    /// Of a run that was merged from shards: a hash of what they have.
    pub shards: Option<String>,
}

impl Origin {
    /// Of this process, now.
    pub fn now() -> Self {
        let folder = std::env::current_dir().ok();
        let command = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        Self {
            begun: Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
            host: host(),
            command: command.collect(),
            git: folder.as_deref().and_then(commit),
            folder,
            shards: None,
        }
    }
}

#[cfg(target_os = "linux")]
fn host() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

#[cfg(not(target_os = "linux"))]
fn host() -> Option<String> {
    std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")).ok()
}

/// The commit that is checked out in the repository of a folder. No program is started for it:
/// this runs in a training process.
fn commit(folder: &Path) -> Option<String> {
    let git = folder.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    // A work tree or a submodule has a file that leads to its folder.
    let git = match std::fs::read_to_string(&git) {
        Ok(text) => git.parent()?.join(text.strip_prefix("gitdir:")?.trim()),
        Err(_) => git,
    };
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return hash(&head) };
    let common = std::fs::read_to_string(git.join("commondir")).ok();
    let common = common.map_or_else(|| git.clone(), |text| git.join(text.trim()));
    let loose =
        [&git, &common].into_iter().find_map(|at| std::fs::read_to_string(at.join(name)).ok());
    if let Some(text) = loose {
        return hash(&text);
    }
    let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
    let line = packed.lines().find(|line| line.ends_with(&format!(" {name}")))?;
    hash(line.split(' ').next()?)
}

/// A full hash; nothing else that a file may hold.
fn hash(text: &str) -> Option<String> {
    let text = text.trim();
    let full = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    full.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    #[test]
    fn the_commit_is_found_from_a_folder_below() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let (git, below) = (dir.path().join("main/.git"), dir.path().join("main/src"));
        let tree = dir.path().join("tree");
        for folder in [&git.join("refs/heads"), &git.join("worktrees/tree"), &below, &tree] {
            create_dir_all(folder).unwrap();
        }
        assert_eq!(commit(&below), None);
        write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        write(git.join("packed-refs"), format!("# pack\n{a} refs/heads/main\n{b} refs/heads/x\n"))
            .unwrap();
        assert_eq!(commit(&below), Some(a.clone()));
        write(git.join("refs/heads/main"), format!("{b}\n")).unwrap();
        assert_eq!(commit(&below), Some(b.clone()));
        // A work tree: its own HEAD, the branches of the repository.
        write(tree.join(".git"), "gitdir: ../main/.git/worktrees/tree\n").unwrap();
        write(git.join("worktrees/tree/HEAD"), "ref: refs/heads/x\n").unwrap();
        write(git.join("worktrees/tree/commondir"), "../..\n").unwrap();
        assert_eq!(commit(&tree), Some(b));
        // A commit without a branch; and no commit at all.
        write(git.join("HEAD"), &a).unwrap();
        assert_eq!(commit(&below), Some(a));
        write(git.join("HEAD"), "not a hash\n").unwrap();
        assert_eq!(commit(&below), None);
    }
}
