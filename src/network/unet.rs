//! The UNet of a diffusion model, and the halves of its autoencoder (diffusers names).
//!
//! | unit | layers and connections |
//! |---|---|
//! | `resnets.i` | in → conv1 → hidden → conv2 → out; in → conv_shortcut → out; time_embedding → time_emb_proj → hidden |
//! | `attentions.i` | in → proj_in → block; block's end → proj_out → out; without blocks: in → q, k, v → attention → out |
//! | `transformer_blocks.j` | in → q, k, v → attn1 → cross → q → attn2 → middle → ff → next; context → k, v → attn2 |
//! | `downsamplers.0`, `upsamplers.0`, `conv_in`, `conv_out` | in → out |
//!
//! Units are chained in the order of computation. A unit that reads as many channels as the
//! previous one gives shares its layer. A unit that reads more (because of a skip connection) has a
//! layer `{unit}.in` of its own. All units read one `time_embedding`, all cross attentions one
//! `context`.

use std::collections::BTreeMap;

use super::Role;
use super::plan::{Fit, Plan};
use super::select::Matrix;

/// The order of a unit: the prefix of its name, stage and number in it, unit and kind.
type Order<'a> = (&'a str, usize, usize, usize, usize);

struct Unit<'a> {
    stem: &'a str,
    parts: BTreeMap<&'a str, Matrix<'a>>,
}

/// Lays out the units; none without a `resnets.{i}.conv1`.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Option<Plan<'a>>> {
    let is_resnet = |m: &Matrix| m.path().contains("resnets.") && m.path().ends_with(".conv1");
    if !matrices.iter().any(is_resnet) {
        return Ok(None);
    }
    let mut units: BTreeMap<Order<'a>, Unit<'a>> = BTreeMap::new();
    let mut builder = Builder::default();
    for matrix in matrices {
        let Some((order, stem, part)) = split_name(matrix.path()).filter(|_| !matrix.put_back)
        else {
            builder.plan.unplaced.push(*matrix);
            continue;
        };
        let unit = units.entry(order).or_insert_with(|| Unit { stem, parts: BTreeMap::new() });
        unit.parts.insert(part, *matrix);
    }
    builder.outside(&units);
    let mut before = None;
    for ((prefix, _, _, _, kind), unit) in &units {
        if before.replace(prefix).is_some_and(|before| before != prefix) {
            builder.stream = None;
        }
        match kind {
            RESNET => builder.resnet(unit)?,
            ATTENTION => builder.attention(unit)?,
            _ => builder.convolution(unit)?,
        }
    }
    Ok(Some(builder.plan))
}

const RESNET: &usize = &0;
const ATTENTION: &usize = &1;
const CONVOLUTION: usize = 2;

/// Splits a path into the unit's order, its stem and the part.
fn split_name(path: &str) -> Option<(Order<'_>, &str, &str)> {
    for (end, stage) in [("conv_in", 0), ("conv_out", 4)] {
        if let Some(prefix) = path.strip_suffix(end).filter(|p| p.is_empty() || p.ends_with('.')) {
            return Some(((prefix, stage, 0, 0, CONVOLUTION), path, "conv"));
        }
    }
    let stages = [("down_blocks.", 1), ("mid_block.", 2), ("up_blocks.", 3)];
    let (at, name, stage) =
        stages.into_iter().find_map(|(name, stage)| Some((path.find(name)?, name, stage)))?;
    let prefix = &path[..at];
    let rest = &path[at + name.len()..];
    let (block, rest) = match rest.split_once('.') {
        Some((number, rest)) if stage != 2 => (number.parse().ok()?, rest),
        _ => (0, rest),
    };
    let (kind, rest) = rest.split_once('.')?;
    let (number, part) = rest.split_once('.')?;
    let number: usize = number.parse().ok()?;
    let stem = &path[..path.len() - part.len() - 1];
    let (number, kind) = match kind {
        "resnets" => (number, *RESNET),
        "attentions" => (number, *ATTENTION),
        "downsamplers" | "upsamplers" => (usize::MAX, CONVOLUTION),
        _ => return None,
    };
    Some(((prefix, stage, block, number, kind), stem, part))
}

#[derive(Default)]
struct Builder<'a> {
    plan: Plan<'a>,
    /// The layer that the unit before reaches.
    stream: Option<usize>,
    time: Option<usize>,
    context: Option<usize>,
}

