//! Colours and the style sheet of the pictures.
//!
//! The lines have the colours of Okabe and Ito (Color Universal Design, 2008), which can be
//! distinguished with any kind of colour vision; grey stands for their sky blue, which is too near to
//! their blue. Orange, yellow and purple are darker on paper, so that labels in these colours are
//! legible. Quantities use the viridis map, whose lightness
//! rises evenly, without the end that would be invisible on the background.

use std::fmt::Write;

/// Number of colours in the scale of steps.
pub(super) const SHADES: usize = 8;

/// Number of colours for lines.
pub(super) const LINES: usize = 6;

/// Every tenth colour of viridis.
const VIRIDIS: [[u8; 3]; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

/// Number of colours in the scale of quantities from -1 to 1; odd, so that 0 has one of its own.
pub(super) const LEVELS: usize = 41;

/// What the background is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    Light,
    Dark,
}

impl Theme {
    /// Text, faint text, grid, background, then the lines.
    fn colours(self) -> [(&'static str, &'static str); 4 + LINES] {
        match self {
            Self::Light => [
                ("ink", "#1a1a1a"),
                ("faint", "#595959"),
                ("grid", "#e3e3e3"),
                ("paper", "#ffffff"),
                ("c1", "#0072b2"),
                ("c2", "#c65500"),
                ("c3", "#00835f"),
                ("c4", "#a8518a"),
                ("c5", "#9a6a00"),
                ("c6", "#4d4d4d"),
            ],
            Self::Dark => [
                ("ink", "#ececec"),
                ("faint", "#a8a8a8"),
                ("grid", "#343a42"),
                ("paper", "#15181c"),
                ("c1", "#5cb2ea"),
                ("c2", "#ff8f4a"),
                ("c3", "#2fc79a"),
                ("c4", "#e39ac5"),
                ("c5", "#e9b33a"),
                ("c6", "#c9c9c9"),
            ],
        }
    }

    /// A colour of the scale of quantities from -1 to 1: blue below 0, orange above, and at 0 nearly
    /// the background.
    fn diverging(self, at: f64) -> String {
        let colours = match self {
            Self::Light => {
                [[0, 82, 147], [98, 163, 209], [238, 238, 236], [233, 150, 96], [176, 66, 0]]
            }
            Self::Dark => {
                [[120, 196, 245], [44, 112, 163], [38, 42, 48], [170, 84, 32], [255, 160, 95]]
            }
        };
        mixed(&colours, (at + 1.0) / 2.0)
    }

    /// Names of the colours with their values.
    fn values(self) -> Vec<(String, String)> {
        let named = self.colours().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (from, to) = match self {
            Self::Light => (0.0, 0.8),
            Self::Dark => (0.35, 1.0),
        };
        let shade = |k: usize| from + (to - from) * k as f64 / (SHADES - 1) as f64;
        let shades = (0..SHADES).map(|k| (format!("k{k}"), sequential(shade(k))));
        let level = |k: usize| 2.0 * k as f64 / (LEVELS - 1) as f64 - 1.0;
        let levels = (0..LEVELS).map(|k| (format!("d{k}"), self.diverging(level(k))));
        named.into_iter().chain(shades).chain(levels).collect()
    }
}

/// The colour at this position of a list of colours, 0 to 1.
fn mixed(colours: &[[u8; 3]], at: f64) -> String {
    let position = at.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let k = (position as usize).min(colours.len() - 2);
    let mut text = "#".to_owned();
    for (a, b) in colours[k].iter().zip(colours[k + 1]) {
        let value = f64::from(*a) + (position - k as f64) * (f64::from(b) - f64::from(*a));
        let _ = write!(text, "{:02x}", value.round() as u8);
    }
    text
}

/// A colour of the scale of quantities from 0 to 1.
pub(super) fn sequential(at: f64) -> String {
    mixed(&VIRIDIS, at)
}

/// The name of the colour of a quantity from -1 to 1.
pub(super) fn level(at: f64) -> String {
    let position = (at.clamp(-1.0, 1.0) + 1.0) / 2.0 * (LEVELS - 1) as f64;
    format!("d{}", position.round() as usize)
}

/// The rules for a page: colours are variables, dark ones where the reader asked for dark.
pub(super) fn page_rules() -> String {
    let variables = |theme: Theme| {
        let one = |(name, value): (String, String)| format!("--{name}:{value};");
        theme.values().into_iter().map(one).collect::<String>()
    };
    let (light, dark) = (variables(Theme::Light), variables(Theme::Dark));
    let rules = rules(&|name| format!("var(--{name})"));
    format!(
        ":root{{color-scheme:light dark;{light}}}\n\
         @media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}"
    )
}

/// The rules for a file of one picture: the colours on paper.
pub(super) fn file_rules() -> String {
    let values = Theme::Light.values();
    let value = |name: &str| values.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    rules(&|name| value(name).unwrap_or_default())
}

fn rules(colour: &dyn Fn(&str) -> String) -> String {
    let mut text = format!(
        ".fig text{{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;font-size:9px;\
         fill:{}}}\n.fig .faint{{fill:{}}}\n.fig .head{{font-weight:bold}}\n\
         .fig .grid{{stroke:{};stroke-width:.6;fill:none}}\n\
         .fig .axis{{stroke:{};stroke-width:.7;fill:none}}\n\
         .fig .line{{fill:none;stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}}\n\
         .fig .thin{{fill:none;stroke-width:.7}}\n\
         .fig .dash{{stroke-dasharray:4 2.5}}\n.fig .dots{{stroke-dasharray:.1 2.8}}\n\
         .fig .band{{stroke:none;fill-opacity:.2}}\n.fig .ridge{{fill-opacity:.35}}\n",
        colour("ink"),
        colour("faint"),
        colour("grid"),
        colour("faint"),
    );
    let names = (1..=LINES).map(|k| format!("c{k}")).chain((0..SHADES).map(|k| format!("k{k}")));
    for name in names.chain(["faint".to_owned()]) {
        let value = colour(&name);
        let _ = writeln!(
            text,
            ".fig .s-{name}{{stroke:{value}}}.fig .f-{name}{{fill:{value}}}\
             .fig text.t-{name}{{fill:{value}}}"
        );
    }
    for k in 0..LEVELS {
        let _ = write!(text, ".fig .f-d{k}{{fill:{}}}", colour(&format!("d{k}")));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_between_by_hand() {
        assert_eq!(sequential(0.0), "#440154");
        assert_eq!(sequential(1.0), "#fde725");
        // Halfway between (68, 1, 84) and (72, 36, 117): 18.5 and 100.5 round up.
        assert_eq!(sequential(0.05), "#461365");
        assert_eq!(Theme::Light.diverging(0.0), "#eeeeec");
        assert_eq!(Theme::Dark.diverging(1.0), "#ffa05f");
        assert_eq!(
            [-2.0, -1.0, 0.0, 0.02, 0.03, 1.0].map(level),
            ["d0", "d0", "d20", "d20", "d21", "d40"]
        );
    }
}
