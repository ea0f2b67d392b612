//! What is binned at once, and by what.

use crate::mfa::{Method, Transfer};

/// Weights that are counted as one.
pub const CHUNK: usize = 64;

/// Weights that are binned at once.
pub const QUARTER: usize = CHUNK / 4;

/// The most counters of a neuron that the kernels serve.
pub const SLOTS: usize = 160;

/// Counters among which a bin is looked up: a power of two, so that none lies beyond.
pub const PLACES: usize = 512;

/// The distances that are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    pub smallest: u32, // bits of the smallest |w| that is kept, at most those of 1
    pub largest_distance: f64,
    pub slots: usize, // and that of all distances beyond the largest, where pairs are counted
}

impl Kept {
    /// What a method keeps; none unless it has the published shape.
    pub fn new(method: &Method) -> Option<Self> {
        let p = method.parameters();
        let published = p.transfer == Transfer::Inverse
            && p.radius_step == 1.0
            && p.min_distance == 1.0
            && method.slots() <= SLOTS;
        if !published {
            return None;
        }
        let (mut low, mut high) = (0, 1f32.to_bits());
        while low < high {
            let middle = low + (high - low) / 2;
            let distance = 1.0 / f64::from(f32::from_bits(middle));
            if distance > p.max_distance { low = middle + 1 } else { high = middle }
        }
        Some(Self { smallest: low, largest_distance: p.max_distance, slots: method.slots() })
    }
}

/// How a chunk is binned.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub kept: Kept,
    pub factor: f32,
    pub inverse: f32, // of the factor
}

impl Ask {
    pub fn new(kept: Kept, factor: f32) -> Self {
        Self { kept, factor, inverse: 1.0 / factor }
    }
}
