//! Stacks of blocks that stand side by side in one network: the encoders of text and pictures, an
//! encoder and a decoder. Each is a group of its own, so that layers.csv has its numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{split, stack};
use super::plan::Plan;

/// The last segments of matrices that make queries.
const QUERIES: [&str; 13] = [
    "q_proj",
    "wq",
    "q",
    "query",
    "q_lin",
    "to_q",
    "qkv",
    "qkv_proj",
    "query_key_value",
    "c_attn",
    "in_proj",
    "in_proj_weight",
    "wqkv",
];

/// Names the group of each layer, where blocks of attention are in several modules, none of which is
/// within another.
pub(super) fn mark(plan: &mut Plan) {
    let attends = |path: &&str| QUERIES.contains(&split(path).1.to_ascii_lowercase().as_str());
    let paths = plan.connections.iter().map(|c| c.parameter.trim_end_matches(".weight"));
    let modules = paths.filter(attends).filter_map(|path| {
        let list = stack(path);
        (list != path).then(|| split(list).0)
    });
    let modules: BTreeSet<&str> = modules.collect();
    let outer = |module: &&str| !modules.iter().any(|other| within(module, other));
    let modules: Vec<&str> = modules.iter().copied().filter(outer).collect();
    if modules.len() < 2 {
        return;
    }
    let towers: Vec<String> = (1..)
        .map(|depth| modules.iter().map(|module| first(module, depth)).collect())
        .find(|names: &BTreeSet<&str>| names.len() == modules.len())
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .collect();
    let mut groups: BTreeMap<usize, &String> = BTreeMap::new();
    for leaving in [true, false] {
        for connection in &plan.connections {
            let layer = if leaving { connection.source } else { connection.target };
            if let Some(tower) = towers.iter().find(|tower| within(&connection.parameter, tower)) {
                groups.entry(layer).or_insert(tower);
            }
        }
    }
    for (layer, tower) in groups {
        plan.layers[layer].group = Some(tower.clone());
    }
}

/// Whether a path is in a module, and not the module itself.
fn within(path: &str, module: &str) -> bool {
    path != module
        && (module.is_empty() || path.strip_prefix(module).is_some_and(|r| r.starts_with('.')))
}

/// The first segments of a path.
fn first(path: &str, segments: usize) -> &str {
    let end = path.match_indices('.').nth(segments - 1).map_or(path.len(), |(at, _)| at);
    &path[..end]
}
