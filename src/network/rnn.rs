//! Recurrent layers of PyTorch and tch: `weight_ih_l0`, `weight_hh_l0`, with `_reverse` for the
//! second direction; cells: `weight_ih`, `weight_hh`. 1, 3 and 4 gates: plain, GRU, LSTM.
//!
//! Layer k has the neuron layers `l{k}.hidden` (the state), `l{k}.gates` (as wide, each neuron with
//! its 1, 3 or 4 gates) and, for k = 0, `l0.input`. weight_ih leads from the input, which is the
//! hidden layer of k - 1 above the first, to the gates, weight_hh from the hidden layer to the
//! gates: the hidden layer's neighbourhood is its own weight_hh and the next layer's weight_ih.
//! With two directions the next layer reads both: a layer `l{k}.output`, twice as wide.
//!
//! The matrices next to the modules are the linear layers that read a module's last hidden layer, the
//! one that gives what its first layer reads, and embedding tables, which are left out. A table has no
//! bias, and its columns are what a module reads.

use std::collections::HashMap;

use super::Role;
use super::chain::{Start, arrange};
use super::link::Link;
use super::natural;
use super::parameter::Kind;
use super::plan::{Fit, Plan, expect_matrix, expect_shape};
use super::reading::Bias;
use super::select::Matrix;
use super::side_by_side::against;

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
    let mut places = HashMap::new();
    let mut others = Vec::new();
    for matrix in matrices {
        let Some((stem, is_hidden, layer, direction)) = split_name(matrix.reads) else {
            others.push(*matrix);
            continue;
        };
        let at = *places.entry((stem, layer, direction)).or_insert_with(|| {
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
    let mut modules = Vec::new();
    for cells in cells.chunk_by(|a, b| a.stem == b.stem) {
        modules.push(lay_out(&mut plan, cells)?);
    }
    let others = without_tables(&mut plan, matrices, others, &modules);
    place_others(&mut plan, others, &modules);
    Ok(Some(plan))
}

/// One module, laid out.
struct Module<'a> {
    stem: &'a str,
    /// The layer that the first weight_ih reads.
    input: usize,
    /// The hidden layers of its last layer, one for each direction.
    end: Vec<usize>,
    /// The number of the last layer, and its weight_hh.
    last: (usize, Matrix<'a>),
}

impl Module<'_> {
    /// How many values a layer after it reads.
    fn width(&self, plan: &Plan) -> usize {
        self.end.iter().map(|&layer| plan.layers[layer].width).sum()
    }
}

/// Leaves out the tables of embeddings; warns of a matrix that may be one.
fn without_tables<'a>(
    plan: &mut Plan<'a>,
    all: &[Matrix<'a>],
    others: Vec<Matrix<'a>>,
    modules: &[Module<'a>],
) -> Vec<Matrix<'a>> {
    let any_bias = all.iter().any(|m| matches!(m.bias, Bias::Length(_)));
    let read = |width: usize| modules.iter().any(|m| plan.layers[m.input].width == width);
    let given = |width: usize| modules.iter().any(|m| m.width(plan) == width);
    let like_a_table = |m: &Matrix<'a>| {
        m.shape().len() == 2 && !m.put_back && read(m.inputs()) && !sounds_linear(m.path())
    };
    let has_head = others
        .iter()
        .any(|m| matches!(m.bias, Bias::Length(_)) && m.shape().len() == 2 && given(m.inputs()));
    let mut warnings = Vec::new();
    let mut tables = Vec::new();
    let mut rest = Vec::new();
    for matrix in others {
        let own_path = modules.iter().any(|m| module_of(&matrix) == untagged(m.stem));
        let only_a_table = !given(matrix.inputs()) || has_head || own_path;
        match matrix.bias {
            _ if !like_a_table(&matrix) || matrix.included => rest.push(matrix),
            Bias::Absent if any_bias && only_a_table => tables.push(matrix),
            Bias::Length(_) => rest.push(matrix),
            Bias::Absent | Bias::Unknown => {
                if given(matrix.inputs()) && matrix.excluded.is_none() {
                    let name = matrix.name();
                    warnings.push(format!(
                        "`{name}` {:?} is read as a layer after the recurrent ones, but may be the \
                         table of an embedding before them: their shapes are alike, and no bias \
                         shows which. If it is a table: .exclude(\"{name}\"), --exclude {name}.",
                        matrix.shape(),
                    ));
                }
                rest.push(matrix);
            }
        }
    }
    plan.warnings.extend(warnings);
    plan.omitted.extend(
        tables.into_iter().map(|table| (table, Kind::Apart, "embedding, as it has no bias")),
    );
    rest
}

