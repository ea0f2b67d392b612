//! Both estimators, from histograms to spectra, beside one power per neuron, radius and q.
//!
//! One element is one neuron.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use gpt_neox::{Initialisation, network, pool, weights};
use neuromfa::mfa::{
    BoxMasses, EdgeLayout, EdgeMatrix, Histogram, Method, Published, RadiusTable, Spectrum, Stable,
    StableSpectrum, count_edges, count_sampled_edges,
};
use neuromfa::network::{Connection, Draw};
use neuromfa::source::{Memory, Source};
use rayon::prelude::*;

/// The histogram of the drawn neurons of each layer, or of all neurons.
fn histogram(method: &Method, source: &Memory, drawn: Option<&[Vec<usize>]>) -> Histogram {
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

/// Both estimators from one pass over the neurons.
fn both(
    method: &Method,
    published: &Published,
    stable: &Stable,
    histogram: &Histogram,
) -> (Spectrum, StableSpectrum) {
    let masses = BoxMasses::new(method, histogram).unwrap();
    let (of_published, of_stable) = stable.sums_beside(published, &masses);
    (published.spectrum(&of_published).unwrap(), stable.spectrum(&of_stable).unwrap())
}

fn benches(c: &mut Criterion) {
    let method = Method::default();
    let source = weights(&Initialisation::pythia_160m(0));
    let network = network(&source);
    let drawn = Draw::random(&network, 64, 10, 0).unwrap().resolve(&network).unwrap();
    let samples: Vec<Histogram> =
        drawn.iter().map(|layers| histogram(&method, &source, Some(layers))).collect();
    let whole = histogram(&method, &source, None);

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
