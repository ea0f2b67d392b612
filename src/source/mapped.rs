//! The bytes of a file: memory-mapped, in memory, or on another machine.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytemuck::{AnyBitPattern, NoUninit};
use memmap2::Mmap;

use super::remote::{Ranges, RemoteFile};
use super::stored::Stored;
use super::{SourceError, Tensor};

/// Files up to this length are copied into memory.
const IN_MEMORY: u64 = 64 << 20;

/// The bytes of a file.
#[derive(Debug)]
pub(super) enum Mapped {
    /// Only the parts that were read take memory.
    Map(Mmap),
    /// In memory: what another process does to the file does not matter.
    Read(Vec<u8>),
    /// On another machine; of its bytes here, only the outline is there.
    Remote(RemoteFile),
}

impl Mapped {
    /// Reads a file into memory.
    pub(super) fn read(path: &Path) -> Result<Self, SourceError> {
        let mut bytes = Vec::new();
        let read = file(path)?.read_to_end(&mut bytes);
        read.map_err(|e| SourceError::file(path, e))?;
        Ok(Self::Read(bytes))
    }

    /// Copies a file: a small one into memory, a larger one into a file in this folder that nobody else
    /// has, which is mapped.
    pub(super) fn copied(path: &Path, folder: &Path) -> Result<Self, SourceError> {
        static COPIES: AtomicUsize = AtomicUsize::new(0);
        let unreadable = |e: std::io::Error| SourceError::file(path, e);
        let mut from = file(path)?;
        if from.metadata().map_err(unreadable)?.len() <= IN_MEMORY || !cfg!(unix) {
            return Self::read(path);
        }
        let number = COPIES.fetch_add(1, Ordering::Relaxed);
        let copy = folder.join(format!(".neuromfa-copy-{}-{number}", std::process::id()));
        let uncopied = |e: std::io::Error| {
            let why = format!("it cannot be copied to {}: {e}", copy.display());
            SourceError::file(path, why)
        };
        let mut to = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&copy)
            .map_err(uncopied)?;
        // The open file stays.
        let removed = std::fs::remove_file(&copy);
        removed.and_then(|()| std::io::copy(&mut from, &mut to)).map_err(uncopied)?;
        // SAFETY: the file has no name, so no other process can open it to write into it or to cut it
        // short.
        let map = unsafe { Mmap::map(&to) }.map_err(unreadable)?;
        Ok(Self::Map(map))
    }

    /// Maps a file.
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let unreadable = |e: std::io::Error| SourceError::file(path, e);
        let file = file(path)?;
        // SAFETY: the map is read only as bytes whose every pattern is valid. Another process that
        // writes into the file can change what is read, and one that cuts it short can end this
        // process; the documentation of `CheckpointFile` says that it must not be. What an open
        // has checked are lengths and offsets, which it keeps; bytes are not checked once and
        // then trusted.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Ok(Self::Map(map))
    }

    /// Takes a file on another machine, and reads its outline.
    pub(super) fn remote(path: &Path, ranges: Arc<dyn Ranges>) -> Result<Self, SourceError> {
        RemoteFile::open(path, ranges).map(Self::Remote)
    }

    /// The values of a tensor; `None` if it lies beyond the end.
    pub(super) fn values(&self, stored: &Stored) -> Result<Option<Tensor<'_>>, SourceError> {
        let Self::Remote(file) = self else { return Ok(stored.values(self)) };
        let bytes = file.bytes(&stored.bytes)?;
        Ok(bytes.and_then(|bytes| stored.at_start().values(&bytes).map(Tensor::into_owned)))
    }

    /// The elements of a tensor as they are stored, row-major.
    pub(super) fn elements<T: AnyBitPattern + NoUninit>(
        &self,
        stored: &Stored,
    ) -> Result<Option<Vec<T>>, SourceError> {
        let Self::Remote(file) = self else { return Ok(stored.elements(self)) };
        let bytes = file.bytes(&stored.bytes)?;
        Ok(bytes.and_then(|bytes| stored.at_start().elements(&bytes)))
    }
}

fn file(path: &Path) -> Result<File, SourceError> {
    let unreadable = |e: std::io::Error| SourceError::file(path, e);
    // Opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(SourceError::file(path, "it is not a file"));
    }
    File::open(path).map_err(unreadable)
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Read(bytes) => bytes,
            Self::Remote(file) => &file.outline,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_whole_when_the_file_is_cut_short() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large");
        for length in [1000, IN_MEMORY + 1] {
            let file = File::create(&path).unwrap();
            file.set_len(length).unwrap();
            let copy = Mapped::copied(&path, dir.path()).unwrap();
            assert_eq!(matches!(copy, Mapped::Map(_)), length > IN_MEMORY);
            file.set_len(0).unwrap();
            assert!(
                copy.len() as u64 == length && copy.iter().step_by(4096).all(|byte| *byte == 0)
            );
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the copy has no name");
        }
        std::fs::write(&path, "weights").unwrap();
        let nowhere = dir.path().join("nowhere");
        assert!(Mapped::copied(&path, &nowhere).is_ok(), "a small file needs no copy");
        File::create(&path).unwrap().set_len(IN_MEMORY + 1).unwrap();
        let error = Mapped::copied(&path, &nowhere).unwrap_err().to_string();
        assert!(error.contains("cannot be copied to"), "{error}");
    }
}
