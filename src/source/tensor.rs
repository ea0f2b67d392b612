//! A tensor's values: lent or owned.

use std::sync::Arc;

use half::{bf16, f16};

use crate::mfa::Values;

/// The values of one tensor, row-major, lent by the source or owned.
#[derive(Clone, Debug)]
pub enum Tensor<'a> {
    /// Values that lie in the source's own memory.
    Lent(Values<'a>),
    /// Values copied out of a device, or shared.
    Owned(OwnedValues),
}

impl Tensor<'_> {
    /// The values.
    pub fn values(&self) -> Values<'_> {
        match self {
            Self::Lent(values) => *values,
            Self::Owned(values) => values.values(),
        }
    }

    /// Bytes held in memory of its own.
    pub fn owned_bytes(&self) -> usize {
        match self {
            Self::Lent(_) => 0,
            Self::Owned(OwnedValues::F32(v)) => size_of_val(v.as_slice()),
            Self::Owned(OwnedValues::F64(v)) => size_of_val(v.as_slice()),
            Self::Owned(OwnedValues::F16(v)) => size_of_val(v.as_slice()),
            Self::Owned(OwnedValues::Bf16(v)) => size_of_val(v.as_slice()),
        }
    }
}

/// Values of one type behind a shared pointer. `Vec`s of each type convert into it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OwnedValues {
    /// 32-bit floats.
    F32(Arc<Vec<f32>>),
    /// 64-bit floats.
    F64(Arc<Vec<f64>>),
    /// IEEE half precision.
    F16(Arc<Vec<f16>>),
    /// bfloat16.
    Bf16(Arc<Vec<bf16>>),
}

impl OwnedValues {
    /// The values.
    pub fn values(&self) -> Values<'_> {
        match self {
            Self::F32(v) => Values::F32(v),
            Self::F64(v) => Values::F64(v),
            Self::F16(v) => Values::F16(v),
            Self::Bf16(v) => Values::Bf16(v),
        }
    }
}

macro_rules! from_vec {
    ($($kind:ident: $type:ty),*) => {$(
        impl From<Vec<$type>> for OwnedValues {
            fn from(values: Vec<$type>) -> Self {
                Self::$kind(Arc::new(values))
            }
        }
    )*};
}
from_vec!(F32: f32, F64: f64, F16: f16, Bf16: bf16);
