//! Parts of the paths of parameters: modules, blocks, stacks.

/// The stack that a module belongs to: its path before the first number.
pub(super) fn stack(scope: &str) -> &str {
    let mut end = 0;
    for segment in scope.split('.') {
        if segment.parse::<u32>().is_ok() {
            return scope[..end].trim_end_matches('.');
        }
        end += segment.len() + 1;
    }
    scope
}

/// The mixture that a matrix of an expert belongs to.
pub(super) fn expert_root(path: &str) -> Option<&str> {
    let mut at = 0;
    for segment in path.split('.') {
        let lower = segment.to_ascii_lowercase();
        let numbered = lower.strip_prefix("expert").is_some_and(|n| {
            let n = n.trim_start_matches(['s', '_']);
            n.is_empty() || n.parse::<u32>().is_ok()
        });
        if numbered || matches!(lower.as_str(), "local_experts" | "routed_experts") {
            return Some(path[..at].trim_end_matches('.'));
        }
        at += segment.len() + 1;
    }
    None
}

/// The block that a matrix belongs to: its path up to the last number.
pub(super) fn block(path: &str) -> Option<&str> {
    let mut end = path.len();
    for segment in path.rsplit('.') {
        if segment.parse::<u32>().is_ok() {
            return Some(&path[..end]);
        }
        end = end.saturating_sub(segment.len() + 1);
    }
    None
}

/// A path without the segments at its end that only say what a module is.
pub(super) fn base(path: &str) -> &str {
    let mut path = path;
    while let Some((around, last)) = path.rsplit_once('.') {
        let last = last.to_ascii_lowercase();
        if !matches!(
            last.as_str(),
            "conv" | "convolution" | "linear" | "layer" | "base_layer" | "classifier"
        ) {
            break;
        }
        path = around;
    }
    path
}

/// A path's module and its last segment.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}
