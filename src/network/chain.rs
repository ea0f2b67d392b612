//! In which order matrices follow each other, each one's inputs the outputs of the one before.
//!
//! The orders tried are those of creation, where tch's numbers say it, of the numbers in the names,
//! and of the names letter by letter (`fc1`, `fc21`, `fc22`, `fc3`). In each of them two matrices of
//! one shape may be next to each other (mean and variance: both read the layer before, both lead
//! to the layer after), and the last matrices may all read one layer (actor and critic). If no order
//! of names chains, the shapes decide where they allow one order only.

use super::Role;
use super::link::Link;
use super::plan::{Fit, Plan, expect_matrix};
use super::select::Matrix;
use super::side_by_side::{against, encoder_first, order_in_doubt};

/// Most matrices whose order is looked for by shapes alone.
const MOST: usize = 12;

/// What the first matrix reads.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// Anything.
    Free,
    /// A layer of this width, given by a matrix.
    Width(usize, Matrix<'a>),
    /// A feature map of this many channels, given by a matrix: any number of positions.
    Map(usize, Matrix<'a>),
}

/// Matrices in order.
pub(super) struct Chain<'a> {
    pub links: Vec<Link<'a>>,
    /// What the user should know about the order.
    pub warning: Option<String>,
}

impl<'a> Chain<'a> {
    /// Adds the chain to a plan, from the layer `from` on. `name` names the layer that a link leads to,
    /// where no link before it does.
    pub fn lay_out(self, plan: &mut Plan<'a>, from: usize, name: impl Fn(&Link<'a>) -> String) {
        plan.warnings.extend(self.warning);
        let mut layers = vec![from];
        for link in &self.links {
            if link.target == layers.len() {
                layers.push(plan.layer(name(link), link.matrix.outputs(), Role::Linear, None));
            }
            plan.join(&link.matrix, layers[link.source], layers[link.target], 1);
        }
    }
}

/// How far matrices may depart from standing one after the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Plain,
    Pairs,
    Heads,
}

const SHAPES: [Shape; 3] = [Shape::Plain, Shape::Pairs, Shape::Heads];

/// Puts matrices, given in natural order of their names, in a chain.
///
/// # Errors
///
/// What does not fit in natural order.
pub(super) fn arrange<'a>(matrices: &[Matrix<'a>], start: Start<'a>) -> Fit<Chain<'a>> {
    for matrix in matrices {
        expect_matrix(matrix)?;
    }
    let mut matrices = matrices.to_vec();
    encoder_first(&mut matrices);
    let matrices = matrices.as_slice();
    let mut by_letter = matrices.to_vec();
    by_letter.sort_by(|a, b| a.reads.cmp(b.reads));
    let mut speaks_against = None;
    // What an include pattern adds joins a chain where it fits, and is otherwise a separate network.
    let shapes = if matrices.iter().any(|m| m.put_back) { &SHAPES[..1] } else { &SHAPES[..] };
    let orders = [in_order_of_creation(matrices), Some(matrices.to_vec()), Some(by_letter)];
    for &shape in shapes {
        for (k, order) in orders.iter().enumerate() {
            let Some(links) = order.as_ref().and_then(|order| walk(order, start, shape)) else {
                continue;
            };
            if let Some(why) = against(&links) {
                speaks_against.get_or_insert(why);
                continue;
            }
            let warning = pairs(&links)
                .or_else(|| (k == 1).then(|| decimals(matrices, start)).flatten())
                .or_else(|| order_in_doubt(&links));
            return Ok(Chain { links, warning });
        }
    }
    for &shape in shapes.iter().filter(|shape| **shape != Shape::Pairs) {
        match by_shape(matrices, start, shape).as_slice() {
            [] => {}
            [links] if against(links).is_some() => {
                speaks_against = against(links).or(speaks_against);
            }
            [links] => {
                let order = links.iter().map(|l| format!("`{}`", l.matrix.name()));
                let warning = format!(
                    "The names do not give the order of the matrices. They are read in the only \
                     order in which their shapes chain: {}. If that is wrong, rename them so that \
                     their names sort: .rename(\"{}\", \"0.weight\"), --rename {}=0.weight.",
                    order.collect::<Vec<_>>().join(", "),
                    links[0].matrix.name(),
                    links[0].matrix.name(),
                );
                return Ok(Chain { links: links.clone(), warning: Some(warning) });
            }
            _ => break,
        }
    }
    Err(speaks_against.unwrap_or_else(|| misfit(matrices, start)))
}

