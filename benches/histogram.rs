//! Radius histograms of one matrix, with each kind of instructions that the machine has, compared
//! with a read-only sum of the same bytes. "Plain" is the code for any machine, a table of
//! thresholds.
//!
//! Weights are normal with the standard deviations of a GPT-NeoX initialisation, 0.0228 (of which 26 %
//! are left out) and 0.006 (73 %), or such that none is left out.
//!
//! One element is one weight. PyTorch's `[out, in]` makes the source neuron the column.
//! "With controls" counts rescaled weights and sums distances in the same pass.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use bytemuck::Pod;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use gpt_neox::pool;
use half::{bf16, f16};
use neuromfa::internals::counting::{
    EdgeLayout, EdgeMatrix, Instructions, LayerRows, PackedHistogram, RadiusTable, Rescaled,
    count_edges, count_layer,
};
use neuromfa::mfa::{Histogram, Method, Values};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Rows and columns: a projection of width 768, and the MLP of width 2048, which no cache holds.
const SHAPES: [(usize, usize); 2] = [(768, 768), (8192, 2048)];

const INSTRUCTIONS: [Instructions; 3] =
    [Instructions::Plain, Instructions::Avx2, Instructions::Avx512];

fn normal(n: usize, deviation: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (0..n).map(|_| deviation * rng.sample::<f32, _>(StandardNormal)).collect()
}

/// Weights whose distances are uniform among those that are kept.
fn kept(n: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (0..n).map(|_| 1.0 / rng.random_range(1.5..149.5f32)).collect()
}

fn sum<T: Pod + Sync>(values: &[T]) -> u64 {
    let add = |words: &[u64]| words.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
    bytemuck::cast_slice(values).par_chunks(1 << 16).map(add).reduce(|| 0, u64::wrapping_add)
}

fn read<T: Pod + Sync>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    threads: usize,
    values: &[T],
) {
    let pool = pool(threads);
    group.bench_function(format!("read {name}, {threads} threads"), |b| {
        b.iter(|| pool.install(|| sum(values)));
    });
}

/// Both layouts with all instructions.
fn count(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    threads: usize,
    (rows, columns): (usize, usize),
    values: Values<'_>,
) {
    let pool = pool(threads);
    let method = Method::default();
    for instructions in INSTRUCTIONS {
        let Some(table) = RadiusTable::new(&method).with_instructions(instructions) else {
            continue;
        };
        for (place, layout) in [
            ("column", EdgeLayout::out_in(rows, columns, 1)),
            ("row", EdgeLayout::in_out(columns, rows)),
        ] {
            let matrix = EdgeMatrix::new(values, layout).unwrap();
            let mut histogram = Histogram::new(&method, layout.sources);
            let name = format!("{place} {name}, {instructions:?}, {threads} threads");
            group.bench_function(name, |b| {
                let all = 0..layout.sources;
                b.iter(|| {
                    let rows = histogram.rows_mut(all.clone());
                    pool.install(|| count_edges(&table, &[matrix], rows))
                });
            });
        }
    }
}

fn with_controls(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (rows, columns): (usize, usize),
    weights: &[f32],
) {
    let pool = pool(1);
    let table = RadiusTable::new(&Method::default());
    let rescaled = [RadiusTable::rescaled(table.method(), 0.9).unwrap()];
    for (place, layout) in [
        ("column", EdgeLayout::out_in(rows, columns, 1)),
        ("row", EdgeLayout::in_out(columns, rows)),
    ] {
        let matrix = EdgeMatrix::new(Values::F32(weights), layout).unwrap();
        let mut counts = PackedHistogram::new(table.method(), layout.sources);
        let mut matched = counts.clone();
        let mut distances = vec![0.0; layout.sources];
        group.bench_function(format!("{place} f32 with controls, best, 1 threads"), |b| {
            b.iter(|| {
                let rescaled = Some(Rescaled { tables: &rescaled, counts: &mut matched });
                let rows = LayerRows {
                    counts: &mut counts,
                    distances: &mut distances,
                    rescaled,
                    samples: Vec::new(),
                };
                pool.install(|| count_layer(&table, &[matrix], rows))
            });
        });
    }
}

fn benches(c: &mut Criterion) {
    for shape in SHAPES {
        let (rows, columns) = shape;
        let weights = normal(rows * columns, 0.0228);
        let mut group = c.benchmark_group(format!("histogram, {rows} x {columns}"));
        group.throughput(Throughput::Elements(weights.len() as u64));
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        for threads in [1, 2] {
            read(&mut group, "f32", threads, &weights);
            count(&mut group, "f32", threads, shape, Values::F32(&weights));
        }
        with_controls(&mut group, shape, &weights);
        let others =
            [("f32 of 0.006", normal(rows * columns, 0.006)), ("f32 kept", kept(rows * columns))];
        for (name, weights) in &others {
            count(&mut group, name, 1, shape, Values::F32(weights));
        }
        if rows == 768 {
            let halves: Vec<f16> = weights.iter().map(|w| f16::from_f32(*w)).collect();
            let brains: Vec<bf16> = weights.iter().map(|w| bf16::from_f32(*w)).collect();
            let doubles: Vec<f64> = weights.iter().map(|w| f64::from(*w)).collect();
            read(&mut group, "16 bits", 1, &halves);
            count(&mut group, "f16", 1, shape, Values::F16(&halves));
            count(&mut group, "bf16", 1, shape, Values::Bf16(&brains));
            read(&mut group, "f64", 1, &doubles);
            count(&mut group, "f64", 1, shape, Values::F64(&doubles));
        }
        group.finish();
    }
}

criterion_group! {
    name = histogram;
    config = gpt_neox::criterion();
    targets = benches
}
criterion_main!(histogram);
