//! A group of MPI processes.

// A communicator that goes to another thread, and memory that MPI may use after a transfer was given up.
#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::datatype::Equivalence;
use mpi::environment::threading_support;
use mpi::point_to_point::{Destination, Source};
use mpi::request::{Request, StaticScope};
use mpi::topology::{Communicator as _, SimpleCommunicator};

use super::Communicator;
use super::communicator::LONGEST;

/// Bytes of a message: MPI counts them with 31 bits. A shorter one is the last of a series.
const PART: usize = 1 << 30;

/// One process of a group that MPI started (`mpirun -n 2 ..`).
///
/// ```no_run
/// use std::time::Duration;
/// use mpi::Threading;
/// use neuromfa::group::{Communicator, Mpi};
///
/// let (universe, _) = mpi::initialize_with_threading(Threading::Serialized).unwrap();
/// let group = Mpi::new(&universe.world(), Duration::from_secs(60))?;
/// println!("rank {} of {}", group.rank(), group.size());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Mpi {
    // Never freed: that would wait for all ranks, of which some may be gone.
    communicator: ManuallyDrop<SimpleCommunicator>,
    limit: Duration,
}

// SAFETY: at the level of threading that `new` asks for the handle may be used on any thread. That the program makes
// no call of its own meanwhile is what `Threading::Serialized` says; the crate mpi leaves it to the program, too.
unsafe impl Send for Mpi {}

impl std::fmt::Debug for Mpi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all = f.debug_struct("Mpi");
        all.field("rank", &self.rank()).field("size", &self.size()).field("limit", &self.limit);
        all.finish()
    }
}

impl Mpi {
    /// The ranks of an MPI communicator, with messages of their own. All of them call this together. A rank that is
    /// silent for `limit` while another waits for it counts as lost; others wait for rank 0 twice as long, so
    /// that it can tell them whom it waits for. Choose more than an analysis, and the difference between
    /// two ranks' steps, take.
    ///
    /// A message that has begun to come has the limit once more, for each gigabyte.
    ///
    /// The monitor calls MPI within `attach`, `step` and its like, and `finish`, not always on the calling thread. When a
    /// rank is lost, MPI's finalisation (the drop of `mpi`'s `Universe`) waits for it for ever: save, and
    /// end the process by [`std::process::exit`].
    ///
    /// # Errors
    /// When MPI was initialised for one thread: [`Threading::Serialized`] is enough where the program calls MPI
    /// on the thread of the training loop, [`Threading::Multiple`] where it also does so on others.
    pub fn new(ranks: &SimpleCommunicator, limit: Duration) -> io::Result<Self> {
        let level = threading_support();
        if level < Threading::Serialized {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                format!(
                    "MPI was initialised with Threading::{level:?}, and a monitor needs at least \
                     mpi::initialize_with_threading(Threading::Serialized)"
                ),
            ));
        }
        Ok(Self { communicator: ManuallyDrop::new(ranks.duplicate()), limit: limit.min(LONGEST) })
    }

    /// Sends bytes to these ranks. None of them is waited for before all have been sent to.
    fn send(
        &self,
        ranks: std::ops::Range<usize>,
        bytes: Vec<u8>,
        limit: Duration,
    ) -> io::Result<()> {
        let deadline = Deadline::after(limit);
        let bytes = Buffer::new(bytes);
        // SAFETY: freed below, when all transfers are complete.
        let whole = unsafe { bytes.get() };
        for from in (0..=whole.len()).step_by(PART) {
            let part = &whole[from..whole.len().min(from + PART)];
            let to = |rank| {
                let process = self.communicator.process_at_rank(rank as i32);
                (rank, process.immediate_send(StaticScope, part))
            };
            deadline.complete(ranks.clone().map(to).collect())?;
        }
        bytes.free();
        Ok(())
    }

    fn receive(&self, rank: usize, deadline: &Deadline) -> io::Result<Vec<u8>> {
        let process = self.communicator.process_at_rank(rank as i32);
        let mut all = Vec::new();
        loop {
            let arrived = deadline.poll(|| process.immediate_matched_probe());
            let (message, status) = arrived.ok_or_else(|| deadline.passed(rank))?;
            let length = status.count(u8::equivalent_datatype()) as usize;
            let mut part = Buffer::new(vec![0; length]);
            // SAFETY: called once, and freed when the transfer is complete.
            let into = unsafe { part.get_mut() };
            let request = message.immediate_matched_receive_into(StaticScope, into);
            Deadline::after(self.limit).complete(vec![(rank, request)])?;
            let part = part.free();
            match (all.is_empty(), length < PART) {
                (true, true) => return Ok(part),
                (_, last) => {
                    all.extend(part);
                    if last {
                        return Ok(all);
                    }
                }
            }
        }
    }
}

