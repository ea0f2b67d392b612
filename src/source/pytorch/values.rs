//! The values of a pickle, in one list; they refer to each other by index.
//!
//! A pickle can contain a list that holds itself; indices represent this without a cycle of owners.
//! The number of values is bounded by what a file of this length can need.

use super::super::stored::Elements;

/// Bytes in addition to the length of the file, for pickles of many small tensors and objects.
const ALLOWANCE: usize = 64 << 20;

/// A small value, or the index of a larger one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Int(i64),
    Text(&'a str),
    Node(usize),
    /// None, a float, bytes and everything else that is not part of a tensor.
    Opaque,
}

/// Values that tensors are made of, or that can hold tensors.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Global {
        module: &'a str,
        name: &'a str,
    },
    Tuple(Vec<Value<'a>>),
    List(Items<'a>),
    Dict(Entries<'a>),
    /// An instance of a class that is not known, with its attributes.
    Object {
        module: &'a str,
        name: &'a str,
        entries: Entries<'a>,
        state: Option<usize>,
    },
    /// A tensor of a kind that is not read, and why, in words.
    Foreign {
        shape: Vec<usize>,
        what: String,
    },
    Storage(Storage<'a>),
    Tensor(Box<View<'a>>),
}

/// A tensor's memory: an entry of the archive.
#[derive(Clone, Debug)]
pub(super) struct Storage<'a> {
    pub(super) key: &'a str,
    pub(super) class: &'a str,
    pub(super) length: usize, // elements; bytes of an UntypedStorage
}

/// A tensor: a view of a storage.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) elements: Elements,
    pub(super) offset: usize, // in elements
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The nodes and texts among the items of a list, with their indices in the list.
#[derive(Debug, Default)]
pub(super) struct Items<'a> {
    pub(super) length: usize,
    pub(super) values: Vec<(usize, Value<'a>)>,
}

impl<'a> Items<'a> {
    /// The value at a place.
    pub(super) fn at(&self, place: usize) -> Value<'a> {
        let found = self.values.iter().find(|(at, _)| *at == place);
        found.map_or(Value::Opaque, |(_, value)| *value)
    }
}

/// Keys and values of a dict, but for those that are opaque.
pub(super) type Entries<'a> = Vec<(Value<'a>, Value<'a>)>;

/// All values of a pickle.
#[derive(Debug)]
pub(super) struct Pickled<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) root: Value<'a>,
    /// Where it ends in the bytes that it was read from.
    pub(super) end: usize,
}

