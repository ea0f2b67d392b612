//! Checkpoint files of every format, single and sharded, mapped rather than read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contents::{contents, is_file_name, read_index, unstacked};
use super::folder::{Held, MODELS, held, is_a_part};
use super::mapped::Mapped;
use super::quantised::{left_out, refusal, take_scales};
use super::remote::Ranges;
use super::step_names::Inside;
use super::stored::NotRead;
use super::unwrapped::unwrapped;
use super::whole::{Part, Unread, Whole};
use super::{Block, Source, SourceError, Tensor, derived, pytorch};
use crate::network::Parameter;

/// Finds a file on another machine.
pub type Open<'o> = &'o dyn Fn(&Path) -> std::io::Result<Arc<dyn Ranges>>;

/// Takes a file's bytes.
type Take<'t> = &'t dyn Fn(&Path) -> Result<Mapped, SourceError>;

/// A checkpoint: one file, or several behind an index.
///
/// The format is recognised by the content of a file, not by its name: safetensors, a zip archive as
/// written by PyTorch, Lightning, TorchScript and tch (`.ot`), or what torch wrote before version 1.6.
/// Nothing in a file is ever executed.
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
    shards: Vec<Mapped>,
    tensors: BTreeMap<String, Whole>,
    not_read: Vec<NotRead>,
    step: Option<Inside>, // as its writer noted it
}

