//! How a parameter's name is read: after the user's renames, with TorchScript's `_` for `.`, and
//! with tch's numbers of duplicates; and what the parameters next to it say about a matrix.
//!
//! tch calls a second variable of the same path and name `name__N`, where N is the number of
//! variables made before it. So two modules at one path are distinguished, and N gives the order in which
//! modules were made: the module `{path}` of `{path}.weight__N` is read as `{path}__N`. All
//! tensors of a recurrent layer get the number of its weight_ih_l0.
//!
//! A bias is as long as its matrix has outputs, so it shows which dimension they are.

use std::collections::{HashMap, HashSet};

use super::pattern;
use super::{NetworkError, Orientation, Parameter};

/// A parameter with the name by which it is read.
#[derive(Clone, Debug)]
pub(super) struct Reading<'p> {
    pub parameter: &'p Parameter,
    /// Unique.
    pub name: String,
    /// When it was made, as a rank: two ranks for each variable. Known where tch's numbers
    /// or the order of the file say so.
    pub made: Option<usize>,
    pub bias: Bias,
    base: Base,
}

/// The bias of a matrix, as far as the names show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bias {
    /// No bias has the name that the matrix's would have.
    Absent,
    /// Its length.
    Length(usize),
    /// Several biases or matrices are at one path.
    Unknown,
}

/// A name in parts: `{path}.{leaf}__{number}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    path: String,
    leaf: String,
    number: Option<usize>,
}

/// Names all parameters, those of a group without its name; warnings say what their names leave
/// open.
///
/// # Errors
///
/// Two names that are read alike.
pub(super) fn read<'p>(
    parameters: &[&'p Parameter],
    rename: &[(String, String)],
    group: Option<&str>,
) -> Result<(Vec<Reading<'p>>, Vec<String>), NetworkError> {
    let renamed = |p: &Parameter| {
        let new = rename.iter().find_map(|(from, to)| pattern::renamed(from, to, &p.name));
        let name = new.unwrap_or_else(|| p.name.clone());
        group.and_then(|group| within(group, &name)).map(str::to_owned).unwrap_or(name)
    };
    let mut names: Vec<String> = parameters.iter().map(|p| renamed(p)).collect();
    let all: HashSet<String> = names.iter().cloned().collect();
    let numbers: Vec<Option<usize>> = names
        .iter_mut()
        .map(|name| {
            let (base, number) = numbered(name).filter(|(base, _)| all.contains(*base))?;
            *name = base.to_owned();
            Some(number)
        })
        .collect();
    if is_torch_script(&names) {
        names.iter_mut().for_each(|name| *name = with_dots(name));
    }
    let bases = names.iter().zip(numbers).map(|(name, number)| {
        let (path, leaf) = name.rsplit_once('.').unwrap_or(("", name));
        Base { path: path.to_owned(), leaf: leaf.to_owned(), number }
    });
    let bases: Vec<Base> = bases.collect();
    let recurrent = Recurrent::new(&bases);
    let read = parameters.iter().zip(&bases).map(|(parameter, base)| Reading {
        parameter,
        name: recurrent.name(base),
        made: None,
        bias: Bias::Unknown,
        base: base.clone(),
    });
    let mut read: Vec<Reading<'p>> = read.collect();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for reading in &read {
        let name = &reading.parameter.name;
        if let Some(other) = seen.insert(&reading.name, name) {
            let [first, second] = [other, name].map(str::to_owned);
            return Err(NetworkError::ReadAlike { name: reading.name.clone(), first, second });
        }
    }
    order(&mut read);
    biases(&mut read);
    Ok((read, recurrent.doubts))
}

/// The rest of a name that is in a group.
pub(super) fn within<'n>(group: &str, name: &'n str) -> Option<&'n str> {
    name.strip_prefix(group)?.strip_prefix('.')
}

impl Reading<'_> {
    /// How the matrix lies by its bias, or by a name that only transposed convolutions have.
    pub fn orientation(&self) -> Option<Orientation> {
        let [rows, columns, taps @ ..] = self.parameter.shape.as_slice() else {
            return None;
        };
        match self.bias {
            Bias::Length(n) if n == *columns && n != *rows => Some(Orientation::InOut),
            Bias::Length(n) if n == *rows && n != *columns => Some(Orientation::OutIn),
            _ => (!taps.is_empty() && is_transposed(&self.name)).then_some(Orientation::InOut),
        }
    }
}

/// Whether a name is one that only transposed convolutions have.
pub(super) fn is_transposed(name: &str) -> bool {
    name.split('.').any(|segment| {
        let segment = segment.to_ascii_lowercase();
        segment.contains("deconv")
            || segment.contains("transpose")
            || segment.starts_with("tconv")
            || segment.starts_with("convt")
    })
}

