//! Checkpoints of `torch.distributed.checkpoint`: a folder with `.metadata`, a pickled table, and
//! files whose items are archives of one tensor each.
//!
//! | in `.metadata` | says |
//! |---|---|
//! | `state_dict_metadata` | of each tensor its type, its size, and the offsets and sizes of its chunks |
//! | `planner_data` | the keys under which each tensor was saved |
//! | `storage_data` | of each chunk the file, and where in it its archive lies |

use std::collections::HashMap;
use std::ops::Range;

use super::super::stored::{Elements, NotRead, Stored};
use super::archive::Archive;
use super::pickle;
use super::rebuild::elements;
use super::state_dict::{KEYS, STATE_OF_TRAINING};
use super::values::{Node, Pickled, Value};

/// What a converter of torch makes of such a folder, for what is not read here.
const CONVERT: &str =
    "python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE.pt";
/// A table for more is refused.
const NAME: usize = 1024;

/// The tensors of a distributed checkpoint.
#[derive(Debug, Default)]
pub(in super::super) struct Layout {
    pub(in super::super) tensors: Vec<Planned>,
    pub(in super::super) not_read: Vec<NotRead>,
}

/// A tensor, and where its chunks are.
#[derive(Debug)]
pub(in super::super) struct Planned {
    pub(in super::super) name: String,
    pub(in super::super) shape: Vec<usize>,
    pub(in super::super) pieces: Vec<Piece>,
}

/// A chunk of a tensor.
#[derive(Debug)]
pub(in super::super) struct Piece {
    pub(in super::super) file: String,        // next to the table
    pub(in super::super) bytes: Range<usize>, // of its archive
    pub(in super::super) offsets: Vec<usize>,
    pub(in super::super) sizes: Vec<usize>,
}

/// Reads the table.
pub(in super::super) fn layout(table: &[u8]) -> Result<Layout, String> {
    let pickled = pickle::load(table, 0, table.len())?;
    let root = pickled.root;
    let part = |key: &str| {
        let lacking = || format!("it has no {key}: not a table of torch.distributed.checkpoint");
        pickled.get(root, key).ok_or_else(lacking)
    };
    let stored = storage(&pickled, part("storage_data")?)?;
    let paths = pickled.get(root, "planner_data");
    let tensors = pickled.entries(part("state_dict_metadata")?);
    let named = tensors.iter().filter_map(|(name, about)| match name {
        Value::Text(name) => Some((*name, path(&pickled, paths, name), *about)),
        _ => None,
    });
    let named: Vec<_> = named.collect();
    let of_tensor = |about| pickled.get(about, "size").is_some();
    // As in a pickled object: what lies under the first of the keys that holds tensors.
    let under = KEYS.iter().find(|key| {
        let first = |path: &[&str]| path.len() > 1 && path[0] == **key;
        named.iter().any(|(_, path, about)| first(path) && of_tensor(*about))
    });
    let mut layout = Layout::default();
    for (name, path, about) in named.iter().filter(|(_, _, about)| of_tensor(*about)) {
        let rest = match under {
            Some(key) if path[0] == *key => &path[1..],
            Some(_) => continue,
            None if STATE_OF_TRAINING.iter().any(|start| path[0].starts_with(start)) => continue,
            None => path,
        };
        let shown = rest.join(".");
        if shown.len() > NAME {
            return Err(format!("the name of a tensor is longer than {NAME} bytes"));
        }
        planned(&pickled, (name, shown), *about, &stored, &mut layout)?;
    }
    if layout.tensors.is_empty() && layout.not_read.is_empty() {
        return Err("it names no tensor of a model".to_owned());
    }
    Ok(layout)
}

/// The keys under which a tensor was saved; without them, its name.
fn path<'a>(pickled: &Pickled<'a>, paths: Option<Value<'a>>, name: &'a str) -> Vec<&'a str> {
    let path = paths.and_then(|paths| pickled.tuple(pickled.get(paths, name)?));
    let keys = path.map(|path| {
        let text = |value: &Value<'a>| match value {
            Value::Text(text) => Some(*text),
            _ => None,
        };
        path.iter().map(text).collect::<Option<Vec<_>>>()
    });
    match keys.flatten() {
        Some(keys) if !keys.is_empty() => keys,
        _ => match name.split_once('.') {
            Some((first, rest)) if KEYS.contains(&first) => vec![first, rest],
            _ => vec![name],
        },
    }
}

