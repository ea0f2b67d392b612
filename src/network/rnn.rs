//! Recurrent layers of PyTorch and tch: `weight_ih_l0`, `weight_hh_l0`, with `_reverse` for the
//! second direction; cells: `weight_ih`, `weight_hh`. 1, 3 and 4 gates: plain, GRU, LSTM.
//!
//! Layer k has the neuron layers `l{k}.hidden` (the state), `l{k}.gates` (as wide, each neuron with
//! its 1, 3 or 4 gates) and, for k = 0, `l0.input`. weight_ih leads from the input, which is the
//! hidden layer of k - 1 above the first, to the gates, weight_hh from the hidden layer to the
//! gates: the hidden layer's neighbourhood is its own weight_hh and the next layer's weight_ih.
//! With two directions the next layer reads both: a layer `l{k}.output`, twice as wide.

use super::Role;
use super::natural;
use super::plan::{Fit, Plan, expect_matrix, expect_shape};
use super::select::Matrix;

/// One direction of one layer.
struct Cell<'a> {
    stem: &'a str,
    layer: usize,
    direction: &'a str, // "" or "_reverse"
    input: Option<Matrix<'a>>,
    hidden: Option<Matrix<'a>>,
}

/// Lays out recurrent layers, and the linear layers that read the last; none without a recurrent
/// matrix.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let mut cells: Vec<Cell<'a>> = Vec::new();
    let mut others = Vec::new();
    for matrix in matrices {
        let Some((stem, is_hidden, layer, direction)) = split_name(matrix.name()) else {
            others.push(*matrix);
            continue;
        };
        let key = (stem, layer, direction);
        let at = cells.iter().position(|c| (c.stem, c.layer, c.direction) == key);
        let at = at.unwrap_or_else(|| {
            cells.push(Cell { stem, layer, direction, input: None, hidden: None });
            cells.len() - 1
        });
        let cell = &mut cells[at];
        *(if is_hidden { &mut cell.hidden } else { &mut cell.input }) = Some(*matrix);
    }
    if cells.is_empty() {
        return Ok(None);
    }
    cells.sort_by(|a, b| {
        let rest = |c: &Cell<'a>| (c.layer, c.direction);
        natural::compare(a.stem, b.stem).then_with(|| rest(a).cmp(&rest(b)))
    });
    let mut plan = Plan::default();
    let modules: Vec<&[Cell<'a>]> = cells.chunk_by(|a, b| a.stem == b.stem).collect();
    let mut ends = Vec::new();
    for module in &modules {
        ends.push(lay_out(&mut plan, module)?);
    }
    match (ends.as_slice(), modules.as_slice()) {
        ([end], [[.., last]]) => read_out(&mut plan, end, last, others),
        _ => plan.unplaced = others,
    }
    Ok(Some(plan))
}

/// Lays out one module; returns the hidden layers of its last layer, one for each direction.
fn lay_out<'a>(plan: &mut Plan<'a>, cells: &[Cell<'a>]) -> Fit<Vec<usize>> {
    let prefix = prefix(cells[0].stem);
    let mut below: Vec<usize> = Vec::new();
    for (number, layer) in cells.chunk_by(|a, b| a.layer == b.layer).enumerate() {
        let mut source = None;
        let mut hidden = Vec::new();
        for cell in layer {
            let (input, recurrent, gates) = cell.shapes()?;
            if cell.layer != number {
                let name = input.name();
                return Err(format!(
                    "there is no layer {number} before `{name}` {:?}",
                    input.shape()
                ));
            }
            let direction = cell.direction;
            let source = *source.get_or_insert_with(|| match below.as_slice() {
                [] => plan.layer(
                    format!("{prefix}l{number}.input"),
                    input.inputs(),
                    Role::Linear,
                    None,
                ),
                below => joined(plan, &prefix, number - 1, below),
            });
            expect_shape(&input, recurrent.outputs(), plan.layers[source].width, &recurrent)?;
            let width = recurrent.inputs();
            let gate = format!("{prefix}l{number}.gates{direction}");
            let gate = plan.layer(gate, width, Role::Output, None);
            let state = format!("{prefix}l{number}.hidden{direction}");
            let state = plan.layer(state, width, Role::Linear, None);
            plan.join(&input, source, gate, gates);
            plan.join(&recurrent, state, gate, gates);
            hidden.push(state);
        }
        below = hidden;
    }
    Ok(below)
}

/// The input of the layer above: the hidden layer, or a layer of both directions concatenated.
fn joined(plan: &mut Plan, prefix: &str, number: usize, hidden: &[usize]) -> usize {
    if let [one] = hidden {
        return *one;
    }
    let width = hidden.iter().map(|&layer| plan.layers[layer].width).sum();
    plan.layer(format!("{prefix}l{number}.output"), width, Role::Linear, None)
}

/// Chains linear layers to the last recurrent one as far as they fit.
fn read_out<'a>(plan: &mut Plan<'a>, end: &[usize], last: &Cell<'a>, others: Vec<Matrix<'a>>) {
    let mut width: usize = end.iter().map(|&layer| plan.layers[layer].width).sum();
    let mut source = None;
    for matrix in others {
        let fits = matrix.shape().len() == 2 && matrix.inputs() == width && !matrix.put_back;
        if !fits {
            plan.unplaced.push(matrix);
            continue;
        }
        let from = source.unwrap_or_else(|| joined(plan, &prefix(last.stem), last.layer, end));
        let target = plan.layer(matrix.path(), matrix.outputs(), Role::Linear, None);
        plan.join(&matrix, from, target, 1);
        (source, width) = (Some(target), matrix.outputs());
    }
}

impl<'a> Cell<'a> {
    /// Both matrices and the number of gates.
    fn shapes(&self) -> Fit<(Matrix<'a>, Matrix<'a>, usize)> {
        let (input, hidden) = match (self.input, self.hidden) {
            (Some(input), Some(hidden)) => (input, hidden),
            (Some(one), None) | (None, Some(one)) => {
                let other = if self.input.is_some() { "weight_hh" } else { "weight_ih" };
                return Err(format!("no {other} found next to `{}` {:?}", one.name(), one.shape()));
            }
            (None, None) => return Err("a recurrent layer has no matrix".into()),
        };
        expect_matrix(&hidden)?;
        let gates = hidden.outputs() / hidden.inputs();
        if ![1, 3, 4].contains(&gates) || gates * hidden.inputs() != hidden.outputs() {
            return Err(format!(
                "`{}` has shape {:?}, but its rows must be 1, 3 or 4 times its columns (plain, \
                 GRU, LSTM)",
                hidden.name(),
                hidden.shape()
            ));
        }
        Ok((input, hidden, gates))
    }
}

fn prefix(stem: &str) -> String {
    if stem.is_empty() { String::new() } else { format!("{stem}.") }
}

/// Splits a name into the module's stem, whether it is weight_hh, the layer and the direction.
fn split_name(name: &str) -> Option<(&str, bool, usize, &str)> {
    let (stem, last) = name.rsplit_once('.').unwrap_or(("", name));
    let (is_hidden, rest) = match last.strip_prefix("weight_ih") {
        Some(rest) => (false, rest),
        None => (true, last.strip_prefix("weight_hh")?),
    };
    if rest.is_empty() {
        return Some((stem, is_hidden, 0, ""));
    }
    let number = rest.strip_prefix("_l")?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    let (number, direction) = number.split_at(end);
    if !["", "_reverse"].contains(&direction) {
        return None;
    }
    Some((stem, is_hidden, number.parse().ok()?, direction))
}
