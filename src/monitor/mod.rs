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
//! A failure (a full disk, a panic on the side thread) never reaches into training: the next call
//! returns it as an error, or, with [`OnFailure::KeepTraining`], is silent once it is logged.

mod attach;
mod budget;
mod builder;
mod clock;
mod due;
mod hook;
mod message;
mod policy;
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
