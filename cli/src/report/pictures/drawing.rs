//! SVG text: lines, areas and words.
//!
//! One unit is a point (1/72 inch) in print. Text is 9 points high; its width is estimated from the
//! widths of Helvetica's characters, with a margin for wider fonts.

use std::collections::BTreeMap;
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
    /// What the page's script makes of it, and from which numbers (JSON).
    script: Option<(&'static str, String)>,
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
        Self { width, height, title: plain(title), body: String::new(), script: None }
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
        // The first corner, then the way from corner to corner: shorter than their places.
        let mut d = String::new();
        let mut before = (0, 0);
        for (k, (x, y)) in points.iter().enumerate() {
            let at = ((10.0 * x).round() as i64, (10.0 * y).round() as i64);
            let mark = if k == 0 { "M" } else { "l" };
            let _ = write!(d, "{mark}{} {}", tenths(at.0 - before.0), tenths(at.1 - before.1));
            before = at;
        }
        let _ = writeln!(self.body, r#"<path class="{class}" d="{d}{end}"/>"#);
    }

    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (x, y, radius) = (short(x), short(y), short(radius));
        let _ = writeln!(self.body, r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#);
    }

    /// A dot with words for a reader who points at it.
    pub(super) fn point(&mut self, class: &str, (x, y): (f64, f64), radius: f64, words: &str) {
        let (x, y, radius, words) = (short(x), short(y), short(radius), escape(words));
        let _ = writeln!(
            self.body,
            r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"><title>{words}</title></circle>"#
        );
    }

    /// A small triangle that points down to where something begins, with words for a reader who
    /// points at it.
    pub(super) fn begins(&mut self, class: &str, (x, y): (f64, f64), words: &str) {
        let (left, right, middle) = (short(x - 3.0), short(x + 3.0), short(x));
        let (top, tip, words) = (short(y), short(y + 5.0), escape(words));
        let _ = writeln!(
            self.body,
            r#"<path class="{class}" d="M{left} {top}L{right} {top}L{middle} {tip}Z"><title>{words}</title></path>"#
        );
    }

    /// Cells of a grid: of each colour their columns, rows and how many columns they reach over.
    pub(super) fn cells(
        &mut self,
        (left, top): (f64, f64),
        (width, height): (f64, f64),
        coloured: &BTreeMap<String, Vec<(usize, usize, usize)>>,
    ) {
        let (left, top) = (short(left), short(top));
        let _ = writeln!(
            self.body,
            r#"<g shape-rendering="crispEdges" transform="translate({left} {top}) scale({width:.4} {height:.4})">"#
        );
        for (colour, cells) in coloured {
            let one = |(x, y, n): &(usize, usize, usize)| format!("M{x} {y}h{n}v1h-{n}z");
            let d: String = cells.iter().map(one).collect();
            let _ = writeln!(self.body, r#"<path class="f-{colour}" d="{d}"/>"#);
        }
        self.body += "</g>\n";
    }

    /// Text; `_{…}` is a subscript, `*…*` is italic.
    pub(super) fn words(&mut self, class: &str, anchor: Anchor, at: (f64, f64), text: &str) {
        self.text(class, anchor, at, text, "");
    }

    fn text(&mut self, class: &str, anchor: Anchor, (x, y): (f64, f64), text: &str, title: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y, set) = (short(x), short(y), set(text));
        let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
        let _ = writeln!(
            self.body,
            r#"<text{class} x="{x}" y="{y}" text-anchor="{anchor}">{title}{set}</text>"#
        );
    }

    /// A name that may be shortened, with the whole name for a reader who points at it.
    pub(super) fn named(&mut self, anchor: Anchor, at: (f64, f64), text: &str, whole: &str) {
        self.text("", anchor, at, text, &format!("<title>{}</title>", escape(whole)));
    }

    /// Has the page's script draw it again, as a `chart` or a `map`, from these numbers (JSON).
    pub(super) fn with_script(self, class: &'static str, numbers: String) -> Self {
        Self { script: Some((class, numbers)), ..self }
    }

    /// The element for a page that has the rules of [`style::page_rules`], with the numbers for its script.
    pub(super) fn inline(&self) -> String {
        let svg = self.document("", "");
        match &self.script {
            None => svg,
            Some((class, numbers)) => format!(
                "<div class=\"{class}\">\n{svg}<script type=\"application/json\">{numbers}</script>\n\
                 </div>\n"
            ),
        }
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
        let Self { width, height, title, body, .. } = self;
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
    trimmed(format!("{value:.2}"))
}

/// So many tenths of a point.
fn tenths(count: i64) -> String {
    trimmed(format!("{:.1}", count as f64 / 10.0))
}

fn trimmed(text: String) -> String {
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

/// The words as SVG.
pub(super) fn set(text: &str) -> String {
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
        let mut drawing = Drawing::new(10.0, 10.0, "");
        drawing.area("a", &[(1.04, 2.0), (2.06, 2.06), (1.0, 0.0)]);
        assert_eq!(drawing.body, "<path class=\"a\" d=\"M1 2l1.1 0.1l-1.1 -2.1Z\"/>\n");
    }
}
