//! The cost of an analysis against the size of the model, from 1 million to 1.4 billion f32 weights
//! generated at run time: the time that training waits, the time to the end, and the peak memory in
//! addition to the weights. Each model has its own process, because memory that an earlier model
//! had freed would be reused and not counted.
//!
//!     cargo bench --no-default-features --bench scale [-- --svg docs/scale.svg]

#[path = "../gpt_neox/mod.rs"]
mod gpt_neox;
mod picture;

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use gpt_neox::{Initialisation, Weights};
use neuromfa::source::Source;
use neuromfa::{Monitor, Work};
use serde::{Deserialize, Serialize};

/// Blocks and widths of GPT-NeoX models.
const MODELS: [(usize, usize); 7] =
    [(2, 204), (4, 320), (6, 512), (12, 768), (24, 1024), (24, 1456), (24, 2208)];

/// Analyses of a model that are timed, after one that is not.
const RUNS: u64 = 5;

#[derive(Parser)]
struct Options {
    /// Draws the times into this file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Leaves out models of more weights
    #[arg(long, default_value_t = usize::MAX)]
    most: usize,
    /// Measures one model, for the process that asks: its blocks and its width
    #[arg(long, hide = true, num_args = 2)]
    model: Vec<usize>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Medians over the runs, in seconds, and bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cost {
    weights: usize,
    hook: f64,
    all: f64,
    spread: (f64, f64), // of `all`
    memory: usize,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let [blocks, width] = options.model[..] {
        println!(
            "{}",
            serde_json::to_string(&measure(&Initialisation { blocks, width, seed: 0 })?)?
        );
        return Ok(());
    }
    println!(
        "{:>14}  {:>9}  {:>9}  {:>20}  {:>13}  {:>6}",
        "weights", "hook s", "to end s", "(least to most)", "memory bytes", "share"
    );
    let mut costs = Vec::new();
    for (blocks, width) in MODELS {
        if blocks * 12 * width * width <= options.most {
            let cost = measure_apart(blocks, width)?;
            let Cost { weights, hook, all, spread: (low, high), memory } = cost;
            println!(
                "{weights:>14}  {hook:>9.4}  {all:>9.4}  {:>20}  {memory:>13}  {:>5.1}%",
                format!("({low:.4} to {high:.4})"),
                100.0 * memory as f64 / (4 * weights) as f64
            );
            costs.push(cost);
        }
    }
    let slope = |of: fn(&Cost) -> f64| {
        let (x, y): (Vec<f64>, Vec<f64>) =
            costs.iter().map(|cost| ((cost.weights as f64).ln(), of(cost).ln())).unzip();
        slope(&x, &y)
    };
    println!(
        "slope of ln time on ln weights: hook {:.3}, to the end {:.3}",
        slope(|c| c.hook),
        slope(|c| c.all)
    );
    if let Some(path) = options.svg {
        let line = |of: fn(&Cost) -> f64| costs.iter().map(|c| (c.weights as f64, of(c))).collect();
        let text =
            picture::draw(&[("in the hook", line(|c| c.hook)), ("to the end", line(|c| c.all))]);
        std::fs::write(&path, text)
            .with_context(|| format!("{} is not written", path.display()))?;
    }
    Ok(())
}

/// Measures a model in a separate process.
fn measure_apart(blocks: usize, width: usize) -> Result<Cost> {
    let model = [blocks, width].map(|number| number.to_string());
    let output = Command::new(std::env::current_exe()?).arg("--model").args(&model).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} × {}: {errors}", model[0], model[1]);
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn measure(model: &Initialisation) -> Result<Cost> {
    let source = Weights::draw(model);
    let count = source.parameters().iter().map(|p| p.shape.iter().product::<usize>()).sum();
    let folder = tempfile::tempdir()?;
    let before = resident("VmRSS")?;
    // Resets the peak memory of the process.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let builder = Monitor::builder(folder.path()).quiet().every(1).work(Work::Background);
    let mut monitor = builder.attach_source(source.clone())?;
    let (mut hooks, mut alls) = (Vec::new(), Vec::new());
    for step in 0..=RUNS {
        source.train();
        let start = Instant::now();
        let _ = monitor.step(step + 1, &[])?;
        let hook = start.elapsed().as_secs_f64();
        monitor.flush()?;
        if step > 0 {
            hooks.push(hook);
            alls.push(start.elapsed().as_secs_f64());
        }
    }
    monitor.finish()?;
    let memory = resident("VmHWM")?.saturating_sub(before);
    hooks.sort_by(f64::total_cmp);
    alls.sort_by(f64::total_cmp);
    let middle = hooks.len() / 2;
    let spread = (alls[0], alls[alls.len() - 1]);
    Ok(Cost { weights: count, hook: hooks[middle], all: alls[middle], spread, memory })
}

/// Bytes of memory that the system reports for this process, current or peak.
fn resident(what: &str) -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(what)).context("no such line")?;
    let kibibytes: usize = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kibibytes << 10)
}

/// Slope of the least-squares line.
fn slope(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let covariance: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    covariance / x.iter().map(|x| (x - mx).powi(2)).sum::<f64>()
}
