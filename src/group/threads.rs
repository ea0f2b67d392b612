//! A group of threads of one process.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::Communicator;
use super::communicator::LONGEST;

/// One rank of a group of threads.
///
/// ```
/// use std::time::Duration;
/// use neuromfa::group::{Communicator, Threads};
///
/// let ranks = Threads::group(3, Duration::from_secs(10));
/// let threads = ranks.into_iter().map(|mut rank| {
///     std::thread::spawn(move || rank.gather(vec![rank.rank() as u8; 2]))
/// });
/// let gathered: Vec<_> = threads.collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).collect();
/// assert_eq!(gathered[0].as_ref().unwrap(), &[[0, 0], [1, 1], [2, 2]]);
/// ```
#[derive(Debug)]
pub struct Threads {
    rank: usize,
    size: usize,
    limit: Duration,
    // Rank 0 has one of each for every other rank, in order; another rank has those of rank 0.
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Receiver<Vec<u8>>>,
}

impl Threads {
    /// A group of this many ranks, in order. A rank that is silent for `limit` while another waits for it
    /// counts as lost; others wait for rank 0 twice as long, so that it can tell them whom it waits for.
    /// Choose more than an analysis, and the difference between two ranks' steps, take.
    pub fn group(size: usize, limit: Duration) -> Vec<Self> {
        let limit = limit.min(LONGEST);
        let rank = |rank| Self { rank, size, limit, to: Vec::new(), from: Vec::new() };
        let mut ranks: Vec<Self> = (0..size).map(rank).collect();
        if let Some((root, others)) = ranks.split_first_mut() {
            for other in others {
                let ((to, from_root), (to_root, from)) = (unbounded(), unbounded());
                root.to.push(to);
                root.from.push(from);
                other.to.push(to_root);
                other.from.push(from_root);
            }
        }
        ranks
    }

    /// The rank at the other end of the `k`-th way.
    fn other(&self, k: usize) -> usize {
        if self.rank == 0 { k + 1 } else { 0 }
    }

    fn send(&self, k: usize, bytes: Vec<u8>) -> io::Result<()> {
        self.to[k].send(bytes).map_err(|_| self.left(k))
    }

    fn receive(&self, k: usize, deadline: Instant) -> io::Result<Vec<u8>> {
        self.from[k].recv_deadline(deadline).map_err(|why| match why {
            RecvTimeoutError::Disconnected => self.left(k),
            RecvTimeoutError::Timeout => {
                let (rank, limit) = (self.other(k), self.limit);
                let why = format!("rank {rank} has not answered within the limit of {limit:?}");
                io::Error::new(ErrorKind::TimedOut, why)
            }
        })
    }

    fn left(&self, k: usize) -> io::Error {
        let why = format!("rank {} has left the group", self.other(k));
        io::Error::new(ErrorKind::BrokenPipe, why)
    }
}

impl Communicator for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn gather(&mut self, bytes: Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        if self.rank > 0 {
            return self.send(0, bytes).map(|()| Vec::new());
        }
        let deadline = Instant::now() + self.limit;
        let others = (0..self.from.len()).map(|k| self.receive(k, deadline));
        std::iter::once(Ok(bytes)).chain(others).collect()
    }

    fn broadcast(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        if self.rank > 0 {
            // Rank 0 waits first, and says whom for.
            return self.receive(0, Instant::now() + self.limit.saturating_mul(2));
        }
        let sent: Vec<_> = (0..self.to.len()).map(|k| self.send(k, bytes.clone())).collect();
        sent.into_iter().collect::<io::Result<()>>().map(|()| bytes)
    }
}
