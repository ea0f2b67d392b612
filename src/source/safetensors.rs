//! safetensors files.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::stored::{Elements, Stored};

/// The tensors of a file, by name, and the notes of its writer. The bytes of the tensors lie within
/// the file: the format's own reader has checked the header.
pub(super) fn tensors(file: &[u8]) -> Result<(BTreeMap<String, Stored>, Notes), String> {
    let (header, metadata) = SafeTensors::read_metadata(file)
        .map_err(|e| format!("not a whole safetensors file: {e}"))?;
    let notes = metadata.metadata().clone().unwrap_or_default();
    Ok((stored(&metadata, header + size_of::<u64>()), notes))
}

/// What a writer noted in the header.
pub(super) type Notes = HashMap<String, String>;

/// The offsets of the pieces in a file of `HuggingFaceStorageWriter`; none in any other file.
pub(super) fn pieces(notes: &Notes) -> Result<Option<BTreeMap<String, Vec<usize>>>, String> {
    #[derive(serde::Deserialize)]
    struct Saved {
        saved_offsets: Vec<usize>,
    }
    let Some(text) = notes.get("DCP_SHARDING_INFO") else { return Ok(None) };
    let saved: BTreeMap<String, Saved> = serde_json::from_str(text)
        .map_err(|e| format!("its DCP_SHARDING_INFO says no offsets: {e}"))?;
    Ok(Some(saved.into_iter().map(|(name, saved)| (name, saved.saved_offsets)).collect()))
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
            Dtype::F8_E4M3 => Elements::F8E4M3,
            Dtype::F8_E5M2 => Elements::F8E5M2,
            other => Elements::Other(format!("{other:?}")),
        };
        let (shape, bytes) = (info.shape.clone(), data + first..data + last);
        (name, Stored { elements, shape, strides: None, bytes })
    });
    stored.collect()
}
