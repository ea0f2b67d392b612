//! The state dict in a pickled object: names and tensors.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::stored::NotRead;
use super::values::{Node, Pickled, Value, View};

/// The keys under which training scripts keep the state dict, in search order.
pub(super) const KEYS: [&str; 4] = ["model", "state_dict", "module", "model_state_dict"];
/// Other objects that training scripts keep, by the beginnings of their keys.
pub(super) const STATE_OF_TRAINING: [&str; 5] =
    ["optim", "scheduler", "lr_scheduler", "scaler", "rng"];
/// Attributes of a pickled module that hold its tensors and are no part of their names.
const CONTENTS: [&str; 3] = ["_parameters", "_buffers", "_modules"];
/// Containers nested more deeply are refused, and so are names longer than this.
const DEPTH: usize = 64;
const NAME: usize = 1024;

/// The tensors that hold weights, by name.
pub(super) struct Found<'p, 'a> {
    pub(super) tensors: BTreeMap<String, (usize, &'p View<'a>)>, // with their places in the pickle
    /// Tensors that are not read, next to them.
    pub(super) not_read: Vec<NotRead>,
    /// The keys under which they were found, joined by dots.
    pub(super) under: Option<String>,
}

/// Finds the state dict in the object of a file of this length.
pub(super) fn find<'p, 'a>(
    pickled: &'p Pickled<'a>,
    file_length: usize,
) -> Result<Found<'p, 'a>, String> {
    let Value::Node(root) = pickled.root else {
        return Err("it is no container of tensors".to_owned());
    };
    let walk = |from: usize| Walk::new(pickled, file_length).tensors(from);
    let (mut at, mut under, mut tensors) = (root, Vec::new(), None);
    while under.len() < KEYS.len()
        && let Some((key, node, held)) = state_dict_in(pickled, at, &walk)?
    {
        under.push(key);
        (at, tensors) = (node, Some(held));
    }
    let Tensors { tensors, not_read } = match tensors {
        Some(tensors) => tensors,
        None => walk(root)?,
    };
    if let ([first, ..], true) = (&not_read[..], tensors.is_empty()) {
        let (n, NotRead { name, what, .. }) = (not_read.len(), first);
        return Err(format!("none of its {n} tensors is read: {name:?} is {what}"));
    }
    if tensors.is_empty() {
        let keys = pickled.entries(pickled.root).iter().filter_map(|(key, value)| {
            matches!((key, value), (Value::Text(_), Value::Node(_))).then(|| name_of(key))?
        });
        let keys: Vec<_> = keys.filter(|key| key.len() <= 64).take(8).collect();
        return Err(format!("it holds no floating-point tensor; its keys are {keys:?}"));
    }
    Ok(Found { tensors, not_read, under: (!under.is_empty()).then(|| under.join(".")) })
}

/// Tensors by name.
#[derive(Default)]
struct Tensors<'p, 'a> {
    tensors: BTreeMap<String, (usize, &'p View<'a>)>, // with their places
    not_read: Vec<NotRead>,
}

/// The first of [`KEYS`] whose value holds tensors.
fn state_dict_in<'p, 'a>(
    pickled: &'p Pickled<'a>,
    at: usize,
    walk: &dyn Fn(usize) -> Result<Tensors<'p, 'a>, String>,
) -> Result<Option<(&'static str, usize, Tensors<'p, 'a>)>, String> {
    for known in KEYS {
        let entry = entries(pickled, at).iter().rfind(|(key, _)| *key == Value::Text(known));
        let Some((_, Value::Node(node))) = entry else { continue };
        if !matches!(pickled.nodes[*node], Node::Tensor(_)) {
            let held = walk(*node)?;
            if !held.tensors.is_empty() || !held.not_read.is_empty() {
                return Ok(Some((known, *node, held)));
            }
        }
    }
    Ok(None)
}

fn entries<'p, 'a>(pickled: &'p Pickled<'a>, node: usize) -> &'p [(Value<'a>, Value<'a>)] {
    match &pickled.nodes[node] {
        Node::Dict(entries) | Node::Object { entries, .. } => entries,
        _ => &[],
    }
}

/// The part of a tensor's name that a key of a dict is: a text, or a number.
fn name_of<'a>(key: &Value<'a>) -> Option<Cow<'a, str>> {
    match key {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Int(n) => Some(Cow::Owned(n.to_string())),
        _ => None,
    }
}

/// Collects tensors with their names. A shared node is visited more than once. The number of visits
/// and the total length of names are bounded, because a small pickle can share nodes exponentially
/// often.
struct Walk<'p, 'a> {
    pickled: &'p Pickled<'a>,
    found: Tensors<'p, 'a>,
    path: Vec<usize>,
    nodes_left: usize,
    names_left: usize, // bytes
}

impl<'p, 'a> Walk<'p, 'a> {
    fn new(pickled: &'p Pickled<'a>, file_length: usize) -> Self {
        let nodes_left = 4 * pickled.nodes.len();
        let found = Tensors::default();
        Self { pickled, found, path: Vec::new(), nodes_left, names_left: file_length }
    }

