use rayon::prelude::*;

use super::chunk::QUARTER;
use super::vectors::Binned;
use super::*;
use crate::counting::weight::Weight;
use crate::mfa::{Parameters, Transfer};

fn kernels(method: &Method) -> Vec<Kernel> {
    let both = [Instructions::Avx2, Instructions::Avx512];
    both.into_iter().filter_map(|instructions| Kernel::with(instructions, method)).collect()
}

fn methods() -> Vec<Method> {
    [150.0, 1.5, 99.5, 158.999]
        .map(|max_distance| Parameters { max_distance, ..Parameters::default() }.check().unwrap())
        .to_vec()
}

/// Compares the slots of some weights, as they are and rescaled, and whether they are finite, with the
/// plain f64 code.
struct Patterns<'a, W> {
    ask: Ask,
    method: &'a Method,
    weights: [W; CHUNK],
}

impl<W: Stored + Weight> Task for Patterns<'_, W> {
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let (slots, sums, infinite) = self.bin::<V, false>(vectors);
        let (rescaled, _, _) = self.bin::<V, true>(vectors);
        for (k, weight) in self.weights.into_iter().enumerate() {
            assert_eq!(infinite >> k & 1 == 0, weight.finite());
            let weight = weight.wide();
            let slot = self.method.slot_of_weight(weight);
            assert_eq!(usize::from(slots[k]), slot, "{weight:e}");
            let scaled = (weight * f64::from(self.ask.factor)) as f32;
            let expected = self.method.slot_of_weight(f64::from(scaled));
            assert_eq!(
                usize::from(rescaled[k]),
                expected,
                "{weight:e} times {:e}",
                self.ask.factor
            );
            let distance = 1.0 / weight.abs();
            assert_eq!(sums[k], if slot > 0 { distance } else { 0.0 }, "{weight:e}");
        }
        0
    }
}

impl<W: Stored + Weight> Patterns<'_, W> {
    /// The slots, the sums, and a bit for each weight that is not finite.
    fn bin<V: Vectors, const SCALED: bool>(&self, vectors: V) -> ([u8; CHUNK], [f64; CHUNK], u64) {
        let (mut slots, mut sums) = ([0; CHUNK], [0.0; CHUNK]);
        let quarters = self.weights.as_chunks::<QUARTER>().0.iter().zip(sums.as_chunks_mut().0);
        let parts: Vec<Binned<V::Part>> = quarters
            .map(|(weights, sums)| W::bin::<V, SCALED, true>(vectors, &self.ask, weights, sums))
            .collect();
        let infinite =
            parts.iter().rev().fold(0, |bits, p| bits << QUARTER | u64::from(p.infinite));
        let parts = std::array::from_fn(|k| vectors.worked_out(parts[k].bins));
        vectors.store(vectors.join(parts), &mut slots);
        (slots, sums, infinite)
    }
}

#[test]
fn every_slot_agrees_with_the_f64_code_around_its_step_and_on_a_comb() {
    let largest = 2f32.powi(126);
    for (method, factor) in methods().iter().flat_map(|method| {
        [1.37, 1.0, 0.2, 30.0, 0.0, 1.0 / largest, largest].map(|factor: f32| (method, factor))
    }) {
        for kernel in kernels(method) {
            let ask = Ask { kept: kernel.kept, factor };
            let at = |first: u32, step: u32| {
                let bits: [u32; CHUNK] =
                    std::array::from_fn(|k| first.wrapping_add(k as u32 * step));
                let weights = bits.map(f32::from_bits);
                kernel.machine.enter(Patterns { ask, method, weights });
            };
            let steps = (1..=159).flat_map(|n| [1.0 / f64::from(n), 1.0 / (f64::from(n) + 0.5)]);
            for step in steps.chain([1.0 / method.parameters().max_distance]) {
                at((step as f32).to_bits() - 32, 1);
                at(((step / f64::from(factor)) as f32).to_bits() - 32, 1);
            }
            // Zeros, subnormal numbers, infinities, NaN.
            for first in [0, 0x8000_0000, 0x007f_ffe0, 0x7f7f_ffe0, 0xff7f_ffe0, 0xffff_ffc0] {
                at(first, 1);
            }
            (0..=u32::MAX - 64 * 4001).step_by(64 * 4001).for_each(|first| at(first, 4001));
        }
    }
}

#[test]
fn doubles_agree_around_every_step() {
    for (method, factor) in methods()
        .iter()
        .flat_map(|method| [1.37, 1.0, 0.2, 0.0, 1e-30, 1e30].map(|factor: f32| (method, factor)))
    {
        for kernel in kernels(method) {
            let ask = Ask { kept: kernel.kept, factor };
            let at = |first: f64, step: u64| {
                let weights = std::array::from_fn(|k| {
                    f64::from_bits((first.to_bits() - 32 * step).wrapping_add(k as u64 * step))
                });
                kernel.machine.enter(Patterns { ask, method, weights });
            };
            let steps = (1..=159).flat_map(|n| [1.0 / f64::from(n), 1.0 / (f64::from(n) + 0.5)]);
            for step in steps.chain([1.0 / method.parameters().max_distance]) {
                at(step, 1);
                // Where products round to another f32.
                let exact = f64::from(step as f32) / f64::from(factor);
                (-2..=2).for_each(|k| at(exact * (1.0 + f64::from(k) * 2f64.powi(-25)), 1 << 22));
            }
            [0.0, 5e-324, f64::MAX, -1.0, 1e-3].into_iter().for_each(|w| at(w + 1e-300, 1 << 40));
        }
    }
}

#[test]
#[ignore = "all 2³² patterns for each path: minutes, with optimisation"]
fn every_pattern_agrees_with_the_f64_code() {
    let method = &Method::default();
    for kernel in kernels(method) {
        let ask = Ask { kept: kernel.kept, factor: 0.731 };
        (0..1u32 << 26).into_par_iter().for_each(|chunk| {
            let bits: [u32; CHUNK] = std::array::from_fn(|k| chunk * CHUNK as u32 + k as u32);
            let weights = bits.map(f32::from_bits);
            kernel.machine.enter(Patterns { ask, method, weights });
        });
        println!("{:?}: every pattern agrees", kernel.machine);
    }
}

#[test]
fn other_methods_are_not_served() {
    let base = Parameters::default;
    let others = [
        Parameters { transfer: Transfer::Coth, ..base() },
        Parameters { radius_step: 0.5, ..base() },
        Parameters { min_distance: 2.0, ..base() },
        Parameters { max_distance: 159.6, ..base() },
    ];
    for parameters in others {
        assert!(Kernel::best(&parameters.check().unwrap()).is_none(), "{parameters:?}");
    }
}