/// Divides `name__5`.
fn numbered(name: &str) -> Option<(&str, usize)> {
    let (base, number) = name.rsplit_once("__")?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    Some((base, number.parse().ok().filter(|_| digits)?))
}

/// Whether names are TorchScript's as tch puts them into a VarStore: no last segment is `weight` or
/// `bias`, but some end so.
fn is_torch_script(names: &[String]) -> bool {
    let leaf = |name: &String| name.rsplit('.').next().unwrap_or_default().to_owned();
    let leaves: Vec<String> = names.iter().map(leaf).collect();
    !leaves.iter().any(|leaf| matches!(leaf.as_str(), "weight" | "bias"))
        && leaves.iter().any(|leaf| leaf.ends_with("_weight"))
}

/// `layer1_0_conv1_weight` as `layer1.0.conv1.weight`: a dot before the tensor's own name, and on
/// both sides of a number.
fn with_dots(name: &str) -> String {
    let (path, leaf) = name.rsplit_once('.').map_or(("", name), |(path, leaf)| (path, leaf));
    let words: Vec<&str> = leaf.split('_').collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let is_last = |k: usize| k + 1 == words.len() && matches!(words[k], "weight" | "bias");
    let mut dotted = String::new();
    for (k, word) in words.iter().enumerate() {
        if k > 0 {
            let apart = is_last(k) || is_number(word) || is_number(words[k - 1]);
            dotted.push(if apart { '.' } else { '_' });
        }
        dotted.push_str(word);
    }
    if path.is_empty() { dotted } else { format!("{path}.{dotted}") }
}

/// Which tensors of recurrent layers at one path belong together.
struct Recurrent {
    /// The number of each layer's first tensor, ascending, for each path.
    starts: HashMap<String, Vec<usize>>,
    /// Paths where the tensors without a number belong to the second layer from the second on.
    later: HashSet<String>,
    doubts: Vec<String>,
}

impl Recurrent {
    fn new(bases: &[Base]) -> Self {
        let mut starts: HashMap<String, Vec<usize>> = HashMap::new();
        for base in bases.iter().filter(|b| b.leaf == "weight_ih_l0") {
            if let Some(number) = base.number {
                starts.entry(base.path.clone()).or_default().push(number);
            }
        }
        let mut this = Self { starts, later: HashSet::new(), doubts: Vec::new() };
        let mut by_path: HashMap<&str, Vec<&Base>> = HashMap::new();
        bases.iter().for_each(|base| by_path.entry(&base.path).or_default().push(base));
        let mut paths: Vec<(String, usize)> = Vec::new();
        for (path, numbers) in &mut this.starts {
            numbers.sort_unstable();
            paths.push((path.clone(), numbers[0]));
        }
        paths.sort();
        for (path, second) in paths {
            let here = || by_path.get(path.as_str()).into_iter().flatten().copied();
            let plain = here().filter(|b| b.number.is_none() && is_recurrent(&b.leaf));
            let plain: Vec<&Base> = plain.collect();
            let twice = |leaf: &str| here().any(|b| b.leaf == leaf && b.number.is_some());
            let upper = |b: &&&Base| b.leaf.starts_with("weight_ih") && !is_first_layer(&b.leaf);
            let above = plain.iter().filter(upper).find(|b| !twice(&b.leaf));
            let Some(above) = above else { continue };
            let others = by_path.len() > 1 || here().any(|b| !is_recurrent(&b.leaf));
            if second < plain.len() {
                this.later.insert(path);
            } else if others {
                let [before, after] = match path.as_str() {
                    "" => [String::new(), format!("__{second}.")],
                    path => [format!("{path}."), format!("{path}__{second}.")],
                };
                let (old, new) = (format!("{before}*_l1*"), format!("{after}*_l1*"));
                this.doubts.push(format!(
                    "Several recurrent modules are at one path, and names do not say which of \
                     them has the upper layer `{before}{}`: it is read as the first one's. If it is \
                     the second one's: .rename(\"{old}\", \"{new}\"), --rename {old}={new}.",
                    above.leaf
                ));
            }
        }
        this
    }

