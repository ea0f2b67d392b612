//! How long training waits for the monitor on a busy machine: a loop whose steps take a given
//! processor time, with a monitor on a chain of 64, 256, 256 and 64 neurons. `scripts/priority.py`
//! runs it next to busy loops.
//!
//! ```text
//! cargo run --release --no-default-features --example busy -- --seconds 25 --every 10 --work background
//! ```
//!
//! Prints one line: the steps, the seconds in the hook, the longest call of it, and the time.
//!
//! With more options the run is a hard one: many values at each step, names that come late, a disk that
//! hangs, is full, and works again (`scripts/hard_minute.py` compares it with a loop without a monitor).

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, ValueEnum};
use neuromfa::internals::record::inject;
use neuromfa::source::Memory;
use neuromfa::{Monitor, Work};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SHAPES: [(&str, [usize; 2]); 3] =
    [("0.weight", [256, 64]), ("2.weight", [256, 256]), ("4.weight", [64, 256])];

#[derive(Parser)]
struct Args {
    /// How long to train.
    #[arg(long, default_value_t = 25.0)]
    seconds: f64,
    /// Processor time of a step.
    #[arg(long, default_value_t = 2.0)]
    step_ms: f64,
    /// Analyse every N-th step.
    #[arg(long, default_value_t = 10)]
    every: u64,
    /// Where the work of the monitor is done.
    #[arg(long, default_value = "background")]
    work: Where,
    /// Values that are logged at each step.
    #[arg(long, default_value_t = 1)]
    scalars: usize,
    /// Names of values that come in the middle of the run, all at one step.
    #[arg(long, default_value_t = 0)]
    late: usize,
    /// Have the disk hang for an eighth of the time, then be full for an eighth.
    #[arg(long)]
    bad_disk: bool,
    /// Train without a monitor.
    #[arg(long)]
    without: bool,
    /// The folder of the run; replaced.
    #[arg(long, default_value = "runs/busy")]
    run: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Where {
    Background,
    Inline,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let work = match args.work {
        Where::Background => Work::Background,
        Where::Inline => Work::Inline,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut values = SHAPES.map(|(_, [out, inputs])| {
        (0..out * inputs).map(|_| rng.random_range(-0.1..0.1)).collect::<Vec<f32>>()
    });
    let weights = Memory::new();
    let set = |values: &[Vec<f32>]| {
        SHAPES
            .iter()
            .zip(values)
            .try_for_each(|((name, shape), v)| weights.set(name, shape, v.clone()))
    };
    set(&values)?;
    let (end, step_time) =
        (Duration::from_secs_f64(args.seconds), Duration::from_secs_f64(args.step_ms / 1e3));
    let start = Instant::now();
    if args.bad_disk {
        break_disk(&args.run, start, end)?;
    }
    let builder = Monitor::builder(&args.run).every(args.every).work(work).overwrite();
    let mut monitor = match args.without {
        true => None,
        false => Some(builder.attach_source(weights.clone())?),
    };
    let names: Vec<String> = (0..args.scalars).map(|k| format!("value {k}")).collect();
    let late: Vec<String> = (0..args.late).map(|k| format!("late {k}")).collect();
    let (mut in_hook, mut longest) = (Duration::ZERO, Duration::ZERO);
    let (mut steps, mut before) = (0, true);
    while start.elapsed() < end {
        steps += 1;
        train(&mut values, step_time);
        set(&values)?;
        let Some(monitor) = &mut monitor else { continue };
        let second_half = 2 * start.elapsed() > end;
        let come = if second_half && before { &late[..] } else { &[] };
        before = !second_half;
        let of_step = |name| (String::as_str(name), 1.0 / steps as f64);
        let scalars: Vec<(&str, f64)> = names.iter().chain(come).map(of_step).collect();
        let call = Instant::now();
        let _ = monitor.step(steps, &scalars)?;
        in_hook += call.elapsed();
        longest = longest.max(call.elapsed());
    }
    let took = start.elapsed().as_secs_f64();
    if let Some(monitor) = monitor {
        let summary = monitor.finish().context("the monitor failed")?;
        println!("lost_steps {}", summary.lost_steps());
    }
    let (in_hook, longest) = (in_hook.as_secs_f64(), longest.as_secs_f64());
    println!("steps {steps} hook_s {in_hook:.3} longest_s {longest:.3} took_s {took:.3}");
    Ok(())
}

/// Has the disk of the run hang in the second eighth of the time, and be full in the fourth.
fn break_disk(run: &Path, start: Instant, time: Duration) -> anyhow::Result<()> {
    inject(&std::path::absolute(run)?, move |_| {
        match 8 * start.elapsed().as_nanos() / time.as_nanos() {
            1 => {
                let rest = (start + time / 4).saturating_duration_since(Instant::now());
                std::thread::sleep(rest);
                Ok(usize::MAX)
            }
            3 => Err(std::io::ErrorKind::StorageFull.into()),
            _ => Ok(usize::MAX),
        }
    });
    Ok(())
}

/// Uses the processor for a time, and changes every weight.
fn train(values: &mut [Vec<f32>], time: Duration) {
    let start = processor_time();
    values.iter_mut().flatten().for_each(|w| *w *= 1.0001);
    let mut x = 1.0f64;
    while processor_time() - start < time {
        (0..1000).for_each(|_| x = black_box(x * 1.000_001));
    }
}

/// Processor time of this thread; where the system does not say, the time since the first call.
fn processor_time() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(target_os = "linux"))]
    {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}