impl<'a> Builder<'a> {
    /// Adds the layers that several units read.
    fn outside(&mut self, units: &BTreeMap<Order<'a>, Unit<'a>>) {
        let first = |end: &str| {
            let mut parts = units.values().flat_map(|unit| &unit.parts);
            parts.find(|(part, _)| part.ends_with(end)).map(|(_, matrix)| matrix.inputs())
        };
        let mut add = |name: &str, width: Option<usize>, role| {
            width.map(|width| self.plan.layer(name, width, role, None))
        };
        self.time = add("time_embedding", first("time_emb_proj"), Role::Linear);
        self.context = add("context", first("attn2.to_k"), Role::Qkv);
    }

    fn resnet(&mut self, unit: &Unit<'a>) -> Fit<()> {
        let (first, second) = (unit.get(&["conv1"])?, unit.get(&["conv2"])?);
        let input = self.enter(unit.stem, first.inputs(), Role::Linear);
        let hidden = self.layer(unit.stem, "hidden", first.outputs(), Role::Linear);
        let output = self.layer(unit.stem, "out", second.outputs(), Role::Linear);
        self.join(&first, input, hidden)?;
        if let (Some(projection), Some(time)) = (unit.parts.get("time_emb_proj"), self.time) {
            self.join(projection, time, hidden)?;
        }
        self.join(&second, hidden, output)?;
        let shortcut = ["conv_shortcut", "nin_shortcut"].iter().find_map(|s| unit.parts.get(s));
        if let Some(shortcut) = shortcut {
            self.join(shortcut, input, output)?;
        }
        self.rest(unit, &["conv1", "conv2", "time_emb_proj", "conv_shortcut", "nin_shortcut"]);
        self.stream = Some(output);
        Ok(())
    }

    fn convolution(&mut self, unit: &Unit<'a>) -> Fit<()> {
        let matrix = unit.get(&["conv"])?;
        let input = self.enter(unit.stem, matrix.inputs(), Role::Linear);
        let output = self.layer(unit.stem, "out", matrix.outputs(), Role::Linear);
        self.rest(unit, &["conv"]);
        self.stream = Some(output);
        self.join(&matrix, input, output)
    }

    fn attention(&mut self, unit: &Unit<'a>) -> Fit<()> {
        let blocks = unit.blocks();
        if blocks.is_empty() {
            return self.plain_attention(unit);
        }
        let (into, out) = (unit.get(&["proj_in"])?, unit.get(&["proj_out"])?);
        let input = self.enter(unit.stem, into.inputs(), Role::Linear);
        let mut end = (input, into);
        for block in &blocks {
            end = self.block(block, end)?;
        }
        let inner = self.layer(unit.stem, "inner", out.inputs(), Role::Linear);
        self.join(&end.1, end.0, inner)?;
        let output = self.layer(unit.stem, "out", out.outputs(), Role::Linear);
        self.join(&out, inner, output)?;
        self.rest_of_attention(unit);
        self.stream = Some(output);
        Ok(())
    }

