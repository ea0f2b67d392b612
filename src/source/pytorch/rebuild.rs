//! The calls in a pickle that are supported: those that create tensors and dicts.

use std::ops::Range;

use super::super::stored::{Elements, Stored};
use super::values::{Heap, Items, Node, Storage, Value, View};

/// No tensor of torch has more dimensions.
const DIMENSIONS: usize = 64;
/// A parameter that is a view of a subclass nests to three.
const NESTED_CALLS: usize = 8;

/// The result of calling a function with these arguments: a tensor, a dict, or an unknown object.
pub(super) fn call<'a>(
    heap: &mut Heap<'a>,
    function: Value<'a>,
    arguments: Value<'a>,
) -> Result<Value<'a>, String> {
    let (mut function, mut arguments) = (function, arguments);
    let mut attributes = None; // of a tensor of a class of its own
    for _ in 0..NESTED_CALLS {
        let Some((module, name)) = heap.global(function) else { return Ok(Value::Opaque) };
        let given = heap.items_of_tuple(arguments).unwrap_or_default();
        match (module, name, given) {
            (
                "torch._utils",
                "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3",
                _,
            ) => {
                let dtype = if name.ends_with("v3") { given.get(6) } else { None };
                let view = view(heap, given, dtype.copied())?;
                heap.charge::<usize>(view.shape.len() + view.strides.len())?;
                heap.charge::<View<'_>>(1)?;
                return heap.add(Node::Tensor(Box::new(view)));
            }
            (
                "torch._utils",
                "_rebuild_parameter" | "_rebuild_parameter_with_state",
                [data, ..],
            ) => {
                return Ok(*data);
            }
            (
                "torch._tensor",
                "_rebuild_from_type" | "_rebuild_from_type_v2",
                [f, _, a, s @ ..],
            ) => {
                (attributes, function, arguments) = (s.first().copied(), *f, *a);
            }
            ("torch._utils", "_rebuild_wrapper_subclass", [class, _, shape, ..]) => {
                let (class, shape) = (*class, dimensions(heap, *shape)?);
                return wrapped(heap, class, shape, attributes);
            }
            ("torch._utils", rebuild, _) if rebuild.starts_with("_rebuild_") => {
                // Those of quantised, sparse, nested and meta tensors.
                let shape = given.get(2).and_then(|shape| dimensions(heap, *shape).ok());
                let kind = rebuild.trim_start_matches("_rebuild_").trim_end_matches("_tensor");
                let kind = if kind == "qtensor" { "quantised" } else { kind };
                return heap.foreign(
                    shape.unwrap_or_default(),
                    format!("a tensor of torch's kind {kind:?}"),
                );
            }
            ("collections", "OrderedDict", _) | ("builtins" | "__builtin__", "dict", _) => {
                let list = given.first().copied().unwrap_or(Value::Opaque);
                let pairs = pairs(heap, list)?;
                let dict = heap.add(Node::Dict(Vec::new()))?;
                heap.set(dict, &pairs)?;
                return Ok(dict);
            }
            ("collections", "defaultdict", _) => {
                return heap.add(Node::Dict(Vec::new()));
            }
            ("builtins" | "__builtin__", "list", _) => {
                return heap.add(Node::List(Items::default()));
            }
            ("torch", "Size", [dimensions]) => return Ok(*dimensions),
            _ => return instance(heap, function),
        }
    }
    Err("its calls are nested too deeply".to_owned())
}

/// A new object of a class.
pub(super) fn instance<'a>(heap: &mut Heap<'a>, class: Value<'a>) -> Result<Value<'a>, String> {
    match heap.global(class) {
        Some(("collections", "OrderedDict")) => heap.add(Node::Dict(Vec::new())),
        Some((module, name)) => {
            heap.add(Node::Object { module, name, entries: Vec::new(), state: None })
        }
        None => Ok(Value::Opaque),
    }
}

