//! What the tensors of a file say about its network beyond their names and shapes: the order in which
//! they were defined, which are one tensor under several names, and pairs that form one matrix.
//!
//! Weight normalisation stores a matrix as a gain g and a direction v: `weight_g` and `weight_v`, or
//! `parametrizations.weight.original0` and `original1`. The matrix is g·v/‖v‖, the norm over all axes
//! on which g has one element.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::mapped::Mapped;
use super::whole::Whole;
use super::{SourceError, Tensor};
use crate::mfa::Values;
use crate::network::Parameter;

/// The parameters of a file: its tensors, a gain and a direction as the matrix that they form.
pub(super) fn parameters(tensors: &BTreeMap<String, Whole>, files: &[Mapped]) -> Vec<Parameter> {
    let mut all = Vec::with_capacity(tensors.len());
    for (name, whole) in tensors {
        match pair(name).filter(|pair| pair.is_whole(tensors)) {
            None => all.push((name.clone(), whole)),
            Some(pair) if *name == pair.direction => all.push((pair.matrix, whole)),
            Some(_) => {}
        }
    }
    // A file that was sorted by name keeps no order.
    let made: Option<Vec<usize>> = all.iter().map(|(_, whole)| whole.made).collect();
    let shards: HashSet<_> = tensors.values().filter_map(Whole::place).map(|at| at.0).collect();
    let made = made.filter(|made| !made.is_sorted() && shards.len() == 1);
    let mut first: HashMap<_, String> = HashMap::new();
    let mut equal = Equal::default();
    let mut parameters = Vec::with_capacity(all.len());
    for (k, (name, whole)) in all.into_iter().enumerate() {
        let mut parameter = Parameter::new(name.clone(), whole.shape.clone());
        parameter.made = made.as_ref().map(|made| made[k]);
        if let Some(place) = whole.place().filter(|_| !whole.shape.contains(&0)) {
            parameter.tied = first.get(&place).cloned();
            first.entry(place).or_insert_with(|| name.clone());
        }
        // A pickled file says which tensors share memory.
        if parameter.tied.is_none() && whole.made.is_none() && tensors.contains_key(&name) {
            parameter.tied = equal.before(&name, whole, files);
            parameter.equal = parameter.tied.is_some();
        }
        parameters.push(parameter);
    }
    parameters
}

/// Matrices by the values that they hold.
///
/// A file of safetensors has no tensors that share memory: tied ones are copies there. Layers that
/// were made as copies of one are equal too, until they are trained: their names differ in numbers alone,
/// and they are not taken for one.
#[derive(Default)]
struct Equal<'t>(HashMap<Sight<'t>, Vec<(String, &'t [u8])>>);

/// What of a matrix is compared first: its shape, the bytes at both ends.
type Sight<'t> = (&'t [usize], [&'t [u8]; 2]);

impl<'t> Equal<'t> {
    /// The first matrix with the values of this one, whose name differs by more than numbers.
    fn before(&mut self, name: &str, whole: &'t Whole, files: &'t [Mapped]) -> Option<String> {
        const ENDS: usize = 64; // bytes that are compared first
        let bytes = whole.bytes(files).filter(|_| whole.shape.len() > 1)?;
        let ends = [&bytes[..bytes.len().min(ENDS)], &bytes[bytes.len().saturating_sub(ENDS)..]];
        // Weights that begin as a constant are equal to others that do.
        let size = whole.shape.iter().product::<usize>().max(1);
        let element = bytes.len() / size;
        if element == 0 || bytes.chunks(element).all(|one| one == &bytes[..element]) {
            return None;
        }
        let alike = self.0.entry((&whole.shape, ends)).or_default();
        let bare = |name: &str| name.replace(|c: char| c.is_ascii_digit(), "");
        let same =
            |(other, values): &&(String, &[u8])| *values == bytes && bare(other) != bare(name);
        let found = alike.iter().find(same).map(|(other, _)| other.clone());
        alike.push((name.to_owned(), bytes));
        found
    }
}

/// The matrix that a gain and a direction form, if this is its name.
pub(super) fn formed<'s>(
    name: &str,
    tensors: &BTreeMap<String, Whole>,
    read: impl Fn(&str) -> Result<Tensor<'s>, SourceError>,
) -> Option<Result<Tensor<'s>, SourceError>> {
    let (path, leaf) = name.rsplit_once('.').map_or(("", name), |(path, leaf)| (path, leaf));
    let of = |parametrization: bool| {
        let within = |leaf: String| if path.is_empty() { leaf } else { format!("{path}.{leaf}") };
        pair(&within(match parametrization {
            true => format!("parametrizations.{leaf}.original1"),
            false => format!("{leaf}_v"),
        }))
    };
    let pair = [of(false), of(true)].into_iter().flatten().find(|pair| pair.is_whole(tensors))?;
    Some((|| {
        let (gain, direction) = (read(&pair.gain)?, read(&pair.direction)?);
        let shape = &tensors[&pair.direction].shape;
        let kept = &tensors[&pair.gain].shape;
        let matrix = scaled(&gain.values().to_f64(), kept, &direction.values().to_f64(), shape);
        Ok(match direction.values() {
            Values::F64(_) => matrix.into(),
            _ => matrix.into_iter().map(|w| w as f32).collect::<Vec<f32>>().into(),
        })
    })())
}