impl<'a> Pickled<'a> {
    pub(super) fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        match value {
            Value::Node(k) => self.nodes.get(k),
            _ => None,
        }
    }

    /// The entries of a dict, or the attributes of an object.
    pub(super) fn entries(&self, value: Value<'a>) -> &[(Value<'a>, Value<'a>)] {
        match self.node(value) {
            Some(Node::Dict(entries)) => entries,
            Some(Node::Object { state: Some(state), .. }) => match self.nodes.get(*state) {
                Some(Node::Dict(entries)) => entries,
                _ => &[],
            },
            _ => &[],
        }
    }

    /// The value of a key of a dict, or of an attribute of an object.
    pub(super) fn get(&self, value: Value<'a>, key: &str) -> Option<Value<'a>> {
        let found = self.entries(value).iter().rfind(|(known, _)| *known == Value::Text(key));
        found.map(|(_, value)| *value)
    }

    pub(super) fn tuple(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.node(value)? {
            Node::Tuple(items) => Some(items),
            Node::Object { state: Some(state), .. } => match self.nodes.get(*state)? {
                Node::Tuple(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    /// The nodes and texts of a list.
    pub(super) fn list(&self, value: Value<'a>) -> Option<&[(usize, Value<'a>)]> {
        match self.node(value)? {
            Node::List(items) => Some(&items.values),
            _ => None,
        }
    }

    /// A tuple of whole numbers.
    pub(super) fn sizes(&self, value: Value<'a>) -> Option<Vec<usize>> {
        let whole = |value: &Value<'_>| match value {
            Value::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        };
        self.tuple(value)?.iter().map(whole).collect()
    }
}

/// The values so far, and how much more of them there may be.
pub(super) struct Heap<'a> {
    nodes: Vec<Node<'a>>,
    left: usize, // bytes
}

impl<'a> Heap<'a> {
    /// An empty heap for the pickle of a file of this length.
    pub(super) fn new(file_length: usize) -> Self {
        Self { nodes: Vec::new(), left: file_length.saturating_add(ALLOWANCE) }
    }

    pub(super) fn into_nodes(self) -> Vec<Node<'a>> {
        self.nodes
    }

    /// Charges memory for this many values, three times: while a vector grows, its old buffer and
    /// one of twice the size are both allocated.
    pub(super) fn charge<T>(&mut self, values: usize) -> Result<(), String> {
        let bytes = values.saturating_mul(3 * size_of::<T>());
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            "it describes more objects than a file of this length holds tensors for".to_owned()
        })?;
        Ok(())
    }

    pub(super) fn add(&mut self, node: Node<'a>) -> Result<Value<'a>, String> {
        self.charge::<Node<'_>>(1)?;
        self.nodes.push(node);
        Ok(Value::Node(self.nodes.len() - 1))
    }

    /// A tensor that is not read.
    pub(super) fn foreign(&mut self, shape: Vec<usize>, what: String) -> Result<Value<'a>, String> {
        self.charge::<usize>(shape.len())?;
        self.charge::<u8>(what.len())?;
        self.add(Node::Foreign { shape, what })
    }

    pub(super) fn tuple(&mut self, items: Vec<Value<'a>>) -> Result<Value<'a>, String> {
        self.charge::<Value<'_>>(items.len())?;
        self.add(Node::Tuple(items))
    }

    pub(super) fn node(&self, value: Value<'a>) -> Option<&Node<'a>> {
        match value {
            Value::Node(k) => self.nodes.get(k),
            _ => None,
        }
    }

    pub(super) fn items_of_tuple(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match self.node(value)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub(super) fn global(&self, value: Value<'a>) -> Option<(&'a str, &'a str)> {
        match self.node(value)? {
            Node::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// Appends to a list; to any other object it does nothing.
    pub(super) fn append(&mut self, list: Value<'a>, items: &[Value<'a>]) -> Result<(), String> {
        let kept = |value: &Value<'_>| matches!(value, Value::Node(_) | Value::Text(_));
        self.charge::<(usize, Value<'_>)>(items.iter().filter(|item| kept(item)).count())?;
        if let Value::Node(k) = list
            && let Some(Node::List(list)) = self.nodes.get_mut(k)
        {
            for item in items {
                if kept(item) {
                    list.values.push((list.length, *item));
                }
                list.length += 1;
            }
        }
        Ok(())
    }

    /// Sets entries of a dict, or of an object that may be one; `pairs` are keys and values in turn.
    pub(super) fn set(&mut self, dict: Value<'a>, pairs: &[Value<'a>]) -> Result<(), String> {
        let (pairs, rest) = pairs.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("a key of a dict has no value".to_owned());
        }
        let kept = pairs.iter().filter_map(|&[key, value]| {
            (key != Value::Opaque && value != Value::Opaque).then_some((key, value))
        });
        self.charge::<(Value<'_>, Value<'_>)>(kept.clone().count())?;
        if let Value::Node(k) = dict
            && let Some(Node::Dict(entries) | Node::Object { entries, .. }) = self.nodes.get_mut(k)
        {
            entries.extend(kept);
        }
        Ok(())
    }

    /// Gives an object its attributes. What is pickled of an object's slots follows them in a
    /// tuple. Dicts and tensors keep theirs to themselves (`_metadata` of a state dict).
    pub(super) fn build(&mut self, object: Value<'a>, state: Value<'a>) {
        let attributes = match self.items_of_tuple(state) {
            Some([Value::Opaque, second]) => *second,
            Some([first, _]) => *first,
            _ => state,
        };
        if let (Value::Node(object), Value::Node(attributes)) = (object, attributes)
            && let Some(Node::Object { state, .. }) = self.nodes.get_mut(object)
        {
            *state = Some(attributes);
        }
    }
}
