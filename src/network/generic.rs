//! The fallback: tensors are read by their names and shapes alone.
//!
//! Each tensor leads from `{parameter}.in` to `{parameter}.out`; tensors that read the same neurons
//! by their names ([`joins`]) leave one layer.

use std::collections::{HashMap, HashSet};

use super::parameter::Kind;
use super::plan::Plan;
use super::select::{Evidence, Matrix};
use super::stacked::Form;
use super::{Role, joins, kernels, stacked};

/// Lays out tensors `[out, in, taps..]`, joined by their names.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Plan<'a> {
    let mut plan = Plan::default();
    add(&mut plan, matrices);
    plan
}

/// Adds tensors, joined by their names, to a plan.
pub(super) fn add<'a>(plan: &mut Plan<'a>, matrices: &[Matrix<'a>]) {
    let mut matrices = kernels::oriented(matrices);
    if matrices.iter().all(|m| m.made.is_some()) {
        matrices.sort_by_key(|m| m.made);
    }
    let known = stacked::forms(&matrices);
    let unread: HashSet<&str> = matrices
        .iter()
        .zip(&known)
        .filter(|(m, form)| form.is_none() && axes_unknown(m))
        .map(|(m, _)| m.name())
        .collect();
    plan.omitted.extend(
        matrices.iter().filter(|m| unread.contains(m.name())).map(|m| (*m, Kind::Inside, AXES)),
    );
    let read = |m: &Matrix<'a>| !unread.contains(m.name());
    let (matrices, known): (Vec<Matrix<'a>>, Vec<Option<Form>>) =
        matrices.into_iter().zip(known).filter(|(m, _)| read(m)).unzip();
    let groups = kernels::groups(&matrices);
    let plain = matrices.iter().zip(groups).map(|(m, groups)| Form::plain(m, groups));
    let forms: Vec<Form> = plain.zip(known).map(|(plain, form)| form.unwrap_or(plain)).collect();
    let widths: Vec<usize> = forms.iter().map(|form| form.inputs).collect();
    let keys = joins::shared_inputs(&matrices, &widths);
    let mut layers: HashMap<(String, usize), usize> = HashMap::new();
    let mut taken: HashSet<String> = plan.layers.iter().map(|l| l.name.clone()).collect();
    for ((matrix, form), key) in matrices.iter().zip(forms).zip(keys) {
        let width = form.inputs;
        let name = matrix.name();
        let mut new = |name: String| {
            let again = (2..).map(|n| format!("{name}.{n}"));
            let mut names = std::iter::once(name.clone()).chain(again);
            let free = names.find(|name| taken.insert(name.clone())).unwrap_or(name);
            plan.layer(free, width, Role::Linear, None)
        };
        let source = match key {
            None => new(format!("{name}.in")),
            Some(key) => match layers.get(&(key.clone(), width)) {
                Some(&layer) => layer,
                None => {
                    let layer = new(key.clone());
                    layers.insert((key, width), layer);
                    layer
                }
            },
        };
        let target = plan.layer(format!("{name}.out"), form.outputs, Role::Output, None);
        form.shape(plan.join(matrix, source, target, 1));
    }
}

/// Why a tensor of three axes is not read.
const AXES: &str = "it has three axes, and no name says which of them join neurons: --network does";

/// Whether a tensor of three axes is no weight of a module, so that it need not be a convolution.
fn axes_unknown(matrix: &Matrix<'_>) -> bool {
    let own = matrix.reads.rsplit('.').next().unwrap_or(matrix.reads).to_ascii_lowercase();
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let kernel = ["weight", "kernel", "filter", "conv"].iter().any(|sign| own.contains(sign))
        || own.strip_prefix('w').is_some_and(number)
        || number(&own);
    let asked = matrix.included || matrix.evidence == Evidence::Given;
    matrix.shape().len() == 3 && !kernel && !asked
}

/// The first tensor of which a chain would take a guess at the axes.
pub(super) fn unknown_axes(matrices: &[Matrix<'_>]) -> Option<String> {
    let first = matrices.iter().find(|m| axes_unknown(m))?;
    Some(format!(
        "`{}` {:?} has three axes and is no module's weight, so it need not be a convolution",
        first.name(),
        first.shape(),
    ))
}

/// The warning when no architecture fits the parameters, and why.
pub(super) fn warning(why: &str) -> String {
    format!(
        "The architecture was not recognised ({why}), so matrices are read by their names and shapes \
         alone: their columns (second dimension) are source neurons, their rows are targets. Those \
         whose names say that they read the same neurons (query, key and value of a module, gate and \
         up, experts, a shortcut and the first convolution of its block) leave one layer; each other \
         one has a layer of its own, and groups of convolutions are read off their neighbours. Paths \
         over several layers are not seen. Check it with inspect; to change it, name the \
         architecture or put the network together with Network::builder()."
    )
}
