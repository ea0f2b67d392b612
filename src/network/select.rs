//! Which parameters take part: the defaults, and the user's patterns.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::parameter::{Kind, UNTRAINED};
use super::paths::block;
use super::pattern::matches;
use super::reading::{Bias, Reading};
use super::{Architecture, LeftOut, NetworkError, Orientation, Parameter, natural};

/// Which parameters to analyse, and as what.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `include` | none | patterns of matrices to include that are left out by default |
/// | `exclude` | none | patterns of parameters to leave out; has priority over `include` |
/// | `untrained` | false | whether to include what is not trainable ([`Parameter::trainable`]) |
/// | `orient` | `[out, in, taps..]`, or what the bias next to a matrix shows | pairs of a pattern and the layout of the matrices that it matches; the first match counts |
/// | `rename` | none | pairs of a pattern and the name by which the parameters that it matches are read; the first match counts |
/// | `architecture` | inferred | how to read the names |
/// | `per_head` | none | the number of attention heads by which GPT-NeoX (or GPTBigCode, with GPT-2's names) interleaves its fused query-key-value rows as [heads, 3, head size]; none reads them as [Q; K; V] blocks, as published |
///
/// A **pattern** must match a complete name. `*` matches any run of characters, dots and the empty
/// run included; every other character matches itself: `*.mlp.*`, `model.layers.0.*`. A pattern
/// that matches no parameter is an error.
///
/// A **new name** holds at most as many `*` as its pattern; each stands for what the pattern's stands
/// for, in order: `block*.attn_*` renamed to `h.*.attn.*` reads `block0.attn_q.weight` as
/// `h.0.attn.q.weight`. Only reading sees the new name: the weights are still those of the stored name,
/// and patterns match the stored name. Pairs of patterns, not a function, so that a selection can be
/// written to a file, compared and given on a command line.
///
/// Left out by default are tensors of fewer than two dimensions (biases, normalisation), learned
/// tokens `[1, 1, n]`, embeddings and the output head of a language model, and in a transformer
/// every tensor that is not one of the block's weight matrices. An included tensor takes its
/// position in the architecture if there is one. Otherwise it is a separate bipartite network,
/// `{parameter}.in` to `{parameter}.out`, read as `[out, in, taps..]` like every other (so the rows
/// of an embedding table are targets). If a matrix is excluded, the layers that it joins stay as
/// long as another matrix joins them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Selection {
    /// Patterns of matrices to include.
    pub include: Vec<String>,
    /// Patterns of parameters to leave out.
    pub exclude: Vec<String>,
    /// Whether to include parameters that are not trainable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untrained: bool,
    /// Patterns of matrices, and how these lie in memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orient: Vec<(String, Orientation)>,
    /// Patterns of parameters, and the names by which these are read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rename: Vec<(String, String)>,
    /// The architecture, if not to be inferred.
    pub architecture: Option<Architecture>,
    /// Heads of the fused query-key-value rows; none: as published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_head: Option<usize>,
}

/// A tensor of two or more dimensions that may take part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    pub parameter: &'a Parameter,
    /// The name by which it is read.
    pub reads: &'a str,
    /// When it was made, if names say so.
    pub made: Option<usize>,
    /// The bias next to it.
    pub bias: Bias,
    /// Left out by default, added by an include pattern.
    pub put_back: bool,
    /// An include pattern matches.
    pub included: bool,
    /// Excluded by a pattern or a filter: the matrix is used to read the architecture and then
    /// removed.
    pub excluded: Option<Excluded<'a>>,
    /// Its layout; an architecture may replace it.
    pub orientation: Orientation,
    /// What the orientation rests on.
    pub evidence: Evidence,
    /// It is in a block with one norm before attention and MLP, which so read the same.
    pub parallel: bool,
}

/// What the orientation of a matrix rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The user's word.
    Given,
    /// Its bias, or a name that only transposed convolutions have.
    Shown,
    /// Nothing: `[out, in, taps..]` is usual.
    Usual,
}

/// What excludes a matrix.
#[derive(Clone, Copy, Debug)]
pub(super) enum Excluded<'a> {
    ByPattern(&'a str),
    ByFilter,
}

impl Excluded<'_> {
    /// The reason, for [`LeftOut`].
    pub fn why(self) -> String {
        match self {
            Self::ByPattern(pattern) => format!("excluded by the pattern `{pattern}`"),
            Self::ByFilter => "excluded by the program's filter".to_owned(),
        }
    }
}

