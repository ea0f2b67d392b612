//! Weights kept for later: some tensors of a source as one safetensors file.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, TensorView};

use super::{Source, SourceError, Tensor};
use crate::mfa::Values;

/// Writes the tensors of these names to a safetensors file, in the types in which they are stored.
///
/// # Errors
/// [`SourceError`] when there is no such tensor, or the file cannot be written.
pub fn save(path: &Path, source: &dyn Source, names: &[&str]) -> Result<(), SourceError> {
    let unwritable = |error| {
        let source = match error {
            SafeTensorError::IoError(refused) => refused.into(),
            other => other.into(),
        };
        SourceError::Unwritable { path: path.to_owned(), source }
    };
    let parameters = source.parameters();
    let mut held: Vec<(&str, Vec<usize>, Tensor<'_>)> = Vec::with_capacity(names.len());
    for &name in names {
        let tensor = source.tensor(name)?;
        let shape = parameters.iter().find(|p| p.name == name).map(|p| p.shape.clone());
        held.push((name, shape.unwrap_or_else(|| vec![tensor.values().len()]), tensor));
    }
    let mut views = Vec::with_capacity(held.len());
    for (name, shape, tensor) in &held {
        let (dtype, bytes) = bytes_of(tensor);
        let view = TensorView::new(dtype, shape.clone(), bytes);
        views.push((*name, view.map_err(unwritable)?));
    }
    // Under a name of its own, so that no link is followed and a part is never taken for the whole.
    let mut new = path.as_os_str().to_owned();
    new.push(".neuromfa-new");
    let refused = |error: std::io::Error| unwritable(SafeTensorError::IoError(error));
    match std::fs::remove_file(&new) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(refused(e)),
        _ => {}
    }
    safetensors::serialize_to_file(views, None, new.as_ref()).map_err(unwritable)?;
    std::fs::rename(&new, path).map_err(refused)
}

fn bytes_of<'a>(tensor: &'a Tensor<'_>) -> (Dtype, &'a [u8]) {
    let values = tensor.values();
    let dtype = match values {
        Values::F32(_) => Dtype::F32,
        Values::F64(_) => Dtype::F64,
        Values::F16(_) => Dtype::F16,
        Values::Bf16(_) => Dtype::BF16,
    };
    (dtype, values.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{CheckpointFile, Memory};

    #[test]
    fn what_is_saved_reads_back() {
        let weights = Memory::new();
        weights.set("a", &[2, 2], vec![1.0f32, -2.0, 0.5, f32::MIN_POSITIVE]).unwrap();
        weights.set("b", &[1, 3], vec![1e-300f64, 2.0, 3.0]).unwrap();
        weights.set("c", &[2], vec![half::f16::ONE, half::f16::EPSILON]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kept.safetensors");
        save(&path, &weights, &["b", "a"]).unwrap();
        let back = CheckpointFile::open(&path).unwrap();
        assert_eq!(back.parameters().len(), 2);
        assert_eq!(back.parameters()[0].shape, [2, 2]);
        for name in ["a", "b"] {
            let (kept, own) = (back.tensor(name).unwrap(), weights.tensor(name).unwrap());
            assert_eq!(format!("{:?}", kept.values()), format!("{:?}", own.values()));
        }
        assert!(matches!(save(&path, &weights, &["d"]), Err(SourceError::Missing { .. })));
    }
}
