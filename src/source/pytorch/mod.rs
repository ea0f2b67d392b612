//! The format of PyTorch, Lightning, TorchScript and tch: a zip archive with a pickle.
//!
//! `NAME/data.pkl` is a Python object in the pickle format. Each tensor in it is a call of
//! `torch._utils._rebuild_tensor_v2` with a storage (the archive's entry `NAME/data/KEY`), offset,
//! shape and strides. The entries are stored without compression, so the bytes of a tensor can be
//! used in the file.
//!
//! # Safety
//!
//! Python's own reader calls any function that a pickle names. This one knows containers, tensors
//! and a few calls that create them ([`rebuild`]); every other object is a value without content.
//! Nothing is looked up, imported or executed. Each length, offset and index is checked against the
//! file before it is used, nesting is bounded, and the values created from a pickle take at most
//! the length of the file plus 64 MiB ([`values`]).

mod archive;
mod cursor;
mod pickle;
mod rebuild;
mod state_dict;
mod values;

use std::collections::BTreeMap;

use self::archive::Archive;
use self::values::{Node, Value};
use super::stored::Stored;

/// The tensors of an archive.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) tensors: BTreeMap<String, Stored>,
    /// Whether Python pickled them. TorchScript and tch files have the names as they are.
    pub(super) state_dict: bool,
    /// The keys under which they were found.
    pub(super) under: Option<String>,
}

/// The tensors of a zip archive, by name.
pub(super) fn tensors(file: &[u8]) -> Result<Held, String> {
    let archive = Archive::read(file)?;
    let mut pickles = archive.names().filter_map(|name| name.strip_suffix("/data.pkl"));
    let root = pickles.find(|root| !root.contains('/')).ok_or(
        "a zip archive without NAME/data.pkl: not one that torch.save or VarStore::save wrote",
    )?;
    let entry = |name: &str| archive.stored(&format!("{root}/{name}"));
    if let Some(order) = entry("byteorder")?
        && file.get(order) == Some(b"big")
    {
        return Err("its tensors are big-endian: save it again on a little-endian machine".into());
    }
    let pickle = entry("data.pkl")?.and_then(|at| file.get(at)).unwrap_or_default();
    let in_pickle = |why: String| format!("its data.pkl: {why}");
    let pickled = pickle::load(pickle, file.len()).map_err(in_pickle)?;
    let script = match pickled.root {
        Value::Node(k) => match &pickled.nodes[k] {
            Node::Object { module, .. } => module.starts_with("__torch__"),
            _ => false,
        },
        _ => false,
    };
    let found = state_dict::find(&pickled, file.len()).map_err(in_pickle)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in found.tensors {
        let bytes = entry(&format!("data/{}", view.storage.key))?;
        let stored =
            view.stored(bytes, file.len()).map_err(|why| format!("tensor {name:?}: {why}"))?;
        // tch writes `|` for a dot, which would be an attribute of an attribute.
        let name = if script { name.replace('|', ".") } else { name };
        if let Some(stored) = stored
            && tensors.insert(name.clone(), stored).is_some()
        {
            return Err(format!("two tensors are named {name:?}"));
        }
    }
    Ok(Held { tensors, state_dict: !script, under: found.under })
}

/// Whether a file begins like torch files before the zip format: with a pickled magic number, or as
/// a tar archive.
pub(super) fn is_legacy(file: &[u8]) -> bool {
    const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    let pickled =
        file.first() == Some(&0x80) && file.get(2..).is_some_and(|f| f.starts_with(MAGIC));
    pickled || file.get(257..262) == Some(b"ustar")
}
