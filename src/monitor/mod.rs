//! The hook of a training loop.

mod schedule;
mod stop;

pub use schedule::{Schedule, ScheduleError};
pub use stop::{
    Best, Mode, Observation, QuantityRule, QuantityState, RuleState, Stop, StopRule, StopRuleError,
    Value,
};
