//! A safetensors file that is read each time its tensors are needed, and seen to be as it was.
//!
//! It is not mapped: another process may cut the file short, which would end a process that reads its
//! map, or change it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use safetensors::tensor::Metadata;
use twox_hash::XxHash3_64;

use super::stored::{Elements, Stored};
use super::{Source, SourceError, Tensor, safetensors as format};
use crate::network::Parameter;

/// The longest header that the format allows.
const HEADER: u64 = 100_000_000;

/// The tensors of a file as they were when it was opened.
pub(crate) struct RereadFile {
    path: PathBuf,
    file: Mutex<File>,
    tensors: BTreeMap<String, (Stored, u64)>, // and a hash of its bytes
}

impl RereadFile {
    /// Opens a file, and reads it once.
    pub(crate) fn open(path: &Path) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|e| SourceError::file(path, e))?;
        let file = Self { path: path.to_owned(), file: file.into(), tensors: BTreeMap::new() };
        let length = file.bytes(0, 8)?.try_into().map_or(0, u64::from_le_bytes);
        if length > HEADER {
            return Err(SourceError::file(path, "it is not a safetensors file"));
        }
        let header = file.bytes(8, length as usize)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|e| SourceError::file(path, format!("not a whole safetensors file: {e}")))?;
        let stored = format::stored(&metadata, 8 + header.len()).into_iter();
        let hashed = stored.map(|(name, stored)| {
            let hash = XxHash3_64::oneshot(&file.bytes_of(&stored)?);
            Ok((name, (stored, hash)))
        });
        let tensors = hashed.collect::<Result<_, SourceError>>()?;
        Ok(Self { tensors, ..file })
    }

    fn bytes_of(&self, stored: &Stored) -> Result<Vec<u8>, SourceError> {
        self.bytes(stored.bytes.start as u64, stored.bytes.len())
    }

    fn bytes(&self, start: u64, length: usize) -> Result<Vec<u8>, SourceError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        // Not more is made room for than there is.
        let read = file
            .seek(SeekFrom::Start(start))
            .and_then(|_| (&mut *file).take(length as u64).read_to_end(&mut bytes));
        match read.map_err(|e| SourceError::file(&self.path, e))? {
            read if read == length => Ok(bytes),
            _ => Err(SourceError::file(&self.path, "it was cut short")),
        }
    }
}

impl Source for RereadFile {
    fn parameters(&self) -> Vec<Parameter> {
        let all = self.tensors.iter();
        all.map(|(name, (stored, _))| Parameter::new(name, stored.shape.clone())).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let place = || self.path.display().to_string();
        let missing = || SourceError::Missing { name: name.to_owned(), place: place() };
        let (stored, hash) = self.tensors.get(name).ok_or_else(missing)?;
        let bytes = self.bytes_of(stored)?;
        if XxHash3_64::oneshot(&bytes) != *hash {
            let why = format!("another program has changed it: tensor {name:?} is not as it was");
            return Err(SourceError::file(&self.path, why));
        }
        let vec = &bytes[..];
        Ok(match &stored.elements {
            Elements::F32 => bytemuck::allocation::pod_collect_to_vec::<u8, f32>(vec).into(),
            Elements::F64 => bytemuck::allocation::pod_collect_to_vec::<u8, f64>(vec).into(),
            Elements::F16 => bytemuck::allocation::pod_collect_to_vec::<u8, half::f16>(vec).into(),
            Elements::Bf16 => {
                bytemuck::allocation::pod_collect_to_vec::<u8, half::bf16>(vec).into()
            }
            other => {
                let (name, dtype) = (name.to_owned(), other.name().to_owned());
                return Err(SourceError::Type { name, place: place(), dtype });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Memory, save};

    #[test]
    fn a_file_that_is_changed_or_cut_is_an_error() {
        let weights = Memory::new();
        weights.set("a", &[2, 2], vec![1.0f32, -2.0, 0.5, f32::MIN_POSITIVE]).unwrap();
        weights.set("b", &[3], vec![half::f16::ONE; 3]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("start.safetensors");
        save(&path, &weights, &["a", "b"]).unwrap();
        let file = RereadFile::open(&path).unwrap();
        for name in ["a", "b"] {
            let (read, own) = (file.tensor(name).unwrap(), weights.tensor(name).unwrap());
            assert_eq!(format!("{:?}", read.values()), format!("{:?}", own.values()));
        }
        assert_eq!(file.parameters().len(), 2);
        assert!(matches!(file.tensor("c"), Err(SourceError::Missing { .. })));

        // In place, as a program that writes the file again does.
        let text = std::fs::read(&path).unwrap();
        let mut changed = text.clone();
        *changed.last_mut().unwrap() ^= 1;
        let why = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let errors = ["a", "b"].map(|name| file.tensor(name).err());
            errors.into_iter().flatten().next().unwrap().to_string()
        };
        assert!(why(&changed).contains("another program has changed it: tensor "));
        for length in [text.len() - 1, 20, 0] {
            assert!(why(&text[..length]).contains("it was cut short"), "{length}");
            assert!(RereadFile::open(&path).is_err(), "{length}");
        }
        std::fs::write(&path, [0xff; 64]).unwrap();
        assert!(RereadFile::open(&path).is_err());
        std::fs::write(&path, &text).unwrap();
        assert!(file.tensor("a").is_ok());
    }
}
