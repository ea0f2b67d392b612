//! Counting with vector instructions gives what counting without them gives, bit for bit.

#[path = "loops/skipped.rs"]
mod skipped;

use half::{bf16, f16};

use neuromfa::internals::counting::{
    Counted, Drawn, EdgeLayout, EdgeMatrix, Instructions, LayerRows, PackedHistogram, RadiusTable,
    Rescaled, count_edges, count_layer, count_sampled_edges,
};
use neuromfa::mfa::{Histogram, Method, Values};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use skipped::skip;

/// The instructions that this machine has, the plain code first.
fn tables() -> Vec<(Instructions, RadiusTable)> {
    let table = RadiusTable::new(&Method::default());
    [Instructions::Plain, Instructions::Avx2, Instructions::Avx512]
        .into_iter()
        .filter_map(|one| {
            let table = table.clone().with_instructions(one);
            if table.is_none() {
                skip(&format!("in part: this machine has no {one:?}"));
            }
            Some((one, table?))
        })
        .collect()
}

/// Weights of both signs and every oddity, ties in f64 among them.
fn weights(n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let tiny = f64::from(f32::from_bits(3));
    let odd = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0, -1.0, tiny, 1e300];
    (0..n)
        .map(|k| match k % 41 {
            5 => odd[k / 41 % odd.len()],
            6 => 2.0 / (2.0 * f64::from(rng.random_range(1..152u32)) + 1.0),
            7 => -1.0 / f64::from(rng.random_range(1..152u32)),
            8 => 1.0 - f64::EPSILON / 2.0,
            _ => rng.random_range(-0.2..0.2),
        })
        .collect()
}

/// Odd sizes, taps, and views with holes; more than 255 targets fill a byte.
fn layouts() -> Vec<EdgeLayout> {
    let out_in = [
        (70, 130, 1),
        (9, 65, 9),
        (600, 3, 1),
        (300, 129, 1),
        (40, 20, 49),
        (2, 3, 256),
        // Several strips of several blocks each.
        (600, 1100, 1),
        (200, 70, 9),
    ];
    let in_out = [(130, 70), (3, 64), (2, 63), (129, 65), (5, 1), (1, 2000)];
    let view = EdgeLayout { source_stride: 50, target_stride: 2, ..EdgeLayout::out_in(20, 30, 2) };
    let grouped = EdgeLayout::grouped(66, 195, 9, 3);
    let rows = EdgeLayout { target_stride: 143, ..EdgeLayout::out_in(33, 70, 2) };
    let apart =
        EdgeLayout { source_stride: 2, target_stride: 150, ..EdgeLayout::out_in(40, 70, 1) };
    let out_in = out_in.map(|(targets, sources, taps)| EdgeLayout::out_in(targets, sources, taps));
    let in_out = in_out.map(|(sources, targets)| EdgeLayout::in_out(sources, targets));
    out_in.into_iter().chain(in_out).chain([view, rows, apart, grouped]).collect()
}

fn reach(l: EdgeLayout) -> usize {
    (l.sources / l.groups - 1) * l.source_stride + (l.targets - 1) * l.target_stride + l.taps
}

type All = (Counted, PackedHistogram, PackedHistogram, Vec<u64>);