/// Whether the name is one that linear layers have.
fn sounds_linear(path: &str) -> bool {
    let module = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    ["fc", "lin", "out", "head", "proj", "dense", "class", "decoder", "score", "logit"]
        .iter()
        .any(|sign| module.contains(sign))
}

/// Whether the name is one that layers after recurrent ones have.
fn sounds_last(path: &str) -> bool {
    let module = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = module.starts_with("fc") && module.len() == 3;
    ["out", "head", "class", "decoder", "score", "logit"].iter().any(|s| module.contains(s))
        || numbered
}

/// Joins linear layers to the modules as far as they fit.
fn place_others<'a>(plan: &mut Plan<'a>, others: Vec<Matrix<'a>>, modules: &[Module<'a>]) {
    let mut after: Vec<Vec<Matrix<'a>>> = modules.iter().map(|_| Vec::new()).collect();
    let mut before: Vec<Vec<Matrix<'a>>> = after.clone();
    for matrix in others {
        let plain = matrix.shape().len() == 2 && !matrix.put_back;
        match owner(plan, &matrix, modules, &after).filter(|_| plain) {
            Some((module, true)) => after[module].push(matrix),
            Some((module, false)) => before[module].push(matrix),
            None => plan.unplaced.push(matrix),
        }
    }
    for ((module, after), before) in modules.iter().zip(after).zip(before) {
        let input = plan.layers[module.input].width;
        let doubtful = |m: &&Matrix<'a>| {
            m.is_square() && m.inputs() == input && m.excluded.is_none() && m.made.is_none()
        };
        if let Some(odd) =
            after.iter().find(doubtful).filter(|m| before.is_empty() && !sounds_last(m.path()))
        {
            plan.warnings.push(format!(
                "`{}` {:?} is read as a layer after the recurrent ones, but fits before them as well: \
                 neither its shape nor its name shows which. If it comes before them, rename it: \
                 .rename(\"{}\", \"input_proj.weight\"), --rename {}=input_proj.weight.",
                odd.name(),
                odd.shape(),
                odd.name(),
                odd.name(),
            ));
        }
        if let [matrix] = before.as_slice() {
            let source =
                plan.layer(format!("{}.in", matrix.path()), matrix.inputs(), Role::Linear, None);
            plan.join(matrix, source, module.input, 1);
            if let Some(odd) = after.iter().find(|m| m.is_square() && m.inputs() == input) {
                plan.warnings.push(format!(
                    "`{}` {:?} is read as a layer after the recurrent ones, but fits between `{}` and \
                     them as well: shapes do not show which. If it comes before them, put the network \
                     together with Network::builder().",
                    odd.name(),
                    odd.shape(),
                    matrix.name(),
                ));
            }
        } else {
            plan.unplaced.extend(before);
        }
        read_out(plan, module, after);
    }
}