    /// Adds a transformer block, reached by a matrix from a layer; returns what leaves it.
    fn block(
        &mut self,
        block: &Unit<'a>,
        (from, into): (usize, Matrix<'a>),
    ) -> Fit<(usize, Matrix<'a>)> {
        let stem = block.stem;
        let q = block.get(&["attn1.to_q"])?;
        let input = self.layer(stem, "in", q.inputs(), Role::Qkv);
        self.join(&into, from, input)?;
        let mut attention = self.layer(stem, "attn1", q.outputs(), Role::AttentionOut);
        for part in ["attn1.to_q", "attn1.to_k", "attn1.to_v"] {
            self.join(&block.get(&[part])?, input, attention)?;
        }
        let mut out = block.get(&["attn1.to_out.0"])?;
        if let (Some(q), Some(context)) = (block.parts.get("attn2.to_q"), self.context) {
            let cross = self.layer(stem, "cross", q.inputs(), Role::Qkv);
            self.join(&out, attention, cross)?;
            attention = self.layer(stem, "attn2", q.outputs(), Role::AttentionOut);
            self.join(q, cross, attention)?;
            for part in ["attn2.to_k", "attn2.to_v"] {
                let matrix = block.get(&[part])?;
                let to_self = matrix.inputs() != self.plan.layers[context].width;
                self.join(&matrix, if to_self { cross } else { context }, attention)?;
            }
            out = block.get(&["attn2.to_out.0"])?;
        }
        let (up, down) = (block.get(&["ff.net.0.proj"])?, block.get(&["ff.net.2"])?);
        let middle = self.layer(stem, "middle", up.inputs(), Role::MlpIn);
        self.join(&out, attention, middle)?;
        let hidden = self.layer(stem, "ff", down.inputs(), Role::MlpOut);
        self.plan.layers[hidden].draw = 2;
        self.join(&up, middle, hidden)?;
        Ok((hidden, down))
    }

    fn plain_attention(&mut self, unit: &Unit<'a>) -> Fit<()> {
        let q = unit.get(&["to_q", "query"])?;
        let input = self.enter(unit.stem, q.inputs(), Role::Qkv);
        let attention = self.layer(unit.stem, "attention", q.outputs(), Role::AttentionOut);
        for names in [&["to_q", "query"], &["to_k", "key"], &["to_v", "value"]] {
            self.join(&unit.get(names)?, input, attention)?;
        }
        let out = unit.get(&["to_out.0", "proj_attn"])?;
        let output = self.layer(unit.stem, "out", out.outputs(), Role::Linear);
        self.join(&out, attention, output)?;
        self.rest_of_attention(unit);
        self.stream = Some(output);
        Ok(())
    }

    /// The layer that a unit reads: that of the unit before, if it is as wide.
    fn enter(&mut self, stem: &str, width: usize, role: Role) -> usize {
        match self.stream.filter(|&layer| self.plan.layers[layer].width == width) {
            Some(layer) => {
                self.plan.layers[layer].role = role;
                layer
            }
            None => self.layer(stem, "in", width, role),
        }
    }

    fn layer(&mut self, stem: &str, part: &str, width: usize, role: Role) -> usize {
        self.plan.layer(format!("{stem}.{part}"), width, role, None)
    }

    /// Joins two layers; a target may own two of the outputs (a gate, or scale and shift).
    fn join(&mut self, matrix: &Matrix<'a>, source: usize, target: usize) -> Fit<()> {
        let [from, to] = [source, target].map(|layer| self.plan.layers[layer].width);
        let copies = matrix.outputs() / to;
        if matrix.inputs() != from || copies * to != matrix.outputs() || ![1, 2].contains(&copies) {
            let [source, target] = [source, target].map(|layer| &self.plan.layers[layer].name);
            return Err(format!(
                "`{}` has shape {:?}, but joins `{source}` (width {from}) to `{target}` (width {to})",
                matrix.name(),
                matrix.shape(),
            ));
        }
        self.plan.join(matrix, source, target, copies);
        Ok(())
    }

    fn rest_of_attention(&mut self, unit: &Unit<'a>) {
        let placed = |m: &Matrix| self.plan.connections.iter().any(|c| c.parameter == m.name());
        let rest: Vec<_> = unit.parts.values().filter(|m| !placed(m)).copied().collect();
        self.plan.unplaced.extend(rest);
    }

    fn rest(&mut self, unit: &Unit<'a>, known: &[&str]) {
        let odd = unit.parts.iter().filter(|(part, _)| !known.contains(part));
        self.plan.unplaced.extend(odd.map(|(_, matrix)| *matrix));
    }
}

impl<'a> Unit<'a> {
    /// The part called by one of these names.
    fn get(&self, names: &[&str]) -> Fit<Matrix<'a>> {
        let found = names.iter().find_map(|name| self.parts.get(name));
        found.copied().ok_or_else(|| {
            let sibling = self.parts.values().next();
            let sibling = sibling
                .map_or(String::new(), |m| format!(" next to `{}` {:?}", m.name(), m.shape()));
            format!("`{}.{}.weight` is missing{sibling}", self.stem, names[0])
        })
    }

    /// The transformer blocks of an attention unit, in order.
    fn blocks(&self) -> Vec<Self> {
        let mut blocks: BTreeMap<usize, Self> = BTreeMap::new();
        for (part, matrix) in &self.parts {
            let Some(rest) = part.strip_prefix("transformer_blocks.") else { continue };
            let Some((number, inner)) = rest.split_once('.') else { continue };
            let Ok(index) = number.parse() else { continue };
            let end = matrix.path().len() - inner.len() - 1;
            let new = || Self { stem: &matrix.path()[..end], parts: BTreeMap::new() };
            blocks.entry(index).or_insert_with(new).parts.insert(inner, *matrix);
        }
        blocks.into_values().collect()
    }
}
