//! Radius histograms of one matrix, beside a read-only sum of the same bytes and the definition
//! in f64, edge by edge.
//!
//! One element is one weight. PyTorch's `[out, in]` makes the source neuron the column.

#[path = "gpt_neox/mod.rs"]
mod gpt_neox;

use bytemuck::Pod;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use gpt_neox::pool;
use half::{bf16, f16};
use neuromfa::mfa::{EdgeLayout, EdgeMatrix, Histogram, Method, RadiusTable, Values, count_edges};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Rows and columns: a projection of width 768, its fused query-key-value matrix, and the
/// MLP of width 2048.
const SHAPES: [(usize, usize); 3] = [(768, 768), (2304, 768), (8192, 2048)];

fn normal(n: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    (0..n).map(|_| 0.0228 * rng.sample::<f32, _>(StandardNormal)).collect()
}

fn sum<T: Pod + Sync>(values: &[T]) -> u64 {
    let add = |words: &[u64]| words.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
    bytemuck::cast_slice(values).par_chunks(1 << 16).map(add).reduce(|| 0, u64::wrapping_add)
}

/// The definition: 1/|w| in f64, range, rounding; the weights in the order in which they lie.
fn plain(method: &Method, weights: &[f32], layout: EdgeLayout, histogram: &mut Histogram) {
    let slot = |weight: &f32| method.slot_of_weight(f64::from(*weight));
    let slots = method.slots();
    let rows = histogram.rows_mut(0..layout.sources);
    if layout.source_stride == 1 {
        for line in weights.chunks_exact(layout.sources) {
            line.iter().zip(rows.chunks_exact_mut(slots)).for_each(|(w, row)| row[slot(w)] += 1);
        }
    } else {
        for (line, row) in weights.chunks_exact(layout.targets).zip(rows.chunks_exact_mut(slots)) {
            line.iter().for_each(|w| row[slot(w)] += 1);
        }
    }
}

fn count(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    threads: usize,
    table: &RadiusTable,
    (values, layout): (Values<'_>, EdgeLayout),
) {
    let pool = pool(threads);
    let matrix = EdgeMatrix::new(values, layout).unwrap();
    let mut histogram = Histogram::new(table.method(), layout.sources);
    group.bench_function(format!("{name}, {threads} threads"), |b| {
        let rows = 0..layout.sources;
        b.iter(|| pool.install(|| count_edges(table, &[matrix], histogram.rows_mut(rows.clone()))));
    });
}

fn benches(c: &mut Criterion) {
    let method = Method::default();
    let table = RadiusTable::new(&method);
    for (rows, columns) in SHAPES {
        let weights = normal(rows * columns);
        let halves: Vec<f16> = weights.iter().map(|w| f16::from_f32(*w)).collect();
        let brains: Vec<bf16> = weights.iter().map(|w| bf16::from_f32(*w)).collect();
        let column = EdgeLayout::out_in(rows, columns, 1);
        let row = EdgeLayout::in_out(rows, columns);
        let mut group = c.benchmark_group(format!("histogram, {rows} x {columns}"));
        group.throughput(Throughput::Elements(weights.len() as u64));
        if weights.len() > 1 << 22 {
            group.sampling_mode(SamplingMode::Flat);
        }
        for threads in [1, 2] {
            let pool = pool(threads);
            group.bench_function(format!("read f32, {threads} threads"), |b| {
                b.iter(|| pool.install(|| sum(&weights)));
            });
            for (name, layout) in [("column", column), ("row", row)] {
                let f32s = (Values::F32(&weights), layout);
                count(&mut group, &format!("{name} f32"), threads, &table, f32s);
            }
        }
        group.bench_function("read 16 bits, 1 threads", |b| {
            let pool = pool(1);
            b.iter(|| pool.install(|| sum(&halves)));
        });
        for (name, layout) in [("column", column), ("row", row)] {
            count(&mut group, &format!("{name} f16"), 1, &table, (Values::F16(&halves), layout));
            count(&mut group, &format!("{name} bf16"), 1, &table, (Values::Bf16(&brains), layout));
            let mut histogram = Histogram::new(&method, layout.sources);
            group.sample_size(10);
            group.bench_function(format!("{name} plain f64, 1 threads"), |b| {
                b.iter(|| plain(&method, &weights, layout, &mut histogram));
            });
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
