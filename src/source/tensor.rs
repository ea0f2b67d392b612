//! The values of a tensor: borrowed or owned.

use std::sync::Arc;

use half::{bf16, f16};

use crate::mfa::Values;

/// The values of one tensor, row-major: borrowed from the source ([`Values`]), or owned (a `Vec`,
/// or a shared one).
///
/// ```
/// use neuromfa::mfa::Values;
/// use neuromfa::source::Tensor;
///
/// let weights = [0.5f32, -0.25];
/// let lent = Tensor::from(Values::F32(&weights));
/// let owned = Tensor::from(weights.to_vec());
/// assert_eq!(lent.values().len(), owned.values().len());
/// ```
#[derive(Clone, Debug)]
pub struct Tensor<'a>(Held<'a>);

#[derive(Clone, Debug)]
enum Held<'a> {
    Lent(Values<'a>),
    F32(Arc<Vec<f32>>),
    F64(Arc<Vec<f64>>),
    F16(Arc<Vec<f16>>),
    Bf16(Arc<Vec<bf16>>),
    #[cfg_attr(not(feature = "tch"), allow(dead_code))]
    Kept(Arc<dyn Kept>),
}

/// Memory of a framework that holds values.
pub(super) trait Kept: std::fmt::Debug + Send + Sync {
    fn values(&self) -> Values<'_>;
}

impl Tensor<'_> {
    /// The values.
    pub fn values(&self) -> Values<'_> {
        match &self.0 {
            Held::Lent(values) => *values,
            Held::F32(v) => Values::F32(v),
            Held::F64(v) => Values::F64(v),
            Held::F16(v) => Values::F16(v),
            Held::Bf16(v) => Values::Bf16(v),
            Held::Kept(memory) => memory.values(),
        }
    }

    /// The values, copied if they are borrowed.
    pub(super) fn into_owned(self) -> Tensor<'static> {
        match self.0 {
            Held::Lent(Values::F32(v)) => v.to_vec().into(),
            Held::Lent(Values::F64(v)) => v.to_vec().into(),
            Held::Lent(Values::F16(v)) => v.to_vec().into(),
            Held::Lent(Values::Bf16(v)) => v.to_vec().into(),
            Held::F32(v) => v.into(),
            Held::F64(v) => v.into(),
            Held::F16(v) => v.into(),
            Held::Bf16(v) => v.into(),
            Held::Kept(memory) => Tensor(Held::Kept(memory)),
        }
    }

    /// The values in memory of a framework.
    #[cfg(feature = "tch")]
    pub(super) fn kept(memory: Arc<dyn Kept>) -> Self {
        Self(Held::Kept(memory))
    }

    /// Bytes of owned memory.
    pub(crate) fn owned_bytes(&self) -> usize {
        match (&self.0, self.values()) {
            (Held::Lent(_), _) => 0,
            (_, Values::F32(v)) => size_of_val(v),
            (_, Values::F64(v)) => size_of_val(v),
            (_, Values::F16(v)) => size_of_val(v),
            (_, Values::Bf16(v)) => size_of_val(v),
        }
    }
}

impl<'a> From<Values<'a>> for Tensor<'a> {
    fn from(values: Values<'a>) -> Self {
        Self(Held::Lent(values))
    }
}

macro_rules! from_vec {
    ($($kind:ident: $type:ty),*) => {$(
        impl From<Vec<$type>> for Tensor<'_> {
            fn from(values: Vec<$type>) -> Self {
                Arc::new(values).into()
            }
        }

        impl From<Arc<Vec<$type>>> for Tensor<'_> {
            fn from(values: Arc<Vec<$type>>) -> Self {
                Self(Held::$kind(values))
            }
        }
    )*};
}
from_vec!(F32: f32, F64: f64, F16: f16, Bf16: bf16);
