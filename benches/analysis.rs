//! A complete analysis of the shape of Pythia 160M (85 million weights): the snapshot, for which
//! training waits, the measurement, for which it does not, and both. For comparison, the lower
//! bound of a snapshot: a sum over the weights that it reads.
//!
//! One element is one weight of the network, drawn or not.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use gpt_neox::{Initialisation, Weights, network, pool, sampled, snapshot, whole};
use neuromfa::Controls;
use neuromfa::internals::analysis::{Estimators, Plan};
use neuromfa::mfa::Values;
use neuromfa::network::Connection;
use neuromfa::source::Source;
use rayon::ThreadPool;
use rayon::prelude::*;

/// Sums what `read` picks of each connection's weights, connection by connection.
fn sum(
    plan: &Plan,
    source: &Weights,
    pool: &ThreadPool,
    read: impl Fn(&Connection, &[f32]) -> u64 + Sync,
) -> u64 {
    let one = |c: &Connection| {
        let tensor = source.tensor(&c.parameter).unwrap();
        let Values::F32(weights) = tensor.values() else { unreachable!("drawn as f32") };
        read(c, weights)
    };
    let add = u64::wrapping_add;
    pool.install(|| plan.network().connections().par_iter().map(one).reduce(|| 0, add))
}

fn all(_: &Connection, weights: &[f32]) -> u64 {
    let words: &[u64] = bytemuck::cast_slice(weights);
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// The weights between the drawn neurons of each sample, in the order of the snapshot.
fn drawn(samples: &[Vec<Vec<usize>>], c: &Connection, weights: &[f32]) -> u64 {
    let mut sum = 0u64;
    for layers in samples {
        let (from, to, width) = (&layers[c.source], &layers[c.target], c.outputs / c.copies);
        for target in (0..c.copies).flat_map(|copy| to.iter().map(move |t| copy * width + t)) {
            let row = &weights[target * c.inputs..][..c.inputs];
            from.iter()
                .for_each(|source| sum = sum.wrapping_add(u64::from(row[*source].to_bits())));
        }
    }
    sum
}

/// With the null controls, every part of the network and its neurons: the defaults of a run.
fn with_everything(plan: Plan) -> Plan {
    plan.with_controls(Controls::default()).with_details()
}

fn benches(c: &mut Criterion) {
    let source = Weights::draw(&Initialisation::pythia_160m(0));
    let weights: usize = network(&source).connections().iter().map(|c| c.weights()).sum();
    let plans = [
        ("sampled", sampled(&source, false)),
        ("sampled, stable whole", sampled(&source, true)),
        ("whole", whole(&source)),
        ("default, all on", with_everything(sampled(&source, true))),
    ];
    for (name, plan) in plans {
        let mut group = c.benchmark_group(format!("analysis, {name}"));
        group.throughput(Throughput::Elements(weights as u64)).sampling_mode(SamplingMode::Flat);
        let estimators = Estimators::new(&plan);
        let samples = plan.draw().resolve(plan.network()).unwrap();
        for threads in [1, 2] {
            let pool = pool(threads);
            let mut taken = snapshot(&plan, &source, &pool);
            let mut plan = plan.clone();
            plan.start_from(&estimators.measure(&plan, &taken, 0).deviations);
            if name == "sampled" {
                group.bench_function(format!("read the drawn weights, {threads} threads"), |b| {
                    b.iter(|| sum(&plan, &source, &pool, |c, weights| drawn(&samples, c, weights)));
                });
            } else {
                group.bench_function(format!("read all weights, {threads} threads"), |b| {
                    b.iter(|| sum(&plan, &source, &pool, all));
                });
            }
            group.bench_function(format!("snapshot, {threads} threads"), |b| {
                b.iter(|| {
                    source.train();
                    plan.snapshot(&source, &pool, &mut taken).unwrap();
                });
            });
            group.bench_function(format!("measure, {threads} threads"), |b| {
                b.iter(|| pool.install(|| estimators.measure(&plan, &taken, 0)));
            });
            group.bench_function(format!("both, {threads} threads"), |b| {
                b.iter(|| {
                    source.train();
                    plan.snapshot(&source, &pool, &mut taken).unwrap();
                    pool.install(|| estimators.measure(&plan, &taken, 0))
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
