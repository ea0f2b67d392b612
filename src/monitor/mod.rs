//! The hook of a training loop.
//!
//! [`Monitor::builder`] configures, `attach` measures the baseline and starts the monitor's threads,
//! [`Monitor::step`] is called once after each update: on the schedule's steps it takes a snapshot
//! of the weights (counts, not weights) and hands it over; on the others it only hands over what
//! the loop logs. The side thread analyses, at the lowest priority; the recording thread writes, and
//! analyses while training waits; [`Work`] has another way to share the work. Nothing of the monitor
//! outlives [`Monitor::finish`], or its drop, but for an analysis that the side thread could not come
//! to the end of and that was done without it: it writes nothing, and ends by itself.
//!
//! A failure (a panic on the side thread, a folder that was removed) never reaches into training: the
//! next call returns it as an error, or, with [`OnFailure::KeepTraining`], is silent once it is logged.
//!
//! A disk that refuses rows (it is full, say) ends nothing: up to 64 MiB of rows are kept in memory and
//! written, in order, when it takes them again. A disk that does not answer holds a step for two
//! seconds at most, until it works again: steps wait in a queue (4096, or a million values), and later
//! ones are lost. A flush and the end wait until nothing has been written for 30 seconds. What is lost
//! is said, and counted in summary.json ([`Summary::lost_steps`](crate::Summary::lost_steps)).

mod attach;
mod budget;
mod builder;
mod clock;
mod counting;
mod due;
mod group;
mod hook;
mod message;
mod patience;
mod policy;
mod ranks;
mod recording;
mod schedule;
mod side;
#[cfg(test)]
mod starved;
mod step;
mod terminal;
mod work;
mod worker;

pub use builder::MonitorBuilder;
pub use hook::{Monitor, Verdict};
pub use policy::{BackPressure, OnFailure};
pub use schedule::Schedule;
pub use work::Work;
