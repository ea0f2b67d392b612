//! Queries, keys and values, and MLPs that are parallel to attention.

use std::collections::BTreeMap;

use super::super::paths::{block, split, stack};
use super::{INTO_MLP, Joins};

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

impl<'a> Joins<'a, '_> {
    pub(super) fn attention(&mut self) {
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
            let (pooled, double) = (is_pooled(scope), is_double(scope));
            let cross = !double && is_cross(scope) || query.is_some_and(|q| width(q) != width(key));
            let (from_query, rest): (Vec<usize>, Vec<usize>) = {
                let is_query =
                    |p: Part| matches!(p, Part::Query) || (reduced && p == Part::Reduction);
                let of = |which: bool| {
                    parts.iter().filter(move |(_, p)| is_query(*p) == which).map(|(k, _)| *k)
                };
                (of(true).collect(), of(false).collect())
            };
            if pooled {
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

    /// Attention and MLP behind one norm read the same.
    pub(super) fn parallel_blocks(&mut self) {
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
        "k" | "wk" | "key" | "keys" | "qk" => Some(Part::Key),
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

/// Whether the queries are not of what keys and values are of: Funnel's blocks pool theirs at their
/// beginning.
fn is_pooled(scope: &str) -> bool {
    let funnel = || {
        let (_, at) = scope.split_once("encoder.blocks.")?;
        let mut at = at.split('.');
        Some(at.next()? != "0" && at.next()? == "0" && at.next()? == "attention")
    };
    POOLED.iter().any(|sign| scope.contains(sign)) || funnel().unwrap_or(false)
}

/// Whether a block's second attention is to itself as well: along time, in a UNet of videos.
fn is_double(scope: &str) -> bool {
    scope.split('.').any(|s| matches!(s, "temp_attentions" | "motion_modules" | "transformer_in"))
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
