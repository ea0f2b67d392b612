//! SVG text: lines, areas and words.
//!
//! One unit is a point (1/72 inch) in print. Text is 9 points high; its width is estimated from the
//! widths of Helvetica's characters, with a margin for wider fonts.

use std::fmt::Write;

use super::style;

/// Height of the words.
pub(super) const FONT: f64 = 9.0;

/// A picture under construction.
#[derive(Clone, Debug)]
pub(super) struct Drawing {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

/// Which end of a word is at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    /// An empty picture; the title is for those who cannot see it.
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        Self { width, height, title: plain(title), body: String::new() }
    }

    /// A line through points.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        self.element(class, points, "");
    }

    /// The area within points.
    pub(super) fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        self.element(class, points, "Z");
    }

    fn element(&mut self, class: &str, points: &[(f64, f64)], end: &str) {
        let mut d = String::new();
        for (k, (x, y)) in points.iter().enumerate() {
            let _ = write!(d, "{}{} {}", if k == 0 { "M" } else { "L" }, short(*x), short(*y));
        }
        let _ = writeln!(self.body, r#"<path class="{class}" d="{d}{end}"/>"#);
    }

    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (x, y, radius) = (short(x), short(y), short(radius));
        let _ = writeln!(self.body, r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#);
    }

    /// A rectangle of a class.
    pub(super) fn bar(&mut self, class: &str, at: (f64, f64), size: (f64, f64)) {
        self.rectangle(&format!(r#"class="{class}""#), at, size);
    }

    /// A rectangle of a colour.
    pub(super) fn cell(&mut self, colour: &str, at: (f64, f64), size: (f64, f64)) {
        self.rectangle(&format!(r#"fill="{colour}""#), at, size);
    }

    fn rectangle(&mut self, look: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let (x, y) = (short(x), short(y));
        let (width, height) = (short(width), short(height));
        let _ = writeln!(
            self.body,
            r#"<rect {look} x="{x}" y="{y}" width="{width}" height="{height}"/>"#
        );
    }

    /// Text; `_{…}` is a subscript, `*…*` is italic.
    pub(super) fn words(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, set) = (short(x), short(y), set(text));
        let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
        let _ = writeln!(
            self.body,
            r#"<text{class} x="{x}" y="{y}" text-anchor="{anchor}">{set}</text>"#
        );
    }

    /// The SVG element for a page that has the rules of [`style::page_rules`].
    pub(super) fn inline(&self) -> String {
        self.document("", "")
    }

    /// A separate SVG file, in the size for print.
    pub(super) fn file(&self) -> String {
        let millimetres = |points: f64| short(points * 25.4 / 72.0);
        let (width, height) = (millimetres(self.width), millimetres(self.height));
        self.document(
            &format!(r#" width="{width}mm" height="{height}mm""#),
            &format!("<style>\n{}</style>\n", style::file_rules()),
        )
    }

    fn document(&self, size: &str, rules: &str) -> String {
        let Self { width, height, title, body } = self;
        let (width, height) = (short(*width), short(*height));
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\"{size} \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">\n\
             {rules}<title>{title}</title>\n{body}</svg>\n"
        )
    }
}

/// A number to a hundredth of a point.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text escaped for XML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A word, whether it is a subscript and whether it is italic.
type Piece = (String, bool, bool);

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![(String::new(), false, false)];
    let (mut low, mut leaning) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '_' if rest.peek() == Some(&'{') => {
                rest.next();
                low = true;
            }
            '}' if low => low = false,
            '*' => leaning = !leaning,
            c => match pieces.last_mut() {
                Some((word, l, i)) if (*l, *i) == (low, leaning) => word.push(c),
                _ => pieces.push((c.to_string(), low, leaning)),
            },
        }
    }
    pieces.retain(|(word, ..)| !word.is_empty());
    pieces
}

fn set(text: &str) -> String {
    let mut out = String::new();
    let mut was_low = false;
    for (word, low, leaning) in pieces(text) {
        let word = escape(&word);
        let shift = match (was_low, low) {
            (false, true) => r#" dy="2""#,
            (true, false) => r#" dy="-2""#,
            _ => "",
        };
        let size = if low { r#" font-size="8""# } else { "" };
        let slant = if leaning { r#" font-style="italic""# } else { "" };
        was_low = low;
        if shift.is_empty() && size.is_empty() && slant.is_empty() {
            out += &word;
        } else {
            let _ = write!(out, "<tspan{shift}{size}{slant}>{word}</tspan>");
        }
    }
    out
}

/// The words without marks.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut was_low = false;
    for (word, low, _) in pieces(text) {
        if low && !was_low {
            out.push('_');
        }
        was_low = low;
        out += &word;
    }
    out
}

/// About how wide words are, rather too wide than too narrow.
pub(super) fn width(text: &str) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | 'I' | '!' => 0.28,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' | '[' | ']' => 0.36,
        'm' | 'M' | 'W' | '%' => 0.87,
        'w' | 'A'..='Z' => 0.72,
        // Wide in the fonts that replace Helvetica.
        '−' | '=' | '+' | '→' | '±' => 0.8,
        _ => 0.6,
    };
    let piece =
        |(word, low, _): &Piece| word.chars().map(em).sum::<f64>() * if *low { 8.0 } else { FONT };
    1.06 * pieces(text).iter().map(piece).sum::<f64>()
}

/// Text shortened so that it fits into `available`, with an ellipsis.
pub(super) fn cut(text: &str, available: f64) -> String {
    if width(text) <= available {
        return text.to_owned();
    }
    let mut kept: String = text.to_owned();
    while !kept.is_empty() && width(&kept) + width("…") > available {
        kept.pop();
    }
    kept + "…"
}

/// A name that may hold the marks of [`Drawing::words`], so that it is set as it is.
pub(super) fn name(text: &str) -> String {
    text.replace('*', "∗").replace("_{", "_\u{200b}{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_set_and_escaped() {
        assert_eq!(set("a < b & c"), "a &lt; b &amp; c");
        assert_eq!(
            set("*E*_{excess} 1"),
            "<tspan font-style=\"italic\">E</tspan><tspan dy=\"2\" font-size=\"8\">excess</tspan>\
             <tspan dy=\"-2\"> 1</tspan>"
        );
        assert_eq!(plain("*E*_{excess} 1"), "E_excess 1");
        assert_eq!(set(&name("a_{b}*c*")), "a_\u{200b}{b}∗c∗");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(cut("short", 100.0), "short");
        let kept = cut("a name that does not fit", 40.0);
        assert!(kept.ends_with('…') && width(&kept) <= 40.0, "{kept}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([1.0, 0.125, -0.001, 12.5].map(short), ["1", "0.12", "0", "12.5"]);
    }
}
