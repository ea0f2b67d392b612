//! Distances over two and three layers of the shape of Pythia 160M (85 million weights): 10 samples
//! of 64 neurons a layer, all neurons between taking part. Also prints the processor time of one
//! count, which other work on the machine hardly changes, and the error of the sampled estimate.
//!
//! One element is one weight of the network.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use gpt_neox::{Initialisation, Weights, network, pool};
use neuromfa::internals::analysis::{HopEstimators, Hops, HopsPlan, HopsSnapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::Method;

/// Processor time of this process so far, over all threads; none where Linux's /proc is not there.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ticks = fields.skip(11).take(2).map(|field| field.parse::<f64>().ok()).sum::<Option<f64>>();
    Some(ticks? / 100.0)
}

fn benches(c: &mut Criterion) {
    let source = Weights::draw(&Initialisation::pythia_160m(0));
    let network = network(&source);
    let weights: usize = network.connections().iter().map(|c| c.weights()).sum();
    let draw = Draw::random(&network, 64, 10, 0).unwrap();
    let mut group = c.benchmark_group("hops");
    group.throughput(Throughput::Elements(weights as u64)).sampling_mode(SamplingMode::Flat);
    group.sample_size(10);
    for (name, most, budget) in [
        ("2 hops", 2, None),
        ("3 hops", 3, None),
        ("3 hops, estimate over 64", 3, Some(64)),
        ("3 hops, estimate over 256", 3, Some(256)),
    ] {
        let hops = Hops { most, budget, seed: 0 };
        let plan = HopsPlan::new(&Method::default(), &network, &draw, hops).unwrap();
        let estimators = HopEstimators::new(&plan);
        for threads in if budget.is_some() { vec![2] } else { vec![1, 2] } {
            let pool = pool(threads);
            let mut snapshot = HopsSnapshot::new(&plan);
            plan.count(&source, &pool, &mut snapshot).unwrap();
            let before = cpu_seconds();
            plan.count(&source, &pool, &mut snapshot).unwrap();
            let cpu = cpu_seconds().zip(before).map(|(after, before)| after - before);
            println!("{name}, count, {threads} threads: {cpu:.2?} s of processor time");
            group.bench_function(format!("{name}, count, {threads} threads"), |b| {
                b.iter(|| plan.count(&source, &pool, &mut snapshot).unwrap());
            });
            group.bench_function(format!("{name}, measure, {threads} threads"), |b| {
                b.iter(|| pool.install(|| estimators.measure(&plan, &snapshot)));
            });
            for hops in (2..=most).filter(|_| budget.is_some()) {
                println!("{name}, {hops} hops: {:?}", snapshot.error(hops));
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = hops;
    config = gpt_neox::criterion();
    targets = benches
}
criterion_main!(hops);
