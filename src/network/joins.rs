//! Which matrices read the same neurons, by their names, where no architecture says it.
//!
//! | names in one module | read |
//! |---|---|
//! | query, key, value (`q_proj`, `Wq`, `to_q`, `q_lin`, `q_head`, ..), also of `heads.{n}` | one layer |
//! | key and value of cross attention, of all blocks | one layer, the context |
//! | gate and up (`gate_proj`, `w1` and `w3`, `wi_0` and `wi_1`, ..) | one layer |
//! | the gates and ups of all experts, those of a shared expert, and the router | one layer |
//! | attention and MLP of a block with one norm (they are parallel) | one layer |
//! | shortcut (`downsample.0`, `shortcut`, ..) and first convolution of a block | one layer |
//! | the first convolutions of branches, where no pooling comes before them | one layer |
//! | `filter_convs.{i}` and `gate_convs.{i}`; `gate.{i}` and its like; policy and value | one layer |
//!
//! Matrices of one key are joined if they also read equally many values.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::paths::{base, block, expert_root, split, stack};
use super::select::Matrix;

/// For each matrix the name of the layer that it reads with others; none where it reads alone.
pub(super) fn shared_inputs(matrices: &[Matrix<'_>], widths: &[usize]) -> Vec<Option<String>> {
    let mut joins = Joins::new(matrices, widths);
    joins.attention();
    joins.bottlenecks();
    joins.gates();
    joins.experts();
    joins.parallel_blocks();
    joins.shortcuts();
    joins.branches();
    joins.numbered_gates();
    joins.heads();
    joins.concatenated();
    joins.keys
}

struct Joins<'a, 'm> {
    matrices: &'m [Matrix<'a>],
    /// How many values each reads.
    widths: &'m [usize],
    /// Each path without the segments that only say what a module is (`conv`, `linear`, ..).
    bases: Vec<&'a str>,
    /// The matrices in each module, in order.
    scopes: BTreeMap<&'a str, Vec<usize>>,
    keys: Vec<Option<String>>,
}

/// The part of a matrix in attention.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Query,
    Key,
    Value,
    KeyValue,
    /// The reduction of a feature map before key and value.
    Reduction,
}

/// Modules of cross attention: keys and values come from elsewhere.
const CROSS: [&str; 10] = [
    "attn2",
    "encdecattention",
    "encoder_attn",
    "encoder_attention",
    "crossattention",
    "cross_attention",
    "cross_attn",
    "src_attn",
    "inter_attention",
    "enc_attn",
];

/// Attention whose queries are of one token, or learned.
const POOLED: [&str; 4] = ["token_only", "cls_attn", "attn_pool", "attnpool"];

/// Segments of a shortcut.
const SHORTCUTS: [&str; 9] = [
    "downsample",
    "shortcut",
    "skip",
    "proj",
    "identity_conv",
    "conv_shortcut",
    "skip_conv",
    "skip_connection",
    "res_conv",
];

/// The first matrix of an MLP.
const INTO_MLP: [&str; 13] = [
    "fc1",
    "fc_in",
    "dense_h_to_4h",
    "up_proj",
    "gate_proj",
    "gate_up_proj",
    "c_fc",
    "proj_mlp",
    "w1",
    "w3",
    "lin1",
    "linear1",
    "ff_proj",
];

/// Matrices that leave one layer if they are in one module.
const TOGETHER: [&[&str]; 10] = [
    &["gate_proj", "up_proj"],
    &["gate", "up"],
    &["wi_0", "wi_1"],
    &["fc1_g", "fc1_x"],
    &["linear_x", "linear_y"],
    &["gate_linear", "up_linear"],
    &["linear_gate", "linear_up"],
    &["w_gate", "w_up"],
    &["fc_mu", "fc_var", "fc_logvar", "fc_sigma", "fc_std"],
    &["mu", "logvar", "log_var", "sigma", "log_std", "mean"],
];