impl<'a> Matrix<'a> {
    /// The stored name.
    pub fn name(&self) -> &'a str {
        &self.parameter.name
    }

    /// Two dimensions or more, none of them 0.
    pub fn shape(&self) -> &'a [usize] {
        &self.parameter.shape
    }

    pub fn outputs(&self) -> usize {
        match self.orientation {
            Orientation::OutIn => self.parameter.shape[0],
            Orientation::InOut => self.parameter.shape[1],
        }
    }

    pub fn inputs(&self) -> usize {
        match self.orientation {
            Orientation::OutIn => self.parameter.shape[1],
            Orientation::InOut => self.parameter.shape[0],
        }
    }

    /// Weights for each pair of output and input.
    pub fn taps(&self) -> usize {
        self.parameter.shape[2..].iter().product()
    }

    /// The name by which it is read, without `.weight`.
    pub fn path(&self) -> &'a str {
        self.reads.strip_suffix(".weight").unwrap_or(self.reads)
    }

    /// Whether it fits either way round.
    pub fn is_square(&self) -> bool {
        self.parameter.shape[0] == self.parameter.shape[1]
    }

    /// The matrix with its first two dimensions read the other way round.
    pub fn turned(self) -> Self {
        let orientation = match self.orientation {
            Orientation::OutIn => Orientation::InOut,
            Orientation::InOut => Orientation::OutIn,
        };
        Self { orientation, ..self }
    }
}

/// The parameters divided, both parts in natural order.
pub(super) struct Selected<'a> {
    pub matrices: Vec<Matrix<'a>>,
    pub left_out: Vec<LeftOut>,
}

/// The parameters in natural order of their names.
///
/// # Errors
///
/// A name twice; a shape with more weights than a `usize` counts.
pub(super) fn in_natural_order(parameters: &[Parameter]) -> Result<Vec<&Parameter>, NetworkError> {
    let mut sorted: Vec<&Parameter> = parameters.iter().collect();
    sorted.sort_by(|a, b| natural::compare(&a.name, &b.name));
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(NetworkError::DuplicateParameter { name: pair[0].name.clone() });
    }
    let overflows = |p: &&&Parameter| {
        let mut dimensions = p.shape.iter().filter(|&&n| n > 0);
        dimensions.try_fold(1_usize, |n, &m| n.checked_mul(m)).is_none()
    };
    match sorted.iter().find(overflows) {
        Some(p) => Err(NetworkError::TooLarge { name: p.name.clone(), shape: p.shape.clone() }),
        None => Ok(sorted),
    }
}

/// Splits parameters into those that take part and those left out, and puts them in natural order of
/// the names by which they are read.
pub(super) fn select<'a>(
    readings: &'a mut [Reading<'a>],
    selection: &'a Selection,
) -> Selected<'a> {
    readings.sort_by(|a, b| natural::compare(&a.name, &b.name));
    let readings: &'a [Reading<'a>] = readings;
    let embeddings: HashSet<&[usize]> = readings
        .iter()
        .filter(|r| joins_neurons(r.parameter) && is_embedding(&r.name))
        .map(|r| r.parameter.shape.as_slice())
        .collect();
    let parallel = parallel_blocks(readings);
    let mut selected = Selected { matrices: Vec::new(), left_out: Vec::new() };
    for reading in readings {
        let Reading { parameter, name: reads, .. } = reading;
        let name = &parameter.name;
        let filtered = (!parameter.wanted).then_some(Excluded::ByFilter);
        let pattern = first_match(&selection.exclude, name).map(Excluded::ByPattern);
        let excluded = pattern.or(filtered);
        let included = first_match(&selection.include, name).is_some();
        let shape = parameter.shape.as_slice();
        let is_head = || is_last_layer(reads) && embeddings.contains(shape);
        let untrained = !parameter.trainable && !selection.untrained;
        let why = without_edges(parameter, reads)
            .or_else(|| untrained.then_some(UNTRAINED))
            .or_else(|| left_out_by_name(reads).filter(|_| !is_stem(parameter, reads)))
            .or_else(|| matches!(shape, [1, 1, _, ..]).then_some("a token: it joins one pair"))
            .or_else(|| is_no_weight(reads).then_some(NO_WEIGHT))
            .or_else(|| is_head().then_some("output head, of the shape of the embedding"));
        let given = selection.orient.iter().find(|(pattern, _)| matches(pattern, name));
        let (orientation, evidence) = match (given, reading.orientation()) {
            (Some((_, given)), _) => (*given, Evidence::Given),
            (None, Some(shown)) => (shown, Evidence::Shown),
            (None, None) => (Orientation::OutIn, Evidence::Usual),
        };
        match why {
            _ if parameter.tied.is_some() && !included && joins_neurons(parameter) => {
                let first = parameter.tied.as_deref().unwrap_or_default();
                let what = if parameter.equal { "the values of" } else { "the same tensor as" };
                let why = format!("{what} `{first}`, which counts once");
                selected.left_out.push(LeftOut::new(parameter, Kind::Apart, why));
            }
            Some(why) if !(included && joins_neurons(parameter)) => {
                let kind = if why == UNTRAINED { Kind::Buffer } else { Kind::Apart };
                selected.left_out.push(LeftOut::new(parameter, kind, why));
            }
            _ => selected.matrices.push(Matrix {
                parameter,
                reads,
                made: reading.made,
                bias: reading.bias,
                put_back: why.is_some(),
                included,
                excluded,
                orientation,
                evidence,
                parallel: block(reads).is_some_and(|block| parallel.contains(block)),
            }),
        }
    }
    selected
}

