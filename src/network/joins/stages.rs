//! What several matrices read of the stages of a backbone: fusions of resolutions (HRNet), and a
//! neck next to the following stage (SegFormer).

use std::collections::BTreeMap;

use super::Joins;

impl Joins<'_, '_> {
    pub(super) fn stages(&mut self) {
        let mut readers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (k, base) in self.bases.iter().enumerate() {
            if let Some(layer) = read_by(base) {
                readers.entry(layer).or_default().push(k);
            }
        }
        for (layer, which) in readers {
            let width = self.widths[which[0]];
            if which.len() > 1 && which.iter().all(|&k| self.widths[k] == width) {
                self.join(&layer, &which);
            }
        }
    }
}

/// The output of a stage or of a branch that a matrix of this path reads.
fn read_by(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('.').collect();
    let number = |segment: &str| segment.parse::<usize>().ok();
    let begins = |rest: &[&str]| matches!(rest, ["0"] | ["0", "0"]);
    for (at, segment) in segments.iter().enumerate() {
        let around = segments[..at].join(".");
        match (*segment, &segments[at + 1..]) {
            // From branch j to branch i.
            ("fuse_layers", [_, j, rest @ ..]) if begins(rest) => {
                return Some(format!("{around}.branches.{}.out", number(j)?));
            }
            // A branch that is new comes from the last one before it.
            (name, [k, rest @ ..]) if begins(rest) && name.starts_with("transition") => {
                let stage = number(&name["transition".len()..])?;
                return Some(match (stage, number(k)?) {
                    (1, _) => format!("{around}.stage1.out"),
                    (_, k) => format!("{around}.stage{stage}.{}.out", k.checked_sub(1)?),
                });
            }
            (name, ["0", "branches", j, "0", "conv1"]) if name.starts_with("stage") => {
                let stage = number(&name["stage".len()..])?.checked_sub(1)?;
                return Some(format!("{around}.stage{stage}.{}.out", number(j)?));
            }
            ("linear_c", [stage, ..]) => return Some(format!("stage.{}.out", number(stage)?)),
            ("patch_embeddings", [next, ..]) => {
                return Some(format!("stage.{}.out", number(next)?.checked_sub(1)?));
            }
            _ => {}
        }
    }
    None
}
