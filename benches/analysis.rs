//! A whole analysis of the shape of Pythia 160M (85 million weights): the snapshot, which training
//! waits for, the measurement, which it does not, and both.
//!
//! One element is one weight of the network, drawn or not.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use gpt_neox::{Initialisation, network, pool, sampled, snapshot, weights, whole};
use neuromfa::analysis::Estimators;

fn benches(c: &mut Criterion) {
    let source = weights(&Initialisation::pythia_160m(0));
    let weights: usize = network(&source).connections().iter().map(|c| c.weights()).sum();
    let plans = [
        ("sampled", sampled(&source, false)),
        ("sampled, stable whole", sampled(&source, true)),
        ("whole", whole(&source)),
    ];
    for (name, plan) in plans {
        let mut group = c.benchmark_group(format!("analysis, {name}"));
        group.throughput(Throughput::Elements(weights as u64)).sampling_mode(SamplingMode::Flat);
        let estimators = Estimators::new(&plan);
        for threads in [1, 2] {
            let pool = pool(threads);
            let mut taken = snapshot(&plan, &source, &pool);
            group.bench_function(format!("snapshot, {threads} threads"), |b| {
                b.iter(|| plan.snapshot(&source, &pool, &mut taken).unwrap());
            });
            group.bench_function(format!("measure, {threads} threads"), |b| {
                b.iter(|| pool.install(|| estimators.measure(&plan, &taken)));
            });
            group.bench_function(format!("both, {threads} threads"), |b| {
                b.iter(|| {
                    plan.snapshot(&source, &pool, &mut taken).unwrap();
                    pool.install(|| estimators.measure(&plan, &taken))
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = analysis;
    config = gpt_neox::criterion();
    targets = benches
}
criterion_main!(analysis);