/// Keys and values, in turn, of a list of pairs.
fn pairs<'a>(heap: &mut Heap<'a>, list: Value<'a>) -> Result<Vec<Value<'a>>, String> {
    let length = match heap.node(list) {
        Some(Node::List(items)) => items.values.len(),
        _ => 0,
    };
    heap.charge::<[Value<'_>; 2]>(length)?;
    let Some(Node::List(items)) = heap.node(list) else { return Ok(Vec::new()) };
    let pair = |(_, pair): &(usize, Value<'a>)| match (heap.items_of_tuple(*pair), heap.node(*pair))
    {
        (Some(&[key, value]), _) => Ok([key, value]),
        // As Python 2 writes it.
        (_, Some(Node::List(of))) if of.length == 2 => Ok([of.at(0), of.at(1)]),
        _ => Err("a dict is made of something that is no pair".to_owned()),
    };
    let pairs = items.values.iter().map(pair).collect::<Result<Vec<_>, String>>()?;
    Ok(pairs.into_iter().flatten().collect())
}

/// A tensor of a class that wraps others. A DTensor whose only piece is the whole is that piece.
fn wrapped<'a>(
    heap: &mut Heap<'a>,
    class: Value<'a>,
    shape: Vec<usize>,
    attributes: Option<Value<'a>>,
) -> Result<Value<'a>, String> {
    let (module, name) = heap.global(class).unwrap_or(("", "a class without a name"));
    // What is in slots comes second in a tuple.
    let attributes = attributes.map(|attributes| match heap.items_of_tuple(attributes) {
        Some(&[_, slots]) => slots,
        _ => attributes,
    });
    let local = attributes.and_then(|attributes| match heap.node(attributes)? {
        Node::Dict(entries) => {
            let local = |(key, _): &&(Value<'_>, Value<'_>)| *key == Value::Text("_local_tensor");
            Some(entries.iter().rfind(local)?.1)
        }
        _ => None,
    });
    let held = local.and_then(|local| match heap.node(local)? {
        Node::Tensor(view) => Some(view.shape.clone()),
        _ => None,
    });
    match (local, held) {
        (Some(local), Some(held)) if held == shape && name == "DTensor" => Ok(local),
        (_, Some(held)) if name == "DTensor" => {
            let what = format!(
                "a DTensor of which this file has the piece {held:?}: save tensor.full_tensor(), or \
                 the whole with torch.distributed.checkpoint"
            );
            heap.foreign(shape, what)
        }
        _ => {
            let what = format!(
                "of the class {module}.{name}, which is not read: save a plain tensor \
                 (full_tensor(), dequantize())"
            );
            heap.foreign(shape, what)
        }
    }
}

/// The storage that a persistent id `('storage', class, key, location, length)` names; `None` for
/// an id of another kind.
pub(super) fn storage<'a>(heap: &Heap<'a>, id: Value<'a>) -> Result<Option<Storage<'a>>, String> {
    let Some([Value::Text("storage"), class, Value::Text(key), _, Value::Int(length), rest @ ..]) =
        heap.items_of_tuple(id)
    else {
        return Ok(None);
    };
    if let [Value::Node(_), ..] = rest {
        return Err(
            "a storage is a view of another one, as torch before version 0.4 wrote: load the \
                    file with torch.load and save it again with torch.save"
                .to_owned(),
        );
    }
    let length = usize::try_from(*length).ok();
    let storage = heap.global(*class).zip(length);
    Ok(storage.map(|((_, class), length)| Storage { key, class, length }))
}

/// The class that a persistent id `('module', class, file, source)` names, as torch before version
/// 1.6 pickled the classes of modules.
pub(super) fn class_of_module<'a>(heap: &Heap<'a>, id: Value<'a>) -> Value<'a> {
    match heap.items_of_tuple(id) {
        Some([Value::Text("module"), class, ..]) => *class,
        _ => Value::Opaque,
    }
}

