//! Both estimators, from histograms to spectra, compared with one power per neuron, radius and q.
//!
//! One element is one neuron. Before the other figures, how many times faster both estimators together
//! are than the powers of one.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use gpt_neox::{Initialisation, Weights, network, pool};
use neuromfa::internals::counting::{
    EdgeLayout, EdgeMatrix, RadiusTable, count_edges, count_sampled_edges,
};
use neuromfa::internals::mfa::PowerSums;
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{BoxMasses, Histogram, Method, Published, Spectrum, Stable, StableSpectrum};
use neuromfa::network::{Connection, Network};
use neuromfa::source::Source;
use rayon::prelude::*;

/// The histogram of the drawn neurons of each layer, or of all neurons.
fn histogram(method: &Method, source: &Weights, drawn: Option<&[Vec<usize>]>) -> Histogram {
    let (network, table) = (network(source), RadiusTable::new(method));
    let connections = network.connections();
    let sources = |c: &Connection| drawn.map_or(c.inputs, |layers| layers[c.source].len());
    let mut histogram = Histogram::new(method, connections.iter().map(sources).sum());
    let mut first = 0;
    for c in connections {
        let tensor = source.tensor(&c.parameter).unwrap();
        let layout = EdgeLayout::out_in(c.outputs, c.inputs, 1);
        let matrix = EdgeMatrix::new(tensor.values(), layout).unwrap();
        let rows = histogram.rows_mut(first..first + sources(c));
        match drawn {
            None => count_edges(&table, &[matrix], rows),
            Some(layers) => {
                let (from, to, width) =
                    (&layers[c.source], &layers[c.target], c.outputs / c.copies);
                let copy = |copy: usize| to.iter().map(move |target| copy * width + target);
                let to: Vec<usize> = (0..c.copies).flat_map(copy).collect();
                count_sampled_edges(&table, &matrix, from, &to, rows)
            }
        };
        first += sources(c);
    }
    histogram
}

/// Σ_i p_i(r)^q for each radius and q, as it is written.
fn powers(method: &Method, histogram: &Histogram) -> Vec<f64> {
    let mut sums = vec![0.0; method.radii() * method.q().len()];
    for neuron in 0..histogram.neurons() {
        let row = &histogram.row(neuron)[1..];
        let edges: u32 = row.iter().sum();
        if edges <= method.parameters().min_edges {
            continue;
        }
        let mut mass = 1;
        for (count, sums) in row.iter().zip(sums.chunks_exact_mut(method.q().len())) {
            mass += count;
            let p = f64::from(mass) / f64::from(edges + 1);
            sums.iter_mut().zip(method.q()).for_each(|(sum, q)| *sum += p.powf(*q));
        }
    }
    sums
}

fn estimators(
    group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>,
    method: &Method,
    networks: &[Histogram],
    largest_mass: u32,
) {
    let neurons: usize = networks.iter().map(Histogram::neurons).sum();
    group.throughput(Throughput::Elements(neurons as u64));
    let mut published = Published::new(method);
    published.reach(largest_mass);
    let mut stable = Stable::new(method);
    stable.reach(largest_mass);
    for threads in [1, 2] {
        let pool = pool(threads);
        group.bench_function(format!("box masses, {threads} threads"), |b| {
            let masses = |h| black_box(BoxMasses::new(method, h)).is_ok();
            b.iter(|| pool.install(|| networks.par_iter().all(masses)));
        });
        group.bench_function(format!("published, {threads} threads"), |b| {
            let estimate = |h| published.estimate(&BoxMasses::new(method, h).unwrap()).unwrap();
            b.iter(|| pool.install(|| networks.par_iter().map(estimate).collect::<Vec<_>>()));
        });
        group.bench_function(format!("stable, {threads} threads"), |b| {
            let estimate = |h| stable.estimate(&BoxMasses::new(method, h).unwrap()).unwrap();
            b.iter(|| pool.install(|| networks.par_iter().map(estimate).collect::<Vec<_>>()));
        });
        group.bench_function(format!("both, {threads} threads"), |b| {
            let estimate = |h| both(method, &published, &stable, h);
            b.iter(|| pool.install(|| networks.par_iter().map(estimate).collect::<Vec<_>>()));
        });
    }
}

