//! Low-rank adapters (LoRA, PEFT names): `{module}.lora_A[.{adapter}].weight` `[r, in]` and
//! `lora_B` `[out, r]`, with the frozen weights in the same file or alone
//! (adapter_model.safetensors).
//!
//! The trained weights are analysed: A joins the module's inputs to `{module}.rank`, B joins these
//! r neurons to `{module}.out`. The product B·A is not formed. The frozen weights are left out; an
//! include pattern adds one as a separate network. Matrices that are saved whole next to adapters
//! are trained, and read by their names. The A matrices of query, key and value read one
//! layer, `{parent}.in`, and so do those of gate and up; in cross attention, key and value of all
//! blocks read one `context`.

use std::collections::{HashMap, HashSet};

use super::parameter::Kind;
use super::plan::{Fit, Plan};
use super::select::Matrix;
use super::{Role, paths};

/// Last segments of modules that read the same neurons; the first is the query of attention.
const TOGETHER: [&[&str]; 10] = [
    &["q_proj", "k_proj", "v_proj"],
    &["query", "key", "value"],
    &["q", "k", "v"],
    &["to_q", "to_k", "to_v"],
    &["q_lin", "k_lin", "v_lin"],
    &["wq", "wk", "wv"],
    &["gate_proj", "up_proj"],
    &["w1", "w3"],
    &["gate", "up"],
    &["wi_0", "wi_1"],
];

/// Modules of cross attention.
const CROSS: [&str; 4] = ["attn2", "EncDecAttention", "encoder_attn", "crossattention"];

/// A source neuron needs more edges than this by default (`Parameters::min_edges`).
const FEW: usize = 10;

/// Lays out pairs of A and B; none without a name that they have.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let mut plan = Plan::default();
    let mut ups = Vec::new();
    let mut downs = Vec::new();
    for matrix in matrices {
        match split_name(matrix.path()) {
            Some((module, adapter, false)) => downs.push(((module, adapter), *matrix)),
            Some((module, adapter, true)) => ups.push(((module, adapter), *matrix)),
            None => plan.unplaced.push(*matrix),
        }
    }
    if downs.is_empty() && ups.is_empty() {
        return Ok(None);
    }
    leave_out_frozen(&mut plan, downs.iter().chain(&ups).map(|((module, _), _)| *module));
    let with_down: HashSet<_> = downs.iter().map(|(whose, _)| whose).collect();
    for (whose, up) in &ups {
        if !with_down.contains(whose) {
            return Err(format!("no lora_A found next to `{}` {:?}", up.name(), up.shape()));
        }
    }
    // The first where there are several.
    let up_of: HashMap<_, _> = ups.iter().rev().map(|(whose, up)| (whose, up)).collect();
    let mut known = HashMap::new();
    for (whose @ (module, adapter), down) in &downs {
        let Some(up) = up_of.get(whose) else {
            return Err(format!("no lora_B found next to `{}` {:?}", down.name(), down.shape()));
        };
        let rank = down.outputs();
        if up.inputs() != rank {
            return Err(format!(
                "`{}` {:?} reads {} values, but `{}` {:?} gives {rank}",
                up.name(),
                up.shape(),
                up.inputs(),
                down.name(),
                down.shape(),
            ));
        }
        let source = source(&mut plan, &mut known, (module, adapter), down.inputs());
        let name = |part: &str| format!("{module}.{part}{adapter}");
        let middle = plan.layer(name("rank"), rank, Role::Linear, None);
        let target = plan.layer(name("out"), up.outputs(), Role::Output, None);
        plan.join(down, source, middle, 1);
        plan.join(up, middle, target, 1);
    }
    let first = downs[0].1;
    plan.warnings = warnings(&plan, &first);
    Ok(Some(plan))
}

/// Leaves out the frozen base, unless an include pattern asks for a matrix of it. Where the file
/// holds none of the adapted matrices, there is no base in it: what else it holds was trained and
/// saved whole (peft's `modules_to_save`).
fn leave_out_frozen<'a>(plan: &mut Plan<'a>, adapted: impl Iterator<Item = &'a str>) {
    let adapted: HashSet<&str> = adapted.collect();
    let of_base = |m: &Matrix<'a>| {
        let path = m.path();
        adapted.contains(path.strip_suffix(".base_layer").unwrap_or(path))
    };
    let has_base = plan.unplaced.iter().any(of_base);
    let saved_whole = |m: &Matrix<'a>| {
        let path = m.path();
        !has_base && !path.ends_with(".original_module") || path.contains("modules_to_save")
    };
    let (trained, frozen): (Vec<_>, Vec<_>) =
        std::mem::take(&mut plan.unplaced).into_iter().partition(|m| saved_whole(m) || m.included);
    plan.unplaced = trained;
    let why = "frozen base: an include pattern puts it in";
    plan.omitted.extend(frozen.into_iter().map(|matrix| (matrix, Kind::Apart, why)));
}

/// The layer that a module's A reads, shared where modules read the same.
fn source(
    plan: &mut Plan,
    known: &mut HashMap<String, usize>, // these layers, by name
    (module, adapter): (&str, &str),
    width: usize,
) -> usize {
    let own = format!("{module}.in{adapter}");
    let (parent, last) = module.rsplit_once('.').unwrap_or(("", module));
    let family = TOGETHER.iter().find(|family| family.contains(&last));
    let name = match family {
        Some(family) if !parent.is_empty() => {
            let of = parent.rsplit('.').next().unwrap_or(parent);
            let context = CROSS.contains(&of) && family[0] != last;
            match context {
                true if of == "attn2" => format!("context{adapter}"),
                true => format!("{}.context{adapter}", paths::stack(parent)),
                false => format!("{parent}.in{adapter}"),
            }
        }
        _ => own.clone(),
    };
    let name = match known.get(&name) {
        Some(&known) if plan.layers[known].width == width => return known,
        Some(_) => own,
        None => name,
    };
    let layer = plan.layer(name.clone(), width, Role::Linear, None);
    known.entry(name).or_insert(layer);
    layer
}

fn warnings(plan: &Plan, first: &Matrix) -> Vec<String> {
    let mut warnings = vec![format!(
        "Low-rank adapters are analysed by their own matrices A and B, such as `{}` {:?}: neither \
         the frozen weights nor the product B·A. B begins as zeros, which are no edges, so take a \
         checkpoint after the first update as the baseline.",
        first.name(),
        first.shape(),
    )];
    let mut edges = vec![0; plan.layers.len()];
    plan.connections.iter().for_each(|c| edges[c.source] += c.outputs * c.taps);
    let few = (0..plan.layers.len()).filter(|&layer| (1..=FEW).contains(&edges[layer]));
    let few: Vec<&str> = few.map(|layer| plan.layers[layer].name.as_str()).collect();
    if let [name, rest @ ..] = few.as_slice() {
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        warnings.push(format!(
            "The neurons of layer `{name}`{more} have no more than {FEW} edges each, the rank of \
             their adapters: by default a neuron takes part only with more. Lower the method's \
             min_edges to see them."
        ));
    }
    warnings
}

/// Splits a path into the module, the adapter (`""`, otherwise with a leading dot) and whether it
/// is B.
fn split_name(path: &str) -> Option<(&str, &str, bool)> {
    for (mark, is_up) in
        [("lora_A", false), ("lora_B", true), ("lora_down", false), ("lora_up", true)]
    {
        let Some((module, after)) = path.split_once(&format!(".{mark}")) else { continue };
        if after.is_empty() || after.starts_with('.') {
            let adapter = if after == ".default" { "" } else { after };
            return Some((module, adapter, is_up));
        }
    }
    None
}
