//! The folder of a run, held open: its files are found by the folder itself, not by its path.
//!
//! So a run writes to no other folder, whatever happens to the program's current directory or to the
//! names of folders. A folder or file that was removed, renamed or replaced meanwhile is an error
//! ([`RecordError::Gone`]), when it is next checked.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Call, Disk};
use super::error::{RecordError, read_error, write_error};
use super::regular;

/// Bytes of a file that is being replaced that are written at a time.
const BUFFER: usize = 1 << 18;

/// A folder that is held open.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf, // absolute
    at: PathBuf,   // the way to its files: by the handle where the system offers that
    handle: Option<(Arc<File>, Metadata)>,
    disk: Arc<Disk>,
}

impl Folder {
    /// Opens a folder, which is made where it does not exist.
    pub(super) fn open(path: &Path) -> std::result::Result<Self, RecordError> {
        let fail = write_error(path);
        let path = std::path::absolute(path).map_err(&fail)?;
        std::fs::create_dir_all(&path).map_err(&fail)?;
        let disk = Arc::new(Disk::of(&path));
        Self::hold(path.clone(), &path, disk).map_err(fail)
    }

    /// The folder of this path, which the system finds as `at`.
    fn hold(path: PathBuf, at: &Path, disk: Arc<Disk>) -> Result<Self> {
        // Other systems open no folders, or need not.
        let handle = cfg!(unix).then(|| File::open(at.join("."))).transpose()?;
        let at = handle.as_ref().and_then(by_handle).unwrap_or_else(|| path.clone());
        let described = |file: File| file.metadata().map(|metadata| (Arc::new(file), metadata));
        Ok(Self { path, at, handle: handle.map(described).transpose()?, disk })
    }

    /// A folder within this one, which is made where it does not exist.
    pub(super) fn within(&self, name: &str) -> std::result::Result<Self, RecordError> {
        let made = self.call("mkdir", name, || match std::fs::create_dir(self.at.join(name)) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
            _ => self.existing(name),
        });
        made.map_err(write_error(&self.join(name)))
    }

    /// A folder within this one that exists.
    pub(super) fn existing(&self, name: &str) -> Result<Self> {
        Self::hold(self.join(name), &self.at.join(name), Arc::clone(&self.disk))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the disk is doing.
    pub(super) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// What tells this folder from others.
    pub(super) fn metadata(&self) -> Option<&Metadata> {
        self.handle.as_ref().map(|(_, metadata)| metadata)
    }

    /// The path of a file, for people and for readers.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file to read it.
    pub(super) fn read(&self, name: &str) -> std::result::Result<File, RecordError> {
        let mut options = OpenOptions::new();
        options.read(true);
        let opened = self.open_file(name, &mut options).map(RunFile::into_file);
        opened.map_err(|e| read_error(&self.join(name), e))
    }

    /// Makes a file that begins so. One that is there must be its beginning, as a failure leaves it.
    pub(super) fn begin(&self, name: &str, text: &[u8]) -> std::result::Result<(), RecordError> {
        if self.has(name) {
            let (mut begun, most) = (Vec::new(), text.len() as u64 + 1);
            let read = self.read(name)?.take(most).read_to_end(&mut begun);
            read.map_err(|e| read_error(&self.join(name), e))?;
            if !text.starts_with(&begun) {
                return Err(RecordError::Foreign { path: self.join(name) });
            }
        }
        self.replace(name, false, |file| file.write_all(text))
    }

    /// Opens the run's lock, which is made where it does not exist.
    pub(super) fn open_lock(&self, name: &str) -> std::result::Result<File, RecordError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let opened = self.open_file(name, &mut options).map(RunFile::into_file);
        opened.map_err(write_error(&self.join(name)))
    }

    /// Makes a file to append to; `None` where there is one of this name.
    pub(super) fn create_new(
        &self,
        name: &str,
    ) -> std::result::Result<Option<RunFile>, RecordError> {
        match self.open_file(name, OpenOptions::new().append(true).create_new(true)) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(None),
            made => made.map(Some).map_err(write_error(&self.join(name))),
        }
    }

    /// Opens a file to append to it.
    pub(super) fn append(&self, name: &str) -> std::result::Result<RunFile, RecordError> {
        let opened = self.open_file(name, OpenOptions::new().append(true));
        opened.map_err(write_error(&self.join(name)))
    }

    fn open_file(&self, name: &str, options: &mut OpenOptions) -> Result<RunFile> {
        self.call("open", name, || {
            let file = regular::open(&self.at.join(name), options, true)?;
            let opened = file.metadata()?;
            let (folder, name, end) = (self.clone(), name.to_owned(), Some(opened.len()));
            Ok(RunFile { folder, name, file, opened: Some(opened), end, torn: false })
        })
    }

    /// Replaces a file by what `write` writes: any reader finds the old file or the new one. With
    /// `sync`, this holds after a power loss, too.
    pub(super) fn replace(
        &self,
        name: &str,
        sync: bool,
        write: impl FnOnce(&mut BufWriter<RunFile>) -> Result<()>,
    ) -> std::result::Result<(), RecordError> {
        let temporary = temporary_name(name);
        self.remove(&temporary)?;
        let file = self
            .create_new(&temporary)?
            .ok_or_else(|| RecordError::Foreign { path: self.join(&temporary) })?;
        let written = || {
            let mut file = BufWriter::with_capacity(BUFFER, file);
            write(&mut file)?;
            let file = file.into_inner()?;
            if sync {
                file.sync_data()?;
            }
            let [from, to] = [&temporary, name].map(|name| self.at.join(name));
            self.call("rename", name, || std::fs::rename(&from, &to))
        };
        written().map_err(|error| {
            let _ = self.remove(&temporary);
            write_error(&self.join(name))(error)
        })
    }

    /// Removes a file that may not be there.
    pub(super) fn remove(&self, name: &str) -> std::result::Result<(), RecordError> {
        let removed =
            self.call("remove", name, || match std::fs::remove_file(self.at.join(name)) {
                Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            });
        removed.map_err(write_error(&self.join(name)))
    }

    /// Removes a folder within this one, if it is empty.
    pub(super) fn remove_empty(&self, name: &str) {
        let _ = std::fs::remove_dir(self.at.join(name));
    }

    /// Whether there is a file, folder or link of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        std::fs::symlink_metadata(self.at.join(name)).is_ok()
    }

    /// The names of what it holds.
    pub(super) fn names(&self) -> std::result::Result<Vec<String>, RecordError> {
        let list = || std::fs::read_dir(&self.at)?.map(|entry| Ok(entry?.file_name())).collect();
        let names: Result<Vec<_>> = self.call("list", "", list);
        let names = names.map_err(write_error(&self.path))?.into_iter();
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }

    /// Waits until the names of new files are on the disk, on systems that support it.
    pub(super) fn sync_names(&self) {
        if let Some((handle, _)) = &self.handle {
            let _ = self.call("sync", "", || handle.sync_all());
        }
    }

    /// Fails when the path no longer leads to this folder.
    pub(super) fn check(&self) -> std::result::Result<(), RecordError> {
        self.check_path(&self.path, &self.path, self.metadata())
    }

    /// Fails when `at` no longer leads to what was opened.
    fn check_path(
        &self,
        path: &Path,
        at: &Path,
        opened: Option<&Metadata>,
    ) -> std::result::Result<(), RecordError> {
        let same = self.call("stat", "", || match std::fs::metadata(at) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) if e.kind() == ErrorKind::NotADirectory => Ok(false),
            Err(e) => Err(e),
            Ok(found) => Ok(opened.is_none_or(|opened| are_same(&found, opened))),
        });
        match same.map_err(write_error(path))? {
            true => Ok(()),
            false => Err(RecordError::Gone { path: path.to_owned() }),
        }
    }

    fn call<T>(
        &self,
        what: &'static str,
        name: &str,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.disk.call(&Call { what, name }, |_| run())
    }
}

