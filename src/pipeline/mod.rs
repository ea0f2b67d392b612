//! A run being analysed and recorded: what the monitor's threads and a replay share.
//!
//! Snapshots go in; a row in the run directory, the listeners' calls and the stop rule's verdict
//! come out.

mod analyst;
mod axis;
mod baseline;
mod begin;
mod builder;
mod findings;
mod judge;
mod open;
mod opened;
mod run;
mod settings;
mod start;
mod tally;
mod watched;

pub(crate) use analyst::{Analysed, Analyst};
pub(crate) use baseline::Awaited;
pub(crate) use begin::{First, Prepared, prepare};
pub use builder::RunBuilder;
pub(crate) use judge::{Judge, Logged};
pub(crate) use open::{open, open_measured};
pub(crate) use opened::{Follow, Opened};
pub(crate) use run::{End, Listener, Pipeline, Step};
pub(crate) use settings::{Nodes, Settings, Start};
pub use settings::{Samples, network_of};