/// Everything that one pass gives, twice the same matrix; the distance sums as bits.
fn count(
    instructions: Instructions,
    table: &RadiusTable,
    values: Values<'_>,
    layout: EdgeLayout,
) -> All {
    let method = table.method();
    let matrices = [EdgeMatrix::new(values, layout).unwrap(); 2];
    let tables = [0.731, 1.9].map(|factor| {
        RadiusTable::rescaled(method, factor).unwrap().with_instructions(instructions).unwrap()
    });
    let neurons = layout.sources;
    let mut counts = PackedHistogram::new(method, neurons);
    let mut matched = PackedHistogram::new(method, 0);
    let mut distances = vec![0.0; neurons];
    let rescaled = Some(Rescaled { tables: &tables, counts: &mut matched });
    // Every third neuron, and the first quarter; other targets for each matrix.
    let draws = [(0..neurons).step_by(3).collect(), (0..neurons.div_ceil(4)).collect::<Vec<_>>()];
    let targets = [2, 5].map(|step| (0..layout.targets).step_by(step).collect::<Vec<_>>());
    let mut drawn = draws.each_ref().map(|draw| PackedHistogram::new(method, draw.len()));
    let samples = draws.iter().zip(&mut drawn).map(|(sources, counts)| {
        let targets = targets.iter().map(Vec::as_slice).collect();
        Drawn { sources, targets, counts }
    });
    let samples = samples.collect();
    let rows = LayerRows { counts: &mut counts, distances: &mut distances, rescaled, samples };
    let counted = count_layer(table, &matrices, rows);
    for (sources, drawn) in draws.iter().zip(&drawn) {
        let mut rows = vec![0; sources.len() * method.slots()];
        for (matrix, targets) in matrices.iter().zip(&targets) {
            count_sampled_edges(table, matrix, sources, targets, &mut rows);
        }
        PackedHistogram::lend([drawn], |drawn| assert!(drawn == rows, "{layout:?}"));
    }
    // Each alone is counted by other code.
    let mut rows = vec![7; neurons * method.slots()];
    let not_finite = count_edges(table, &matrices, &mut rows);
    let mut alone = PackedHistogram::new(method, neurons);
    alone.pack(&rows);
    assert_eq!((not_finite, &alone), (counted.not_finite, &counts), "{layout:?}");
    let mut sums = vec![0.0; neurons];
    let (counts_alone, samples) = (&mut alone, Vec::new());
    let rows = LayerRows { counts: counts_alone, distances: &mut sums, rescaled: None, samples };
    let plain = Counted { rescaled_pools: Vec::new(), ..counted.clone() };
    assert_eq!(count_layer(table, &matrices, rows), plain, "{layout:?}");
    assert_eq!((&sums, &alone), (&distances, &counts), "{layout:?}");
    let mut other = PackedHistogram::new(method, 0);
    let rescaled = Some(Rescaled { tables: &tables, counts: &mut other });
    let (distances_alone, samples) = (&mut [][..], Vec::new());
    let rows = LayerRows { counts: &mut alone, distances: distances_alone, rescaled, samples };
    assert_eq!(count_layer(table, &matrices, rows), counted, "{layout:?}");
    assert_eq!((&other, &alone), (&matched, &counts), "{layout:?}");
    // The pools of both matrices together are what the neurons count.
    for (pools, counts) in [(&counted.pools, &counts), (&counted.rescaled_pools, &matched)] {
        let pooled = (0..method.slots()).map(|slot| pools.iter().map(|pool| pool[slot]).sum());
        let pooled: Vec<u64> = pooled.collect();
        PackedHistogram::lend([counts], |rows| {
            let of = |slot| rows.iter().skip(slot).step_by(method.slots());
            let summed = (0..method.slots()).map(|slot| of(slot).map(|&n| u64::from(n)).sum());
            assert_eq!(pooled, summed.collect::<Vec<u64>>(), "{layout:?}");
        });
    }
    (counted, counts, matched, distances.iter().map(|d| d.to_bits()).collect())
}

#[test]
fn every_type_and_layout_counts_as_the_plain_code() {
    let tables = tables();
    for layout in layouts() {
        let doubles = weights(reach(layout));
        let singles: Vec<f32> = doubles.iter().map(|w| *w as f32).collect();
        let halves: Vec<f16> = doubles.iter().map(|w| f16::from_f64(*w)).collect();
        let brains: Vec<bf16> = doubles.iter().map(|w| bf16::from_f64(*w)).collect();
        for values in [
            Values::F64(&doubles),
            Values::F32(&singles),
            Values::F16(&halves),
            Values::Bf16(&brains),
        ] {
            let (_, plain) = &tables[0];
            let plain = count(Instructions::Plain, plain, values, layout);
            assert!(plain.0.not_finite > 0 || layout.sources * layout.targets < 300);
            for (instructions, table) in &tables[1..] {
                let fast = count(*instructions, table, values, layout);
                assert!(fast == plain, "{instructions:?}, {layout:?}");
            }
        }
    }
}

#[test]
fn rows_count_alike_whether_few_or_many_of_their_weights_are_left_out() {
    // Longer than what waits at once, and no multiple of a chunk. The way of counting follows the
    // row before, so each of the two follows each.
    for targets in [63, 1024, 1500, 5000] {
        let layout = EdgeLayout::in_out(40, targets);
        let scales = [1.0, 0.02, 0.02, 1.0].into_iter().cycle();
        let doubles: Vec<f64> = weights(40 * targets)
            .chunks(targets)
            .zip(scales)
            .flat_map(|(row, scale)| row.iter().map(move |w| w * scale))
            .collect();
        let singles: Vec<f32> = doubles.iter().map(|w| *w as f32).collect();
        for values in [Values::F64(&doubles), Values::F32(&singles)] {
            let counts =
                tables().into_iter().map(|(one, table)| count(one, &table, values, layout));
            let counts: Vec<_> = counts.collect();
            assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{targets} targets");
        }
    }
}

#[test]
fn rows_count_alike_in_whatever_order_their_shares_come() {
    // Each share of kept weights follows each; lengths around chunks and around what waits at once.
    let shares: Vec<u32> =
        (0..=8).flat_map(|one| (0..=8).flat_map(move |two| [one, two])).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for targets in [63, 64, 65, 1000, 4096, 4097] {
        let mut singles = Vec::new();
        for (k, share) in shares.iter().enumerate() {
            let row = (0..targets as u32).map(|t| {
                let kept = match k % 3 {
                    0 => rng.random_range(0..8) < *share,
                    1 => 8 * t < share * targets as u32, // all of them first
                    _ => t / 64 % 8 >= 8 - *share,       // whole chunks
                };
                let weight = 1.0 / rng.random_range(1.5..149.5f32);
                if kept { weight } else { 0.001 }
            });
            singles.extend(row);
        }
        let layout = EdgeLayout::in_out(shares.len(), targets);
        let counts = tables()
            .into_iter()
            .map(|(one, table)| count(one, &table, Values::F32(&singles), layout));
        let counts: Vec<_> = counts.collect();
        assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{targets} targets");
    }
}

