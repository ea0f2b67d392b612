//! Weights in the type in which they are stored; the method widens each to f64, exactly.

use half::{bf16, f16};
use rayon::prelude::*;

/// A weight tensor's values, row-major, in the type in which they are stored.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Values<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit floats.
    F64(&'a [f64]),
    /// IEEE half precision; widened exactly.
    F16(&'a [f16]),
    /// bfloat16; widened exactly.
    Bf16(&'a [bf16]),
}

impl<'a> Values<'a> {
    /// The bytes of the values in memory.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::F32(v) => bytemuck::cast_slice(v),
            Self::F64(v) => bytemuck::cast_slice(v),
            Self::F16(v) => bytemuck::cast_slice(v),
            Self::Bf16(v) => bytemuck::cast_slice(v),
        }
    }
}

impl Values<'_> {
    /// The values from the `start`-th on; none of them when there are fewer.
    pub(crate) fn from(self, start: usize) -> Self {
        match self {
            Self::F32(v) => Self::F32(v.get(start..).unwrap_or_default()),
            Self::F64(v) => Self::F64(v.get(start..).unwrap_or_default()),
            Self::F16(v) => Self::F16(v.get(start..).unwrap_or_default()),
            Self::Bf16(v) => Self::Bf16(v.get(start..).unwrap_or_default()),
        }
    }

    /// The first values, as many as these, or all.
    pub(crate) fn first(self, count: usize) -> Self {
        let end = count.min(self.len());
        match self {
            Self::F32(v) => Self::F32(&v[..end]),
            Self::F64(v) => Self::F64(&v[..end]),
            Self::F16(v) => Self::F16(&v[..end]),
            Self::Bf16(v) => Self::Bf16(&v[..end]),
        }
    }

    /// All values, widened.
    pub(crate) fn to_f64(self) -> Vec<f64> {
        fn widened<W: Copy + Into<f64>>(values: &[W]) -> Vec<f64> {
            values.iter().map(|&w| w.into()).collect()
        }
        match self {
            Self::F32(v) => widened(v),
            Self::F64(v) => widened(v),
            Self::F16(v) => widened(v),
            Self::Bf16(v) => widened(v),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::F16(v) => v.len(),
            Self::Bf16(v) => v.len(),
        }
    }

    /// How many values are infinite or NaN. Runs in the caller's rayon pool.
    pub(crate) fn not_finite(self) -> u64 {
        fn count<W: Copy + Sync + Into<f64>>(values: &[W]) -> u64 {
            let of_run =
                |run: &[W]| run.iter().filter(|&&w| !Into::<f64>::into(w).is_finite()).count();
            values.par_chunks(1 << 16).map(|run| of_run(run) as u64).sum()
        }
        match self {
            Self::F32(v) => count(v),
            Self::F64(v) => count(v),
            Self::F16(v) => count(v),
            Self::Bf16(v) => count(v),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
