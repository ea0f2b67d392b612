//! Text in cells.
//!
//! A spreadsheet runs a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return. Such a
//! cell, one with control characters, and one that begins with `'`, is written with a `'` before it;
//! after that `'`, control characters and `\` are escaped as in Rust (`\0`, `\n`, `\u{1b}`, `\\`).
//! So a row is one line without NUL bytes. A number is written as it is.

use std::borrow::Cow;

/// A row's fields as text.
pub type Cells = Vec<String>;

/// A cell as it is written.
pub(super) fn encode(cell: &str) -> Cow<'_, str> {
    let runs = cell.starts_with(['=', '+', '-', '@', '\'']) && cell.parse::<f64>().is_err();
    if !runs && !cell.contains(char::is_control) {
        return cell.into();
    }
    let mut encoded = String::from("'");
    for c in cell.chars() {
        match c {
            '\0' => encoded.push_str("\\0"),
            '\\' => encoded.push_str("\\\\"),
            c if c.is_control() => encoded.extend(c.escape_default()),
            c => encoded.push(c),
        }
    }
    encoded.into()
}

/// A cell as it was before [`encode`]. What is no escape stays.
pub(super) fn decode(cell: String) -> String {
    let Some(mut rest) = cell.strip_prefix('\'') else { return cell };
    let mut decoded = String::with_capacity(rest.len());
    while let Some(c) = rest.chars().next() {
        let (c, length) = escape(rest).unwrap_or((c, c.len_utf8()));
        decoded.push(c);
        rest = &rest[length..];
    }
    decoded
}

/// The character for which an escape stands at the beginning of a text, and the escape's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('\\')?;
    Some(match rest.chars().next()? {
        '0' => ('\0', 2),
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        '\\' => ('\\', 2),
        'u' => {
            let (digits, _) = rest.strip_prefix("u{")?.split_once('}')?;
            (char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, digits.len() + 4)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]
        #[test]
        fn a_cell_reads_back(cell in "['=+@\\\\\\-0nu{}1b\0\n\r\t\u{1b}\u{9b}é,\"]{0,8}") {
            let encoded = encode(&cell).into_owned();
            prop_assert!(!encoded.contains(char::is_control));
            let runs = encoded.starts_with(['=', '+', '-', '@']);
            prop_assert!(!runs || encoded.parse::<f64>().is_ok());
            prop_assert_eq!(decode(encoded), cell);
        }
    }

    #[test]
    fn what_no_spreadsheet_runs_stays() {
        for cell in ["", "fc1.weight", "-0.5", "-inf", "+1e3", "a=b", "a\\0b", "C:\\nets", "NaN"] {
            assert_eq!(encode(cell), cell);
            assert_eq!(decode(cell.to_owned()), cell);
        }
        assert_eq!(encode("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(encode("-x\0\\"), "'-x\\0\\\\");
        assert_eq!(encode("'"), "''");
    }
}
