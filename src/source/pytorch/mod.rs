//! The formats of PyTorch, Lightning, TorchScript and tch: a zip archive with a pickle; before torch
//! 1.6, pickles with the storages after them ([`legacy`]); and, of several processes, a folder of
//! archives with a pickled table of what lies where ([`distributed`]).
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
mod distributed;
mod legacy;
mod pickle;
mod rebuild;
mod state_dict;
mod values;

use std::collections::BTreeMap;
use std::ops::Range;

use self::archive::Archive;
use self::values::{Node, Pickled, Storage, Value, View};
use super::step_names::{Inside, noted};
use super::stored::{NotRead, Stored, whole_number};

pub(super) use self::archive::{directory, heads, pickled};
pub(super) use self::distributed::{item, layout};
pub(super) use self::legacy::is_legacy;

/// The tensors of an archive.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) tensors: BTreeMap<String, Stored>,
    /// Where they come in the order in which they were pickled, where it is kept.
    pub(super) made: BTreeMap<String, usize>,
    /// Tensors that are not read.
    pub(super) not_read: Vec<NotRead>,
    /// Whether Python pickled them. TorchScript and tch files have the names as they are.
    pub(super) state_dict: bool,
    /// The keys under which they were found.
    pub(super) under: Option<String>,
    /// The step that a trainer pickled next to them.
    pub(super) step: Option<Inside>,
}

/// The tensors of a zip archive, by name.
pub(super) fn tensors(file: &[u8]) -> Result<Held, String> {
    let (archive, root) = Archive::of_torch(file)?;
    let entry = |name: &str| archive.stored(&format!("{root}/{name}"));
    let pickle = entry("data.pkl")?.and_then(|at| file.get(at)).unwrap_or_default();
    let in_pickle = |why: String| format!("its data.pkl: {why}");
    let pickled = pickle::load(pickle, 0, file.len()).map_err(in_pickle)?;
    let data = |storage: &Storage<'_>| {
        let name = format!("data/{}", storage.key);
        let lacking = || format!("the archive has no entry {name}");
        entry(&name)?.ok_or_else(lacking)
    };
    held(&pickled, file, &data, in_pickle)
}

/// The tensors in files that torch wrote before version 1.6, by name.
pub(super) fn legacy_tensors(file: &[u8]) -> Result<Held, String> {
    let (pickled, storages) = legacy::read(file)?;
    let data = |storage: &Storage<'_>| storages.of(storage);
    held(&pickled, file, &data, |why| why)
}

/// The tensors of a pickled object; `data` says where the bytes of a storage lie in the file.
fn held(
    pickled: &Pickled<'_>,
    file: &[u8],
    data: &dyn Fn(&Storage<'_>) -> Result<Range<usize>, String>,
    in_pickle: impl Fn(String) -> String,
) -> Result<Held, String> {
    let script = match pickled.node(pickled.root) {
        Some(Node::Object { module, .. }) => module.starts_with("__torch__"),
        _ => false,
    };
    let file_length = file.len();
    let found = state_dict::find(pickled, file_length).map_err(in_pickle)?;
    let (mut tensors, mut not_read) = (BTreeMap::new(), found.not_read);
    let mut made = BTreeMap::new();
    for (name, (place, view)) in found.tensors {
        let bytes = data(&view.storage).map_err(|why| format!("tensor {name:?}: {why}"))?;
        let stored = view
            .stored(Some(bytes), file_length)
            .map_err(|why| format!("tensor {name:?}: {why}"))?;
        // tch writes `|` for a dot, which would be an attribute of an attribute.
        let name = if script { name.replace('|', ".") } else { name };
        let Some(stored) = stored else {
            let what = "expanded to more elements than the file can hold: save tensor.contiguous(), \
                        or leave it out of the file";
            not_read.push(NotRead { name, shape: view.shape.clone(), what: what.to_owned() });
            continue;
        };
        made.insert(name.clone(), place);
        if tensors.insert(name.clone(), stored).is_some() {
            return Err(format!("two tensors are named {name:?}"));
        }
    }
    let step = noted(|key| match pickled.get(pickled.root, key)? {
        Value::Int(step) => step.try_into().ok(),
        value => match pickled.node(value)? {
            Node::Tensor(view) => number(view, file, data),
            _ => None,
        },
    });
    Ok(Held { tensors, made, not_read, state_dict: !script, under: found.under, step })
}

/// The whole number in a tensor of one element: a step that was counted on a device.
fn number(
    view: &View<'_>,
    file: &[u8],
    data: &dyn Fn(&Storage<'_>) -> Result<Range<usize>, String>,
) -> Option<u64> {
    let elements = view.shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n))?;
    if elements != 1 || view.offset != 0 {
        return None;
    }
    whole_number(&view.elements, file.get(data(&view.storage).ok()?)?)
}
