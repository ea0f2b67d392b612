//! A figure: pictures with what they show, or the reason why there is none.

use super::drawing::Drawing;

/// A figure of the report.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// Begins the names of its files.
    pub(super) name: &'static str,
    pub(super) title: String,
    /// How to read it, in plain words.
    pub(super) text: String,
    /// The name of each picture and the picture; or why there is none.
    pub(super) content: Result<Vec<(String, Drawing)>, String>,
}

impl Figure {
    /// A figure of one picture.
    pub(super) fn one(
        name: &'static str,
        title: &str,
        text: String,
        drawing: Result<Drawing, String>,
    ) -> Self {
        let content = drawing.map(|drawing| vec![(name.to_owned(), drawing)]);
        Self { name, title: title.to_owned(), text, content }
    }
}

/// A picture as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SvgFile {
    /// The file's name, without an ending.
    pub name: String,
    /// Its text: SVG with the colours of paper, no background, at the size that it should be printed.
    pub svg: String,
}

/// A number for a sentence: four significant digits, a true minus.
pub(super) fn number_text(value: f64) -> String {
    let size = value.abs();
    let sign = if value < 0.0 { "−" } else { "" };
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{sign}{size:.2e}").replace("e-", "e−");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    format!("{sign}{size:.digits$}")
}

/// An error for a sentence: two significant digits.
pub(super) fn error(value: f64) -> String {
    if !(1e-4..1e6).contains(&value) {
        return number_text(value);
    }
    let digits = (1 - value.log10().floor() as i32).clamp(0, 6) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::{error, number_text};

    #[test]
    fn numbers_keep_four_digits() {
        assert_eq!(number_text(0.156_543_21), "0.1565");
        assert_eq!(number_text(-0.000_240_079), "−0.000240");
        assert_eq!(number_text(8.286e-6), "8.29e−6");
        assert_eq!(number_text(1234.5), "1234");
        assert_eq!(number_text(0.0), "0");
        assert_eq!([0.027_98, 0.009_736, 3e-5].map(error), ["0.028", "0.0097", "3.00e−5"]);
    }
}
