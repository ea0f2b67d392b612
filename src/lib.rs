//! Watch a network organise itself while it trains.

pub mod network;
