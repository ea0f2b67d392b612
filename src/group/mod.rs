//! A model whose weights lie in pieces over several processes or threads, its ranks, watched as one.
//!
//! Rank 0 monitors. At a due step it has layers counted where all their weights lie, and takes the counts. Of the
//! others it asks for one tensor after the other, in the order in which it counts them, and puts the pieces
//! together. Both have the bits of a model in one process, and so has all that follows. No rank
//! holds more of the others' weights than a batch of layers.
//!
//! What travels is decided by rank 0 alone: it broadcasts a word, and for a word that asks for
//! something it gathers one message from each rank, or one for each round of counts. Between two words of rank 0
//! no rank enters anything.

mod agree;
mod communicator;
mod link;
#[cfg(feature = "mpi")]
mod mpi;
mod part;
mod source;
mod threads;

pub(crate) use agree::{Declared, agree, declare, names};
pub use communicator::Communicator;
pub(crate) use link::{Holder, Link, SharedLink, bytes_of};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use part::Part;
pub(crate) use source::GroupSource;
pub use threads::Threads;
