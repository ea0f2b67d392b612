//! Watch a network organise itself while it trains.
//!
//! A [`Monitor`] hooks a training loop. On a schedule it takes a snapshot of the live weights and,
//! on a side thread, computes their multifractal spectrum (neuron-based multifractal analysis,
//! NeuroMFA): alpha0, the width w, and the degree of emergence against step 0,
//!
//! ```text
//! E(t) = w(t)/w(0) · ln(alpha0(0)/alpha0(t))
//! ```
//!
//! and writes them, together with what the loop logs, to CSV and JSON files. A [`StopRule`] can end
//! training on any of them. [`Replay`] does the same for checkpoints; so does the command `neuromfa
//! analyze`.
//!
//! # Attach
//!
//! Three lines in a tch loop: make the monitor, report each step, finish.
//!
#![cfg_attr(feature = "tch", doc = "```no_run")]
#![cfg_attr(not(feature = "tch"), doc = "```ignore")]
//! use neuromfa::Monitor;
//! # use neuromfa::tch::{self, nn::{self, OptimizerConfig}};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let vs = nn::VarStore::new(tch::Device::Cpu);
//! # let mut opt = nn::Adam::default().build(&vs, 1e-3)?;
//! # let loss_of = |_: u64| tch::Tensor::from(1.0);
//! let mut monitor = Monitor::builder("runs/first").every(100).attach(&vs)?;  // step 0: the baseline
//! for step in 1..=10_000 {
//!     let loss = loss_of(step);
//!     opt.backward_step(&loss);
//!     if monitor.step(step, &[("loss", loss.double_value(&[]))])?.should_stop() {
//!         break;
//!     }
//! }
//! println!("{}", monitor.finish()?);
//! # Ok(())
//! # }
//! ```
//!
//! Without tch, any weights can be monitored: implement [`source::Source`], or hand vectors to
//! [`source::Memory`].
//!
//! ```
//! use neuromfa::{Monitor, StopRule, source::Memory};
//!
//! # let folder = tempfile::tempdir()?;
//! # let run = folder.path().join("run");
//! let weights = Memory::new();
//! let at = |step: u64| -> Vec<f32> {
//!     (0..64 * 32).map(|k| (0.1 + 0.001 * step as f32) * ((k * k % 101) as f32 / 50.0 - 1.0)).collect()
//! };
//! weights.set("0.weight", &[64, 32], at(0))?;
//! let rule = StopRule::on("loss").patience(5).min_delta(1e-3);
//! let mut monitor = Monitor::builder(run).every(10).stop_when(rule).attach_source(weights.clone())?;
//! for step in 1..=100 {
//!     weights.set("0.weight", &[64, 32], at(step))?;
//!     if monitor.step(step, &[("loss", 1.0 / step as f64)])?.should_stop() {
//!         break;
//!     }
//! }
//! assert!(monitor.finish()?.last_e().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Accuracy
//!
//! - Radii are what rounding the f64 distance gives, on every f32 pattern. Powers, sums and fits
//!   are in f64; results agree with an independent program to 10⁻⁹ relative.
//! - A result is the same bits on any number of threads, live or from a file.
//! - f of the published estimator is 0, its maximum, on both sides of q = 0. The first of the two
//!   alphas is taken; a program that leaves the choice to rounding errors differs from this one
//!   by about one percent of alpha0 in some samples ([`mfa`]).
//!
//! # Limits
//!
//! - alpha0 depends on how many neurons are drawn: values of different n do not compare.
//! - E grows with the scale of the weights alone, and so does `E_excess`. `width_excess` and
//!   `alpha0_excess`, at matched norm against shuffled weights, do not: they say whether there is
//!   structure (docs/quantities.md).
//! - The sign of E depends on the initialisation: from small weights, growth lowers alpha0 and E
//!   rises; from larger ones, such as tch's default, growth raises alpha0 and E falls.
//! - At one hop the analysis sees how neurons differ in their weights, not which neurons they
//!   prefer; that enters with `hops(2)` and `hops(3)`.
//! - Attention itself has no weights; biases, norms, embeddings and the output head are left out
//!   unless they are included explicitly.
//!
//! # Symbols
//!
//! | symbol | name in the files | what it is |
//! |---|---|---|
//! | d | | distance of an edge, f(w), 1/\|w\| by default |
//! | r | `radii` (how many) | radius: d rounded to the radius step |
//! | N_i(r), p_i(r) | | box mass of neuron i: 1 + its edges within r; divided by its total |
//! | q | `q` | moment, -3 to 3 |
//! | Z_q(r) | | partition function, Σ_i p_i(r)^q |
//! | tau(q) | `tau` | mass exponent: slope of ln Z_q on ln r |
//! | alpha, f | `alpha`, `f` | the spectrum: derivative and Legendre transform of tau |
//! | alpha0 | `alpha0` | alpha where f is highest |
//! | w | `width` | max alpha - min alpha |
//! | E | `E`, `E_stable` | degree of emergence; of the published and of the stable estimator |
//! | | `E_shuffled`, `E_stable_shuffled` | E of weights shuffled within each matrix |
//! | | `E_excess` | E_stable - E_stable_shuffled |
//! | | `width_excess`, `alpha0_excess` | ln of width and alpha0 at matched norm, less those of shuffles |
//! | D_i | `dimension` | fractal dimension of a neuron |
//! | β₂ | `degree_kurtosis` | kurtosis of the average weighted degrees |
//!
//! Source: Xiao et al., "Neuron-based Multifractal Analysis of Neuron Interaction Dynamics in
//! Large Models", ICLR 2025 (arXiv 2402.09099).

#![warn(missing_debug_implementations)]

mod analysis;
pub mod backtest;
mod counting;
mod error;
pub mod group;
pub mod mfa;
mod monitor;
pub mod network;
mod pipeline;
mod record;
mod replay;
pub mod source;
mod stop;

pub use analysis::{Controls, Status};
pub use error::Error;
pub use monitor::{BackPressure, Monitor, MonitorBuilder, OnFailure, Schedule, Verdict, Work};
pub use network::Architecture;
pub use pipeline::{RunBuilder, Samples};
pub use record::{RecordError, Row, Summary};
pub use replay::{Added, Feed, Replay};
pub use stop::{Mode, QuantityRule, RuleState, Stop, StopRule, StopRuleError, Value};

/// Further items for the command, tests and benches of this repository. They may change at any
/// time.
#[doc(hidden)]
pub mod internals {
    pub mod analysis {
        pub use crate::analysis::*;
    }
    pub mod backtest {
        pub use crate::backtest::exports::*;
    }
    pub mod counting {
        pub use crate::counting::*;
    }
    pub mod mfa {
        pub use crate::mfa::exports::*;
        pub use crate::mfa::*;
    }
    pub mod network {
        pub use crate::network::exports::*;
        pub use crate::network::*;
    }
    pub mod pipeline {
        pub use crate::pipeline::network_of;
    }
    pub mod record {
        pub use crate::record::*;
    }
    pub mod replay {
        pub use crate::replay::merge::{Gathered, gather, merge};
        pub use crate::replay::shard::analyse_shard;
        pub use crate::replay::shard_file::Shard;
    }
    pub mod source {
        pub use crate::source::exports::*;
    }
}

/// The tch that this crate was built with. A program that uses this one links only one tch.
#[cfg(feature = "tch")]
pub use tch;
