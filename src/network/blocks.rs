//! Transformer blocks: the matrices that share a stem such as `model.layers.3`.

use std::collections::{BTreeMap, HashSet};

use super::plan::Fit;
use super::select::Matrix;

/// The blocks of one stack, P kinds of matrices each.
pub(super) struct Blocks<'a, const P: usize> {
    /// The blocks in order, numbered without a gap.
    pub blocks: Vec<Block<'a, P>>,
    /// Matrices outside all blocks.
    pub unplaced: Vec<Matrix<'a>>,
}

/// One block.
pub(super) struct Block<'a, const P: usize> {
    /// The number in its stem.
    pub number: usize,
    stem: &'a str,
    found: [Vec<Matrix<'a>>; P],
}

/// A stem without its last number.
type Family<'a> = (&'a str, &'a str);

/// Groups matrices into blocks; none if no stem has the matrices that mark one.
///
/// `split_name` splits a name into its stem and the kind of matrix; `marks` decides from the kinds
/// present whether a stem is a block. Stems that differ only in their last number are one stack.
///
/// # Errors
///
/// Two stacks, or several stages; a number missing from the stack; two matrices of a kind in one block.
pub(super) fn gather<'a, const P: usize>(
    matrices: &[Matrix<'a>],
    split_name: impl Fn(&'a str) -> Option<(&'a str, usize)>,
    marks: impl Fn([bool; P]) -> bool,
) -> Fit<Option<Blocks<'a, P>>> {
    let mut stacks: BTreeMap<Family, BTreeMap<usize, Block<P>>> = BTreeMap::new();
    for matrix in matrices {
        let Some((stem, kind)) = split_name(matrix.reads) else {
            continue;
        };
        let Some((family, number)) = divide(stem) else {
            continue;
        };
        let stack = stacks.entry(family).or_default();
        let block = stack.entry(number).or_insert_with(|| Block {
            number,
            stem,
            found: std::array::from_fn(|_| Vec::new()),
        });
        block.found[kind].push(*matrix);
    }
    stacks.retain(|_, stack| {
        stack.values().any(|b| marks(std::array::from_fn(|kind| !b.found[kind].is_empty())))
    });
    let mut stacks = stacks.into_iter();
    let Some((family, stack)) = stacks.next() else {
        return Ok(None);
    };
    let blocks: Vec<Block<P>> = stack.into_values().collect();
    if let Some((other, mut stack)) = stacks.next()
        && let Some((_, block)) = stack.pop_first()
    {
        let what = match () {
            () if family.0 == other.0 => "its blocks have two parts of this kind",
            () if unnumbered(family) == unnumbered(other) => "its blocks are in several stages",
            () => "there are two stacks of blocks",
        };
        return Err(format!(
            "{what}, with `{}` {:?} in one and `{}` {:?} in the other",
            blocks[0].first().name(),
            blocks[0].first().shape(),
            block.first().name(),
            block.first().shape(),
        ));
    }
    if let Some(pair) = blocks.windows(2).find(|b| b[1].number - b[0].number > 1) {
        return Err(format!("there is no block between `{}` and `{}`", pair[0].stem, pair[1].stem));
    }
    if let Some([a, b, ..]) = blocks
        .iter()
        .flat_map(|block| &block.found)
        .map(Vec::as_slice)
        .find(|found| found.len() > 1)
    {
        return Err(format!(
            "`{}` {:?} and `{}` {:?} claim the same place",
            a.name(),
            a.shape(),
            b.name(),
            b.shape()
        ));
    }
    let placed = blocks.iter().flat_map(|block| block.found.iter().flatten());
    let placed: HashSet<&str> = placed.map(Matrix::name).collect();
    let unplaced = matrices.iter().filter(|m| !placed.contains(m.name())).copied().collect();
    Ok(Some(Blocks { blocks, unplaced }))
}

impl<'a, const P: usize> Blocks<'a, P> {
    /// The block's matrix of a kind, which it must have; `label` names the kind in the error.
    pub fn require(&self, block: &Block<'a, P>, kind: usize, label: &str) -> Fit<Matrix<'a>> {
        block.get(kind).ok_or_else(|| {
            let model = self.blocks.iter().find_map(|b| Some((b, b.get(kind)?)));
            match model {
                Some((model, matrix)) => format!(
                    "`{}{}` is missing, the like of `{}` {:?}",
                    block.stem,
                    &matrix.reads[model.stem.len()..],
                    matrix.name(),
                    matrix.shape(),
                ),
                None => format!(
                    "no matrix next to `{}` {:?} is named as its block's {label}",
                    block.first().name(),
                    block.first().shape(),
                ),
            }
        })
    }

    /// Whether any block has a matrix of this kind.
    pub fn any(&self, kind: usize) -> bool {
        self.blocks.iter().any(|block| block.get(kind).is_some())
    }
}

impl<'a, const P: usize> Block<'a, P> {
    /// The matrix of a kind.
    pub fn get(&self, kind: usize) -> Option<Matrix<'a>> {
        self.found[kind].first().copied()
    }

    fn first(&self) -> Matrix<'a> {
        let mut found = self.found.iter().flatten();
        *found.next().expect("a block is entered with its first matrix")
    }
}

/// A family without numbers.
fn unnumbered((before, after): Family<'_>) -> String {
    before.chars().chain(after.chars()).filter(|c| !c.is_ascii_digit()).collect()
}

/// Splits a stem at its last number; a stem without one is block 0 of a separate stack.
fn divide(stem: &str) -> Option<(Family<'_>, usize)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let Some(end) = stem.rfind(is_digit).map(|last| last + 1) else {
        return Some(((stem, ""), 0));
    };
    let start = stem[..end].trim_end_matches(is_digit).len();
    let number = stem[start..end].parse().ok()?;
    Some(((&stem[..start], &stem[end..]), number))
}
