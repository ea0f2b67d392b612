//! Watch a network organise itself while it trains.

#![warn(missing_docs)]

mod monitor;

pub use monitor::{
    Best, Mode, Observation, QuantityRule, QuantityState, RuleState, Schedule, ScheduleError, Stop,
    StopRule, StopRuleError, Value,
};
