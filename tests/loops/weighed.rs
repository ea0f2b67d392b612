//! What the ranks of a group send.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use neuromfa::group::Communicator;

/// A rank that counts the bytes that it sends.
pub struct Weighed<C> {
    pub rank: C,
    pub sent: Arc<AtomicUsize>,
}

impl<C: Communicator> Communicator for Weighed<C> {
    fn rank(&self) -> usize {
        self.rank.rank()
    }

    fn size(&self) -> usize {
        self.rank.size()
    }

    fn gather(&mut self, bytes: Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
        if self.rank.rank() > 0 {
            self.sent.fetch_add(bytes.len(), Ordering::SeqCst);
        }
        self.rank.gather(bytes)
    }

    fn broadcast(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        if self.rank.rank() == 0 {
            self.sent.fetch_add(bytes.len() * (self.rank.size() - 1), Ordering::SeqCst);
        }
        self.rank.broadcast(bytes)
    }
}
