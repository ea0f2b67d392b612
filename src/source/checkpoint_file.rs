//! Checkpoint files of every format, single and sharded, mapped rather than read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::mapped::Mapped;
use super::stored::{Elements, Stored};
use super::{Source, SourceError, Tensor, pytorch, safetensors};
use crate::network::Parameter;

/// The file names under which a folder may hold a model, in search order.
const MODELS: [&str; 12] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "diffusion_pytorch_model.bin",
    "model.pt",
    "model.pth",
    "model.ot",
];

/// A checkpoint: one file, or several behind an index.
///
/// The format is recognised by the content of a file, not by its name: safetensors, or a zip
/// archive as written by PyTorch, Lightning, TorchScript and tch (`.ot`). Nothing in a file is ever
/// executed.
///
/// The files are memory-mapped: row-major values are borrowed from the map, so only the parts that
/// an analysis reads take memory. A tensor that is stored as a view (transposed, say) is copied
/// when it is read. A file must not be truncated while it is open.
///
/// ```no_run
/// use neuromfa::source::{CheckpointFile, Source};
///
/// let weights = CheckpointFile::open("checkpoint-1000/pytorch_model.bin")?;
/// for parameter in weights.parameters() {
///     println!("{} {:?}", parameter.name, parameter.shape);
/// }
/// # Ok::<(), neuromfa::source::SourceError>(())
/// ```
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    take: fn(&Path) -> Result<Mapped, SourceError>, // a file's bytes
    shards: Vec<Mapped>,
    tensors: BTreeMap<String, (usize, Stored)>, // the shard, and the position in it
}

impl CheckpointFile {
    /// Opens a file; the index of a sharded checkpoint (`.index.json`); or a folder that holds one
    /// of them under a usual name: `model.safetensors`, `pytorch_model.bin`, their indexes,
    /// `adapter_model.*`, `diffusion_pytorch_model.*`, `model.pt`, `model.pth`, `model.ot`, the
    /// first of these.
    ///
    /// From an object saved with `torch.save`, the state dict is used: the value of the first of
    /// the keys `model`, `state_dict`, `module` and `model_state_dict` that holds tensors, or else
    /// the complete object. A prefix `module.` or `_orig_mod.` (of `DataParallel` and
    /// `torch.compile`) that all names share is removed.
    ///
    /// # Errors
    /// [`SourceError::File`] with the file and the reason: absent, cut short, a structure that does
    /// not fit the file, a shard that is missing or lacks what the index says, a format that is
    /// not read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Self::open_with(path.as_ref(), Mapped::open)
    }

    /// Reads the files into memory, so that it does not matter what other processes do to them.
    pub(crate) fn read(path: &Path) -> Result<Self, SourceError> {
        Self::open_with(path, Mapped::read)
    }

    fn open_with(
        path: &Path,
        take: fn(&Path) -> Result<Mapped, SourceError>,
    ) -> Result<Self, SourceError> {
        let file = match path.is_dir() {
            false => path.to_owned(),
            true => model_in(path).ok_or_else(|| {
                let why = format!("the folder holds none of {}", MODELS.join(", "));
                SourceError::file(path, why)
            })?,
        };
        let mut checkpoint =
            Self { path: file.clone(), take, shards: Vec::new(), tensors: BTreeMap::new() };
        let pickled = match file.extension() {
            Some(extension) if extension == "json" => checkpoint.add_index(&file)?,
            _ => checkpoint.add_shard(&file)?,
        };
        if pickled {
            checkpoint.drop_wrappers();
        }
        Ok(checkpoint)
    }

    /// Adds the shards that an index names; returns whether all hold a pickled state dict.
    fn add_index(&mut self, index: &Path) -> Result<bool, SourceError> {
        let weight_map = read_index(index)?;
        let folder = index.parent().unwrap_or(Path::new(""));
        let mut shards = BTreeMap::new();
        let mut pickled = true;
        for shard in weight_map.values() {
            if !shards.contains_key(shard.as_str()) {
                shards.insert(shard.as_str(), self.shards.len());
                let added = self.add_shard(&folder.join(shard));
                pickled &= added.map_err(|error| SourceError::Shard {
                    index: index.to_owned(),
                    source: Box::new(error),
                })?;
            }
        }
        for (name, shard) in &weight_map {
            let found = self.tensors.get(name).map(|(at, _)| *at);
            if found != shards.get(shard.as_str()).copied() {
                let path = folder.join(shard);
                let index = index.display();
                let why = format!("it lacks tensor {name:?}, which {index} says it holds");
                return Err(SourceError::file(&path, why));
            }
        }
        Ok(pickled)
    }

    /// Adds the tensors of a file; returns whether it holds a pickled state dict.
    fn add_shard(&mut self, path: &Path) -> Result<bool, SourceError> {
        let file = (self.take)(path)?;
        let refuse = |why: String| SourceError::file(path, why);
        let (tensors, pickled) = match Format::of(path, &file).map_err(refuse)? {
            Format::Safetensors => (safetensors::tensors(&file).map_err(refuse)?, false),
            Format::Zip => {
                let held = pytorch::tensors(&file).map_err(refuse)?;
                if let Some(under) = held.under {
                    tracing::info!("{}: the tensors under {under:?} are taken", path.display());
                }
                (held.tensors, held.state_dict)
            }
        };
        for (name, stored) in tensors {
            if let Some((other, _)) = self.tensors.get(&name) {
                let why = format!("tensor {name:?} is in two shards, this and number {other}");
                return Err(refuse(why));
            }
            self.tensors.insert(name, (self.shards.len(), stored));
        }
        self.shards.push(file);
        Ok(pickled)
    }

    /// Removes the prefixes that `DataParallel` and `torch.compile` add to every name.
    fn drop_wrappers(&mut self) {
        let shared = |tensors: &BTreeMap<String, _>, wrapper: &str| {
            let wrapped = |name: &String| name.starts_with(wrapper) && name.len() > wrapper.len();
            !tensors.is_empty() && tensors.keys().all(wrapped)
        };
        while let Some(wrapper) =
            ["module.", "_orig_mod."].into_iter().find(|w| shared(&self.tensors, w))
        {
            let wrapped = std::mem::take(&mut self.tensors).into_iter();
            self.tensors =
                wrapped.map(|(name, at)| (name[wrapper.len()..].to_owned(), at)).collect();
        }
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}