/// Prints how many times faster both estimators are, on one thread and the whole network, layer by layer
/// as an analysis takes it, than a power per entry on every 64th neuron, as often as there are neurons.
fn times_a_power(method: &Method, network: &Network, whole: &Histogram) {
    const OF: usize = 64;
    let mut some = Histogram::new(method, whole.neurons().div_ceil(OF));
    for (k, neuron) in (0..whole.neurons()).step_by(OF).enumerate() {
        some.rows_mut(k..k + 1).copy_from_slice(whole.row(neuron));
    }
    let (mut published, mut stable) = (Published::new(method), Stable::new(method));
    published.reach(3073);
    stable.reach(3073);
    let pool = pool(1);
    let seconds = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    let rounds: Vec<(f64, f64)> = (0..9)
        .map(|_| {
            let own = || {
                black_box(pool.install(|| layer_by_layer(network, &published, &stable, whole)));
            };
            let powers = || {
                black_box(powers(method, &some));
            };
            let share = whole.neurons() as f64 / some.neurons() as f64;
            (seconds(&own), seconds(&powers) * share)
        })
        .collect();
    let middle = |of: &dyn Fn(&(f64, f64)) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        format!("{:.4} ({:.4} to {:.4})", all[all.len() / 2], all[0], all[all.len() - 1])
    };
    println!("whole network, 1 thread, seconds, median (least to most) of {}:", rounds.len());
    println!("both estimators {}", middle(&|round| round.0));
    println!("a power per entry {}", middle(&|round| round.1));
    println!("times faster {}\n", middle(&|round| round.1 / round.0));
}

/// The sums of each connection's sources, added up.
fn layer_by_layer(
    network: &Network,
    published: &Published,
    stable: &Stable,
    whole: &Histogram,
) -> (Spectrum, StableSpectrum) {
    let (method, mut first) = (Method::default(), 0);
    let sums = network.connections().iter().map(|connection| {
        let rows = whole.rows(first..first + connection.inputs);
        first += connection.inputs;
        stable.sums_of_both(published, &BoxMasses::of_rows(&method, rows).unwrap())
    });
    let add = |mut all: (PowerSums, PowerSums), layer: (PowerSums, PowerSums)| {
        all.0.add(&layer.0);
        all.1.add(&layer.1);
        all
    };
    let all = sums.reduce(add).unwrap();
    (published.spectrum(&all.0).unwrap(), stable.spectrum(&all.1).unwrap())
}

/// Both estimators from one pass over the neurons.
fn both(
    method: &Method,
    published: &Published,
    stable: &Stable,
    histogram: &Histogram,
) -> (Spectrum, StableSpectrum) {
    let masses = BoxMasses::new(method, histogram).unwrap();
    let (of_published, of_stable) = stable.sums_of_both(published, &masses);
    (published.spectrum(&of_published).unwrap(), stable.spectrum(&of_stable).unwrap())
}

fn benches(c: &mut Criterion) {
    let method = Method::default();
    let source = Weights::draw(&Initialisation::pythia_160m(0));
    let network = network(&source);
    let drawn = Draw::random(&network, 64, 10, 0).unwrap().resolve(&network).unwrap();
    let samples: Vec<Histogram> =
        drawn.iter().map(|layers| histogram(&method, &source, Some(layers))).collect();
    let whole = histogram(&method, &source, None);
    times_a_power(&method, &network, &whole);

    let mut group = c.benchmark_group("estimators, 10 samples");
    estimators(&mut group, &method, &samples, 193);
    group.sample_size(10).throughput(Throughput::Elements(samples[0].neurons() as u64));
    group.bench_function("a power per entry, 1 of the samples, 1 threads", |b| {
        b.iter(|| powers(&method, &samples[0]));
    });
    group.finish();
    let mut group = c.benchmark_group("estimators, whole network");
    estimators(&mut group, &method, std::slice::from_ref(&whole), 3073);
    group.finish();
}

criterion_group! {
    name = partition;
    config = gpt_neox::criterion();
    targets = benches
}
criterion_main!(partition);
