//! A run directory as text for people.

mod table;

pub use table::table;