/// A gain, a direction and the matrix that they form, by name.
struct Pair {
    gain: String,
    direction: String,
    matrix: String,
}

/// The pair that a tensor of this name is a part of.
fn pair(name: &str) -> Option<Pair> {
    let (path, leaf) = name.rsplit_once('.').map_or((None, name), |(p, leaf)| (Some(p), leaf));
    if let ("original0" | "original1", Some(path)) = (leaf, path) {
        let (around, weight) = path.rsplit_once('.')?;
        let module = around.strip_suffix("parametrizations")?;
        let [gain, direction] = ["original0", "original1"].map(|leaf| format!("{path}.{leaf}"));
        return Some(Pair { gain, direction, matrix: format!("{module}{weight}") });
    }
    let stem = name.strip_suffix("_g").or_else(|| name.strip_suffix("_v"))?;
    leaf.starts_with("weight").then(|| Pair {
        gain: format!("{stem}_g"),
        direction: format!("{stem}_v"),
        matrix: stem.to_owned(),
    })
}

impl Pair {
    /// Whether a file holds both, of shapes that fit, and no matrix of this name.
    fn is_whole(&self, tensors: &BTreeMap<String, Whole>) -> bool {
        let shape = |name: &String| tensors.get(name).map(|whole| whole.shape.as_slice());
        let (Some(g), Some(v)) = (shape(&self.gain), shape(&self.direction)) else { return false };
        let fits =
            g.is_empty() || g.len() == v.len() && g.iter().zip(v).all(|(&g, &v)| g == 1 || g == v);
        v.len() > 1 && fits && !tensors.contains_key(&self.matrix)
    }
}

/// g·v/‖v‖ for each slice of v that shares an element of g.
fn scaled(gain: &[f64], kept: &[usize], direction: &[f64], shape: &[usize]) -> Vec<f64> {
    // The element of g that an element of v shares.
    let share = |mut at: usize| {
        let (mut index, mut step) = (0, 1);
        for (axis, &length) in shape.iter().enumerate().rev() {
            let kept = kept.get(axis).copied().unwrap_or(1);
            if kept > 1 {
                index += at % length * step;
            }
            step *= kept;
            at /= length;
        }
        index
    };
    let mut squares = vec![0.0; gain.len()];
    for (at, v) in direction.iter().enumerate() {
        squares[share(at)] += v * v;
    }
    let factor = |k: usize| if squares[k] > 0.0 { gain[k] / squares[k].sqrt() } else { 0.0 };
    direction.iter().enumerate().map(|(at, v)| v * factor(share(at))).collect()
}
