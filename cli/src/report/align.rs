//! Cells of a table for a terminal.

use std::fmt::Write;

use neuromfa::internals::analysis::p_text;
use neuromfa::internals::record::shown_name;

/// A number with this many decimal places; small ones keep as many significant digits.
pub(super) fn rounded(cell: &str, digits: usize) -> String {
    match cell.parse::<f64>() {
        Ok(value) if value != 0.0 && value.abs() < 10f64.powi(1 - digits as i32) && digits > 0 => {
            format!("{value:.2e}")
        }
        Ok(value) => format!("{value:.digits$}"),
        Err(_) => cell.to_owned(),
    }
}

/// A p with two significant digits: `0.31`, `<0.001`; empty where there is none.
pub(super) fn p_cell(p: Option<f64>) -> String {
    p.map_or_else(String::new, |p| p_text(p).replace("p = ", "").replace("p < ", "<"))
}

/// How wide each column is, in characters.
pub(super) fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let columns = lines.first().map_or(0, Vec::len);
    let width =
        |k: usize| lines.iter().map(|line| shown_name(&line[k]).chars().count().max(1)).max();
    (0..columns).map(|k| width(k).unwrap_or(1)).collect()
}

/// Right-aligned columns; an absent value is a dash, a long name is shortened.
pub(super) fn align(text: &mut String, lines: &[Vec<String>]) {
    let shown = |line: &Vec<String>| line.iter().map(|cell| shown_name(cell)).collect();
    let lines: Vec<Vec<String>> = lines.iter().map(shown).collect();
    let widths = widths(&lines);
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{:>width$}", if cell.is_empty() { "-" } else { cell }))
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_meaning() {
        assert_eq!(rounded("0.123456789", 5), "0.12346");
        assert_eq!(rounded("0.0000123", 5), "1.23e-5");
        assert_eq!(rounded("0", 5), "0.00000");
        assert_eq!(rounded("", 5), "");
        assert_eq!(rounded("NaN", 5), "NaN");
        assert_eq!(rounded("320", 0), "320");
        let p = [0.314, 0.0049, 0.001, 0.000_99, 0.0].map(|p| p_cell(Some(p)));
        assert_eq!(p, ["0.31", "0.0049", "0.0010", "<0.001", "<0.001"]);
        assert_eq!(p_cell(None), "");
    }
}
