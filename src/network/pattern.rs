//! Patterns of parameter names: `*` matches any run of characters, all else itself.

/// Whether a pattern matches a whole name.
pub fn matches(pattern: &str, name: &str) -> bool {
    captures(pattern, name).is_some()
}

/// What each `*` of a pattern matches in a name; none where it does not match the whole name.
pub(super) fn captures<'n>(pattern: &str, name: &'n str) -> Option<Vec<&'n str>> {
    let Some((head, tail)) = pattern.split_once('*') else {
        return (pattern == name).then(Vec::new);
    };
    let mut rest = name.strip_prefix(head)?;
    let mut pieces: Vec<&str> = tail.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    let mut stars = Vec::with_capacity(pieces.len() + 1);
    // Leftmost places leave the most for the pieces that follow.
    for piece in pieces {
        let (star, after) = rest.split_once(piece)?;
        stars.push(star);
        rest = after;
    }
    stars.push(rest.strip_suffix(last)?);
    Some(stars)
}

/// Fills the stars of `to` with what those of `from` match in a name, in order; none where
/// `from` does not match.
pub(super) fn renamed(from: &str, to: &str, name: &str) -> Option<String> {
    let stars = captures(from, name)?;
    let mut stars = stars.into_iter();
    let mut pieces = to.split('*');
    let mut new = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        new.push_str(stars.next().unwrap_or_default());
        new.push_str(piece);
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_runs_and_all_else_itself() {
        for (pattern, name, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.b", "aXb", false),
            ("*", "", true),
            ("a*", "a", true),
            ("*.mlp.*", "layers.0.mlp.up.weight", true),
            ("*.mlp.*", "mlp.up.weight", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("*aab", "aaab", true),
            ("*aab*b", "aaab", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn renamed_names_keep_what_the_stars_stand_for() {
        for (from, to, name, expected) in [
            ("fc21.*", "fc2.mean.*", "fc21.weight", Some("fc2.mean.weight")),
            ("block*.attn_*", "h.*.attn.*", "block3.attn_q.weight", Some("h.3.attn.q.weight")),
            ("enc.*", "*", "enc.0.weight", Some("0.weight")),
            ("a*b*", "x*", "a1b2", Some("x1")),
            ("a", "b", "c", None),
        ] {
            assert_eq!(renamed(from, to, name).as_deref(), expected, "{from}={to} on {name}");
        }
    }
}
