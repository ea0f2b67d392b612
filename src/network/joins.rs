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
//! | `filter_convs.{i}` and `gate_convs.{i}`; `gate.{i}` and its like; policy and value; density and features | one layer |
//! | what fuses a stage or branch with others, and the next stage | one layer |
//!
//! Matrices of one key are joined if they also read equally many values.

mod attention;
pub(super) mod branches;
mod stages;

use std::collections::BTreeMap;

use super::paths::{base, expert_root, split};
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
    joins.stages();
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

    /// Lets matrices read the layer `key`.
    fn join(&mut self, key: &str, which: &[usize]) {
        for &k in which {
            self.keys[k] = Some(key.trim_start_matches('.').to_owned());
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
                let reads = reads.contains(&last.as_str()) || of_shared;
                if let Some(ids) = roots.get_mut(around).filter(|_| reads) {
                    ids.push(k);
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

    /// What a policy and a value function of one module read first; the density and the features of
    /// a radiance field.
    fn heads(&mut self) {
        const SIDES: [[&[&str]; 2]; 2] = [
            [&["policy", "actor", "pi"], &["value", "critic", "vf"]],
            [&["alpha", "sigma", "density"], &["feature", "features", "feat"]],
        ];
        // Where they are lists, the single matrices next to them read what these give.
        let mut towers: BTreeMap<(bool, &str, usize), [Vec<usize>; 2]> = BTreeMap::new();
        for (k, base) in self.bases.iter().enumerate() {
            let (list, first) = split(base);
            let listed = first.parse::<u32>().is_ok();
            if listed && first != "0" {
                continue;
            }
            let (scope, name) = if listed { split(list) } else { (list, first) };
            let name = name.to_ascii_lowercase();
            let word = |signs: &[&str]| name.split('_').any(|w| signs.contains(&w));
            for (kind, sides) in SIDES.iter().enumerate() {
                if let Some(side) = sides.iter().position(|signs| word(signs)) {
                    towers.entry((!listed, scope, kind)).or_default()[side].push(k);
                }
            }
        }
        let lists = towers.keys().any(|(single, _, kind)| !single && *kind == 0);
        for ((single, scope, kind), sides) in towers {
            if let [[a], [b]] = sides.each_ref().map(Vec::as_slice)
                && self.matrices[*a].inputs() == self.matrices[*b].inputs()
                && !(single && lists && kind == 0)
            {
                self.join(&format!("{scope}.in"), &[*a, *b]);
            }
        }
    }
}
