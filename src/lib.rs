//! Watch a network organise itself while it trains.