impl<'a, 'm> Joins<'a, 'm> {
    fn new(matrices: &'m [Matrix<'a>], widths: &'m [usize]) -> Self {
        let bases: Vec<&'a str> = matrices.iter().map(|m| base(m.path())).collect();
        let mut scopes: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        for (k, base) in bases.iter().enumerate() {
            scopes.entry(split(base).0).or_default().push(k);
        }
        Self { matrices, widths, bases, scopes, keys: vec![None; matrices.len()] }
    }

    /// Lets matrices read the layer `key`, those of the first one's width.
    fn join(&mut self, key: &str, which: &[usize]) {
        for &k in which {
            self.keys[k] = Some(key.trim_start_matches('.').to_owned());
        }
    }

    fn attention(&mut self) {
        let scopes: Vec<(&'a str, Vec<usize>)> =
            self.scopes.iter().map(|(s, m)| (*s, m.clone())).collect();
        for (scope, ids) in scopes {
            let last = |k: usize| split(self.bases[k]).1;
            let parts: Vec<(usize, Part)> =
                ids.iter().filter_map(|&k| Some((k, part(last(k))?))).collect();
            let find = |part: Part| parts.iter().find(|(_, p)| *p == part).map(|(k, _)| *k);
            let keys = find(Part::Key).or_else(|| find(Part::KeyValue));
            // RWKV mixes each with another share of the token before.
            let mixed = ids.iter().any(|&k| last(k) == "receptance");
            let (query, Some(key)) = (find(Part::Query), keys.filter(|_| !mixed)) else {
                self.aside(scope, &ids);
                continue;
            };
            let scope_in = outside_heads(scope);
            let reduced = find(Part::Reduction).is_some();
            let width = |k: usize| self.widths[k];
            let cross = is_cross(scope) || query.is_some_and(|q| width(q) != width(key));
            let (from_query, rest): (Vec<usize>, Vec<usize>) = {
                let is_query =
                    |p: Part| matches!(p, Part::Query) || (reduced && p == Part::Reduction);
                let of = |which: bool| {
                    parts.iter().filter(move |(_, p)| is_query(*p) == which).map(|(k, _)| *k)
                };
                (of(true).collect(), of(false).collect())
            };
            if POOLED.iter().any(|sign| scope.contains(sign)) {
                self.join(&format!("{scope_in}.in"), &rest);
            } else if cross {
                let context = match scope.split('.').any(|s| s == "attn2") {
                    true => "context".to_owned(),
                    false => format!("{}.context", stack(scope)),
                };
                self.join(&context, &rest);
                self.join(&format!("{scope_in}.in"), &from_query);
            } else if reduced {
                self.join(&format!("{scope_in}.in"), &from_query);
                self.join(&format!("{scope_in}.reduced"), &rest);
            } else {
                let all: Vec<usize> = from_query.into_iter().chain(rest).collect();
                self.join(&format!("{scope_in}.in"), &all);
            }
            self.aside(scope, &ids);
        }
    }

    /// Projections of positions, which all blocks share, and of a second stream (`add_q_proj`).
    fn aside(&mut self, scope: &str, ids: &[usize]) {
        for &k in ids {
            let last = split(self.bases[k]).1.to_ascii_lowercase();
            if last.strip_prefix("add_").and_then(part).is_some() {
                self.keys[k] = Some(format!("{scope}.added"));
            } else if last.starts_with("pos_")
                && (last == "pos_proj" || last.strip_prefix("pos_").and_then(part).is_some())
            {
                self.keys[k] = Some(format!("{}.positions", stack(scope)));
            } else if let Some(Part::Key | Part::Value) =
                last.strip_suffix("_global").and_then(part)
            {
                self.keys[k] = Some(format!("{}.in", outside_heads(scope)));
            }
        }
    }

    /// MobileBERT: the values and both bottlenecks read the block, queries and keys a bottleneck.
    fn bottlenecks(&mut self) {
        let mut blocks: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        for (k, base) in self.bases.iter().enumerate() {
            if let Some((block, _)) = base.rsplit_once(".bottleneck.") {
                blocks.entry(block).or_default().push(k);
            }
        }
        for (block, mut which) in blocks {
            let value = format!("{block}.attention.self.value");
            which.extend(self.bases.iter().position(|base| *base == value));
            self.join(&format!("{block}.in"), &which);
        }
    }

    fn gates(&mut self) {
        let mut found: Vec<(String, Vec<usize>)> = Vec::new();
        for (scope, ids) in &self.scopes {
            let named = |names: &[&str]| -> Vec<usize> {
                let is = |k: &&usize| {
                    let last = split(self.bases[**k]).1.to_ascii_lowercase();
                    names.contains(&last.as_str())
                };
                ids.iter().filter(is).copied().collect()
            };
            for names in TOGETHER {
                let together = named(names);
                if together.len() > 1 {
                    found.push((format!("{scope}.in"), together));
                }
            }
            // `w2` leads back, so `w1` and `w3` are gate and up.
            if let ([up], [down], [gate]) =
                (named(&["w1"]).as_slice(), named(&["w2"]).as_slice(), named(&["w3"]).as_slice())
                && self.matrices[*down].inputs() == self.matrices[*up].outputs()
            {
                found.push((format!("{scope}.in"), vec![*up, *gate]));
            }
        }
        for (key, which) in found {
            self.join(&key, &which);
        }
    }

    /// Experts: what reads the tokens in each, the router, and a shared expert.
    fn experts(&mut self) {
        let mut roots: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (k, matrix) in self.matrices.iter().enumerate() {
            if let Some(root) = expert_root(matrix.path()) {
                roots.entry(root.to_owned()).or_default().push(k);
            }
        }
        if roots.is_empty() {
            return;
        }
        for (k, matrix) in self.matrices.iter().enumerate() {
            if expert_root(matrix.path()).is_some() {
                continue;
            }
            let mut scope = self.bases[k];
            // `{root}.gate`, `{root}.router.classifier`, `{root}.shared_expert.up_proj`.
            for _ in 0..2 {
                let (around, last) = split(scope);
                let last = last.to_ascii_lowercase();
                let reads = ["gate", "router", "wg", "gate_network", "shared_expert_gate"];
                let of_shared = last.starts_with("shared");
                if (reads.contains(&last.as_str()) || of_shared) && roots.contains_key(around) {
                    if let Some(ids) = roots.get_mut(around) {
                        ids.push(k);
                    }
                    break;
                }
                scope = around;
            }
        }
        for (root, ids) in roots {
            let first = |k: &usize| {
                let last = split(self.bases[*k]).1.to_ascii_lowercase();
                let mut segments = self.bases[*k].split('.');
                let inside = ["wi", "0", "w_in", "input_linear"];
                INTO_MLP.contains(&last.as_str())
                    || inside.contains(&last.as_str())
                    || TOGETHER[..8].iter().any(|names| names.contains(&last.as_str()))
                    || matches!(
                        last.as_str(),
                        "gate" | "router" | "wg" | "shared_expert_gate" | "v1"
                    )
                    || segments.any(|s| s == "router")
            };
            let which: Vec<usize> = ids.into_iter().filter(first).collect();
            if which.len() > 1 {
                self.join(&format!("{root}.in"), &which);
            }
        }
    }

    /// Attention and MLP behind one norm read the same.
    fn parallel_blocks(&mut self) {
        let mut blocks: BTreeMap<&'a str, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (k, matrix) in self.matrices.iter().enumerate() {
            let Some(block) = block(matrix.path()).filter(|_| matrix.parallel) else { continue };
            let last = split(self.bases[k]).1.to_ascii_lowercase();
            let fused = ["query_key_value", "qkv_proj", "qkv", "wqkv", "c_attn", "to_qkv"];
            let (attention, mlp) = blocks.entry(block).or_default();
            if part(&last).is_some() || fused.contains(&last.as_str()) {
                attention.push(k);
            } else if INTO_MLP.contains(&last.as_str()) {
                mlp.push(k);
            }
        }
        for (block, (attention, mlp)) in blocks {
            if !attention.is_empty() && !mlp.is_empty() {
                self.join(&format!("{block}.in"), &[attention, mlp].concat());
            }
        }
    }

    fn shortcuts(&mut self) {
        let mut found: Vec<(usize, usize, String)> = Vec::new();
        // The first convolution of each module, and of those around it.
        let mut firsts: HashMap<&str, usize> = HashMap::new();
        let is_shortcut = |path: &'a str| -> Option<(&'a str, &'a str)> {
            let mut end = path.len();
            for segment in path.rsplit('.').take(3) {
                let start = end - segment.len();
                if SHORTCUTS.contains(&segment.to_ascii_lowercase().as_str()) {
                    return Some((&path[..start.saturating_sub(1)], &path[end..]));
                }
                end = start.saturating_sub(1);
            }
            None
        };
        for (k, base) in self.bases.iter().enumerate() {
            let kernel = self.matrices[k].shape().len() > 2;
            let aside =
                |s: &str| matches!(s, "attn" | "se" | "squeeze_excite" | "squeeze_excitation");
            if !kernel || is_shortcut(base).is_some() || base.split('.').any(aside) {
                continue;
            }
            let mut scope = *base;
            for _ in 0..3 {
                scope = split(scope).0;
                firsts.entry(scope).or_insert(k);
            }
        }
        for (k, base) in self.bases.iter().enumerate() {
            if self.matrices[k].shape().len() < 3 {
                continue;
            }
            let Some((block, rest)) = is_shortcut(base) else { continue };
            let Some(&first) = firsts.get(block) else { continue };
            // Something without weights, a pooling, comes before the shortcut's convolution, except
            // in the first stage, which keeps its positions.
            let first_stage =
                base.contains("downsample.") && block.split('.').any(|s| s == "layer1");
            let pooled = rest == ".1" && !first_stage;
            if !pooled && self.widths[first] == self.widths[k] {
                found.push((first, k, format!("{block}.in")));
            }
        }
        for (first, k, key) in found {
            let key = self.keys[first].clone().unwrap_or(key);
            self.join(&key, &[first, k]);
        }
    }

    /// Convolutions side by side: `branch1x1`, `branch5x5_1`; `conv_kxk` and `conv_1x1`.
    fn branches(&mut self) {
        let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut first_of: HashMap<(&str, &str), usize> = HashMap::new();
        for (k, base) in self.bases.iter().enumerate() {
            let segments: Vec<&str> = base.split('.').collect();
            let mut at = 0;
            for (n, segment) in segments.iter().enumerate() {
                let lower = segment.to_ascii_lowercase();
                let rest = &segments[n + 1..];
                if matches!(lower.as_str(), "conv_1x1" | "conv_kxk" | "rbr_1x1" | "rbr_dense")
                    && n + 1 == segments.len()
                    && self.matrices[k].path().ends_with(".conv")
                {
                    let block = base[..at].trim_end_matches('.');
                    let outputs = self.matrices[k].outputs();
                    found.entry(format!("{block}.in{outputs}")).or_default().push(k);
                }
                let Some(branch) = lower.strip_prefix("branch") else {
                    at += segment.len() + 1;
                    continue;
                };
                let block = base[..at].trim_end_matches('.');
                at += segment.len() + 1;
                // A list that does not begin with weights begins with a pooling.
                let from_zero = rest.first().is_none_or(|&r| r == "0" || r.parse::<u32>().is_err());
                let (stem, step) = match branch.rsplit_once('_') {
                    Some((stem, step)) => (stem.to_owned(), step.to_owned()),
                    None => (branch.to_owned(), String::new()),
                };
                if !from_zero || stem.contains("pool") || step.contains("pool") {
                    continue;
                }
                let begins = step.is_empty() || step == "1";
                if begins
                    && first_of.insert((block, &base[at - segment.len() - 1..at - 1]), k).is_none()
                {
                    found.entry(format!("{block}.in")).or_default().push(k);
                } else if step.ends_with(['a', 'b']) {
                    // `branch3x3_2a` and `branch3x3_2b` read what `branch3x3_1` gives.
                    let twin = step.trim_end_matches(['a', 'b']);
                    found.entry(format!("{block}.branch{stem}_{twin}.in")).or_default().push(k);
                }
            }
        }
        for (key, which) in found {
            let width = self.widths[which[0]];
            let same = which.iter().filter(|k| self.widths[**k] == width);
            let same: Vec<usize> = same.copied().collect();
            if same.len() > 1 && same.len() == which.len() {
                self.join(&key, &same);
            }
        }
    }

    /// Lists side by side: `filter_convs.3` and `gate_convs.3`, `residual_convs.3` and
    /// `skip_convs.3`; `gate.0` and those of its shape (a highway).
    fn numbered_gates(&mut self) {
        let mut lists: BTreeMap<(&str, &str), Vec<(usize, String)>> = BTreeMap::new();
        for (k, base) in self.bases.iter().enumerate() {
            let (list, number) = split(base);
            if number.parse::<u32>().is_ok() && self.keys[k].is_none() {
                let (scope, name) = split(list);
                lists.entry((scope, number)).or_default().push((k, name.to_ascii_lowercase()));
            }
        }
        let pairs: [[&[&str]; 2]; 3] =
            [[&["filter"], &["gate"]], [&["res"], &["skip"]], [&["tanh"], &["sig"]]];
        for ((scope, number), all) in lists {
            for [one, other] in pairs {
                let of = |signs: &[&str]| -> Vec<usize> {
                    let is =
                        |(_, name): &&(usize, String)| signs.iter().any(|s| name.starts_with(s));
                    all.iter().filter(is).map(|(k, _)| *k).collect()
                };
                if let ([a], [b]) = (of(one).as_slice(), of(other).as_slice()) {
                    self.join(&format!("{scope}.{}{number}.in", one[0]), &[*a, *b]);
                }
            }
            let gate = all.iter().find(|(_, name)| name == "gate" || name == "gates");
            if let Some((gate, _)) = gate.filter(|_| self.keys[all[0].0].is_none()) {
                let shape = self.matrices[*gate].shape();
                let like = all.iter().filter(|(k, _)| self.matrices[*k].shape() == shape);
                let like: Vec<usize> = like.map(|(k, _)| *k).collect();
                if like.len() > 1 {
                    self.join(&format!("{scope}.layer{number}.in"), &like);
                }
            }
        }
    }

    /// What a policy and a value function of one module read first.
    fn heads(&mut self) {
        let mut towers: BTreeMap<&str, [Vec<usize>; 2]> = BTreeMap::new();
        for (k, base) in self.bases.iter().enumerate() {
            let (list, first) = split(base);
            let (scope, name) = if first == "0" { split(list) } else { continue };
            let name = name.to_ascii_lowercase();
            let word = |signs: &[&str]| name.split('_').any(|w| signs.contains(&w));
            let side = match () {
                () if word(&["policy", "actor", "pi"]) => 0,
                () if word(&["value", "critic", "vf"]) => 1,
                () => continue,
            };
            towers.entry(scope).or_default()[side].push(k);
        }
        for (scope, [policy, value]) in towers {
            if let ([a], [b]) = (policy.as_slice(), value.as_slice())
                && self.matrices[*a].inputs() == self.matrices[*b].inputs()
            {
                self.join(&format!("{scope}.in"), &[*a, *b]);
            }
        }
    }

    /// Convolutions of one list with kernels of different sizes, whose channels the next matrix
    /// reads side by side (Kim's CNN for text).
    fn concatenated(&mut self) {
        for (key, which) in side_by_side(self.matrices) {
            self.join(&format!("{key}.in"), &which);
        }
    }
}

