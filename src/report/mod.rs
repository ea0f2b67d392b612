//! A run directory, a network and a sensitivity analysis as text for people.

mod align;
mod alike;
mod backtest;
mod network;
mod sensitivity;
mod table;

pub use backtest::{backtest, backtest_csv};
pub use network::network;
pub use sensitivity::sensitivity;
pub use table::table;
