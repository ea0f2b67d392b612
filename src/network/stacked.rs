//! Tensors with an axis more than a matrix has, which are no convolutions: experts, layers or heads
//! one after the other.
//!
//! | tensor | read as |
//! |---|---|
//! | experts `[experts, out, in]`, `[experts, in, out]`, the way in | in → all experts' outputs |
//! | experts, the way out | all experts' inputs → out, each expert by itself |
//! | layers `[layers, out, in]` (Megatron) | each layer by itself |
//! | heads `[heads, in, out]` of a gate; XLNet's `[in, heads, size]` | each head by itself; in → heads·size |

use std::collections::{HashMap, HashSet};

use super::paths::{base, expert_root, split};
use super::select::{Evidence, Matrix};
use super::{Connection, Orientation};

/// How a tensor is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub inputs: usize,
    pub outputs: usize,
    pub taps: usize,
    pub groups: usize,
    pub stacked: usize,
    pub flattened: bool,
    pub orientation: Orientation,
}

impl Form {
    /// A matrix or a convolution with these groups.
    pub fn plain(matrix: &Matrix<'_>, groups: usize) -> Self {
        Self {
            inputs: matrix.inputs() * groups,
            outputs: matrix.outputs(),
            taps: matrix.taps(),
            groups,
            stacked: 1,
            flattened: false,
            orientation: matrix.orientation,
        }
    }

    pub fn shape(self, connection: &mut Connection) {
        let Self { inputs, outputs, taps, groups, stacked, flattened, orientation } = self;
        (connection.inputs, connection.outputs, connection.taps) = (inputs, outputs, taps);
        (connection.groups, connection.stacked) = (groups, stacked);
        (connection.flattened, connection.orientation) = (flattened, orientation);
    }
}

/// The way into an expert, and the way out.
const IN: [&str; 12] = [
    "gate_up_proj",
    "gate_proj",
    "up_proj",
    "w1",
    "w3",
    "v1",
    "input_linear",
    "wi",
    "wi_0",
    "wi_1",
    "fc1",
    "w13",
];
const OUT: [&str; 5] = ["down_proj", "w2", "output_linear", "wo", "fc2"];

/// How the tensors are read that are stacks of matrices; none for the others.
pub(super) fn forms(matrices: &[Matrix<'_>]) -> Vec<Option<Form>> {
    let stacks = layers(matrices);
    let experts = Experts::new(matrices);
    let form = |matrix: &Matrix<'_>| {
        let path = matrix.path();
        let last = split(base(path)).1.to_ascii_lowercase();
        let given = matrix.evidence == Evidence::Given;
        match *matrix.shape() {
            _ if given => None,
            [n, a, b] if of_experts(path) => experts.form(matrix, &last, [n, a, b]),
            [a, b] if of_experts(path) => experts.flat(matrix, &last, [a, b]),
            [n, out, inputs] if unlisted(path).and_then(|s| stacks.get(s)) == Some(&n) => {
                Some(apart(n, out, inputs))
            }
            [n, inputs, out] if last.ends_with("gate_weight") => Some(by_head(n, inputs, out)),
            [d, n, s] if split(split(path).0).1 == "rel_attn" || last == "r_kernel" => {
                Some(match &*last {
                    // `[out, heads, size]`: the inputs lie on two axes.
                    "o" => Form {
                        flattened: true,
                        orientation: Orientation::OutIn,
                        ..by_head(1, n * s, d)
                    },
                    _ => Form { flattened: false, ..by_head(1, d, n * s) },
                })
            }
            _ => None,
        }
    };
    matrices.iter().map(form).collect()
}

/// `[n, in, out]`, each by itself: the inputs lie on two axes.
fn by_head(n: usize, inputs: usize, outputs: usize) -> Form {
    Form {
        inputs: n * inputs,
        outputs,
        taps: 1,
        groups: 1,
        stacked: 1,
        flattened: true,
        orientation: Orientation::InOut,
    }
}

/// `[n, out, in]`, each by itself.
fn apart(n: usize, outputs: usize, inputs: usize) -> Form {
    Form {
        inputs: n * inputs,
        outputs: n * outputs,
        taps: 1,
        groups: n,
        stacked: 1,
        flattened: false,
        orientation: Orientation::OutIn,
    }
}