/// The blocks that have one norm, at their beginning.
fn parallel_blocks<'a>(readings: &'a [Reading<'a>]) -> HashSet<&'a str> {
    const BEGINS: [&str; 8] =
        ["input_layernorm", "ln_1", "ln", "norm", "layer_norm", "layernorm", "pre_norm", "norm_1"];
    let mut norms: HashMap<&str, HashSet<&str>> = HashMap::new();
    for reading in readings {
        let path = reading.name.strip_suffix(".weight").unwrap_or(&reading.name);
        let path = path.strip_suffix(".linear").filter(|p| p.ends_with(".norm")).unwrap_or(path);
        let Some((stem, norm)) = path.rsplit_once('.') else { continue };
        let direct = stem.rsplit('.').next().is_some_and(|n| n.parse::<u32>().is_ok());
        if direct && is_norm(path) {
            norms.entry(stem).or_default().insert(norm);
        }
    }
    let begins =
        |norms: &HashSet<&str>| norms.len() == 1 && norms.iter().all(|n| BEGINS.contains(n));
    norms.into_iter().filter(|(_, norms)| begins(norms)).map(|(stem, _)| stem).collect()
}

/// Refuses patterns that match nothing, or no matrix where one is needed.
pub(super) fn check_patterns(
    parameters: &[&Parameter],
    selection: &Selection,
) -> Result<(), NetworkError> {
    let Selection { include, exclude, orient, rename, .. } = selection;
    let lists: [(&str, Vec<&String>); 4] = [
        ("include", include.iter().collect()),
        ("exclude", exclude.iter().collect()),
        ("orient", orient.iter().map(|(pattern, _)| pattern).collect()),
        ("rename", rename.iter().map(|(pattern, _)| pattern).collect()),
    ];
    for (list, patterns) in lists {
        for pattern in patterns {
            let mut hits = parameters.iter().filter(|p| matches(pattern, &p.name));
            let Some(first) = hits.next() else {
                return Err(NetworkError::PatternMatchesNothing {
                    list,
                    pattern: pattern.clone(),
                    count: parameters.len(),
                });
            };
            if matches!(list, "include" | "orient")
                && !joins_neurons(first)
                && !hits.any(|p| joins_neurons(p))
            {
                return Err(NetworkError::NothingToInclude {
                    list,
                    pattern: pattern.clone(),
                    name: first.name.clone(),
                    shape: first.shape.clone(),
                });
            }
        }
    }
    let stars = |pattern: &str| pattern.matches('*').count();
    match rename.iter().find(|(from, to)| stars(to) > stars(from)) {
        Some((from, to)) => Err(NetworkError::RenameStars { from: from.clone(), to: to.clone() }),
        None => Ok(()),
    }
}

fn first_match<'a>(patterns: &'a [String], name: &str) -> Option<&'a str> {
    let hit = patterns.iter().find(|pattern| matches(pattern, name));
    hit.map(String::as_str)
}

/// Whether a parameter holds edges.
fn joins_neurons(parameter: &Parameter) -> bool {
    parameter.shape.len() >= 2 && !parameter.shape.contains(&0)
}

fn without_edges(parameter: &Parameter, name: &str) -> Option<&'static str> {
    if parameter.shape.contains(&0) {
        Some("holds no weights")
    } else if parameter.shape.len() >= 2 {
        None
    } else if is_bias(name) {
        Some("bias: it joins no neurons")
    } else if is_norm(name) {
        Some("normalisation: it joins no neurons")
    } else {
        Some("fewer than two dimensions: it joins no neurons")
    }
}

fn left_out_by_name(name: &str) -> Option<&'static str> {
    if is_bias(name) {
        Some("bias")
    } else if is_norm(name) {
        Some("normalisation")
    } else if matches!(module(name), "lm_head" | "embed_out" | "output_head" | "out_head") {
        Some("output head")
    } else if is_embedding(name) {
        Some("embedding")
    } else if module(name).starts_with("relative_attention_bias")
        || module(name).starts_with("rel_pos")
    {
        Some("table of relative positions")
    } else {
        None
    }
}