#[test]
fn nothing_but_equal_or_infinite_weights() {
    // Also more of them than two bytes hold.
    for (sources, edges) in [(70, 1000), (3, 70_000), (2, 300_000)] {
        for layout in [EdgeLayout::out_in(edges, sources, 1), EdgeLayout::in_out(sources, edges)] {
            // 1 is left out for its size, and rescaled by 1/200 for being small.
            for (weight, factor) in [
                (0.0, 0.9),
                (0.02, 1.0),
                (0.02, 0.731),
                (1.0, 0.005),
                (1e-33, 1e31), // a factor that kernels do not serve
                (f32::NAN, 0.9),
                (f32::NEG_INFINITY, 0.9),
            ] {
                let weights = vec![weight; sources * edges];
                let matrix = EdgeMatrix::new(Values::F32(&weights), layout).unwrap();
                for (instructions, table) in tables() {
                    let method = table.method();
                    let expected = |weight: f32| {
                        let mut row = vec![0; method.slots()];
                        row[method.slot_of_weight(weight.into())] = edges as u32;
                        row.repeat(sources)
                    };
                    let rescaled = [RadiusTable::rescaled(method, factor.into()).unwrap()];
                    let rescaled = rescaled.map(|t| t.with_instructions(instructions).unwrap());
                    let mut histograms = [(); 3].map(|()| PackedHistogram::new(method, sources));
                    let [counts, matched, drawn] = &mut histograms;
                    let all: Vec<usize> = (0..edges).collect();
                    let rows = LayerRows {
                        counts,
                        distances: &mut [],
                        rescaled: Some(Rescaled { tables: &rescaled, counts: matched }),
                        samples: vec![Drawn {
                            sources: &all[..sources],
                            targets: vec![&all],
                            counts: drawn,
                        }],
                    };
                    let not_finite = if weight.is_finite() { 0 } else { weights.len() as u64 };
                    assert_eq!(count_layer(&table, &[matrix], rows).not_finite, not_finite);
                    let case = (instructions, weight, factor, layout);
                    let scaled = [weight, weight * factor, weight];
                    for (histogram, weight) in histograms.iter().zip(scaled) {
                        let expected = expected(weight);
                        PackedHistogram::lend([histogram], |rows| {
                            assert!(rows == expected, "{case:?}");
                        });
                    }
                    let mut rows = vec![7; sources * method.slots()];
                    assert_eq!(count_edges(&table, &[matrix], &mut rows), not_finite);
                    assert!(rows == expected(weight), "{case:?}");
                }
            }
        }
    }
}

#[test]
fn a_sample_counts_as_with_the_plain_code() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for layout in layouts() {
        let singles: Vec<f32> = weights(reach(layout)).iter().map(|w| *w as f32).collect();
        let matrix = EdgeMatrix::new(Values::F32(&singles), layout).unwrap();
        let mut draw = |n: usize, from: usize| -> Vec<usize> {
            (0..n).map(|_| rng.random_range(0..from)).collect()
        };
        // Rows are added to; more edges than are gathered at once.
        let (sources, targets) = (draw(200, layout.sources), draw(300, layout.targets));
        let counted = tables().into_iter().map(|(_, table)| {
            let mut histogram = Histogram::new(table.method(), 200);
            histogram.rows_mut(0..200).fill(3);
            let rows = histogram.rows_mut(0..200);
            (count_sampled_edges(&table, &matrix, &sources, &targets, rows), histogram)
        });
        let counted: Vec<_> = counted.collect();
        assert!(counted.windows(2).all(|pair| pair[0] == pair[1]), "{layout:?}");
    }
}

#[test]
fn threads_change_no_bit() {
    // More sources than one task counts.
    let (targets, sources) = (150, 2200);
    let mut weights: Vec<f32> = weights(targets * sources).iter().map(|w| *w as f32).collect();
    // Here and there a source has more edges at a radius than a byte holds, of two matrices.
    for source in (0..sources).step_by(7) {
        (0..targets).for_each(|target| weights[target * sources + source] = 0.02);
    }
    for (instructions, table) in tables() {
        for layout in
            [EdgeLayout::out_in(targets, sources, 1), EdgeLayout::in_out(sources, targets)]
        {
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| count(instructions, &table, Values::F32(&weights), layout))
            };
            assert!(on(1) == on(3), "{instructions:?}, {layout:?}");
        }
    }
}