/// Bytes that MPI uses until a transfer is complete. Those of a transfer that is given up are leaked.
struct Buffer(*mut [u8]);

impl Buffer {
    fn new(bytes: Vec<u8>) -> Self {
        Self(Box::into_raw(bytes.into_boxed_slice()))
    }

    /// # Safety
    /// It is not used after [`Self::free`].
    unsafe fn get(&self) -> &'static [u8] {
        // SAFETY: of a box that has not been freed.
        unsafe { &*self.0 }
    }

    /// # Safety
    /// It is not used after [`Self::free`], and there is no other use of the bytes.
    unsafe fn get_mut(&mut self) -> &'static mut [u8] {
        // SAFETY: of a box that has not been freed, and the only use of it.
        unsafe { &mut *self.0 }
    }

    fn free(self) -> Vec<u8> {
        // SAFETY: of a box, and freed once.
        unsafe { Box::from_raw(self.0) }.into_vec()
    }
}

/// The time by which something must have come, and how long that was.
struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    fn passed(&self, rank: usize) -> io::Error {
        let why = format!("rank {rank} has not answered within the limit of {:?}", self.limit);
        io::Error::new(ErrorKind::TimedOut, why)
    }

    /// Asks again and again, less often after a while.
    fn poll<T>(&self, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
        let mut pause = Duration::from_micros(1);
        loop {
            match ask() {
                Some(answer) => return Some(answer),
                None if Instant::now() >= self.at => return None,
                None => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }

    /// Waits until transfers with ranks are complete.
    fn complete<D: ?Sized>(
        &self,
        mut all: Vec<(usize, Request<'static, D, StaticScope>)>,
    ) -> io::Result<()> {
        let done = self.poll(|| {
            let left = std::mem::take(&mut all).into_iter();
            let left = left.filter_map(|(rank, request)| Some((rank, request.test().err()?)));
            all = left.collect();
            all.is_empty().then_some(())
        });
        match (done, all.first()) {
            (None, Some((rank, _))) => {
                let silent = self.passed(*rank);
                // A request that is dropped before it is complete would panic.
                std::mem::forget(all);
                Err(silent)
            }
            _ => Ok(()),
        }
    }
}

impl Communicator for Mpi {
    fn rank(&self) -> usize {
        self.communicator.rank() as usize
    }

    fn size(&self) -> usize {
        self.communicator.size() as usize
    }

    fn gather(&mut self, bytes: Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        if self.rank() > 0 {
            // Rank 0 may wait for another one before it takes this.
            return self.send(0..1, bytes, self.limit.saturating_mul(2)).map(|()| Vec::new());
        }
        let deadline = Deadline::after(self.limit);
        let others = (1..self.size()).map(|rank| self.receive(rank, &deadline));
        std::iter::once(Ok(bytes)).chain(others).collect()
    }

    fn broadcast(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        if self.rank() > 0 {
            return self.receive(0, &Deadline::after(self.limit.saturating_mul(2)));
        }
        self.send(1..self.size(), bytes.clone(), self.limit).map(|()| bytes)
    }
}
