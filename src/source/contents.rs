//! What one file of a checkpoint holds, in every format.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::folder::foreign;
use super::step_names::{Inside, noted};
use super::stored::{NotRead, whole_number};
use super::{SourceError, pytorch, safetensors};

/// The tensors of a file.
pub(super) struct Contents {
    pub(super) held: pytorch::Held,
    /// Where the tensors begin of which it has pieces.
    pub(super) pieces: Option<BTreeMap<String, Vec<usize>>>,
}

/// Reads a file.
pub(super) fn contents(path: &Path, file: &[u8]) -> Result<Contents, String> {
    let held = match Format::of(path, file)? {
        Format::Safetensors => {
            let (all, notes) = safetensors::tensors(file)?;
            let in_tensor = noted(|key| {
                let stored = all.get(key).filter(|stored| stored.shape.iter().all(|n| *n == 1))?;
                whole_number(&stored.elements, file.get(stored.bytes.clone())?)
            });
            let (mut tensors, mut not_read) = (BTreeMap::new(), Vec::new());
            for (name, stored) in all {
                match stored.elements.size() {
                    Some(_) => drop(tensors.insert(name, stored)),
                    None => {
                        let what = format!("of the type {}", stored.elements.name());
                        not_read.push(NotRead { name, shape: stored.shape, what });
                    }
                }
            }
            let step = ["global_step", "step"].iter().find_map(|key| notes.get(*key)?.parse().ok());
            let step = step.map(|step| Inside { step, sure: true }).or(in_tensor);
            let held = pytorch::Held {
                tensors,
                made: BTreeMap::new(),
                not_read,
                state_dict: false,
                under: None,
                step,
            };
            return Ok(Contents { held, pieces: safetensors::pieces(&notes)? });
        }
        Format::Zip => pytorch::tensors(file)?,
        Format::Legacy => pytorch::legacy_tensors(file)?,
    };
    if let Some(under) = &held.under {
        tracing::info!("{}: the tensors under {under:?} are taken", path.display());
    }
    Ok(Contents { held, pieces: None })
}

/// The parts of a name before and after the place of a layer's number, if it lacks one.
pub(super) fn unstacked(name: &str) -> Option<(&str, &str)> {
    let (before, after) = name.split_at(name.find(".layers.")? + ".layers.".len());
    (!after.starts_with(|c: char| c.is_ascii_digit())).then_some((before, after))
}

/// Whether a name is that of a file in the same folder.
pub(super) fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(parts.next(), Some(std::path::Component::Normal(_))) && parts.next().is_none()
}

/// Whether a file begins as those of a format that is read.
pub(super) fn is_known(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut head));
    read.is_ok() && Format::of(path, &head).is_ok()
}

enum Format {
    Safetensors,
    Zip,
    Legacy,
}

impl Format {
    /// The format of a file, by its first bytes. The name decides only if these are not conclusive.
    fn of(path: &Path, file: &[u8]) -> Result<Self, String> {
        let named = path.extension().is_some_and(|e| e == "safetensors");
        if file.starts_with(b"PK\x03\x04") || file.starts_with(b"PK\x05\x06") {
            Ok(Self::Zip)
        } else if file.starts_with(b"version https://git-lfs") {
            Err("a pointer of Git LFS, not the weights: fetch them with git lfs pull".to_owned())
        } else if file.is_empty() {
            Err("the file is empty".to_owned())
        } else if pytorch::is_legacy(file) {
            Ok(Self::Legacy)
        } else if named || file.get(8) == Some(&b'{') {
            Ok(Self::Safetensors)
        } else if file.get(257..262) == Some(b"ustar") {
            let why = "a tar archive, as torch before version 0.2 wrote: load it with torch.load and \
                       save it again with torch.save";
            Err(why.to_owned())
        } else if let Some(why) = foreign(path) {
            Err(why)
        } else {
            Err("neither a safetensors file nor one that torch.save wrote".to_owned())
        }
    }
}

/// The shard of each tensor. Shards lie next to the index.
pub(super) fn read_index(
    index: &Path,
    text: &[u8],
) -> Result<BTreeMap<String, String>, SourceError> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let refuse = |why: String| SourceError::file(index, why);
    let Index { weight_map } = serde_json::from_slice(text)
        .map_err(|e| refuse(format!("not an index of a checkpoint's shards: {e}")))?;
    for name in weight_map.values() {
        if !is_file_name(name) {
            let why = format!("it names the shard {name:?}, which is not a file next to it");
            return Err(refuse(why));
        }
    }
    Ok(weight_map)
}
