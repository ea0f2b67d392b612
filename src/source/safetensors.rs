//! safetensors files.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::stored::{Elements, Stored};

/// The tensors of a file, by name. Their bytes lie within it: the format's own reader has checked
/// the header.
pub(super) fn tensors(file: &[u8]) -> Result<BTreeMap<String, Stored>, String> {
    let (header, metadata) = SafeTensors::read_metadata(file)
        .map_err(|e| format!("not a whole safetensors file: {e}"))?;
    Ok(stored(&metadata, header + size_of::<u64>()))
}

/// The tensors of a file whose data begin at `data`.
pub(super) fn stored(metadata: &Metadata, data: usize) -> BTreeMap<String, Stored> {
    let stored = metadata.tensors().into_iter().map(|(name, info)| {
        let (first, last) = info.data_offsets;
        let elements = match info.dtype {
            Dtype::F32 => Elements::F32,
            Dtype::F64 => Elements::F64,
            Dtype::F16 => Elements::F16,
            Dtype::BF16 => Elements::Bf16,
            other => Elements::Other(format!("{other:?}")),
        };
        let (shape, bytes) = (info.shape.clone(), data + first..data + last);
        (name, Stored { elements, shape, strides: None, bytes })
    });
    stored.collect()
}
