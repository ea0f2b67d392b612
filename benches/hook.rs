//! How long a training step waits: `Monitor::step` when the schedule is not due and when it is,
//! with the side thread idle before each call; and a due step to the end of its analysis.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use gpt_neox::{Initialisation, Weights};
use neuromfa::{Monitor, MonitorBuilder, Work};

/// Trains, reports a step, and returns the time of the report.
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

fn benches(c: &mut Criterion) {
    let small = Initialisation { blocks: 6, width: 128, seed: 0 };
    let models = [("6 blocks of 128", small), ("160M", Initialisation::pythia_160m(0))];
    type Configure = fn(MonitorBuilder) -> MonitorBuilder;
    let networks: [(&str, Configure); 3] = [
        ("sampled", |builder| builder.without_stable()),
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
                let builder =
                    configure(Monitor::builder(folder.path()).quiet()).every(every).threads(2);
                let mut monitor = builder.attach_source(source.clone()).unwrap();
                group.bench_function(name, |b| {
                    b.iter_custom(|n| steps(&mut monitor, &source, n, to_the_end));
                });
                monitor.finish().unwrap();
            }
            let folder = tempfile::tempdir().unwrap();
            let builder =
                configure(Monitor::builder(folder.path()).quiet()).every(1).work(Work::Inline);
            let mut monitor = builder.attach_source(source.clone()).unwrap();
            group.bench_function("due, inline", |b| {
                b.iter_custom(|n| steps(&mut monitor, &source, n, true));
            });
            monitor.finish().unwrap();
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
