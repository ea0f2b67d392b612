//! A model whose weights lie in pieces over several processes or threads, its ranks, watched as one.
//!
//! Rank 0 monitors; the others only hand it their pieces. At a due step rank 0 asks for one tensor
//! after the other, in the order in which it counts them, and puts the pieces together:
//! what it counts has the bits of a model in one process, and so has all that follows.
//! No rank holds more of the others' weights than a batch of layers.
//!
//! What travels is decided by rank 0 alone: it broadcasts a word, and for a word that asks for
//! pieces it gathers one message from each rank. Between two words of rank 0 no rank
//! enters anything.

mod agree;
mod communicator;
mod link;
mod part;
mod source;
mod threads;

pub(crate) use agree::{Declared, agree, declare};
pub use communicator::Communicator;
pub(crate) use link::{Link, SharedLink};
pub use part::Part;
pub(crate) use source::GroupSource;
pub use threads::Threads;