/// Lists of convolutions that read one layer: equally many channels in and out, and a matrix reads
/// the channels of all side by side (perhaps next to those of a pooling). They cannot chain, or
/// have another size of kernel each.
pub(super) fn side_by_side<'a>(matrices: &[Matrix<'a>]) -> Vec<(&'a str, Vec<usize>)> {
    let number = |n: &str| n.parse::<u32>().is_ok();
    let mut lists: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
    for (k, matrix) in matrices.iter().enumerate().filter(|(_, m)| m.shape().len() > 2) {
        let path = base(matrix.path());
        let path = path.strip_suffix(".0").filter(|p| number(split(p).1)).unwrap_or(path);
        let (list, n) = split(path);
        if number(n) && !list.is_empty() {
            lists.entry(list).or_default().push(k);
        }
    }
    let read: HashSet<usize> = matrices.iter().map(Matrix::inputs).collect();
    let parallel = |which: &Vec<usize>| {
        let [first, rest @ ..] = which.as_slice() else { return false };
        let shape = |k: usize| &matrices[k].shape()[..2];
        let mut taps: Vec<&[usize]> = which.iter().map(|&k| &matrices[k].shape()[2..]).collect();
        taps.sort_unstable();
        let differ = taps.windows(2).all(|pair| pair[0] != pair[1]);
        let [n, outputs] = [which.len(), matrices[*first].outputs()];
        let chains = matrices[*first].inputs() == outputs;
        (differ || !chains && n > 2)
            && rest.iter().all(|&k| shape(k) == shape(*first))
            && !rest.is_empty()
            && (read.contains(&(n * outputs)) || read.contains(&((n + 1) * outputs)))
    };
    lists.into_iter().filter(|(_, which)| parallel(which)).collect()
}

