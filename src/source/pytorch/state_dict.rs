//! The state dict in a pickled object: names and tensors.

use std::collections::BTreeMap;

use super::values::{Node, Pickled, Value, View};

/// The keys under which training scripts keep the state dict, in search order.
const KEYS: [&str; 4] = ["model", "state_dict", "module", "model_state_dict"];
/// Other objects that training scripts keep, by the beginnings of their keys.
const STATE_OF_TRAINING: [&str; 5] = ["optim", "scheduler", "lr_scheduler", "scaler", "rng"];
/// Attributes of a pickled module that hold its tensors and are no part of their names.
const CONTENTS: [&str; 3] = ["_parameters", "_buffers", "_modules"];
/// Containers nested more deeply are refused, and so are names longer than this.
const DEPTH: usize = 64;
const NAME: usize = 1024;

/// The tensors that hold weights, by name.
pub(super) struct Found<'p, 'a> {
    pub(super) tensors: BTreeMap<String, &'p View<'a>>,
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
    let tensors = match tensors {
        Some(tensors) => tensors,
        None => walk(root)?,
    };
    if tensors.is_empty() {
        let keys = entries(pickled, root).iter().map(|(key, _)| *key);
        let keys: Vec<&str> = keys.filter(|key| key.len() <= 64).take(8).collect();
        return Err(format!("it holds no floating-point tensor; its keys are {keys:?}"));
    }
    Ok(Found { tensors, under: (!under.is_empty()).then(|| under.join(".")) })
}

type Tensors<'p, 'a> = BTreeMap<String, &'p View<'a>>;

/// The first of [`KEYS`] whose value holds tensors.
fn state_dict_in<'p, 'a>(
    pickled: &'p Pickled<'a>,
    at: usize,
    walk: &dyn Fn(usize) -> Result<Tensors<'p, 'a>, String>,
) -> Result<Option<(&'static str, usize, Tensors<'p, 'a>)>, String> {
    for known in KEYS {
        let entry = entries(pickled, at).iter().rfind(|(key, _)| *key == known);
        let container = entry.filter(|(_, node)| !matches!(pickled.nodes[*node], Node::Tensor(_)));
        if let Some((_, node)) = container {
            let held = walk(*node)?;
            if !held.is_empty() {
                return Ok(Some((known, *node, held)));
            }
        }
    }
    Ok(None)
}

fn entries<'p, 'a>(pickled: &'p Pickled<'a>, node: usize) -> &'p [(&'a str, usize)] {
    match &pickled.nodes[node] {
        Node::Dict(entries) | Node::Object { entries, .. } => entries,
        _ => &[],
    }
}

/// Collects tensors with their names. A shared node is visited more than once. The number of visits
/// and the total length of names are bounded, because a small pickle can share nodes exponentially
/// often.
struct Walk<'p, 'a> {
    pickled: &'p Pickled<'a>,
    tensors: Tensors<'p, 'a>,
    path: Vec<usize>,
    nodes_left: usize,
    names_left: usize, // bytes
}

impl<'p, 'a> Walk<'p, 'a> {
    fn new(pickled: &'p Pickled<'a>, file_length: usize) -> Self {
        let nodes_left = 4 * pickled.nodes.len();
        let tensors = BTreeMap::new();
        Self { pickled, tensors, path: Vec::new(), nodes_left, names_left: file_length }
    }

    fn tensors(mut self, from: usize) -> Result<Tensors<'p, 'a>, String> {
        self.visit(from, "")?;
        Ok(self.tensors)
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
            Node::Dict(entries) => self.visit_entries(entries, name)?,
            Node::List(items) => {
                for (k, item) in &items.nodes {
                    self.visit_item(*item, *k, name)?;
                }
            }
            Node::Tuple(items) => {
                for (k, item) in items.iter().enumerate() {
                    if let Value::Node(item) = item {
                        self.visit_item(*item, k, name)?;
                    }
                }
            }
            Node::Object { module, entries, state } => {
                self.visit_entries(entries, name)?;
                let script = module.starts_with("__torch__");
                let state = state.map(|state| self.entries_of(state)).unwrap_or_default();
                if script {
                    self.visit_entries(state, name)?;
                }
                let contents = state.iter().filter(|(key, _)| !script && CONTENTS.contains(key));
                for (_, content) in contents {
                    self.visit(*content, name)?;
                }
            }
            Node::Tensor(_) | Node::Global { .. } | Node::Storage(_) => {}
        }
        self.path.pop();
        Ok(())
    }

    fn entries_of(&self, node: usize) -> &'p [(&'a str, usize)] {
        entries(self.pickled, node)
    }

    fn visit_item(&mut self, item: usize, k: usize, name: &str) -> Result<(), String> {
        self.visit(item, &joined(name, &k.to_string())?)
    }

    fn visit_entries(&mut self, entries: &[(&str, usize)], name: &str) -> Result<(), String> {
        let outermost = self.path.len() == 1;
        for (key, node) in entries {
            if !(outermost && self.is_state_of_training(key, *node)) {
                self.visit(*node, &joined(name, key)?)?;
            }
        }
        Ok(())
    }

    fn is_state_of_training(&self, key: &str, node: usize) -> bool {
        let tensor = matches!(self.pickled.nodes[node], Node::Tensor(_));
        !tensor && STATE_OF_TRAINING.iter().any(|start| key.starts_with(start))
    }

    fn add(&mut self, name: &str, view: &'p View<'a>) -> Result<(), String> {
        let name = if name.is_empty() { "tensor" } else { name };
        let left = self.names_left.checked_sub(name.len());
        self.names_left = left.ok_or("the names of its tensors are longer than the file")?;
        match self.tensors.insert(name.to_owned(), view) {
            Some(_) => Err(format!("two tensors are named {name:?}")),
            None => Ok(()),
        }
    }
}

fn joined(name: &str, part: &str) -> Result<String, String> {
    if name.len() + part.len() > NAME {
        return Err(format!("the name of a tensor is longer than {NAME} bytes"));
    }
    Ok(if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") })
}
