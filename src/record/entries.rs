//! entries.safetensors: entries of the baseline's matrices, from which the distance of later weights
//! is measured. They are single precision where that holds all of a matrix's exactly.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use safetensors::{SafeTensors, serialize};

use super::error::RecordError;
use super::files::ENTRIES;
use super::folder::Folder;
use super::regular::read_file;
use crate::analysis::Entries;

pub(super) fn write(folder: &Folder, entries: &Entries) -> Result<(), RecordError> {
    let bytes = bytes_of(entries).map_err(|source| RecordError::Write {
        path: folder.join(ENTRIES),
        source: std::io::Error::other(source),
    })?;
    folder.replace(ENTRIES, true, |file| file.write_all(&bytes))
}

fn bytes_of(entries: &Entries) -> Result<Vec<u8>, SafeTensorError> {
    let stored: Vec<(Dtype, Vec<u8>)> = entries.values().map(|values| stored(values)).collect();
    let views = entries.iter().zip(&stored).map(|((name, values), (dtype, bytes))| {
        Ok((name, TensorView::new(*dtype, vec![values.len()], bytes)?))
    });
    serialize(views.collect::<Result<Vec<_>, SafeTensorError>>()?, None)
}

fn stored(values: &[f64]) -> (Dtype, Vec<u8>) {
    match values.iter().all(|&value| f64::from(value as f32) == value) {
        true => (Dtype::F32, values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()),
        false => (Dtype::F64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    }
}

/// Says what a run does without its baseline's entries.
pub(crate) fn say_missing(folder: &Path) {
    tracing::warn!(
        "{} is not there: distance and cosine stay empty; restore it from a copy if there is one",
        folder.join(ENTRIES).display()
    );
}

/// The entries in a run's folder.
///
/// # Errors
/// [`RecordError::Damaged`] when they cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Arc<Entries>, RecordError> {
    let path = folder.join(ENTRIES);
    let read = || -> Result<Entries, Box<dyn std::error::Error + Send + Sync>> {
        let bytes = read_file(&path)?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let values = |(name, tensor): (&str, TensorView<'_>)| {
            let data = tensor.data();
            let values = match tensor.dtype() {
                Dtype::F32 => {
                    data.as_chunks().0.iter().map(|&v| f32::from_le_bytes(v).into()).collect()
                }
                Dtype::F64 => data.as_chunks().0.iter().map(|&v| f64::from_le_bytes(v)).collect(),
                other => return Err(format!("`{name}` is {other:?}, not F32 or F64").into()),
            };
            Ok((name.to_owned(), values))
        };
        tensors.iter().map(values).collect()
    };
    read().map(Arc::new).map_err(|source| RecordError::Damaged { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_in_every_digit() {
        let entries = Entries::from([
            ("single".to_owned(), vec![0.1f32.into(), -3.0, f64::from(f32::MIN_POSITIVE)]),
            ("double".to_owned(), vec![0.1, -3.0]),
            ("none".to_owned(), Vec::new()),
        ]);
        let dir = tempfile::tempdir().unwrap();
        write(&Folder::open(dir.path()).unwrap(), &entries).unwrap();
        assert_eq!(*read(dir.path()).unwrap(), entries);
        std::fs::write(dir.path().join(ENTRIES), b"cut").unwrap();
        let error = read(dir.path()).unwrap_err();
        assert!(matches!(error, RecordError::Damaged { ref path, .. } if path.ends_with(ENTRIES)));
    }
}