fn of_experts(path: &str) -> bool {
    let moe = |s: &str| s.split('_').any(|word| word.eq_ignore_ascii_case("moe"));
    expert_root(path).is_some() || path.split('.').any(moe)
}

/// What the experts of a model read.
struct Experts {
    widths: HashSet<usize>,
    shapes: HashMap<(String, Vec<usize>), HashSet<String>>, // in one module: the names
}

impl Experts {
    fn new(matrices: &[Matrix<'_>]) -> Self {
        let mut this = Self { widths: HashSet::new(), shapes: HashMap::new() };
        for matrix in matrices {
            let (scope, last) = split(base(matrix.path()));
            let names = this.shapes.entry((scope.to_owned(), matrix.shape().to_vec())).or_default();
            names.insert(last.to_ascii_lowercase());
            let router = matrix.path().split('.').any(|s| matches!(s, "router" | "gate" | "wg"));
            if matrix.shape().len() == 2 && router {
                this.widths.insert(matrix.inputs());
            }
        }
        if this.widths.is_empty() {
            let plain = matrices.iter().filter(|m| m.shape().len() == 2 && !of_experts(m.path()));
            this.widths.extend(plain.map(Matrix::inputs));
        }
        this
    }

    fn form(&self, matrix: &Matrix<'_>, last: &str, [n, a, b]: [usize; 3]) -> Option<Form> {
        let reads = |width: usize| self.widths.contains(&width);
        // `[experts, in, out]` where it is a parameter of its own, not the weight of a module.
        let own = !matrix.reads.ends_with(".weight");
        let (way_in, way_out) = (IN.contains(&last), OUT.contains(&last));
        let in_first = match (way_in, way_out) {
            (true, _) if reads(a) != reads(b) => reads(a),
            (_, true) if reads(a) != reads(b) => reads(b),
            (true, _) | (_, true) => own,
            _ => return None,
        };
        Some(match (way_in, in_first) {
            (true, true) => Form { stacked: n, flattened: false, ..by_head(1, a, n * b) },
            (true, false) => Form {
                stacked: n,
                flattened: false,
                orientation: Orientation::OutIn,
                ..by_head(1, b, n * a)
            },
            (false, true) => by_head(n, a, b),
            (false, false) => apart(n, a, b),
        })
    }

    /// DBRX: `w1`, `v1` and `w2` `[experts·hidden, width]`, `w2` multiplied from the right.
    fn flat(&self, matrix: &Matrix<'_>, last: &str, [a, b]: [usize; 2]) -> Option<Form> {
        let scope = split(base(matrix.path())).0.to_owned();
        let alike = self.shapes.get(&(scope, vec![a, b]))?;
        let dbrx = last == "w2" && alike.contains("w1") && alike.contains("v1");
        dbrx.then(|| Form { flattened: false, ..by_head(1, a, b) })
    }
}

/// The number of layers of stacks without a number in their names: at least three tensors with one
/// more axis than a matrix, all equally many.
fn layers<'a>(matrices: &[Matrix<'a>]) -> HashMap<&'a str, usize> {
    let mut found: HashMap<&str, Vec<&[usize]>> = HashMap::new();
    for matrix in matrices {
        if let Some(stack) = unlisted(matrix.path()) {
            found.entry(stack).or_default().push(matrix.shape());
        }
    }
    let alike = |shapes: &Vec<&[usize]>| {
        let n = shapes[0][0];
        (shapes.len() > 2 && shapes.iter().all(|s| s.len() == 3 && s[0] == n)).then_some(n)
    };
    found.iter().filter_map(|(stack, shapes)| Some((*stack, alike(shapes)?))).collect()
}

/// The path up to `layers` where no number follows it.
fn unlisted(path: &str) -> Option<&str> {
    let mut at = 0;
    let mut segments = path.split('.').peekable();
    while let Some(segment) = segments.next() {
        at += segment.len();
        let next = segments.peek()?;
        if matches!(segment, "layers" | "blocks" | "layer" | "h") && next.parse::<u32>().is_err() {
            return Some(&path[..at]);
        }
        at += 1;
    }
    None
}
