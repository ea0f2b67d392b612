//! Names without what modules that wrap others add to them.

use std::collections::{BTreeMap, BTreeSet};

/// What `torch.compile`, FSDP and activation checkpointing add, anywhere in a name.
const WRAPPERS: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// What `DataParallel` adds, and what a module may have of its own.
const MODULE: &str = "module";

/// The names without wrappers, in their order; none where there are no wrappers, or where two names would
/// then be one. `module` is one where it is `pickled`, and where nothing is next to it at any place of a
/// pattern: `blocks.N.module` at all numbers N.
pub(super) fn unwrapped<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    pickled: bool,
) -> Option<Vec<String>> {
    let plain: Vec<String> =
        names.clone().map(|name| without(name, |_, part| !WRAPPERS.contains(&part))).collect();
    let modules = if pickled { only_modules(&plain) } else { BTreeSet::new() };
    let kept = |before: &str, part: &str| part != MODULE || !modules.contains(&pattern(before));
    let renamed: Vec<String> = plain.iter().map(|name| without(name, kept)).collect();
    let (others, different) =
        (renamed.iter().collect::<BTreeSet<_>>(), names.zip(&renamed).any(|(a, b)| a != b));
    (different && others.len() == renamed.len()).then_some(renamed)
}

/// A name with those of its parts for which `keep` is true, given what is before them; its last part stays.
fn without(name: &str, keep: impl Fn(&str, &str) -> bool) -> String {
    let (mut kept, mut at) = (Vec::new(), 0);
    for part in name.split('.') {
        let last = at + part.len() == name.len();
        if last || keep(name[..at].trim_end_matches('.'), part) {
            kept.push(part);
        }
        at += part.len() + 1;
    }
    kept.join(".")
}

/// The places, as patterns, at which all names have `module`.
fn only_modules(names: &[String]) -> BTreeSet<String> {
    let mut next: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let with_module = names.iter().any(|name| name.split('.').any(|part| part == MODULE));
    for name in names.iter().filter(|_| with_module) {
        let mut at = 0;
        for part in name.split('.') {
            let last = at + part.len() == name.len();
            // Of a tensor itself it is the name.
            let part_of = if last && part == MODULE { "" } else { part };
            let parts = next.entry(pattern(name[..at].trim_end_matches('.'))).or_default();
            parts.insert(part_of);
            at += part.len() + 1;
        }
    }
    let only = |parts: &BTreeSet<&str>| parts.iter().eq(&[MODULE]);
    next.into_iter().filter(|(_, parts)| only(parts)).map(|(place, _)| place).collect()
}

/// A place in names, with the same text for all numbers.
fn pattern(place: &str) -> String {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let parts = place.split('.').map(|part| if is_number(part) { "0" } else { part });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str], pickled: bool) -> Vec<String> {
        let all = unwrapped(names.iter().copied(), pickled);
        all.unwrap_or_else(|| names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn wrappers_are_removed_anywhere_in_a_name() {
        let names = [
            "_fsdp_wrapped_module.layers.0._fsdp_wrapped_module._orig_mod.a",
            "_fsdp_wrapped_module.layers.1._checkpoint_wrapped_module.a",
            "head.weight",
        ];
        for pickled in [false, true] {
            assert_eq!(of(&names, pickled), ["layers.0.a", "layers.1.a", "head.weight"]);
        }
        // Names stay apart, and a tensor of that name has it.
        assert_eq!(of(&["_orig_mod.a", "a"], true), ["_orig_mod.a", "a"]);
        assert_eq!(of(&["b._orig_mod"], true), ["b._orig_mod"]);
    }

    #[test]
    fn module_is_removed_where_nothing_is_next_to_it() {
        assert_eq!(of(&["module.a", "module.module.b"], true), ["a", "module.b"]);
        assert_eq!(of(&["module.a", "b"], true), ["module.a", "b"]);
        assert_eq!(
            of(&["encoder.module.a", "encoder.module.b", "c"], true),
            ["encoder.a", "encoder.b", "c"]
        );
        assert_eq!(of(&["module.module.a", "module.module.b"], true), ["a", "b"]);
        let blocks = ["blocks.0.module.a", "blocks.1.module.a"];
        assert_eq!(of(&blocks, true), ["blocks.0.a", "blocks.1.a"]);
        assert_eq!(of(&blocks, false), blocks, "names of other formats are the module's own");
        let mixed = ["blocks.0.module.a", "blocks.1.module.a", "blocks.1.norm.a"];
        assert_eq!(of(&mixed, true), mixed);
        assert_eq!(of(&["a.module", "b.x"], true), ["a.module", "b.x"]);
    }
}
