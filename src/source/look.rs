//! A glance at a tensor: enough to see that it was trained.

#[cfg(feature = "tch")]
use twox_hash::XxHash3_64;

use crate::mfa::Values;

/// Values that are looked at.
#[cfg(feature = "tch")]
const LOOKED_AT: usize = 16;

/// A hash of the number of values, and of 16 of them spread over the tensor, the last included. An
/// optimizer's step changes it, but for one that leaves most values as they are.
#[cfg(feature = "tch")]
pub(crate) fn look(values: Values<'_>) -> u64 {
    let bytes = bytes(values);
    let size = bytes.len() / values.len().max(1);
    let mut seen = Vec::with_capacity(LOOKED_AT * size + 8);
    seen.extend(values.len().to_le_bytes());
    for k in 1..=LOOKED_AT {
        let at = (values.len() * k / LOOKED_AT).saturating_sub(1) * size;
        seen.extend(bytes.get(at..at + size).unwrap_or_default());
    }
    XxHash3_64::oneshot(&seen)
}

/// The values as they lie in memory.
pub(crate) fn bytes(values: Values<'_>) -> &[u8] {
    match values {
        Values::F32(v) => bytemuck::cast_slice(v),
        Values::F64(v) => bytemuck::cast_slice(v),
        Values::F16(v) => bytemuck::cast_slice(v),
        Values::Bf16(v) => bytemuck::cast_slice(v),
    }
}
