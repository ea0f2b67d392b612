//! What a transport has to do.

use std::io;
use std::time::Duration;

/// Time limits above this one are this one: no clock goes on for ever.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The way between the ranks of a group, of which rank 0 is the root: threads ([`Threads`](super::Threads)), MPI
/// processes (`Mpi`, with the feature `mpi`), or a transport of your own (NCCL, Gloo, sockets).
///
/// All ranks call [`gather`](Self::gather) and [`broadcast`](Self::broadcast) in the same order. Neither may wait for ever: a
/// rank that has left, or is silent beyond a time limit of the transport, is an error that names it. Let
/// the others wait for rank 0 longer than rank 0 waits for them: it then tells them who is silent.
/// After an error rank 0 broadcasts once more, so that the ranks which are left end, too: a broadcast
/// reaches all that it can reach before it fails.
///
/// Messages hold weights as they lie in memory: all ranks have the same byte order.
pub trait Communicator: Send {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn size(&self) -> usize;

    /// Sends bytes to rank 0, which gets those of all ranks, in their order; the others get nothing.
    ///
    /// # Errors
    /// When a rank has left or is silent for too long; the text names it.
    fn gather(&mut self, bytes: Vec<u8>) -> io::Result<Vec<Vec<u8>>>;

    /// Sends bytes of rank 0 to all ranks; those of the others are ignored. Returns those of rank 0.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    fn broadcast(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>>;
}
