//! What the ranks have, put together to the whole model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::part::{Part, Runs};
use crate::mfa::Values;
use crate::network::Parameter;
use crate::source::Source;

/// A tensor of a rank, as it tells the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Declared {
    local: Parameter,
    part: Part,
    kind: Kind,
    hash: u64, // of its bytes
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    F32,
    F64,
    F16,
    Bf16,
}

impl Kind {
    fn of(values: Values<'_>) -> Self {
        match values {
            Values::F32(_) => Self::F32,
            Values::F64(_) => Self::F64,
            Values::F16(_) => Self::F16,
            Values::Bf16(_) => Self::Bf16,
        }
    }

    /// Bytes of an element.
    pub(super) fn width(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// A tensor of the whole model.
pub(super) struct Whole {
    pub(super) parameter: Parameter,
    pub(super) kind: Kind,
    pub(super) pieces: Vec<Piece>,  // by rank, each element once
    pub(super) holders: Vec<usize>, // the ranks that have all of it, in order
}

/// A piece that a rank has.
pub(super) struct Piece {
    pub(super) rank: usize,
    pub(super) local: String,
    pub(super) runs: Runs,
}

/// The tensors of a rank: those that are not listed are whole.
pub(crate) fn declare(
    source: &dyn Source,
    parts: &BTreeMap<String, Part>,
) -> Result<Vec<Declared>, String> {
    let parameters = source.parameters();
    if let Some(name) = parts.keys().find(|name| !parameters.iter().any(|p| p.name == **name)) {
        return Err(format!("there is no tensor {name:?}, of which a part is given"));
    }
    let declared = |local: Parameter| {
        let part = parts.get(&local.name).cloned().unwrap_or_else(Part::whole);
        let tensor = source.tensor(&local.name).map_err(|error| error.to_string())?;
        let values = tensor.values();
        let (kind, hash) = (Kind::of(values), XxHash3_64::oneshot(values.bytes()));
        Ok(Declared { local, part, kind, hash })
    };
    parameters.into_iter().map(declared).collect()
}

/// A rank's own names of its tensors, by those of the whole model.
pub(crate) fn names(parts: &BTreeMap<String, Part>) -> BTreeMap<String, String> {
    parts.iter().map(|(local, part)| (part.name_of(local), local.clone())).collect()
}

/// The whole tensors, by name; or what disagrees, on which ranks.
pub(super) type Wholes = BTreeMap<String, Whole>;

/// Puts the tensors of all ranks together.
pub(crate) fn agree(ranks: Vec<Vec<Declared>>) -> Result<Agreed, String> {
    let mut named = BTreeMap::<String, Vec<(usize, Declared)>>::new();
    for (rank, declared) in ranks.into_iter().enumerate() {
        for each in declared {
            named.entry(each.part.name_of(&each.local.name)).or_default().push((rank, each));
        }
    }
    let wholes = named.into_iter().map(|(name, all)| Ok((name.clone(), join(name, &all)?)));
    wholes.collect::<Result<Wholes, String>>().map(Agreed)
}

/// What the ranks have agreed on.
pub(crate) struct Agreed(pub(super) Wholes);

impl Agreed {
    /// The ranks that have all of a tensor, in order; by name.
    pub(crate) fn holders(&self) -> BTreeMap<String, Vec<usize>> {
        self.0.iter().map(|(name, whole)| (name.clone(), whole.holders.clone())).collect()
    }
}

fn join(name: String, all: &[(usize, Declared)]) -> Result<Whole, String> {
    let shape_of = |each: &Declared| each.part.whole_shape(&each.local.shape);
    let (first, one) = &all[0];
    let (shape, kind) = (shape_of(one), one.kind);
    let elements: usize = shape.iter().product();
    let (mut seen, mut holders) = (Vec::<(&Declared, Piece)>::new(), Vec::new());
    for (rank, each) in all {
        let other = shape_of(each);
        if other != shape {
            return Err(format!(
                "{name:?} is {shape:?} on rank {first} and {other:?} on rank {rank} (Part::named gives \
                 tensors of different stages different names)"
            ));
        }
        if each.kind != kind {
            return Err(format!(
                "{name:?} has type {kind:?} on rank {first} and {:?} on rank {rank}",
                each.kind
            ));
        }
        let runs = each.part.runs(&each.local.shape);
        let runs = runs.map_err(|why| format!("{name:?} on rank {rank}: {why}"))?;
        if runs.elements() == 0 && elements > 0 {
            continue; // a rank whose share is empty
        }
        if runs.count == 1 && runs.elements() == elements {
            holders.push(*rank);
        }
        match seen.iter().find(|(_, piece)| piece.runs == runs) {
            Some((known, piece)) => {
                let weights = shape.len() > 1 && each.local.trainable;
                if weights && known.hash != each.hash {
                    return Err(format!(
                        "ranks {} and {rank} both have {name:?}, with different values: they are no \
                         replicas. Part::slice and Part::flat say which part a rank has, Part::named gives \
                         tensors of different stages different names",
                        piece.rank
                    ));
                }
            }
            None => {
                seen.push((each, Piece { rank: *rank, local: each.local.name.clone(), runs }));
            }
        }
    }
    let pieces: Vec<Piece> = seen.into_iter().map(|(_, piece)| piece).collect();
    covered(&name, &shape, &pieces)?;
    let mut parameter = Parameter { name, shape, ..one.local.clone() };
    parameter.trainable = all.iter().any(|(_, each)| each.local.trainable);
    Ok(Whole { parameter, kind, pieces, holders })
}

/// Whether each element of a tensor is in one piece.
fn covered(name: &str, shape: &[usize], pieces: &[Piece]) -> Result<(), String> {
    let runs = pieces.iter().filter(|piece| piece.runs.length > 0);
    let runs = runs.flat_map(|p| p.runs.starts().map(|start| (start, p.runs.length, p.rank)));
    let mut runs: Vec<(usize, usize, usize)> = runs.collect();
    runs.sort_unstable();
    let all: usize = shape.iter().product();
    let (mut next, mut before) = (0, None);
    for (start, length, rank) in runs.into_iter().chain([(all, 0, usize::MAX)]) {
        if start > next {
            let ranks: Vec<usize> = pieces.iter().map(|piece| piece.rank).collect();
            return Err(format!(
                "elements {next} to {} of {name:?}, {shape:?}, are on no rank; ranks {ranks:?} have parts of it",
                start - 1
            ));
        }
        if start < next {
            let before = before.unwrap_or(rank);
            return Err(format!(
                "element {start} of {name:?}, {shape:?}, is in two parts, on ranks {before} and {rank}"
            ));
        }
        (next, before) = (start + length, Some(rank));
    }
    Ok(())
}
