//! The sum of the squares of the weights that leave each neuron.
//!
//! Each neuron's sum is made by itself, in a fixed order, in f64: the result is the same bits on any
//! number of threads.

use multiversion::multiversion;
use rayon::prelude::*;

use super::edges::{EdgeLayout, EdgeMatrix, Part};
use crate::mfa::Values;

/// Neurons of a task: their sums stay in the first-level cache.
const TASK: usize = 1024;

/// Σ w² over the edges of each source neuron, over all matrices, which share these neurons.
///
/// # Panics
/// When a matrix has not as many sources as there are sums.
pub(crate) fn sums_of_squares(matrices: &[EdgeMatrix<'_>], sums: &mut [f64]) {
    let sources = sums.len();
    assert!(
        matrices.iter().all(|matrix| matrix.layout.sources == sources),
        "a sum for each source"
    );
    sums.par_chunks_mut(TASK).enumerate().for_each(|(k, sums)| {
        sums.fill(0.0);
        let first = k * TASK;
        for matrix in matrices {
            for part in matrix.parts(first, first + sums.len()) {
                let sums = &mut sums[part.rows.clone()];
                match part.values {
                    Values::F32(weights) => add_singles(weights, &part, sums),
                    Values::F64(weights) => add_doubles(weights, &part, sums),
                    Values::F16(weights) => add(weights, &part, sums),
                    Values::Bf16(weights) => add(weights, &part, sums),
                }
            }
        }
    });
}

#[multiversion(targets = "simd")]
fn add_singles(weights: &[f32], part: &Part<'_>, sums: &mut [f64]) {
    add(weights, part, sums);
}

#[multiversion(targets = "simd")]
fn add_doubles(weights: &[f64], part: &Part<'_>, sums: &mut [f64]) {
    add(weights, part, sums);
}

#[inline(always)]
fn add<W: Copy + Into<f64>>(weights: &[W], part: &Part<'_>, sums: &mut [f64]) {
    let EdgeLayout { targets, taps, source_stride, target_stride, .. } = part.layout;
    let square = |w: W| {
        let w: f64 = w.into();
        w * w
    };
    let first = part.sources.start * source_stride;
    if source_stride == 1 {
        // A row of a matrix holds one edge of each neuron.
        for target in 0..targets {
            let row = &weights[first + target * target_stride..][..sums.len()];
            row.iter().zip(&mut *sums).for_each(|(&w, sum)| *sum += square(w));
        }
    } else if target_stride == taps {
        // The edges of a neuron lie together.
        for (k, sum) in sums.iter_mut().enumerate() {
            let edges = &weights[first + k * source_stride..][..targets * taps];
            let (parts, rest) = edges.as_chunks::<16>();
            let mut lanes = [0.0; 16];
            for part in parts {
                part.iter().zip(&mut lanes).for_each(|(&w, lane)| *lane += square(w));
            }
            rest.iter().zip(&mut lanes).for_each(|(&w, lane)| *lane += square(w));
            *sum += lanes.iter().sum::<f64>();
        }
    } else {
        for target in 0..targets {
            for (k, sum) in sums.iter_mut().enumerate() {
                let taps = &weights[first + target * target_stride + k * source_stride..][..taps];
                *sum += taps.iter().map(|&w| square(w)).sum::<f64>();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    /// Edge by edge, as the layout says.
    fn plainly(weights: &[f64], layout: EdgeLayout, sums: &mut [f64]) {
        let within = layout.sources / layout.groups;
        for (source, sum) in sums.iter_mut().enumerate() {
            let group = source / within;
            let targets = layout.targets / layout.groups;
            for target in group * targets..(group + 1) * targets {
                for tap in 0..layout.taps {
                    let at = target * layout.target_stride
                        + source % within * layout.source_stride
                        + tap;
                    *sum += weights[at] * weights[at];
                }
            }
        }
    }

    #[test]
    fn layouts_and_types_as_edge_by_edge() {
        let many = TASK + 37;
        for layout in [
            EdgeLayout::out_in(5, many, 1),
            EdgeLayout::in_out(many, 21),
            EdgeLayout::out_in(3, many, 9),
            EdgeLayout::transposed(many, 4, 9),
            EdgeLayout::transposed(6, 1, 1),
            EdgeLayout::grouped(12, 6, 3, 3),
            EdgeLayout::grouped(many, many, 4, many),
        ] {
            // Numbers that every type holds exactly.
            let weights: Vec<f64> =
                (0..layout.reach()).map(|k| ((k * 7) % 31) as f64 / 16.0 - 1.0).collect();
            let mut expected = vec![0.0; layout.sources];
            plainly(&weights, layout, &mut expected);
            plainly(&weights, layout, &mut expected);
            let singles: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
            let halves: Vec<f16> = weights.iter().map(|&w| f16::from_f64(w)).collect();
            for values in [Values::F64(&weights), Values::F32(&singles), Values::F16(&halves)] {
                let matrix = EdgeMatrix::new(values, layout).unwrap();
                let mut sums = vec![9.0; layout.sources];
                sums_of_squares(&[matrix, matrix], &mut sums);
                // Squares of 16ths are exact.
                assert_eq!(sums, expected, "{layout:?}");
            }
        }
    }

    #[test]
    fn the_same_bits_on_any_number_of_threads() {
        let weights: Vec<f32> = (0..3000 * 7).map(|k| (k as f32 * 0.37).sin()).collect();
        let matrix =
            EdgeMatrix::new(Values::F32(&weights), EdgeLayout::out_in(7, 3000, 1)).unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut sums = vec![0.0; 3000];
            pool.install(|| sums_of_squares(&[matrix], &mut sums));
            sums.into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(on(1), on(3));
    }
}
