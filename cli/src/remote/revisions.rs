//! The revisions of a model that are asked for.

use std::io;

use anyhow::bail;
use neuromfa::internals::network::matches;

/// The schedule of the suite Pythia.
const PYTHIA: &str = "pythia";

/// The revisions in order, patterns and schedules expanded; `all` lists those that there are.
pub fn expanded(
    asked: &[String],
    all: impl Fn() -> io::Result<Vec<String>>,
) -> anyhow::Result<Vec<String>> {
    let mut revisions: Vec<String> = Vec::new();
    let mut listed = None;
    for asked in asked {
        let more = if asked == PYTHIA {
            pythia().map(|step| format!("step{step}")).collect()
        } else if asked.contains('*') {
            let there = match &listed {
                Some(there) => there,
                None => listed.insert(all()?),
            };
            let found: Vec<String> =
                there.iter().filter(|name| matches(asked, name)).cloned().collect();
            if found.is_empty() {
                bail!("no branch or tag is named {asked:?}; there are {}", there.join(", "));
            }
            found
        } else {
            vec![asked.clone()]
        };
        for revision in more {
            if !revisions.contains(&revision) {
                revisions.push(revision);
            }
        }
    }
    Ok(revisions)
}

/// The steps of Pythia's checkpoints.
fn pythia() -> impl Iterator<Item = u64> {
    let doubled = std::iter::once(0).chain((0..10).map(|k| 1 << k));
    doubled.chain((1..=143).map(|k| 1000 * k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_and_patterns_are_expanded() {
        let there =
            || Ok(["main", "step1-tokens0B", "step20-tokens8B"].map(str::to_owned).to_vec());
        let of = |asked: &[&str]| {
            expanded(&asked.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(), there)
        };
        let pythia = of(&["pythia"]).unwrap();
        assert_eq!(pythia.len(), 154);
        assert_eq!(pythia[..4], ["step0", "step1", "step2", "step4"]);
        assert_eq!(pythia[9..13], ["step256", "step512", "step1000", "step2000"]);
        assert_eq!(pythia[153], "step143000");
        assert_eq!(of(&["step0", "pythia"]).unwrap().len(), 154);
        assert_eq!(of(&["main", "step*B"]).unwrap().len(), 3);
        assert_eq!(of(&["*20*"]).unwrap(), ["step20-tokens8B"]);
        let error = of(&["x*"]).unwrap_err().to_string();
        assert!(error.contains("\"x*\"") && error.contains("step1-tokens0B"), "{error}");
    }
}
