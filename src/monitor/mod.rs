//! The hook of a training loop.

mod schedule;

pub use schedule::{Schedule, ScheduleError};
