//! Trains the runs of the stopping study (docs/stopping.md): seven tasks, two widths, two learning rates, two weight
//! decays, eight seeds, 448 runs. Then `neuromfa backtest --judge` compares rules on them, and `--grokking` says
//! what moves before a network groks.
//!
//!     cargo run --release --example stopping_study
//!     neuromfa backtest runs/stopping_study --judge test_loss
//!     cargo run --release --example stopping_study -- --grokking
//!
//! Runs that are complete are skipped, so it can be ended and started again.

mod data;
mod grokking;
mod plan;
mod train;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use plan::{Family, Plan, plans};

/// Trains the runs of the stopping study.
#[derive(Parser)]
struct Options {
    /// Train this share of each task's runs, evenly over seeds and settings
    #[arg(long, default_value_t = 1.0)]
    part: f64,
    /// Only these tasks
    #[arg(long, value_delimiter = ',')]
    family: Vec<Family>,
    /// List the runs and whether they are complete, and train nothing
    #[arg(long)]
    list: bool,
    /// Say what moves before the runs of modular addition grok, and train nothing
    #[arg(long)]
    grokking: bool,
    /// The folder of the runs
    #[arg(long, default_value = "runs/stopping_study")]
    out: PathBuf,
    /// Runs at a time, each on one core
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Train one run, in this process
    #[arg(long, hide = true)]
    run: Option<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(name) = &options.run {
        return train::train(&Plan::named(name)?, &options.out.join(name));
    }
    ensure!(
        options.part > 0.0 && options.part <= 1.0,
        "--part {}: give a number above 0, at most 1",
        options.part
    );
    let all = plans(options.part, &options.family);
    let complete = |plan: &Plan| options.out.join(plan.to_string()).join("summary.json").exists();
    if options.list {
        for plan in &all {
            println!("{plan}  {}", if complete(plan) { "complete" } else { "-" });
        }
        return Ok(());
    }
    if options.grokking {
        return grokking(&options.out);
    }
    let left: Vec<Plan> = all.iter().filter(|plan| !complete(plan)).copied().collect();
    let progress = Progress::new(all.len(), left.len());
    let queue = Mutex::new(left.into_iter());
    let next = || queue.lock().expect("no panic").next();
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.workers.max(1) {
            scope.spawn(|| {
                while let Some(plan) = next() {
                    // libtorch's random numbers belong to the process.
                    if let Err(error) = run(&plan, &options.out) {
                        failed.lock().expect("no panic").push(format!("{error:#}"));
                    }
                    progress.done();
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    if !failed.is_empty() {
        bail!("{} runs failed, and begin again the next time: {}", failed.len(), failed.join("; "));
    }
    println!("{} runs in {}", all.len(), options.out.display());
    Ok(())
}

/// Prints a table of the alarms before grokking.
fn grokking(out: &Path) -> Result<()> {
    let runs = plans(1.0, &[Family::Modular]);
    let read = |plan: &Plan| grokking::Run::read(&out.join(plan.to_string()), plan.seed);
    let runs: Vec<grokking::Run> = runs.iter().map(read).collect::<Result<_>>()?;
    let steps: Vec<u64> = runs.iter().filter_map(grokking::Run::groks).collect();
    println!(
        "{} of {} runs grok, at steps {:?} to {:?}\n",
        steps.len(),
        runs.len(),
        steps.iter().min(),
        steps.iter().max()
    );
    println!("| quantity | limit | false alarms | alarm before | median lead | 95 % |");
    println!("|---|---|---|---|---|---|");
    let leads = grokking::leads(&runs)?;
    leads.iter().for_each(|lead| println!("{lead}"));
    let lacks = |name: &&&str| leads.iter().all(|lead| lead.quantity != **name);
    let lacking: Vec<&str> = grokking::QUANTITIES.iter().filter(lacks).copied().collect();
    if !lacking.is_empty() {
        println!("\nNot in all runs: {}", lacking.join(", "));
    }
    Ok(())
}

/// Trains a run in a process of its own.
fn run(plan: &Plan, out: &Path) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--run", &plan.to_string()]).arg("--out").arg(out);
    let status = command.status().with_context(|| plan.to_string())?;
    ensure!(status.success(), "{plan}: {status}");
    Ok(())
}

/// A line on standard error for each run that ends.
struct Progress {
    all: usize,
    left: Mutex<usize>,
    wanted: usize,
    begun: Instant,
}

impl Progress {
    fn new(all: usize, left: usize) -> Self {
        eprintln!("{left} of {all} runs to train");
        Self { all, left: Mutex::new(left), wanted: left, begun: Instant::now() }
    }

    fn done(&self) {
        let mut left = self.left.lock().expect("no panic");
        *left -= 1;
        let elapsed = self.begun.elapsed();
        let rest = elapsed.mul_f64(*left as f64 / (self.wanted - *left) as f64);
        let minutes = |time: Duration| time.as_secs().div_ceil(60);
        const WIDE: usize = 30;
        let filled = WIDE * (self.all - *left) / self.all;
        eprint!(
            "\r[{}{}] {}/{} runs, {} min, {} min left  ",
            "#".repeat(filled),
            "-".repeat(WIDE - filled),
            self.all - *left,
            self.all,
            minutes(elapsed),
            minutes(rest)
        );
        if *left == 0 {
            eprintln!();
        }
    }
}