/// The arguments `(storage, offset, shape, strides, ..)`.
fn view<'a>(
    heap: &Heap<'a>,
    given: &[Value<'a>],
    dtype: Option<Value<'a>>,
) -> Result<View<'a>, String> {
    let [storage, Value::Int(offset), shape, strides, ..] = given else {
        return Err("a tensor is not made of storage, offset, shape and strides".to_owned());
    };
    let Some(Node::Storage(storage)) = heap.node(*storage) else {
        return Err("a tensor is made of something that is no storage".to_owned());
    };
    let elements = elements(match dtype {
        Some(dtype) => heap.global(dtype).map_or("unknown", |(_, name)| name),
        None => storage.class,
    });
    let (shape, strides) = (dimensions(heap, *shape)?, dimensions(heap, *strides)?);
    if shape.len() != strides.len() {
        let (n, m) = (shape.len(), strides.len());
        return Err(format!("a tensor has {n} dimensions and {m} strides"));
    }
    let offset = usize::try_from(*offset).map_err(|_| format!("a tensor begins at {offset}"))?;
    Ok(View { storage: storage.clone(), elements, offset, shape, strides })
}

fn dimensions<'a>(heap: &Heap<'a>, value: Value<'a>) -> Result<Vec<usize>, String> {
    let items = heap.items_of_tuple(value).unwrap_or_default();
    if items.len() > DIMENSIONS {
        return Err(format!("a tensor has {} dimensions", items.len()));
    }
    let dimension = |value: &Value<'_>| match value {
        Value::Int(n) => {
            usize::try_from(*n).map_err(|_| format!("a tensor has a dimension or stride of {n}"))
        }
        _ => Err("a tensor has a dimension or stride that is no whole number".to_owned()),
    };
    items.iter().map(dimension).collect()
}

/// The element type with this name of a torch dtype or storage class.
pub(super) fn elements(name: &str) -> Elements {
    match name {
        "FloatStorage" | "float32" => Elements::F32,
        "DoubleStorage" | "float64" => Elements::F64,
        "HalfStorage" | "float16" => Elements::F16,
        "BFloat16Storage" | "bfloat16" => Elements::Bf16,
        "float8_e4m3fn" => Elements::F8E4M3,
        "float8_e5m2" => Elements::F8E5M2,
        other => Elements::Other(other.to_owned()),
    }
}

impl View<'_> {
    /// Whether the tensor holds weights.
    pub(super) fn holds_weights(&self) -> bool {
        self.elements.size().is_some()
    }

    /// The position of the tensor in a file of this length, given the bytes of its storage. `None`
    /// when it repeats its elements far beyond the file's length.
    pub(super) fn stored(
        &self,
        storage: Option<Range<usize>>,
        file_length: usize,
    ) -> Result<Option<Stored>, String> {
        let elements = self.elements.clone();
        let Some(size) = elements.size() else { return Ok(None) };
        let key = self.storage.key;
        let storage = storage.ok_or_else(|| format!("the archive has no entry data/{key}"))?;
        let untyped = self.storage.class == "UntypedStorage";
        let expected = if untyped { 1 } else { size }.checked_mul(self.storage.length);
        if expected != Some(storage.len()) {
            let (found, stated) = (storage.len(), self.storage.length);
            return Err(format!("its entry data/{key} has {found} bytes for {stated} elements"));
        }
        let length = storage.len() / size;
        let shape = self.shape.clone();
        let numbers = shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d));
        let numbers = numbers.ok_or_else(|| format!("its shape {shape:?} is too large"))?;
        // A view can repeat its elements (strides of 0) far beyond any memory.
        if numbers > length.max(file_length / size) {
            return Ok(None);
        }
        if numbers == 0 {
            let bytes = storage.start..storage.start;
            return Ok(Some(Stored { elements, shape, strides: None, bytes }));
        }
        let last = shape.iter().zip(&self.strides).try_fold(self.offset, |last, (n, stride)| {
            (n - 1).checked_mul(*stride).and_then(|reach| last.checked_add(reach))
        });
        if last.is_none_or(|last| last >= length) {
            return Err(format!(
                "offset {}, shape {shape:?} and strides {:?} reach beyond its storage of {length}",
                self.offset, self.strides
            ));
        }
        let start = storage.start + self.offset * size;
        let in_order = is_row_major(&shape, &self.strides);
        let end = if in_order { start + numbers * size } else { storage.end };
        let strides = (!in_order).then(|| self.strides.clone());
        Ok(Some(Stored { elements, shape, strides, bytes: start..end }))
    }
}

fn is_row_major(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&n, &stride)| {
        let fits = n == 1 || stride == expected;
        expected *= n;
        fits
    })
}