/// The module that a linear layer belongs to, and whether it reads the module (or feeds it).
fn owner<'a>(
    plan: &Plan<'a>,
    matrix: &Matrix<'a>,
    modules: &[Module<'a>],
    after: &[Vec<Matrix<'a>>],
) -> Option<(usize, bool)> {
    let reads = |k: usize| {
        let given = |m: &Matrix<'a>| m.outputs() == matrix.inputs();
        modules[k].width(plan) == matrix.inputs() || after[k].iter().any(given)
    };
    let feeds = |k: usize| plan.layers[modules[k].input].width == matrix.outputs();
    if modules.len() == 1 {
        if feeds(0) && comes_before(matrix, &modules[0]) {
            return Some((0, false));
        }
        return reads(0).then_some((0, true)).or_else(|| feeds(0).then_some((0, false)));
    }
    // At the module's own path, else around it.
    let at = module_of(matrix);
    let stem = |k: usize| untagged(modules[k].stem);
    let mut near: Vec<usize> = (0..modules.len()).filter(|&k| stem(k) == at).collect();
    if near.is_empty() {
        let near_it = |k: usize| parent(at) == stem(k) || parent(at) == parent(stem(k));
        near = (0..modules.len()).filter(|&k| !parent(at).is_empty() && near_it(k)).collect();
    }
    let candidates = if near.is_empty() { (0..modules.len()).collect() } else { near };
    let only = |fits: &dyn Fn(usize) -> bool| {
        let mut fitting = candidates.iter().copied().filter(|&k| fits(k));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    if candidates.iter().any(|&k| reads(k)) {
        return only(&reads).map(|k| (k, true));
    }
    only(&feeds).map(|k| (k, false))
}

/// Whether a linear layer comes before a module: by its name, or by the file's order.
fn comes_before(matrix: &Matrix<'_>, module: &Module<'_>) -> bool {
    const INPUT: [&str; 10] =
        ["input", "in", "inp", "pre", "prenet", "stem", "front", "embed", "emb", "encoder"];
    let mut words = matrix.path().split(['.', '_']).map(str::to_ascii_lowercase);
    words.any(|word| INPUT.contains(&word.as_str()))
        || matches!((matrix.parameter.made, module.last.1.parameter.made), (Some(m), Some(n)) if m < n)
}

/// The path of the module that a matrix belongs to.
fn module_of<'a>(matrix: &Matrix<'a>) -> &'a str {
    untagged(parent(matrix.reads))
}

/// A path without its last segment.
fn parent(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((parent, _)) => parent,
        None => "",
    }
}

/// A stem without the number of a duplicate.
fn untagged(stem: &str) -> &str {
    let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    stem.rsplit_once("__").filter(|(_, n)| number(n)).map_or(stem, |(stem, _)| stem)
}

/// Lays out one module.
fn lay_out<'a>(plan: &mut Plan<'a>, cells: &[Cell<'a>]) -> Fit<Module<'a>> {
    let stem = cells[0].stem;
    let prefix = prefix(stem);
    let mut below: Vec<usize> = Vec::new();
    let mut first = None;
    let mut last = None;
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
            first.get_or_insert(source);
            last = Some((number, recurrent));
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
    match (first, last) {
        (Some(input), Some(last)) => Ok(Module { stem, input, end: below, last }),
        _ => Err("a recurrent module has no layer".into()),
    }
}

/// The input of the layer above: the hidden layer, or a layer of both directions concatenated.
fn joined(plan: &mut Plan, prefix: &str, number: usize, hidden: &[usize]) -> usize {
    if let [one] = hidden {
        return *one;
    }
    let width = hidden.iter().map(|&layer| plan.layers[layer].width).sum();
    plan.layer(format!("{prefix}l{number}.output"), width, Role::Linear, None)
}

/// Chains linear layers to the last recurrent one: all of them, or those that fit in natural order.
fn read_out<'a>(plan: &mut Plan<'a>, module: &Module<'a>, matrices: Vec<Matrix<'a>>) {
    if matrices.is_empty() {
        return;
    }
    let (number, recurrent) = module.last;
    let from = joined(plan, &prefix(module.stem), number, &module.end);
    let width = plan.layers[from].width;
    if let Ok(chain) = arrange(&matrices, Start::Width(width, recurrent)) {
        chain.lay_out(plan, from, Link::path);
        return;
    }
    let mut end = from;
    let mut last: Option<Link<'a>> = None;
    for matrix in matrices {
        let next = Link { matrix, source: end, target: end + 1 };
        let apart =
            last.is_some_and(|last| against(&[Link { target: end, ..last }, next]).is_some());
        let ends = if apart { [from, from] } else { [end, from] };
        let source = ends.into_iter().find(|&k| plan.layers[k].width == matrix.inputs());
        let Some(source) = source else {
            plan.unplaced.push(matrix);
            continue;
        };
        let target = plan.layer(matrix.path(), matrix.outputs(), Role::Linear, None);
        plan.join(&matrix, source, target, 1);
        (end, last) = (target, Some(Link { matrix, source, target }));
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
