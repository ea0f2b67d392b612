use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::*;
use crate::mfa::Parameters;

fn kernels(method: &Method) -> Vec<Kernel> {
    let both = [Instructions::Avx2, Instructions::Avx512];
    both.into_iter().filter_map(|instructions| Kernel::with(instructions, method)).collect()
}

fn methods() -> Vec<Method> {
    [150.0, 1.5, 99.5, 158.999]
        .map(|max_distance| Parameters { max_distance, ..Parameters::default() }.check().unwrap())
        .to_vec()
}

/// Compares the slots of some bit patterns, and whether they are finite, with the plain f64 code.
struct Patterns<'a> {
    ask: Ask,
    method: &'a Method,
    bits: [u32; CHUNK],
}

impl Task for Patterns<'_> {
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let weights = self.bits.map(f32::from_bits);
        let mut slots = Slots::LEFT_OUT;
        let mut sums = [0.0; CHUNK];
        let infinite = vectors.f32::<true, true>(&self.ask, &weights, &mut slots, &mut sums);
        assert_eq!(infinite, weights.iter().any(|w| !w.is_finite()));
        for (k, weight) in weights.into_iter().enumerate() {
            let slot = self.method.slot_of_weight(f64::from(weight));
            assert_eq!(usize::from(slots.plain[k]), slot, "{weight:e} ({:#x})", self.bits[k]);
            let other = (f64::from(weight) * self.ask.factor) as f32;
            let slot = self.method.slot_of_weight(f64::from(other));
            assert_eq!(usize::from(slots.rescaled[k]), slot, "{weight:e} rescaled");
            let distance = 1.0 / f64::from(weight).abs();
            assert_eq!(sums[k], if slots.plain[k] > 0 { distance } else { 0.0 }, "{weight:e}");
        }
        0
    }
}

/// Compresses some slots.
struct Compressed<'a> {
    slots: [u8; CHUNK],
    to: &'a mut [u8; CHUNK],
}

impl Task for Compressed<'_> {
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        vectors.compress(&self.slots, self.to) as u64
    }
}

#[test]
fn compressing_leaves_the_slots_other_than_0_in_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for kernel in kernels(&Method::default()) {
        for part in [0, 10, 128, 250, 256] {
            let slots: [u8; CHUNK] = std::array::from_fn(|_| {
                rng.random_range(1..=255) * u8::from(rng.random_range(0..256) < part)
            });
            let expected: Vec<u8> = slots.into_iter().filter(|slot| *slot > 0).collect();
            let mut to = [9; CHUNK];
            let length = kernel.enter(Compressed { slots, to: &mut to }) as usize;
            assert_eq!(to[..length], expected, "{:?}", kernel.machine);
        }
    }
}

#[test]
fn every_slot_agrees_with_the_f64_code_around_its_step_and_on_a_comb() {
    for method in methods() {
        for kernel in kernels(&method) {
            let ask = Ask { kept: kernel.kept, factor: 1.37 };
            let at = |first: u32, step: u32| {
                let bits = std::array::from_fn(|k| first.wrapping_add(k as u32 * step));
                kernel.enter(Patterns { ask, method: &method, bits });
            };
            let steps = (1..=159).flat_map(|n| [1.0 / f64::from(n), 1.0 / (f64::from(n) + 0.5)]);
            for step in steps.chain([1.0 / method.parameters().max_distance]) {
                at((step as f32).to_bits() - 32, 1);
                at(((step / 1.37) as f32).to_bits() - 32, 1);
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
#[ignore = "all 2³² patterns for each path: minutes, with optimisation"]
fn every_pattern_agrees_with_the_f64_code() {
    let method = Method::default();
    for kernel in kernels(&method) {
        let ask = Ask { kept: kernel.kept, factor: 0.731 };
        (0..1u32 << 26).into_par_iter().for_each(|chunk| {
            let bits = std::array::from_fn(|k| chunk * CHUNK as u32 + k as u32);
            kernel.enter(Patterns { ask, method: &method, bits });
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
