//! Watch a network organise itself while it trains.
#![warn(missing_docs)]

pub mod mfa;
