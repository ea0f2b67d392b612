//! safetensors checkpoints, single and sharded, mapped rather than read.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use bytemuck::{AnyBitPattern, NoUninit};
use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::{Dtype, SafeTensors};

use super::{OwnedValues, Source, SourceError, Tensor};
use crate::mfa::Values;
use crate::network::Parameter;

#[cfg(target_endian = "big")]
compile_error!("safetensors files are little-endian and are mapped as they are");

pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// What a folder's weights may be called: a model's, an adapter's (PEFT), a diffusion model's.
pub(super) const NAMES: [&str; 5] = [
    SINGLE,
    INDEX,
    "adapter_model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
];

/// A checkpoint of one safetensors file, or of several behind `model.safetensors.index.json`.
///
/// The files are mapped: nothing is copied, and memory holds what the analysis has touched. A
/// file must not be cut short while it is open.
#[derive(Debug)]
pub struct Safetensors {
    path: PathBuf,
    shards: Vec<Shard>,
    tensors: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Shard {
    map: Mmap,
    data: usize, // where the tensors' bytes begin
}

#[derive(Debug)]
struct Entry {
    shard: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: (usize, usize), // from the beginning of the data; the header's check holds them in the file
}

fn unreadable(path: &Path, why: impl ToString) -> SourceError {
    SourceError::File { path: path.display().to_string(), why: why.to_string() }
}

impl Safetensors {
    /// Opens a `.safetensors` file, a `.safetensors.index.json`, or a folder that holds
    /// `model.safetensors` or `model.safetensors.index.json`, `adapter_model.safetensors`, or
    /// `diffusion_pytorch_model.safetensors` (or its index).
    ///
    /// # Errors
    /// [`SourceError::File`] with the file and the reason: absent, cut short, a header that does
    /// not fit the file, a shard that is missing.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        let mut file = path.to_owned();
        if path.is_dir() {
            let found = NAMES.map(|name| path.join(name)).into_iter().find(|f| f.is_file());
            file = found.ok_or_else(|| {
                unreadable(
                    path,
                    format!(
                        "the folder holds neither {SINGLE} nor {INDEX}, nor {}",
                        NAMES[2..4].join(", ")
                    ),
                )
            })?;
        }
        let mut checkpoint =
            Self { path: file.clone(), shards: Vec::new(), tensors: BTreeMap::new() };
        if file.extension().is_some_and(|e| e == "json") {
            for shard in shards_of_index(&file)? {
                checkpoint.add_shard(&shard)?;
            }
        } else {
            checkpoint.add_shard(&file)?;
        }
        Ok(checkpoint)
    }

    fn add_shard(&mut self, path: &Path) -> Result<(), SourceError> {
        let file = File::open(path).map_err(|e| unreadable(path, e))?;
        // SAFETY: the map is read only as bytes whose every pattern is valid. Another process that
        // writes into the file can change what is read, and one that cuts it short can end this
        // process; the type's documentation says that it must not be.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| unreadable(path, e))?;
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|e| unreadable(path, format!("not a whole safetensors file: {e}")))?;
        for (name, info) in metadata.tensors() {
            let entry = Entry {
                shard: self.shards.len(),
                dtype: info.dtype,
                shape: info.shape.clone(),
                bytes: info.data_offsets,
            };
            if self.tensors.insert(name.clone(), entry).is_some() {
                return Err(unreadable(path, format!("tensor {name:?} is in two shards")));
            }
        }
        self.shards.push(Shard { map, data: header + size_of::<u64>() });
        Ok(())
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// The shard files that an index names, in order of name. They lie beside the index.
fn shards_of_index(index: &Path) -> Result<Vec<PathBuf>, SourceError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read(index).map_err(|e| unreadable(index, e))?;
    let parsed: Index = serde_json::from_slice(&text)
        .map_err(|e| unreadable(index, format!("not an index of safetensors shards: {e}")))?;
    let names: std::collections::BTreeSet<String> = parsed.weight_map.into_values().collect();
    let folder = index.parent().unwrap_or(Path::new(""));
    names
        .into_iter()
        .map(|name| {
            if Path::new(&name).components().count() != 1 || name == ".." {
                let why = format!("it names the shard {name:?}, which is not a file beside it");
                return Err(unreadable(index, why));
            }
            Ok(folder.join(name))
        })
        .collect()
}

const fn is_weight(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::BF16)
}

impl Source for Safetensors {
    fn parameters(&self) -> Vec<Parameter> {
        let weights = self.tensors.iter().filter(|(_, entry)| is_weight(entry.dtype));
        weights.map(|(name, entry)| Parameter::new(name, entry.shape.clone())).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let missing = || SourceError::Missing { name: name.to_owned(), place: self.place() };
        let entry = self.tensors.get(name).ok_or_else(missing)?;
        let shard = &self.shards[entry.shard];
        let (first, last) = entry.bytes;
        let bytes = shard.map.get(shard.data + first..shard.data + last).ok_or_else(|| {
            unreadable(&self.path, format!("tensor {name:?} lies beyond its end"))
        })?;
        Ok(match entry.dtype {
            Dtype::F32 => cast::<f32>(bytes, Values::F32, Into::into),
            Dtype::F64 => cast::<f64>(bytes, Values::F64, Into::into),
            Dtype::F16 => cast::<f16>(bytes, Values::F16, Into::into),
            Dtype::BF16 => cast::<bf16>(bytes, Values::Bf16, Into::into),
            other => {
                return Err(SourceError::Type {
                    name: name.to_owned(),
                    place: self.place(),
                    dtype: format!("{other:?}"),
                });
            }
        })
    }
}

/// Lends the bytes as values where they are aligned, copies them where they are not (a header may
/// have any length).
fn cast<'a, T: AnyBitPattern + NoUninit>(
    bytes: &'a [u8],
    lend: fn(&'a [T]) -> Values<'a>,
    own: fn(Vec<T>) -> OwnedValues,
) -> Tensor<'a> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(values) => Tensor::Lent(lend(values)),
        Err(_) => Tensor::Owned(own(bytemuck::allocation::pod_collect_to_vec(bytes))),
    }
}