    /// The name by which a parameter is read.
    fn name(&self, base: &Base) -> String {
        let Base { path, leaf, number } = base;
        let number = if is_recurrent(leaf) {
            let starts = self.starts.get(path).map(Vec::as_slice).unwrap_or_default();
            match number {
                Some(n) => starts.iter().rev().find(|start| **start <= *n).copied().or(*number),
                None if self.later.contains(path) && !is_first_layer(leaf) => {
                    starts.first().copied()
                }
                None => None,
            }
        } else {
            *number
        };
        match (path.as_str(), number) {
            ("", None) => leaf.clone(),
            (path, None) => format!("{path}.{leaf}"),
            ("", Some(n)) if is_recurrent(leaf) => format!("__{n}.{leaf}"),
            ("", Some(n)) => format!("{leaf}__{n}"),
            (path, Some(n)) => format!("{path}__{n}.{leaf}"),
        }
    }
}

fn is_recurrent(leaf: &str) -> bool {
    ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].iter().any(|kind| leaf.starts_with(kind))
}

fn is_first_layer(leaf: &str) -> bool {
    leaf.trim_end_matches("_reverse").ends_with("_l0") || !leaf.contains("_l")
}

/// Says when parameters were made: N of `{path}.{leaf}__N`; a parameter without a number was made
/// before the first one with a number at its path.
fn order(read: &mut [Reading<'_>]) {
    let mut first: HashMap<String, usize> = HashMap::new();
    for Base { path, number, .. } in read.iter().map(|r| &r.base) {
        if let Some(number) = number {
            let least = first.entry(path.clone()).or_insert(*number);
            *least = (*least).min(*number);
        }
    }
    for reading in read {
        let Base { path, number, .. } = &reading.base;
        let before = || first.get(path).map(|n| (2 * n).saturating_sub(1));
        reading.made = number.map(|n| 2 * n).or_else(before).or(reading.parameter.made);
    }
}

/// Finds the bias of each matrix. tch makes a layer's bias right before its matrix.
fn biases(read: &mut [Reading<'_>]) {
    let mut groups: HashMap<(String, String), (Vec<usize>, Vec<usize>)> = HashMap::new();
    for (index, Reading { base: Base { path, leaf, .. }, .. }) in read.iter().enumerate() {
        if let Some(bias) = bias_of(leaf) {
            groups.entry((path.clone(), bias)).or_default().0.push(index);
        }
        groups.entry((path.clone(), leaf.clone())).or_default().1.push(index);
    }
    for (weights, biases) in groups.into_values() {
        let mut weights = weights;
        let length = |bias: usize| match read[bias].parameter.shape.as_slice() {
            [n] => Bias::Length(*n),
            _ => Bias::Unknown,
        };
        let mut biases: Vec<(usize, Bias)> = biases.into_iter().map(|b| (b, length(b))).collect();
        let mut found: Vec<(usize, Bias)> = Vec::new();
        if weights.len() > 1 {
            let number = |k: usize| read[k].base.number;
            let mut by_number: HashMap<usize, (usize, Bias)> =
                biases.iter().filter_map(|&bias| Some((number(bias.0)?, bias))).collect();
            let mut own = HashSet::new();
            weights.retain(|&weight| {
                let before = number(weight).and_then(|number| number.checked_sub(1));
                let bias = before.and_then(|number| by_number.remove(&number));
                let Some((at, bias)) = bias else { return true };
                own.insert(at);
                found.push((weight, bias));
                false
            });
            biases.retain(|(at, _)| !own.contains(at));
        }
        for &weight in &weights {
            let shape = |w: usize| read[w].parameter.shape.iter().take(2);
            let fits = |w: usize, bias: Bias| match bias {
                Bias::Length(n) => shape(w).any(|&m| m == n),
                _ => true,
            };
            let bias = match (biases.as_slice(), weights.len()) {
                ([], _) => Bias::Absent,
                ([(_, bias)], 1) => *bias,
                (rest, 1) if rest.iter().all(|(_, b)| *b == rest[0].1) => rest[0].1,
                (rest, _) if !rest.iter().any(|(_, b)| fits(weight, *b)) => Bias::Absent,
                ([(_, bias)], _) if weights.iter().filter(|w| fits(**w, *bias)).count() == 1 => {
                    *bias
                }
                _ => Bias::Unknown,
            };
            found.push((weight, bias));
        }
        for (weight, bias) in found {
            read[weight].bias = bias;
        }
    }
}

/// What the bias of a matrix of this name is called.
fn bias_of(leaf: &str) -> Option<String> {
    if leaf.contains("weight") {
        return Some(leaf.replace("weight", "bias"));
    }
    let of = |sign: char, bias: &str| {
        let rest = leaf.strip_prefix(sign)?;
        let short = rest.is_empty() || rest == "s" || rest.bytes().all(|b| b.is_ascii_digit());
        short.then(|| format!("{bias}{rest}"))
    };
    of('w', "b").or_else(|| of('W', "b")).or_else(|| (leaf == "kernel").then(|| "bias".to_owned()))
}
