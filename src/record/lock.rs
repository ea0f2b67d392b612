//! One process at a time writes a run.
//!
//! On Linux the lock belongs to the process (`fcntl`), not to the open file (`flock`): a forked child,
//! such as a data loader's worker, does not have it, so it is free when its owner ends, however long
//! the child lives. It works over NFS, and between containers on one machine. Such a lock does not keep
//! its own process out, and is gone when that process closes the file a second time; so the process
//! remembers what it has locked, and opens no `.lock` of a run that it writes.

use std::fs::File;

use super::error::RecordError;
use super::files::LOCK;
use super::folder::Folder;

/// The lock of a run's folder; released when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    #[cfg(target_os = "linux")]
    _own: own::Own,
}

impl Lock {
    /// Locks a folder for this process.
    pub(super) fn take(folder: &Folder) -> Result<Self, RecordError> {
        let locked = |here| RecordError::Locked { path: folder.path().to_owned(), here };
        #[cfg(target_os = "linux")]
        let own = own::Own::take(folder.metadata()).ok_or_else(|| locked(true))?;
        let file = folder.open_lock(LOCK)?;
        match lock(&file) {
            Ok(true) => {}
            Ok(false) => return Err(locked(false)),
            // The file system has no locks: the lock only guards against mistakes, and the run is
            // more important.
            Err(_) => {}
        }
        Ok(Self {
            _file: file,
            #[cfg(target_os = "linux")]
            _own: own,
        })
    }
}

/// Whether the lock could be had.
#[cfg(target_os = "linux")]
fn lock(file: &File) -> std::io::Result<bool> {
    use rustix::fs::{FlockOperation, fcntl_lock};
    use rustix::io::Errno;

    match fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn lock(file: &File) -> std::io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(target_os = "linux")]
mod own {
    //! What this process has locked. A forked child has a copy of the list, and none of the locks.

    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// A process and a folder, which is held open: its device and number are not given to another.
    type Folder = (u32, u64, u64);

    static LOCKED: Mutex<Vec<Folder>> = Mutex::new(Vec::new());

    fn all() -> MutexGuard<'static, Vec<Folder>> {
        LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry of the list.
    #[derive(Debug)]
    pub(super) struct Own(Option<Folder>);

    impl Own {
        /// None when this process has locked the folder already.
        pub(super) fn take(folder: Option<&Metadata>) -> Option<Self> {
            let Some(folder) = folder else { return Some(Self(None)) };
            let own = (std::process::id(), folder.dev(), folder.ino());
            let mut all = all();
            if all.contains(&own) {
                return None;
            }
            all.push(own);
            Some(Self(Some(own)))
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            // A copy in a forked child waits for no lock: its list does not matter.
            if self.0.is_some_and(|(process, ..)| process == std::process::id()) {
                all().retain(|own| Some(own) != self.0.as_ref());
            }
        }
    }
}
