//! The cost of recording and of reading long runs: new metric names late in a run, a step with many
//! values, and a resume. Plain figures, of one run each; ROWS (100 000) is how long a run is.
//!
//! With KEEP, a folder, the long run stays there, to be timed with `neuromfa report` and `live`.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use neuromfa::source::Memory;
use neuromfa::{Monitor, MonitorBuilder};

#[path = "../tests/loops/mod.rs"]
mod loops;

fn rows() -> u64 {
    std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(100_000)
}

fn builder(run: &Path) -> MonitorBuilder {
    Monitor::builder(run).quiet().threads(1)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The longest and the median of calls of `step`, each followed by a wait.
fn steps(monitor: &mut Monitor, n: u64, wait: Duration, names: &[String]) -> (f64, f64) {
    let scalars: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 0.5)).collect();
    let mut times: Vec<f64> = (0..n)
        .map(|_| {
            let start = Instant::now();
            let _ = black_box(monitor.tick(&scalars).unwrap());
            let took = milliseconds(start.elapsed());
            std::thread::sleep(wait);
            took
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() - 1], times[times.len() / 2])
}

fn names(n: usize) -> Vec<String> {
    (0..n).map(|k| format!("metric {k}")).collect()
}

fn attach(run: &Path, weights: &Memory) -> Monitor {
    builder(run).every(u64::MAX).attach_source(weights.clone()).unwrap()
}

/// 100 new names at once after many rows, then one new name at each step.
fn late_names(weights: &Memory) {
    for (loop_of, wait) in [("steps of 1 ms", 1), ("an empty loop", 0)] {
        let dir = tempfile::tempdir().unwrap();
        let mut monitor = attach(dir.path(), weights);
        let wait = Duration::from_millis(wait);
        let _ = steps(&mut monitor, rows(), Duration::ZERO, &names(1));
        monitor.flush().unwrap();
        let (before, _) = steps(&mut monitor, 500, wait, &names(1));
        let (longest, _) = steps(&mut monitor, 500, wait, &names(101));
        let mut each: f64 = 0.0;
        for n in 102..602 {
            each = each.max(steps(&mut monitor, 1, wait, &names(n)).0);
        }
        let start = Instant::now();
        monitor.finish().unwrap();
        let end = start.elapsed().as_secs_f64();
        println!(
            "late names, {loop_of}: longest step {before:.2} ms before, {longest:.2} ms with 100 new \
             names at once, {each:.2} ms with a new name at each of 500 steps; the end took {end:.2} s"
        );
    }
}

/// A step that is not due, by the number of its values.
fn many_values(weights: &Memory) {
    for n in [1, 10, 100, 1000, 3000] {
        let dir = tempfile::tempdir().unwrap();
        let mut monitor = attach(dir.path(), weights);
        let names = names(n);
        // Fewer than may wait to be recorded.
        let (_, median) = steps(&mut monitor, 500, Duration::ZERO, &names);
        monitor.finish().unwrap();
        println!("{n} values: {:.2} µs a step that is not due", 1e3 * median);
    }
}

/// The most memory that this process has had, in MB; 0 where the system does not say.
fn most_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    number.map_or(0.0, |kilobytes| kilobytes / 1e3)
}

fn resume() {
    let kept = std::env::var_os("KEEP").map(std::path::PathBuf::from);
    let dir = tempfile::tempdir().unwrap();
    let run = kept.unwrap_or_else(|| dir.path().join("run"));
    loops::interrupted::complete(builder(&run).every(1), 30);
    loops::long::lengthen(&run, rows());
    let size = |name: &str| std::fs::metadata(run.join(name)).map_or(0, |data| data.len());
    let bytes: u64 = loops::TABLES.iter().map(|name| size(name)).sum();
    let before = most_memory();
    let start = Instant::now();
    let monitor = builder(&run).every(1).resume().attach_source(loops::weights_at(0)).unwrap();
    let took = start.elapsed().as_secs_f64();
    assert_eq!(monitor.next_step(), rows() + 1);
    println!(
        "resume of {} analysed rows, {:.1} GB: {took:.2} s, {:.0} MB of memory more than before",
        rows(),
        bytes as f64 / 1e9,
        most_memory() - before
    );
    drop(monitor);
}

fn main() {
    // `cargo test` runs benches to see that they start.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let weights = loops::weights_at(0);
    many_values(&weights);
    late_names(&weights);
    resume();
}