/// Whether the module's name is one that output heads have, and last layers of other networks too.
pub(super) fn is_last_layer(name: &str) -> bool {
    matches!(
        module(name),
        "output" | "head" | "classifier" | "score" | "decoder" | "logits" | "unembed"
    ) || module(name).ends_with("_classifier")
}

fn is_bias(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.split('_').any(|word| word == "bias")
}

fn is_norm(name: &str) -> bool {
    module(name).split('_').any(|word| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
        word.ends_with("norm") || matches!(word, "ln" | "bn")
    })
}

/// Whether a kernel is the first convolution of a network, although the module around it is called
/// an embedder: patches are cut by kernels of even size.
fn is_stem(parameter: &Parameter, name: &str) -> bool {
    let odd =
        matches!(parameter.shape.as_slice(), [_, _, a, b] if a % 2 == 1 && b % 2 == 1 && a * b > 1);
    odd && name.split('.').any(|segment| segment == "embedder")
}

const NO_WEIGHT: &str = "by its name a buffer, a scale or a table: it joins no neurons";

/// Whether a tensor's own name, not that of a module, is one that buffers, scales and tables of
/// positions or tokens have.
fn is_no_weight(name: &str) -> bool {
    let leaf = name.rsplit('.').next().unwrap_or(name);
    let own = if leaf == "weight" { module(name) } else { leaf };
    let own = own.to_ascii_lowercase();
    if own.ends_with("_token") || own.ends_with("_tokens") {
        return true;
    }
    if leaf == "weight" {
        return false;
    }
    const NAMES: [&str; 26] = [
        "pe",
        "tril",
        "mask",
        "causal_mask",
        "position_enc",
        "pos_encoding",
        "positional_encoding",
        "pos_table",
        "pos_embedding",
        "attention_biases",
        "attention_bias_idxs",
        "relative_position_index",
        "a_log",
        "d",
        "layer_scale",
        "layer_scale_1",
        "layer_scale_2",
        "gamma",
        "gain",
        "scale",
        "log_scale",
        "logit_scale",
        "temperature",
        "scale_shift_table",
        "inv_freq",
        "translate",
    ];
    NAMES.contains(&own.as_str()) || own.ends_with("_position_bias_table") || own.ends_with("_mask")
}

/// Checks only the module and the one around it (`embeddings.word_embeddings`, `patch_embed.proj`):
/// a complete model may have a name such as `embedder`.
fn is_embedding(name: &str) -> bool {
    let path = name.strip_suffix(".weight").unwrap_or(name);
    // The table that encoder and decoder share in T5 and BART.
    if matches!(path, "shared" | "model.shared" | "transformer.shared") {
        return true;
    }
    path.rsplit('.').take(2).any(|segment| {
        let segment = segment.to_ascii_lowercase();
        // A diffusion model's block projects the time's embedding with a matrix like any other.
        let projected = segment.ends_with("emb_proj");
        !projected
            && segment
                .split('_')
                .any(|word| word.starts_with("embed") || matches!(word, "emb" | "wte" | "wpe"))
    })
}

/// The segment before `.weight`, or the last one; without the number of a duplicate.
fn module(name: &str) -> &str {
    let path = name.strip_suffix(".weight").unwrap_or(name);
    let module = path.rsplit('.').next().unwrap_or(path);
    match module.rsplit_once("__") {
        Some((module, number)) if number.bytes().all(|b| b.is_ascii_digit()) => module,
        _ => module,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_left_out() {
        for (name, expected) in [
            ("gpt_neox.embed_in.weight", Some("embedding")),
            ("embed_out.weight", Some("output head")),
            ("transformer.wte.weight", Some("embedding")),
            ("transformer.wpe", Some("embedding")),
            ("model.embed_tokens.weight", Some("embedding")),
            ("tok_embeddings.weight", Some("embedding")),
            ("bert.embeddings.word_embeddings.weight", Some("embedding")),
            ("bert.embeddings.position_embeddings.weight", Some("embedding")),
            ("lm_head.weight", Some("output head")),
            ("gpt_neox.layers.0.attention.bias", Some("bias")),
            ("model.norm.weight", Some("normalisation")),
            ("h.0.ln_1.weight", Some("normalisation")),
            ("block.norm1.linear.weight", None),
            ("embedder.layers.0.attention.q_proj.weight", None),
            ("bert.encoder.layer.0.attention.output.dense.weight", None),
            ("output.weight", None),
            ("0.weight", None),
            ("member.weight", None),
            ("mid_block.resnets.0.time_emb_proj.weight", None),
            ("patch_embed.proj.weight", Some("embedding")),
            ("vit.embeddings.patch_embeddings.projection.weight", Some("embedding")),
            ("shared.weight", Some("embedding")),
            ("transformer.h.0.attn.masked_bias", Some("bias")),
        ] {
            assert_eq!(left_out_by_name(name), expected, "{name}");
        }
    }
}
