//! The subcommands, a file each, and the options that several share.

mod analyze;
mod backtest;
mod choice;
mod compare;
mod csv;
mod doctor;
mod given;
mod inspect;
mod live;
mod merge;
mod method;
mod png;
mod repair;
mod report;
mod rules;
mod sensitivity;
mod shards;
mod shell;
mod show;
mod watch;

pub use analyze::Analyze;
pub use backtest::Backtest;
pub use compare::Compare;
pub use doctor::Doctor;
pub use inspect::Inspect;
pub use live::Live;
pub use merge::Merge;
pub use repair::Repair;
pub use report::Report;
pub use sensitivity::Sensitivity;
pub use shell::{Completions, Man};
pub use show::Show;
pub use watch::Watch;