/// The part that a module of this name has in attention.
fn part(last: &str) -> Option<Part> {
    let mut last = last.to_ascii_lowercase();
    if last == "kv_a_proj_with_mqa" {
        return Some(Part::KeyValue);
    }
    for end in ["_proj", "_lin", "_head", "_layer", "_linear", "_net", "_a", "_conv"] {
        if let Some(stem) = last.strip_suffix(end) {
            last = stem.to_owned();
        }
    }
    for begin in ["to_", "lin_", "linear_", "fc_", "proj_", "w_", "conv_"] {
        if let Some(stem) = last.strip_prefix(begin) {
            last = stem.to_owned();
        }
    }
    match last.as_str() {
        "q" | "wq" | "query" | "queries" => Some(Part::Query),
        "k" | "wk" | "key" | "keys" => Some(Part::Key),
        "v" | "wv" | "value" | "values" => Some(Part::Value),
        "kv" | "wkv" => Some(Part::KeyValue),
        "sr" => Some(Part::Reduction),
        _ => None,
    }
}

fn is_cross(scope: &str) -> bool {
    scope.rsplit('.').take(3).any(|segment| {
        let segment = segment.to_ascii_lowercase();
        CROSS.contains(&segment.as_str()) || segment.starts_with("cross_attn")
    })
}

/// The module around the heads of attention, where each is one of its own.
fn outside_heads(scope: &str) -> &str {
    match scope.rsplit_once('.') {
        Some((around, n)) if n.parse::<u32>().is_ok() => match around.rsplit_once('.') {
            Some((outside, "heads")) => outside,
            _ => scope,
        },
        _ => scope,
    }
}
