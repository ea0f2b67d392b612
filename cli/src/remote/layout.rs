//! Files of other machines as empty files of this one, for the rules that find checkpoints in folders.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::messages;

/// The folder of the empty files; it is removed in the end.
pub struct Layout {
    folder: TempDir,
}

impl Layout {
    /// An empty one.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("neuromfa-").tempdir();
        let folder = folder.context("cannot make a folder for the names of files")?;
        for scheme in ["http", "https", "s3"] {
            let here = folder.path().join(scheme).join("");
            messages::show_as(here.to_string_lossy().into_owned(), format!("{scheme}://"));
        }
        Ok(Self { folder })
    }

    /// Adds a file, and says where it lies here.
    pub fn add(&self, address: &str) -> anyhow::Result<PathBuf> {
        if !address.split_once("://").is_some_and(|(_, rest)| is_safe(rest)) {
            bail!("{address}: it is no address of a file");
        }
        let path = self.path(address);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        made.and_then(|()| std::fs::write(&path, [])).with_context(|| {
            format!("cannot lay out the name of {address} as {}", path.display())
        })?;
        Ok(path)
    }

    /// Where the file or folder of an address lies here.
    pub fn path(&self, address: &str) -> PathBuf {
        let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
        self.folder.path().join(scheme).join(rest)
    }

    /// The address of a file or folder here.
    pub fn address(&self, path: &Path) -> String {
        messages::shown(&path.to_string_lossy())
    }
}

/// Whether a path goes down only.
pub fn is_safe(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}
