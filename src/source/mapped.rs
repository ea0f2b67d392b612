//! The bytes of a file, memory-mapped.
#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use super::SourceError;

/// The bytes of a file; only the parts that were read take memory.
#[derive(Debug)]
pub(super) struct Mapped(Mmap);

impl Mapped {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let unreadable = |e: std::io::Error| SourceError::file(path, e);
        // Opening a pipe would wait for its other end.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(SourceError::file(path, "it is not a file"));
        }
        let file = File::open(path).map_err(unreadable)?;
        // SAFETY: the map is read only as bytes whose every pattern is valid. Another process that
        // writes into the file can change what is read, and one that cuts it short can end this
        // process; the documentation of `CheckpointFile` says that it must not be. What an open
        // has checked are lengths and offsets, which it keeps; bytes are not checked once and
        // then trusted.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Ok(Self(map))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
