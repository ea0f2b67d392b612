//! Watch a network organise itself while it trains.
#![warn(missing_docs)]

pub mod analysis;
mod error;
pub mod mfa;
pub mod monitor;
pub mod network;
mod pipeline;
pub mod record;
pub mod source;
pub mod stop;

pub use error::Error;
pub use monitor::{BackPressure, Monitor, MonitorBuilder, OnFailure, Schedule, Verdict};
pub use network::Architecture;
pub use record::{Row, Summary};
pub use stop::{Mode, Observation, RuleState, Stop, StopRule, Value};

#[cfg(feature = "tch")]
pub use tch;