/// A file of a run that is being written.
#[derive(Debug)]
pub(super) struct RunFile {
    folder: Folder,
    name: String,
    file: File,
    opened: Option<Metadata>, // none: it is another than the one that was opened
    end: Option<u64>,         // of what was appended whole; none: of what there is
    torn: bool,               // whether something may follow that was not appended whole
}

impl RunFile {
    pub(super) fn into_file(self) -> File {
        self.file
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Appends bytes. What an append that failed has written is cut off by the next.
    pub(super) fn append(&mut self, bytes: &[u8]) -> std::result::Result<(), RecordError> {
        self.cut_back()?;
        self.torn = true;
        self.write_all(bytes).map_err(write_error(&self.path()))?;
        self.torn = false;
        self.end = self.end.map(|end| end + bytes.len() as u64);
        Ok(())
    }

    /// Cuts off what an append that failed has written.
    pub(super) fn cut_back(&mut self) -> std::result::Result<(), RecordError> {
        if self.torn { self.mend() } else { Ok(()) }
    }

    /// Opens the file again, which was replaced by another.
    pub(super) fn was_replaced(&mut self) -> std::result::Result<(), RecordError> {
        (self.opened, self.end, self.torn) = (None, None, true);
        self.mend()
    }

    /// Opens the file again, and cuts off what was not appended whole.
    fn mend(&mut self) -> std::result::Result<(), RecordError> {
        self.check()?;
        let mut again = self.folder.append(&self.name)?;
        let (found, end) = (again.end, self.end.or(again.end));
        if found < end {
            let source = "it is shorter than what was written to it".into();
            return Err(RecordError::Damaged { path: self.path(), source });
        }
        if let (Some(end), true) = (end, found > end) {
            again.set_len(end).map_err(write_error(&self.path()))?;
        }
        *self = again;
        Ok(())
    }

    pub(super) fn set_len(&mut self, bytes: u64) -> Result<()> {
        self.folder.call("truncate", &self.name, || self.file.set_len(bytes))?;
        self.end = Some(bytes);
        Ok(())
    }

    pub(super) fn sync_data(&self) -> Result<()> {
        self.folder.call("sync", &self.name, || self.file.sync_data())
    }

    /// Fails when the folder no longer holds this file under its name.
    pub(super) fn check(&self) -> std::result::Result<(), RecordError> {
        let at = self.folder.at.join(&self.name);
        self.folder.check_path(&self.path(), &at, self.opened.as_ref())
    }
}

impl Write for RunFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let call = Call { what: "write", name: &self.name };
        let file = &mut self.file;
        self.folder.disk.call(&call, |most| file.write(&bytes[..most.min(bytes.len())]))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Ends the name of a file that is being written and will get the rest of that name. No other
/// program's files end so.
pub(super) const UNFINISHED: &str = ".neuromfa-new";

/// The name of the file that a replaced file is written to.
pub(super) fn temporary_name(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// A way to an open folder that does not depend on its name.
#[cfg(target_os = "linux")]
fn by_handle(handle: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;

    let way = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    let same = are_same(&std::fs::metadata(&way).ok()?, &handle.metadata().ok()?);
    same.then_some(way)
}

#[cfg(not(target_os = "linux"))]
fn by_handle(_: &File) -> Option<PathBuf> {
    None
}

#[cfg(unix)]
fn are_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn are_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
