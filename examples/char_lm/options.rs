//! The command line. The serialised options identify the run: a resumed run must repeat them.

use std::path::PathBuf;
use std::thread;

use anyhow::{Result, bail, ensure};
use clap::{Parser, ValueEnum};
use neuromfa::Work;
use serde::Serialize;
use tch::{Cuda, Device};

/// Trains a character-level GPT-NeoX and watches it organise itself
#[derive(Debug, Parser, Serialize)]
pub struct Options {
    /// Updates in all
    #[arg(long, default_value_t = 600)]
    pub steps: u64,
    /// Transformer blocks
    #[arg(long, default_value_t = 4, value_parser = positive)]
    pub blocks: i64,
    /// Features of the residual stream, a multiple of 16
    #[arg(long, default_value_t = 128, value_parser = width)]
    pub width: i64,
    /// Characters that the model sees at once
    #[arg(long, default_value_t = 64, value_parser = positive)]
    pub context: i64,
    /// Windows per update
    #[arg(long, default_value_t = 16, value_parser = positive)]
    pub batch: i64,
    /// Highest learning rate: reached after a tenth of the steps, a tenth of it left at the end
    #[arg(long, default_value_t = 2e-3)]
    pub lr: f64,
    /// Seed of the weights and of the batches
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Steps between two analyses and, with --save-checkpoints, between two checkpoints
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    pub every: u64,
    /// Text to learn [default: 4 MB of Rust, sources of crates that this program is built with]
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Whether the run is monitored
    #[arg(long, value_enum, default_value = "on")]
    #[serde(skip)]
    pub monitor: Switch,
    /// Where the monitor's work is done
    #[arg(long, value_enum, default_value = "background")]
    #[serde(skip)]
    pub work: Sharing,
    /// Share of the run's time that monitoring may take (0.01 is one percent) [default: no limit]
    #[arg(long, value_name = "SHARE")]
    #[serde(skip)]
    pub budget: Option<f64>,
    /// Run directory [default: the first free runs/char_lm-N]
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    pub run: Option<PathBuf>,
    /// Resume from the run's newest checkpoint
    #[arg(long, requires = "run")]
    #[serde(skip)]
    pub resume: bool,
    /// Save weights at step 0 and at every analysed step, in the Hugging Face layout
    #[arg(long)]
    #[serde(skip)]
    pub save_checkpoints: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = device)]
    #[serde(skip)]
    pub device: Device,
    /// Threads of libtorch [default: one fewer than there are cores, at most 4]
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    #[serde(skip)]
    pub threads: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Sharing {
    /// Count in the hook, the rest on a side thread
    Background,
    /// Everything in the hook
    Inline,
}

impl From<Sharing> for Work {
    fn from(sharing: Sharing) -> Self {
        match sharing {
            Sharing::Background => Self::Background,
            Sharing::Inline => Self::Inline,
        }
    }
}

impl Options {
    /// libtorch's threads spin while they wait, so they slow down badly when other work (the
    /// monitor's, for one) must share their cores; one core is left to it.
    pub fn libtorch_threads(&self) -> i32 {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as i32);
        self.threads.unwrap_or((cores - 1).clamp(1, 4))
    }

    /// The run directory that was named, or the first free one.
    pub fn run_directory(&self) -> PathBuf {
        let numbered = |n: u64| PathBuf::from(format!("runs/char_lm-{n}"));
        let free = || (1..).map(numbered).find(|run| !run.exists());
        self.run.clone().or_else(free).expect("fewer than 2⁶⁴ runs exist")
    }
}

fn positive(argument: &str) -> Result<i64> {
    let number = argument.parse()?;
    ensure!(number > 0, "{number} is not positive");
    Ok(number)
}

fn width(argument: &str) -> Result<i64> {
    let width = positive(argument)?;
    ensure!(width % 16 == 0, "{width} is no multiple of 16");
    Ok(width)
}

fn device(argument: &str) -> Result<Device> {
    let index = match argument.split_once(':') {
        None if argument == "cpu" => return Ok(Device::Cpu),
        None if argument == "cuda" => 0,
        Some(("cuda", index)) => index.parse::<u32>()?,
        _ => bail!("name cpu, cuda or cuda:N"),
    };
    let found = Cuda::device_count();
    ensure!(i64::from(index) < found, "libtorch sees {found} CUDA devices");
    Ok(Device::Cuda(index as usize))
}
