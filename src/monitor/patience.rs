//! How long training waits for a disk that does not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::record::Disk;

/// Between two looks at the disk.
const TICK: Duration = Duration::from_millis(10);
/// How long steps wait, one or several together, until the disk has been seen to work again.
pub(super) const STEP: Duration = Duration::from_secs(1);
/// How long a flush and the end wait while nothing is written.
pub(super) const END: Duration = Duration::from_secs(30);

/// The patience of training. What the monitor's threads compute is waited for; a disk is not, for
/// longer than this.
pub(super) struct Patience {
    disk: Arc<Disk>,
    waited: Duration, // of STEP
    seen: u64,        // calls that had ended when it was last waited for
}

impl Patience {
    pub(super) fn new(disk: Arc<Disk>) -> Self {
        Self { disk, waited: Duration::ZERO, seen: 0 }
    }

    /// Attempts something, each time for as long as it is given; none when that is because the disk
    /// has been busy for too long.
    pub(super) fn within_step<T>(
        &mut self,
        mut attempt: impl FnMut(Duration) -> Option<T>,
    ) -> Option<T> {
        while self.waited < STEP {
            let (start, busy) = (Instant::now(), self.disk.busy());
            if let Some(done) = attempt(TICK) {
                return Some(done);
            }
            if busy.is_some() && self.disk.busy().is_some() {
                self.waited += start.elapsed();
                self.seen = self.disk.ended();
            }
        }
        attempt(Duration::ZERO)
    }

    /// The queue is short: patience is back once the disk works again.
    pub(super) fn rest(&mut self) {
        if !self.waited.is_zero() && self.disk.ended() != self.seen {
            self.waited = Duration::ZERO;
        }
    }

    /// As [`within_step`](Self::within_step), for a flush or the end; none when nothing was written
    /// for too long.
    pub(super) fn to_the_end<T>(
        &self,
        mut attempt: impl FnMut(Duration) -> Option<T>,
    ) -> Option<T> {
        let mut stalled = Duration::ZERO;
        while stalled < END {
            let (start, busy) = (Instant::now(), self.disk.busy());
            if let Some(done) = attempt(TICK) {
                return Some(done);
            }
            stalled = match busy.is_some() && self.disk.busy() == busy {
                true => stalled + start.elapsed(),
                false => Duration::ZERO,
            };
        }
        None
    }
}
