//! Each call that a run makes of its disk, seen from other threads; and faults, for tests.

use std::fmt;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A call of the system, about a file of a run.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `open`, `write`, `truncate`, `sync`, `rename`, `remove`, `mkdir`, `list` or `stat`.
    pub what: &'static str,
    /// The file's name; empty for the folder itself.
    pub name: &'a str,
}

/// Done before each call: waits, as a disk that hangs; fails; or says how many bytes a write
/// writes at most.
pub type Fault = dyn Fn(&Call<'_>) -> Result<usize> + Send + Sync;

static FAULTS: Mutex<Vec<(PathBuf, Arc<Fault>)>> = Mutex::new(Vec::new());

/// Makes the disk of the run in a folder fail, from the next time on that the folder is opened. The
/// path is absolute.
pub fn inject(folder: &Path, fault: impl Fn(&Call<'_>) -> Result<usize> + Send + Sync + 'static) {
    let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    faults.retain(|(path, _)| path != folder);
    faults.push((folder.to_owned(), Arc::new(fault)));
}

/// The disk of a run.
#[derive(Default)]
pub(crate) struct Disk {
    begun: AtomicU64, // calls
    ended: AtomicU64,
    fault: Option<Arc<Fault>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Disk {
    pub(super) fn of(folder: &Path) -> Self {
        let faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults.iter().find(|(path, _)| path == folder);
        Self { fault: fault.map(|(_, fault)| Arc::clone(fault)), ..Self::default() }
    }

    /// Makes a call, which gets the number of bytes that it may write.
    pub(super) fn call<T>(
        &self,
        call: &Call<'_>,
        run: impl FnOnce(usize) -> Result<T>,
    ) -> Result<T> {
        self.watched(|| {
            let most = self.fault.as_ref().map_or(Ok(usize::MAX), |fault| fault(call));
            most.and_then(run)
        })
    }

    /// Reads a file of the run, seen from other threads.
    pub(crate) fn watched<T>(&self, read: impl FnOnce() -> T) -> T {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let result = read();
        self.ended.fetch_add(1, Ordering::SeqCst);
        result
    }

    /// During a call, how many have ended; none between calls.
    pub(crate) fn busy(&self) -> Option<u64> {
        let ended = self.ended();
        (self.begun.load(Ordering::SeqCst) > ended).then_some(ended)
    }

    /// Calls that have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }
}