    fn tensors(mut self, from: usize) -> Result<Tensors<'p, 'a>, String> {
        self.visit(from, "")?;
        Ok(self.found)
    }

    fn visit(&mut self, node: usize, name: &str) -> Result<(), String> {
        let left = self.nodes_left.checked_sub(1);
        self.nodes_left = left.ok_or("its containers share their contents too often")?;
        if self.path.contains(&node) {
            return Ok(()); // it holds itself
        }
        if self.path.len() == DEPTH {
            return Err("its containers are nested too deeply".to_owned());
        }
        self.path.push(node);
        let pickled = self.pickled;
        match &pickled.nodes[node] {
            Node::Tensor(view) if view.holds_weights() => self.add(name, view)?,
            Node::Tensor(view) => {
                let what = format!("of the type {}", view.elements.name());
                self.leave_out(name, &view.shape, what)?;
            }
            Node::Foreign { shape, what } => self.leave_out(name, shape, what.clone())?,
            Node::Object { module, name: class, state: Some(state), .. }
                if *class == "_reconstruct" && module.starts_with("numpy") =>
            {
                let state = pickled.tuple(Value::Node(*state));
                let shape = state.and_then(|state| pickled.sizes(*state.get(1)?));
                let what = "a NumPy array: save torch.from_numpy(array)".to_owned();
                self.leave_out(name, &shape.unwrap_or_default(), what)?;
            }
            Node::Dict(entries) if is_optimizer(entries) => {}
            Node::Dict(entries) => self.visit_entries(entries, name)?,
            Node::List(items) => {
                for (k, item) in &items.values {
                    if let Value::Node(item) = item {
                        self.visit_item(*item, *k, name)?;
                    }
                }
            }
            Node::Tuple(items) => {
                for (k, item) in items.iter().enumerate() {
                    if let Value::Node(item) = item {
                        self.visit_item(*item, k, name)?;
                    }
                }
            }
            Node::Object { module, entries, state, .. } => {
                self.visit_entries(entries, name)?;
                let script = module.starts_with("__torch__");
                let state = state.map(|state| self.entries_of(state)).unwrap_or_default();
                if script {
                    self.visit_entries(state, name)?;
                }
                for (key, content) in state {
                    if let (Value::Text(key), Value::Node(content)) = (key, content)
                        && !script
                        && CONTENTS.contains(key)
                    {
                        self.visit(*content, name)?;
                    }
                }
            }
            Node::Global { .. } | Node::Storage(_) => {}
        }
        self.path.pop();
        Ok(())
    }

    fn entries_of(&self, node: usize) -> &'p [(Value<'a>, Value<'a>)] {
        entries(self.pickled, node)
    }

    fn visit_item(&mut self, item: usize, k: usize, name: &str) -> Result<(), String> {
        self.visit(item, &joined(name, &k.to_string())?)
    }

    fn visit_entries(
        &mut self,
        entries: &[(Value<'a>, Value<'a>)],
        name: &str,
    ) -> Result<(), String> {
        let outermost = self.path.len() == 1;
        for (key, value) in entries {
            let (Some(key), Value::Node(node)) = (name_of(key), value) else { continue };
            if !(outermost && self.is_state_of_training(&key, *node)) {
                self.visit(*node, &joined(name, &key)?)?;
            }
        }
        Ok(())
    }

    fn is_state_of_training(&self, key: &str, node: usize) -> bool {
        let tensor = matches!(self.pickled.nodes[node], Node::Tensor(_));
        !tensor && STATE_OF_TRAINING.iter().any(|start| key.starts_with(start))
    }

    fn add(&mut self, name: &str, view: &'p View<'a>) -> Result<(), String> {
        let name = self.charged(name, 0)?;
        let place = self.found.tensors.len();
        match self.found.tensors.insert(name.clone(), (place, view)) {
            Some(_) => Err(format!("two tensors are named {name:?}")),
            None => Ok(()),
        }
    }

    fn leave_out(&mut self, name: &str, shape: &[usize], what: String) -> Result<(), String> {
        let name = self.charged(name, size_of::<NotRead>())?;
        self.found.not_read.push(NotRead { name, shape: shape.to_vec(), what });
        Ok(())
    }

    fn charged(&mut self, name: &str, more: usize) -> Result<String, String> {
        let name = if name.is_empty() { "tensor" } else { name };
        let left = self.names_left.checked_sub(name.len() + more);
        self.names_left = left.ok_or("the names of its tensors are longer than the file")?;
        Ok(name.to_owned())
    }
}

/// Whether a dict is the state of an optimizer of torch.
fn is_optimizer(entries: &[(Value<'_>, Value<'_>)]) -> bool {
    let has = |name: &str| entries.iter().any(|(key, _)| *key == Value::Text(name));
    has("state") && has("param_groups")
}

fn joined(name: &str, part: &str) -> Result<String, String> {
    if name.len() + part.len() > NAME {
        return Err(format!("the name of a tensor is longer than {NAME} bytes"));
    }
    Ok(if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") })
}
