//! What a step of training waits for: `Monitor::step` where the schedule is not due and where it
//! is, with the side thread idle before each call; a due step to the end of its analysis; and a due
//! step, gate included, whose weights are counted while one core trains.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use gpt_neox::{Initialisation, Weights};
use neuromfa::{Monitor, MonitorBuilder, Work};

/// What one core does between a step and the next update, in place of forward and backward.
const TRAINING: Duration = Duration::from_millis(400);

/// Trains, reports a step, and gives the time of the report.
fn report(monitor: &mut Monitor, source: &Weights) -> Duration {
    source.train();
    let step = monitor.next_step();
    let start = Instant::now();
    let _ = monitor.step(step, &[("loss", 2.5), ("lr", 1e-3)]).unwrap();
    start.elapsed()
}

/// The time of `n` steps. The side thread is waited for after each, within the time or outside it.
fn steps(monitor: &mut Monitor, source: &Weights, n: u64, to_the_end: bool) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..n {
        total += report(monitor, source);
        let start = Instant::now();
        monitor.flush().unwrap();
        total += if to_the_end { start.elapsed() } else { Duration::ZERO };
    }
    total
}

/// What training waits for in `n` steps and at the gates after them.
fn gated_steps(monitor: &mut Monitor, source: &Weights, n: u64) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..n {
        total += report(monitor, source);
        train();
        let start = Instant::now();
        monitor.before_update();
        total += start.elapsed();
        monitor.flush().unwrap();
    }
    total
}

fn train() {
    let (start, mut x) = (Instant::now(), 1.0f64);
    while start.elapsed() < TRAINING {
        (0..1000).for_each(|_| x = black_box(x * 1.000_001));
    }
}

fn benches(c: &mut Criterion) {
    let small = Initialisation { blocks: 6, width: 128, seed: 0 };
    let models = [("6 blocks of 128", small), ("160M", Initialisation::pythia_160m(0))];
    type Configure = fn(MonitorBuilder) -> MonitorBuilder;
    let networks: [(&str, Configure); 3] = [
        ("sampled", |builder| builder.stable(false)),
        ("sampled, stable whole", |builder| builder),
        ("whole", |builder| builder.whole()),
    ];
    for (model, initialisation) in models {
        let source = Weights::draw(&initialisation);
        for (network, configure) in networks {
            let mut group = c.benchmark_group(format!("hook, {model}, {network}"));
            group.sampling_mode(SamplingMode::Flat);
            for (name, every, to_the_end) in
                [("not due", u64::MAX, false), ("due", 1, false), ("due, to the end", 1, true)]
            {
                let folder = tempfile::tempdir().unwrap();
                let builder = configure(Monitor::builder(folder.path())).every(every).threads(2);
                let mut monitor = builder.attach_source(source.clone()).unwrap();
                group.bench_function(name, |b| {
                    b.iter_custom(|n| steps(&mut monitor, &source, n, to_the_end));
                });
                monitor.finish().unwrap();
            }
            for (name, work) in
                [("due, inline", Work::Inline), ("due, overlapped", Work::Overlapped)]
            {
                let folder = tempfile::tempdir().unwrap();
                let builder = configure(Monitor::builder(folder.path())).every(1).work(work);
                let mut monitor = builder.attach_source(source.clone()).unwrap();
                monitor.before_update();
                group.bench_function(name, |b| match work {
                    Work::Overlapped => b.iter_custom(|n| gated_steps(&mut monitor, &source, n)),
                    _ => b.iter_custom(|n| steps(&mut monitor, &source, n, true)),
                });
                monitor.finish().unwrap();
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = hook;
    config = gpt_neox::criterion();
    targets = benches
}
criterion_main!(hook);