/// The order in which matrices were made, if it is known of each.
pub(super) fn in_order_of_creation<'a>(matrices: &[Matrix<'a>]) -> Option<Vec<Matrix<'a>>> {
    let made: Option<Vec<usize>> = matrices.iter().map(|m| m.made).collect();
    let mut sorted: Vec<_> = made?.into_iter().zip(matrices).collect();
    sorted.sort_by_key(|(made, _)| *made);
    let clear = sorted.windows(2).all(|pair| pair[0].0 < pair[1].0);
    clear.then(|| sorted.into_iter().map(|(_, matrix)| *matrix).collect())
}

impl Start<'_> {
    fn takes(self, matrix: &Matrix<'_>) -> bool {
        match self {
            Self::Free => true,
            Self::Width(width, _) => matrix.inputs() == width,
            Self::Map(channels, _) => matrix.inputs().is_multiple_of(channels),
        }
    }
}

/// Links matrices in the order given; none if they do not chain.
fn walk<'a>(order: &[Matrix<'a>], start: Start<'a>, shape: Shape) -> Option<Vec<Link<'a>>> {
    let mut links: Vec<Link<'a>> = Vec::with_capacity(order.len());
    for (k, matrix) in order.iter().enumerate() {
        // Targets never fall.
        let target = links.last().map_or(0, |l| l.target) + 1;
        let Some(last) = links.last().copied() else {
            if !start.takes(matrix) {
                return None;
            }
            links.push(Link { matrix: *matrix, source: 0, target });
            continue;
        };
        let apart = || {
            let next = Link { matrix: *matrix, source: last.target, target };
            shape == Shape::Heads && against(&[last, next]).is_some()
        };
        let follows = matrix.inputs() == last.matrix.outputs() && !apart();
        let parallel = matrix.inputs() == last.matrix.inputs();
        if follows {
            links.push(Link { matrix: *matrix, source: last.target, target });
        } else if shape >= Shape::Pairs
            && parallel
            && matrix.outputs() == last.matrix.outputs()
            && order.get(k + 1).is_some_and(|next| next.inputs() == matrix.outputs())
        {
            links.push(Link { matrix: *matrix, source: last.source, target: last.target });
        } else if shape == Shape::Heads
            && parallel
            && (last.source > 0 || !matches!(start, Start::Free))
            && order[k..].iter().all(|head| head.inputs() == matrix.inputs())
        {
            let heads = order[k..].iter().zip(target..);
            let head = |(head, target): (&Matrix<'a>, usize)| Link {
                matrix: *head,
                source: last.source,
                target,
            };
            links.extend(heads.map(head));
            return Some(links);
        } else {
            return None;
        }
    }
    Some(links)
}

/// The orders in which the shapes chain, two at most, matrices of one shape in the order given and
/// none next to each other.
fn by_shape<'a>(matrices: &[Matrix<'a>], start: Start<'a>, shape: Shape) -> Vec<Vec<Link<'a>>> {
    let mut found = Vec::new();
    if matrices.len() <= MOST {
        let mut order = Vec::with_capacity(matrices.len());
        search(matrices, start, shape, &mut order, &mut vec![false; matrices.len()], &mut found);
    }
    found
}

