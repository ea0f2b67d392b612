//! Processor time of a thread and of the program: what they take from others, and others from them.

use std::time::{Duration, Instant};

/// The share of all processors from which on a program is taken to have the machine to itself.
const OWN_MACHINE: f64 = 0.75;

/// Processor time that the calling thread has used; where the system does not say, the time since
/// the first call, which is more.
pub(super) fn thread_time() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(target_os = "linux"))]
    {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A moment, and the processor time that this program had used by then.
pub(super) struct Machine {
    at: Instant,
    used: Duration,
}

impl Machine {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), used: program_time() }
    }

    /// Whether this program has used clearly less than all processors since then: a thread of low
    /// priority that did not run meanwhile gave way to other programs, not to training.
    pub(super) fn others_have_the_processors(&self) -> bool {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (program_time() - self.used).as_secs_f64()
            < OWN_MACHINE * cores as f64 * self.at.elapsed().as_secs_f64()
    }
}

/// Processor time of all threads of the program; where the system does not say, none.
fn program_time() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(target_os = "linux"))]
    Duration::ZERO
}