/// Where the archive of a chunk lies, by the name and the offsets of the chunk.
type Places<'a> = HashMap<(&'a str, Vec<usize>), (&'a str, Range<usize>)>;

fn storage<'a>(pickled: &Pickled<'a>, data: Value<'a>) -> Result<Places<'a>, String> {
    let mut places = HashMap::new();
    for (index, info) in pickled.entries(data) {
        let Some(Value::Text(name)) = pickled.get(*index, "fqn") else {
            return Err("an entry of storage_data has no name".to_owned());
        };
        let offsets = pickled.get(*index, "offset").and_then(|offset| pickled.sizes(offset));
        let number = |key| match pickled.get(*info, key) {
            Some(Value::Int(n)) => usize::try_from(n).ok(),
            _ => None,
        };
        let transformed = pickled.get(*info, "transform_descriptors");
        if let Some([(_, Value::Text(how)), ..]) = transformed.and_then(|list| pickled.list(list)) {
            return Err(format!(
                "its items are transformed ({how}), which is not read: convert it with {CONVERT}"
            ));
        }
        let start = number("offset");
        let end = start.zip(number("length")).and_then(|(start, n)| start.checked_add(n));
        let file = match pickled.get(*info, "relative_path") {
            Some(Value::Text(file)) => Some(file),
            _ => None,
        };
        let (Some(file), Some((start, end))) = (file, start.zip(end)) else {
            return Err(format!("it does not say where {name:?} lies"));
        };
        places.insert((name, offsets.unwrap_or_default()), (file, start..end));
    }
    Ok(places)
}

fn planned<'a>(
    pickled: &Pickled<'a>,
    (name, shown): (&'a str, String),
    about: Value<'a>,
    stored: &Places<'a>,
    layout: &mut Layout,
) -> Result<(), String> {
    let lacking = |what: &str| format!("it does not say the {what} of {name:?}");
    let sizes = |value: Option<Value<'a>>, what| {
        value.and_then(|value| pickled.sizes(value)).ok_or_else(|| lacking(what))
    };
    let shape = sizes(pickled.get(about, "size"), "size")?;
    let properties = pickled.get(about, "properties").ok_or_else(|| lacking("type"))?;
    let dtype =
        pickled.get(properties, "dtype").or_else(|| Some(*pickled.tuple(properties)?.first()?));
    let dtype = match dtype.and_then(|dtype| pickled.node(dtype)) {
        Some(Node::Global { name, .. }) => elements(name),
        _ => return Err(lacking("type")),
    };
    if let Elements::Other(dtype) = dtype {
        let what = format!("of the type {dtype}");
        layout.not_read.push(NotRead { name: shown, shape, what });
        return Ok(());
    }
    let chunks = pickled.get(about, "chunks").and_then(|chunks| pickled.list(chunks));
    let mut pieces = Vec::new();
    for (_, chunk) in chunks.ok_or_else(|| lacking("chunks"))? {
        let [offsets, sizes] = ["offsets", "sizes"].map(|key| sizes(pickled.get(*chunk, key), key));
        let (offsets, sizes) = (offsets?, sizes?);
        if sizes.contains(&0) {
            continue;
        }
        // A tensor that was saved whole has no offsets in its index.
        let place = stored.get(&(name, offsets.clone()));
        let place = place.or_else(|| stored.get(&(name, Vec::new())));
        let (file, bytes) = place.ok_or_else(|| lacking("place"))?;
        let (file, bytes) = ((*file).to_owned(), bytes.clone());
        pieces.push(Piece { file, bytes, offsets, sizes });
    }
    layout.tensors.push(Planned { name: shown, shape, pieces });
    Ok(())
}

/// The tensor of a chunk's archive, in the file in which it lies.
pub(in super::super) fn item(file: &[u8], piece: &Piece) -> Result<Stored, String> {
    let [from, to] = [piece.bytes.start, piece.bytes.end];
    let at = |why: String| format!("the item at bytes {from} to {to}: {why}");
    let item = file
        .get(piece.bytes.clone())
        .ok_or_else(|| at("it lies beyond the end of the file (was it cut short?)".to_owned()))?;
    let (archive, root) = Archive::of_torch(item).map_err(at)?;
    let entry = |name: &str| archive.stored(&format!("{root}/{name}"));
    let pickle = entry("data.pkl").map_err(at)?.and_then(|at| item.get(at)).unwrap_or_default();
    let pickled = pickle::load(pickle, 0, item.len()).map_err(at)?;
    let Some(Node::Tensor(view)) = pickled.node(pickled.root) else {
        return Err(at("it is no tensor".to_owned()));
    };
    let bytes = entry(&format!("data/{}", view.storage.key)).map_err(at)?;
    let stored = view.stored(bytes, item.len()).map_err(at)?;
    let stored = stored.ok_or_else(|| at("it is of a type that is not read".to_owned()))?;
    let numbers = |shape: &[usize]| shape.iter().product::<usize>();
    let full = |shape: &[usize]| shape.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
    // Axes of length 1 come and go where layers are stacked.
    if full(&stored.shape) != full(&piece.sizes) || numbers(&stored.shape) == 0 {
        let (found, expected) = (&stored.shape, &piece.sizes);
        return Err(at(format!("it has shape {found:?}, and the table says {expected:?}")));
    }
    let strides = stored.strides.map(|strides| {
        let mut kept = stored.shape.iter().zip(strides).filter(|(n, _)| **n != 1);
        let stride = |n: &usize| if *n == 1 { 0 } else { kept.next().map_or(0, |(_, s)| s) };
        piece.sizes.iter().map(stride).collect()
    });
    let bytes = stored.bytes.start + from..stored.bytes.end + from;
    Ok(Stored { shape: piece.sizes.clone(), strides, bytes, ..stored })
}
