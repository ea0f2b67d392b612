//! Text for a terminal: nothing that a file or a program chose moves the cursor, hides text or turns
//! its direction.

use std::borrow::Cow;
use std::fmt::Write;

/// The most characters that a table or a picture shows of a name.
const SHOWN: usize = 80;

/// Whether a terminal acts on this character, or shows those around it in another order: C0, DEL, C1,
/// the separators of lines and paragraphs, and what sets a direction.
fn acts(c: char) -> bool {
    let directs = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}');
    c.is_control() || directs || matches!(c, '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escape) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !escape(c) => escaped.push(c),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            // As in JSON; all of these have four digits or fewer.
            c => write!(escaped, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
        }
    }
    escaped.into()
}

/// One line of text, with escapes (`\n`, `\u001b`) for the characters on which a terminal acts.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, acts)
}

/// As [`printable`], for a text of several lines. JSON stays JSON.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| acts(c) && c != '\n')
}

/// A name, of any length, for a table or a picture: a long one without its middle.
pub fn shown_name(name: &str) -> String {
    let count = name.chars().count();
    if count <= SHOWN {
        return printable(name).into_owned();
    }
    let end = SHOWN / 3;
    let first: String = name.chars().take(SHOWN - 1 - end).collect();
    let last: String = name.chars().skip(count - end).collect();
    printable(&format!("{first}…{last}")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped() {
        let text = "a\u{1b}[2J\u{9b}K\u{7f}\u{202e}b\u{2066}\n\r\té α0 …";
        let one = "a\\u001b[2J\\u009bK\\u007f\\u202eb\\u2066\\n\\r\\té α0 …";
        assert_eq!(printable(text), one);
        assert_eq!(printable_lines(text), one.replace("\\n", "\n"));
        for c in ('\0'..='\u{ffff}').filter(|&c| acts(c)) {
            assert!(!printable(&c.to_string()).contains(acts), "{c:?}");
        }
        assert!(matches!(printable("E_stable ± 0.1"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_reads_back() {
        let value = serde_json::json!({ "na\u{9b}me\n": ["\u{202e}", "\u{1b}\u{7f}\0"] });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let printed = printable_lines(&text);
        assert_ne!(printed, text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }

    #[test]
    fn a_long_name_keeps_its_ends() {
        for length in [81, 65_535, 1 << 20] {
            let name = format!("é{}\u{1b}z", "m".repeat(length - 3));
            let shown = shown_name(&name);
            assert!(shown.starts_with("émm") && shown.ends_with("m\\u001bz"), "{shown}");
            assert!(shown.chars().count() <= SHOWN + 6, "{shown}");
        }
        assert_eq!(shown_name("h.0.attn.c_attn.weight"), "h.0.attn.c_attn.weight");
    }
}
