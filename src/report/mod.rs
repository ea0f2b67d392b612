//! A run directory and a network as text for people.

mod alike;
mod network;
mod table;

pub use network::network;
pub use table::table;
