//! torch's format before version 1.6: pickles one after the other, then the storages.
//!
//! 1. the magic number, the version of the protocol, and the sizes of C types;
//! 2. the object, in which a tensor's storage is a persistent id, as in an archive;
//! 3. the list of the storages' keys;
//! 4. for each key, in this order, the number of elements in 8 bytes, and the elements.

use std::collections::HashMap;
use std::ops::Range;

use super::super::stored::Elements;
use super::cursor::Cursor;
use super::pickle;
use super::rebuild::elements;
use super::values::{Node, Pickled, Storage, Value};

const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// The first pickle is shorter.
const FIRST: usize = 32;

/// Whether a file begins with the pickled magic number, in a frame (protocol 4) or not.
pub(in super::super) fn is_legacy(file: &[u8]) -> bool {
    let first = &file[..file.len().min(FIRST)];
    first.first() == Some(&0x80) && first.windows(MAGIC.len()).any(|bytes| bytes == MAGIC)
}

/// Where the bytes of each storage lie.
pub(super) struct Storages<'a>(HashMap<&'a str, Range<usize>>);

impl Storages<'_> {
    pub(super) fn of(&self, storage: &Storage<'_>) -> Result<Range<usize>, String> {
        let key = storage.key;
        self.0.get(key).cloned().ok_or_else(|| format!("the file has no storage {key}"))
    }
}

/// The object of a file, and its storages.
pub(super) fn read(file: &[u8]) -> Result<(Pickled<'_>, Storages<'_>), String> {
    let mut at = 0;
    for what in ["magic number", "version", "sizes of types"] {
        let in_pickle = |why| format!("its {what}: {why}");
        at = pickle::load(file, at, file.len()).map_err(in_pickle)?.end;
    }
    let in_object = |why| format!("its object: {why}");
    let object = pickle::load(file, at, file.len()).map_err(in_object)?;
    let cut = |why| format!("its storages: {why} (was it cut short?)");
    let listed = pickle::load(file, object.end, file.len()).map_err(cut)?;
    let sizes: HashMap<&str, usize> = object.nodes.iter().filter_map(size).collect();
    let mut storages = HashMap::new();
    let mut cursor = Cursor::new(file, listed.end);
    for (_, key) in listed.list(listed.root).ok_or("the list of its storages is no list")? {
        let Value::Text(key) = key else {
            return Err("the key of a storage is no text".to_owned());
        };
        let size = sizes.get(key).ok_or_else(|| format!("no tensor has the storage {key}"))?;
        let bytes = cursor.length().map_err(cut)?.checked_mul(*size);
        let start = cursor.at();
        cursor.take(bytes.ok_or("a storage is too long")?).map_err(cut)?;
        if storages.insert(*key, start..cursor.at()).is_some() {
            return Err(format!("two storages have the key {key}"));
        }
    }
    Ok((object, Storages(storages)))
}

/// The key of a storage, and the bytes of one of its elements.
fn size<'a>(node: &Node<'a>) -> Option<(&'a str, usize)> {
    let Node::Storage(Storage { key, class, .. }) = node else { return None };
    let size = match elements(class) {
        Elements::Other(name) => match name.trim_start_matches("torch.") {
            "LongStorage" | "ComplexFloatStorage" => 8,
            "IntStorage" | "QInt32Storage" => 4,
            "ShortStorage" => 2,
            "ComplexDoubleStorage" => 16,
            _ => 1, // bytes, bool, untyped
        },
        known => known.size()?,
    };
    Some((key, size))
}
