//! Ranges of files that are kept on this machine: a folder for each version of a file.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

/// The kept ranges of one version of a file.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Of the file and version with this key.
    pub fn new(folder: &Path, key: &str) -> Self {
        let hash = XxHash3_128::oneshot(key.as_bytes());
        Self { folder: folder.join(format!("{hash:032x}")) }
    }

    fn path(&self, range: &Range<u64>) -> PathBuf {
        self.folder.join(format!("{}-{}", range.start, range.end))
    }

    /// The bytes of a range, if they are kept.
    pub fn get(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.path(range)).ok()?;
        (bytes.len() as u64 == range.end - range.start).then_some(bytes)
    }

    /// Keeps the bytes of a range.
    pub fn put(&self, range: &Range<u64>, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(range);
        let new = path.with_extension(format!("new-{}", std::process::id()));
        std::fs::create_dir_all(&self.folder)
            .and_then(|()| std::fs::write(&new, bytes))
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|e| {
                let _ = std::fs::remove_file(&new);
                let text = format!("cannot keep it in {} (--cache): {e}", path.display());
                io::Error::new(e.kind(), text)
            })
    }
}