impl Source for CheckpointFile {
    fn parameters(&self) -> Vec<Parameter> {
        let weights = self.tensors.iter().filter(|(_, (_, s))| s.elements.size().is_some());
        weights.map(|(name, (_, s))| Parameter::new(name, s.shape.clone())).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let missing = || SourceError::Missing { name: name.to_owned(), place: self.location() };
        let (shard, stored) = self.tensors.get(name).ok_or_else(missing)?;
        if let Elements::Other(dtype) = &stored.elements {
            return Err(SourceError::Type {
                name: name.to_owned(),
                place: self.location(),
                dtype: dtype.clone(),
            });
        }
        stored.values(&self.shards[*shard]).ok_or_else(|| {
            SourceError::file(&self.path, format!("tensor {name:?} lies beyond its end"))
        })
    }
}

/// The file in which a folder holds a model.
pub(super) fn model_in(folder: &Path) -> Option<PathBuf> {
    MODELS.iter().map(|name| folder.join(name)).find(|file| file.is_file())
}

enum Format {
    Safetensors,
    Zip,
}

impl Format {
    /// The format of a file, by its first bytes. The name decides only if these are not conclusive.
    fn of(path: &Path, file: &[u8]) -> Result<Self, String> {
        const SAVE_AGAIN: &str = "the format of torch before version 1.6: load it with torch.load \
             and save it again with torch.save, which writes the zip format";
        let named = path.extension().is_some_and(|e| e == "safetensors");
        if file.starts_with(b"PK\x03\x04") || file.starts_with(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if named || file.get(8) == Some(&b'{') {
            Ok(Self::Safetensors)
        } else if file.is_empty() {
            Err("the file is empty".to_owned())
        } else if pytorch::is_legacy(file) {
            Err(SAVE_AGAIN.to_owned())
        } else if file.starts_with(b"version https://git-lfs") {
            Err("a pointer of Git LFS, not the weights: fetch them with git lfs pull".to_owned())
        } else {
            Err("neither a safetensors file nor a zip archive of PyTorch".to_owned())
        }
    }
}

/// The shard of each tensor. Shards lie next to the index.
fn read_index(index: &Path) -> Result<BTreeMap<String, String>, SourceError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let refuse = |why: String| SourceError::file(index, why);
    let text = Mapped::open(index)?;
    let Index { weight_map } = serde_json::from_slice(&text)
        .map_err(|e| refuse(format!("not an index of a checkpoint's shards: {e}")))?;
    for name in weight_map.values() {
        let mut parts = Path::new(name).components();
        let is_file_name = matches!(parts.next(), Some(std::path::Component::Normal(_)));
        if !is_file_name || parts.next().is_some() {
            let why = format!("it names the shard {name:?}, which is not a file next to it");
            return Err(refuse(why));
        }
    }
    Ok(weight_map)
}