impl CheckpointFile {
    /// Opens a file; the index of a sharded checkpoint (`.index.json`); or a folder that holds a
    /// model: under a usual name (`model.safetensors`, `pytorch_model.bin`, their indexes,
    /// `adapter_model.*`, `diffusion_pytorch_model.*`, `model.pt`, ..), the first of these; as shards
    /// that count themselves; as a distributed checkpoint of torch; or as DeepSpeed's ZeRO-1 and 2
    /// save it.
    ///
    /// From an object saved with `torch.save`, the state dict is used: the value of the first of
    /// the keys `model`, `state_dict`, `module` and `model_state_dict` that holds tensors, or else
    /// the complete object. `module` (of `DataParallel`), where nothing is next to it, and `_orig_mod` (of
    /// `torch.compile`) and the like are removed from names.
    ///
    /// # Errors
    /// [`SourceError::File`] with the file and the reason: absent, cut short, a structure that does
    /// not fit the file, a shard that is missing or lacks what the index says, a format that is
    /// not read, weights that are quantised or not there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Self::open_with(path.as_ref(), &Mapped::open)
    }

    /// Reads the files into memory, so that it does not matter what other processes do to them.
    pub(crate) fn read(path: &Path) -> Result<Self, SourceError> {
        Self::open_with(path, &Mapped::read)
    }

    /// Opens copies of the files, made in a folder, so that it does not matter what other processes do
    /// to the files. The copies are gone when they are no longer needed.
    ///
    /// # Errors
    /// As [`Self::open`]; or the copies cannot be made.
    pub(crate) fn open_copy(path: &Path, folder: &Path) -> Result<Self, SourceError> {
        Self::open_with(path, &|path| Mapped::copied(path, folder))
    }

    /// Opens files on other machines: `open` finds each, the first under this address.
    pub(super) fn open_remote(path: &Path, open: Open<'_>) -> Result<Self, SourceError> {
        Self::open_with(path, &|path| {
            let ranges = open(path).map_err(|e| SourceError::file(path, e))?;
            Mapped::remote(path, ranges)
        })
    }

    /// The first values of a tensor, as many as these, or all.
    pub(crate) fn first(&self, name: &str, values: usize) -> Result<Tensor<'_>, SourceError> {
        let part = self.tensors.get(name).and_then(Whole::single_part);
        if let Some((shard, stored)) = part
            && let Some(stored) = stored.first(values)
            && let Some(first) = self.shards[shard].values(&stored)?
        {
            return Ok(first);
        }
        self.tensor(name)
    }

    /// The tensors that are not read, by name, each with its shape and the reason, which follows "it
    /// is": a type that holds no weights (integers), a class of its own, a piece of a DTensor.
    pub fn not_read(&self) -> impl Iterator<Item = (&str, &[usize], &str)> {
        self.not_read.iter().map(|left| (&*left.name, &*left.shape, &*left.what))
    }

    /// How many of its matrices are not read, and their share, in words; none if all are.
    pub fn left_out(&self) -> Option<String> {
        left_out(&self.tensors, &self.not_read)
    }

    /// The step that the writer noted in the file.
    pub(super) fn step(&self) -> Option<Inside> {
        self.step
    }

    fn open_with(path: &Path, take: Take<'_>) -> Result<Self, SourceError> {
        let refuse = |why: String| SourceError::file(path, why);
        let holds = match path.is_dir() {
            false => Held::Model(path.to_owned()),
            true => held(path),
        };
        let (shards, tensors, not_read) = Default::default();
        let mut checkpoint = Self { path: path.to_owned(), shards, tensors, not_read, step: None };
        let pickled = match holds {
            Held::Model(file) => {
                checkpoint.path.clone_from(&file);
                match file.extension() {
                    Some(extension) if extension == "json" => checkpoint.add_index(&file, take)?,
                    _ => checkpoint.add_shard(&file, take)?,
                }
            }
            Held::Shards(files) => checkpoint.add_shards(&files, take)?,
            Held::Distributed(table) => checkpoint.add_distributed(&table, take)?,
            Held::Refused(why) => return Err(refuse(why)),
            Held::Nothing => {
                let why = format!("the folder holds none of {}", MODELS.join(", "));
                return Err(refuse(why));
            }
        };
        checkpoint.drop_wrappers(pickled);
        let refuse = |why: String| SourceError::file(&checkpoint.path, why);
        if let Some(why) = refusal(&checkpoint.tensors, &checkpoint.not_read) {
            return Err(refuse(why));
        }
        take_scales(&mut checkpoint.tensors).map_err(refuse)?;
        Ok(checkpoint)
    }

    /// Adds the shards that an index names; returns whether all hold a pickled state dict.
    fn add_index(&mut self, index: &Path, take: Take<'_>) -> Result<bool, SourceError> {
        let weight_map = read_index(index, &take(index)?)?;
        let folder = index.parent().unwrap_or(Path::new(""));
        let mut shards: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut pickled = true;
        for shard in weight_map.values() {
            if !shards.contains_key(shard.as_str()) {
                let before: BTreeSet<String> = self.names().map(str::to_owned).collect();
                let added = self.add_shard(&folder.join(shard), take);
                pickled &= added.map_err(|error| SourceError::Shard {
                    index: index.to_owned(),
                    source: Box::new(error),
                })?;
                let new = self.names().filter(|name| !before.contains(*name));
                shards.insert(shard.as_str(), new.map(str::to_owned).collect());
            }
        }
        for (name, shard) in &weight_map {
            if !shards.get(shard.as_str()).is_some_and(|held| held.contains(name)) {
                let path = folder.join(shard);
                let index = index.display();
                let why = format!("it lacks tensor {name:?}, which {index} says it holds");
                return Err(SourceError::file(&path, why));
            }
        }
        Ok(pickled)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let not_read = self.not_read.iter().map(|left| left.name.as_str());
        self.tensors.keys().map(String::as_str).chain(not_read)
    }

    /// Adds the tensors of a file; returns whether it holds a pickled state dict.
    fn add_shard(&mut self, path: &Path, take: Take<'_>) -> Result<bool, SourceError> {
        let refuse = |why: String| SourceError::file(path, why);
        if let Some(why) = is_a_part(path) {
            return Err(refuse(why));
        }
        let file = take(path)?;
        let read = contents(path, &file).map_err(refuse)?;
        if read.pieces.is_some_and(|pieces| pieces.values().flatten().any(|at| *at > 0)) {
            let folder = path.parent().unwrap_or(Path::new("."));
            let why = "pieces of tensors that HuggingFaceStorageWriter wrote: give its folder";
            return Err(refuse(format!("{why}, {}", folder.display())));
        }
        let number = self.shards.len();
        for (name, stored) in read.held.tensors {
            if self.tensors.contains_key(&name) {
                let why = format!("tensor {name:?} is in two shards, this and an earlier one");
                return Err(refuse(why));
            }
            let made = read.held.made.get(&name).copied().filter(|_| read.held.state_dict);
            let mut whole = Whole::single(number, stored);
            whole.made = made;
            self.tensors.insert(name, whole);
        }
        self.not_read.extend(read.held.not_read);
        self.step = self.step.or(read.held.step);
        self.shards.push(file);
        Ok(read.held.state_dict)
    }

    /// Adds shards without an index, or files of pieces; returns whether all hold a pickled state
    /// dict.
    fn add_shards(&mut self, files: &[PathBuf], take: Take<'_>) -> Result<bool, SourceError> {
        let (mut pickled, mut parts) = (true, BTreeMap::<String, Vec<Part>>::new());
        for path in files {
            let refuse = |why: String| SourceError::file(path, why);
            let file = take(path)?;
            let read = contents(path, &file).map_err(refuse)?;
            pickled &= read.held.state_dict;
            let shard = self.shards.len();
            for (name, stored) in read.held.tensors {
                let whole = || vec![0; stored.shape.len()];
                let at = read.pieces.as_ref().and_then(|pieces| pieces.get(&name).cloned());
                let pieces = parts.entry(name.clone()).or_default();
                if read.pieces.is_none() && !pieces.is_empty() {
                    return Err(refuse(format!(
                        "tensor {name:?} is in two shards, this and an earlier one"
                    )));
                }
                let at = at.unwrap_or_else(whole);
                pieces.push(Part { shard, stored, at });
            }
            self.not_read.extend(read.held.not_read);
            self.shards.push(file);
        }
        for (name, parts) in parts {
            let mut shape = vec![0; parts[0].at.len()];
            for part in &parts {
                for (axis, length) in shape.iter_mut().enumerate() {
                    let [at, size] = [&part.at, &part.stored.shape].map(|v| v.get(axis).copied());
                    *length = (*length).max(at.unwrap_or(0).saturating_add(size.unwrap_or(0)));
                }
            }
            let whole = Whole::of_parts(shape, parts);
            let refuse = |why| SourceError::file(&self.path, format!("tensor {name:?}: {why}"));
            let whole = whole.map_err(refuse)?;
            self.tensors.insert(name, whole);
        }
        Ok(pickled)
    }

    /// Adds the tensors of a distributed checkpoint of torch.
    fn add_distributed(&mut self, table: &Path, take: Take<'_>) -> Result<bool, SourceError> {
        let folder = table.parent().unwrap_or(Path::new("."));
        let refuse = |why: String| SourceError::file(table, why);
        let layout = pytorch::layout(&take(table)?).map_err(refuse)?;
        // Megatron saves layers that are alike as one tensor, with the layers on the first axis.
        let stacks = folder.join("metadata.json").is_file();
        let mut numbers = BTreeMap::new();
        for planned in layout.tensors {
            let name = planned.name;
            let mut parts = Vec::with_capacity(planned.pieces.len());
            for piece in planned.pieces {
                if !is_file_name(&piece.file) {
                    let why = format!("it names {:?}, which is not a file next to it", piece.file);
                    return Err(refuse(why));
                }
                let path = folder.join(&piece.file);
                let shard = match numbers.get(&piece.file) {
                    Some(shard) => *shard,
                    None => {
                        let file = take(&path)?;
                        numbers.insert(piece.file.clone(), self.shards.len());
                        self.shards.push(file);
                        self.shards.len() - 1
                    }
                };
                let stored = pytorch::item(&self.shards[shard], &piece);
                let why = |why| SourceError::file(&path, format!("tensor {name:?}: {why}"));
                parts.push(Part { shard, stored: stored.map_err(why)?, at: piece.offsets });
            }
            let whole = Whole::of_parts(planned.shape, parts);
            let whole = whole.map_err(|why| refuse(format!("tensor {name:?}: {why}")))?;
            let layers = match unstacked(&name).filter(|_| stacks) {
                Some((before, after)) => whole.unstacked().map(|layers| (before, after, layers)),
                None => None,
            };
            let named = match layers {
                None => vec![(name, whole)],
                Some((before, after, layers)) => {
                    let layers = layers.into_iter().enumerate();
                    layers.map(|(k, layer)| (format!("{before}{k}.{after}"), layer)).collect()
                }
            };
            for (name, whole) in named {
                if self.tensors.insert(name.clone(), whole).is_some() {
                    return Err(refuse(format!("two tensors are named {name:?}")));
                }
            }
        }
        self.not_read.extend(layout.not_read);
        Ok(true)
    }

    /// Removes from names what modules that wrap others add to them. Python's own names may have a
    /// `module` that is such a wrapper.
    fn drop_wrappers(&mut self, pickled: bool) {
        let names = self.tensors.keys().chain(self.not_read.iter().map(|left| &left.name));
        let Some(renamed) = unwrapped(names.map(String::as_str), pickled) else { return };
        let mut renamed = renamed.into_iter();
        let tensors = std::mem::take(&mut self.tensors).into_values();
        self.tensors = renamed.by_ref().take(tensors.len()).zip(tensors).collect();
        self.not_read.iter_mut().zip(renamed).for_each(|(left, name)| left.name = name);
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }
}

impl Source for CheckpointFile {
    fn parameters(&self) -> Vec<Parameter> {
        derived::parameters(&self.tensors, &self.shards)
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let Some(tensor) = self.tensors.get(name) else {
            if let Some(formed) = derived::formed(name, &self.tensors, |name| self.tensor(name)) {
                return formed;
            }
            let (name, place) = (name.to_owned(), self.location());
            return Err(match self.not_read.iter().find(|left| left.name == name) {
                Some(left) => SourceError::Type { name, place, dtype: left.what.clone() },
                None => SourceError::Missing { name, place },
            });
        };
        tensor.values(&self.shards).map_err(|error| match error {
            Unread::File(error) => error,
            Unread::Short => {
                SourceError::file(&self.path, format!("tensor {name:?} lies beyond its end"))
            }
        })
    }

    /// Of a file on another machine, only the blocks are read.
    fn gather(&self, name: &str, blocks: &[Block<'_>]) -> Result<Option<Tensor<'_>>, SourceError> {
        let part = self.tensors.get(name).and_then(Whole::single_part);
        match part.map(|(shard, stored)| (&self.shards[shard], stored)) {
            Some((Mapped::Remote(file), stored)) => file.gather(stored, blocks),
            _ => Ok(None),
        }
    }
}
