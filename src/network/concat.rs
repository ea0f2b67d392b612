//! Convolutional networks that put channels side by side: DenseNet and SqueezeNet.
//!
//! What reads channels of several layers, put together, has a separate layer `{module}.in`.
//!
//! | names | connections |
//! |---|---|
//! | `{block}.denselayer{i}.conv1`, `.conv2` | in → conv1 → conv2; the next reads its channels next to all before |
//! | `{stem}.transition{i}.conv` | in → conv |
//! | `{stem}.squeeze`, `.expand1x1`, `.expand3x3` | in → squeeze → both; the next reads both |

use std::collections::HashMap;

use super::Role;
use super::chain::{Start, arrange, broken};
use super::link::Link;
use super::plan::{Fit, Plan};
use super::select::Matrix;

/// Lays out convolutions in natural order of their names, then linear layers; none without these
/// names.
pub(super) fn plan<'a>(kernels: &[Matrix<'a>], linear: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let is_expand = |m: &Matrix<'a>| fire(m.path()).is_some_and(|(_, part)| part != "squeeze");
    if !kernels.iter().any(|m| dense(m.path()) || is_expand(m)) {
        return Ok(None);
    }
    let mut stream = Stream::default();
    let mut modules: HashMap<&str, Vec<&Matrix<'a>>> = HashMap::new();
    for (stem, kernel) in kernels.iter().filter_map(|m| Some((fire(m.path())?.0, m))) {
        modules.entry(stem).or_default().push(kernel);
    }
    for kernel in kernels {
        let path = kernel.path();
        if let Some((stem, _)) = fire(path) {
            // A module is laid out at its first kernel.
            if let Some(kernels) = modules.remove(stem) {
                stream.fire(stem, &kernels)?;
            }
            continue;
        }
        let transition = path.split('.').any(|segment| segment.starts_with("transition"));
        if transition {
            stream.end = None;
        }
        stream.convolution(kernel)?;
        if transition || dense(path) && path.ends_with("conv2") {
            stream.end = None;
        }
    }
    let Stream { mut plan, end } = stream;
    if let Some(first) = linear.first() {
        let (from, start) = match end {
            Some((end, last)) => (end, Start::Width(plan.layers[end].width, last)),
            None => {
                let name = format!("{}.in", first.path());
                (plan.layer(name, first.inputs(), Role::Linear, None), Start::Free)
            }
        };
        let chain = arrange(linear, start)?;
        if plan.layers[from].width != chain.links[0].matrix.inputs() {
            return Err("the linear layers do not chain in the order of their names".to_owned());
        }
        chain.lay_out(&mut plan, from, Link::path);
    }
    Ok(Some(plan))
}

/// Whether a path is within a dense layer.
fn dense(path: &str) -> bool {
    path.split('.').any(|segment| segment.starts_with("denselayer"))
}

/// Divides the path of a convolution of a fire module into the module's and the part.
fn fire(path: &str) -> Option<(&str, &str)> {
    let (stem, part) = path.rsplit_once('.')?;
    matches!(part, "squeeze" | "expand1x1" | "expand3x3").then_some((stem, part))
}

#[derive(Default)]
struct Stream<'a> {
    plan: Plan<'a>,
    /// The layer that the chain has reached, and the matrix that reaches it; none where channels are
    /// put together.
    end: Option<(usize, Matrix<'a>)>,
}

impl<'a> Stream<'a> {
    /// Joins a convolution to the end of the chain, and gives the layer that it reaches.
    fn convolution(&mut self, kernel: &Matrix<'a>) -> Fit<usize> {
        let source = match self.end {
            Some((end, last)) => {
                let width = self.plan.layers[end].width;
                if width != kernel.inputs() {
                    return Err(broken(kernel, &last, width));
                }
                end
            }
            None => {
                let name = format!("{}.in", kernel.path());
                self.plan.layer(name, kernel.inputs(), Role::Linear, None)
            }
        };
        let target = self.plan.layer(kernel.path(), kernel.outputs(), Role::Linear, None);
        self.plan.join(kernel, source, target, 1);
        self.end = Some((target, *kernel));
        Ok(target)
    }

    fn fire(&mut self, stem: &str, kernels: &[&Matrix<'a>]) -> Fit<()> {
        let is_squeeze =
            |m: &&&Matrix<'a>| fire(m.path()).is_some_and(|(_, part)| part == "squeeze");
        let squeeze = kernels.iter().find(is_squeeze);
        let squeeze = squeeze.ok_or_else(|| format!("`{stem}.squeeze.weight` is missing"))?;
        let middle = self.convolution(squeeze)?;
        for expand in kernels.iter().filter(|m| !is_squeeze(m)) {
            self.end = Some((middle, **squeeze));
            self.convolution(expand)?;
        }
        self.end = None;
        Ok(())
    }
}
