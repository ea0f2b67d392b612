//! A run directory, a network and a sensitivity analysis as text and pictures for people.

mod align;
mod alike;
mod backtest;
mod compare;
mod network;
mod notes;
mod pictures;
#[cfg(feature = "png")]
mod png;
mod sensitivity;
mod study;
mod table;

pub use backtest::{backtest, backtest_csv};
pub use compare::compared;
pub use network::{network, not_read};
pub use pictures::{Pictures, SvgFile, backtest_picture, study_picture};
#[cfg(feature = "png")]
pub use png::PngWriter;
pub use sensitivity::sensitivity;
pub use study::{study, study_csv, study_runs_csv};
pub use table::{Part, part, table};