fn search<'a>(
    matrices: &[Matrix<'a>],
    start: Start<'a>,
    shape: Shape,
    order: &mut Vec<Matrix<'a>>,
    used: &mut Vec<bool>,
    found: &mut Vec<Vec<Link<'a>>>,
) {
    if order.len() == matrices.len() {
        if let Some(links) = walk(order, start, shape) {
            let names = |links: &[Link<'_>]| -> Vec<(String, usize)> {
                let mut all: Vec<_> =
                    links.iter().map(|l| (l.matrix.name().to_owned(), l.source)).collect();
                all.sort();
                all
            };
            let paired = links.windows(2).any(|pair| pair[0].target == pair[1].target);
            if !paired && found.iter().all(|other| names(other) != names(&links)) {
                found.push(links);
            }
        }
        return;
    }
    let mut tried: Vec<&[usize]> = Vec::new();
    for k in 0..matrices.len() {
        if found.len() > 1 {
            return;
        }
        let fits = match order.last() {
            None => start.takes(&matrices[k]),
            Some(last) => {
                matrices[k].inputs() == last.outputs()
                    || (shape > Shape::Plain && matrices[k].inputs() == last.inputs())
            }
        };
        if used[k] || !fits || tried.contains(&matrices[k].shape()) {
            continue;
        }
        tried.push(matrices[k].shape());
        used[k] = true;
        order.push(matrices[k]);
        search(matrices, start, shape, order, used, found);
        order.pop();
        used[k] = false;
    }
}

/// Says which matrices are read as standing next to each other.
fn pairs(links: &[Link<'_>]) -> Option<String> {
    let pair = links.windows(2).find(|pair| pair[0].target == pair[1].target)?;
    let [a, b] = [pair[0].matrix.name(), pair[1].matrix.name()];
    Some(format!(
        "`{a}` and `{b}` {:?} are read as standing next to each other (as mean and variance do): \
         both read the layer before them and lead to the layer after them. If that is wrong, put \
         the network together with Network::builder().",
        pair[0].matrix.shape(),
    ))
}

/// Says that numbers in names may be decimals (`fc21` between `fc2` and `fc3`), where both orders
/// chain.
fn decimals(matrices: &[Matrix<'_>], start: Start<'_>) -> Option<String> {
    let number = |m: &Matrix<'_>| -> Option<usize> {
        let digits = m.path().len() - m.path().trim_end_matches(|c: char| c.is_ascii_digit()).len();
        m.path()[m.path().len() - digits..].parse().ok()
    };
    let (low, high) = matrices.windows(2).find_map(|pair| {
        let [a, b] = [number(&pair[0])?, number(&pair[1])?];
        (a < 10 && b >= a + 10 && b < 100).then_some((pair[0], pair[1]))
    })?;
    let mut by_letter = matrices.to_vec();
    by_letter.sort_by(|a, b| a.reads.cmp(b.reads));
    let differs = by_letter.iter().zip(matrices).any(|(a, b)| a.name() != b.name());
    let also = differs && SHAPES.iter().any(|shape| walk(&by_letter, start, *shape).is_some());
    also.then(|| {
        format!(
            "`{}` is read as the matrix after `{}`, since its number is greater, but the shapes also \
             chain in the order of the letters. If that is meant, rename it: \
             .rename(\"{}\", ..), --rename {}=..",
            high.name(),
            low.name(),
            high.name(),
            high.name(),
        )
    })
}

/// What does not fit in the order given.
fn misfit(order: &[Matrix<'_>], start: Start<'_>) -> String {
    let mut before = match start {
        Start::Free => None,
        Start::Width(width, matrix) | Start::Map(width, matrix) => Some((width, matrix)),
    };
    for (k, matrix) in order.iter().enumerate() {
        let fits = match before {
            _ if k == 0 => start.takes(matrix),
            Some((width, _)) => matrix.inputs() == width,
            None => true,
        };
        if let Some((width, last)) = before.filter(|_| !fits) {
            return broken(matrix, &last, width);
        }
        before = Some((matrix.outputs(), *matrix));
    }
    "the matrices do not chain".to_owned()
}

/// Says that a matrix does not read what the one before gives.
pub(super) fn broken(matrix: &Matrix<'_>, last: &Matrix<'_>, width: usize) -> String {
    format!(
        "`{}` {:?} reads {} values, but `{}` {:?} before it gives {width}",
        matrix.name(),
        matrix.shape(),
        matrix.inputs(),
        last.name(),
        last.shape(),
    )
}
