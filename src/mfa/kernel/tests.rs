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
        let mut sums = [0.0; CHUNK];
        let quarters = weights.as_chunks().0.iter().zip(sums.as_chunks_mut().0);
        let bins: Vec<Binned<V::Part>> = quarters
            .map(|(weights, sums)| vectors.f32::<true, true>(&self.ask, weights, sums))
            .collect();
        for (bins, weights) in bins.iter().zip(weights.chunks(QUARTER)) {
            let expected = weights.iter().rev().map(|w| u32::from(!w.is_finite()));
            assert_eq!(bins.infinite, expected.fold(0, |bits, bit| 2 * bits + bit));
        }
        let [mut plain, mut rescaled] = [[0; CHUNK]; 2];
        vectors.store(vectors.join(std::array::from_fn(|k| bins[k].plain)), &mut plain);
        vectors.store(vectors.join(std::array::from_fn(|k| bins[k].rescaled)), &mut rescaled);
        for (k, weight) in weights.into_iter().enumerate() {
            let slot = self.method.slot_of_weight(f64::from(weight));
            assert_eq!(usize::from(plain[k]), slot, "{weight:e} ({:#x})", self.bits[k]);
            let other = weight * self.ask.factor;
            let slot = self.method.slot_of_weight(f64::from(other));
            assert_eq!(usize::from(rescaled[k]), slot, "{weight:e} rescaled");
            let distance = 1.0 / f64::from(weight).abs();
            assert_eq!(sums[k], if plain[k] > 0 { distance } else { 0.0 }, "{weight:e}");
        }
        0
    }
}

/// Compresses the slots of some weights.
struct Compressed<'a> {
    ask: Ask,
    weights: [f32; CHUNK],
    to: &'a mut [u8; CHUNK],
}

impl Task for Compressed<'_> {
    fn run<V: Vectors>(self, vectors: V) -> u64 {
        let quarters = self.weights.as_chunks().0;
        let parts = std::array::from_fn(|k| {
            vectors.f32::<false, false>(&self.ask, &quarters[k], &mut [0.0; QUARTER]).plain
        });
        vectors.compress(vectors.join(parts), self.to) as u64
    }
}

#[test]
fn compressing_leaves_the_slots_other_than_0_in_order_and_then_zeros() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for kernel in kernels(&Method::default()) {
        for part in [0, 10, 128, 250, 256] {
            let slots: [u8; CHUNK] = std::array::from_fn(|_| {
                rng.random_range(2..=150) * u8::from(rng.random_range(0..256) < part)
            });
            let weights = slots.map(|slot| if slot > 0 { 1.0 / f32::from(slot) } else { 0.0 });
            let mut expected: Vec<u8> = slots.into_iter().filter(|slot| *slot > 0).collect();
            let kept = expected.len();
            expected.resize(CHUNK, 0);
            let mut to = [9; CHUNK];
            let ask = Ask { kept: kernel.kept, factor: 1.0 };
            let length = kernel.enter(Compressed { ask, weights, to: &mut to }) as usize;
            assert_eq!((length, &to[..]), (kept, &expected[..]), "{:?}", kernel.machine);
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
