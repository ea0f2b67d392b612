//! The weights that are binned together, and the parameters of binning.

use crate::mfa::{Method, Transfer};

/// Weights that are counted together.
pub const CHUNK: usize = 64;

/// Weights that are binned at once.
pub const QUARTER: usize = CHUNK / 4;

/// The most counters of a neuron that the kernels serve.
pub const SLOTS: usize = 160;

/// Range of the counter index of a slot: all values of a byte, so that it is always in bounds.
pub const INDEX_RANGE: usize = 256;

/// The distances that are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    pub smallest: u32, // bits of the smallest |w| that is kept, at most those of 1
    pub largest_distance: f64,
    pub slots: usize,
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
    pub factor: f32, // of weights that are rescaled
}

/// Eight slots in one word: they are read at once.
#[inline(always)]
pub fn eight(slots: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*slots)
}

/// The k-th of eight slots.
#[inline(always)]
pub fn slot(eight: u64, k: usize) -> usize {
    (eight >> (8 * k) & 0xff) as usize
}

/// Adds the counters of one source to its row.
#[inline(always)]
pub fn add<C: Copy + Into<u32>>(counters: &[C], row: &mut [u32]) {
    for (count, counter) in row.iter_mut().zip(counters) {
        *count += (*counter).into();
    }
}
