//! Watch a network organise itself while it trains.
#![warn(missing_docs)]

pub mod analysis;
pub mod mfa;
pub mod network;
pub mod record;
pub mod source;
pub mod stop;
