//! safetensors files.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors};

use super::stored::{Elements, Stored};

/// The tensors of a file, by name, and the notes of its writer. The bytes of the tensors lie within
/// the file: the format's own reader has checked the header.
pub(super) fn tensors(file: &[u8]) -> Result<(BTreeMap<String, Stored>, Notes), String> {
    let (header, metadata) = SafeTensors::read_metadata(file).map_err(|e| match e {
        SafeTensorError::MetadataIncompleteBuffer => not_covered(file),
        e => format!("not a whole safetensors file: {e}"),
    })?;
    let notes = metadata.metadata().clone().unwrap_or_default();
    Ok((stored(&metadata, header + size_of::<u64>()), notes))
}

/// What is wrong with a file whose tensors are not as long as it is.
fn not_covered(file: &[u8]) -> String {
    let (first, rest) = file.split_at(size_of::<u64>().min(file.len()));
    let length = first.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let metadata: Option<Metadata> =
        rest.get(..length).and_then(|header| serde_json::from_slice(header).ok());
    let header = first.len() + length.min(rest.len());
    let end = metadata.map(|metadata| header.saturating_add(metadata.data_len()));
    let end = end.map_or("another number".to_owned(), |end| end.to_string());
    format!(
        "not a whole safetensors file: its header describes {end} bytes, and it has {} (was it cut short? \
         copy it again)",
        file.len()
    )
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
