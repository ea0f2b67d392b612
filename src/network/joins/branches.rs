//! Convolutions next to each other: shortcuts, branches, lists whose channels are put side by side.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::paths::{base, split};
use super::super::reading::Bias;
use super::super::select::Matrix;
use super::Joins;

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

impl<'a> Joins<'a, '_> {
    pub(super) fn shortcuts(&mut self) {
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
        let small_stem = self.matrices.iter().any(is_small_stem);
        let mut begun: HashSet<&str> = HashSet::new();
        for (k, base) in self.bases.iter().enumerate() {
            if self.matrices[k].shape().len() < 3 {
                continue;
            }
            let Some((block, rest)) = is_shortcut(base) else { continue };
            // Only the first convolution of a shortcut reads the block.
            if !begun.insert(&base[..base.len() - rest.len()]) {
                continue;
            }
            let Some(&first) = firsts.get(block) else { continue };
            // Something without weights, a pooling, comes before the shortcut's convolution, except
            // in the first stage, which keeps its positions.
            let first_stage =
                base.contains("downsample.") && block.split('.').any(|s| s == "layer1");
            let unnormed =
                pools_unnormed(&self.matrices[k]) && (small_stem || !block.ends_with("stages.0.0"));
            let pooled = rest == ".1" && !first_stage || unnormed;
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
    pub(super) fn branches(&mut self) {
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

    /// Convolutions of one list with kernels of different sizes, whose channels the next matrix
    /// reads side by side (Kim's CNN for text).
    pub(super) fn concatenated(&mut self) {
        for (key, which) in side_by_side(self.matrices) {
            self.join(&format!("{key}.in"), &which);
        }
    }
}

/// Whether a shortcut pools before its convolution, in a network without normalisation: its convolutions
/// have biases.
pub(in crate::network) fn pools_unnormed(shortcut: &Matrix<'_>) -> bool {
    shortcut.path().ends_with("downsample.conv") && shortcut.bias != Bias::Absent
}

/// Whether a network begins with one small convolution, so that its first stage pools too.
pub(in crate::network) fn is_small_stem(matrix: &Matrix<'_>) -> bool {
    matrix.path() == "stem.conv" && matrix.taps() < 10
}

/// Lists of convolutions that read one layer: equally many channels in and out, and a matrix reads
/// the channels of all side by side (perhaps next to those of a pooling). They cannot chain, or
/// have another size of kernel each.
pub(in crate::network) fn side_by_side<'a>(matrices: &[Matrix<'a>]) -> Vec<(&'a str, Vec<usize>)> {
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
