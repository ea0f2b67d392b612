//! The threads of an analysis that is not a run.

use neuromfa::Error;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// A pool of `threads` threads (default: all cores).
///
/// # Errors
/// [`Error::Threads`] when the system refuses one.
pub fn pool(threads: Option<usize>) -> Result<ThreadPool, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(cores).max(1))
        .thread_name(|k| format!("neuromfa-{k}"))
        .build()
        .map_err(|e| Error::Threads(e.into()))
}
