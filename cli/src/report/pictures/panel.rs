//! A plane with two axes, and what is drawn on it.

use super::drawing::{Anchor, Drawing, FONT, width};
use super::scale::Scale;

/// A rectangle of a drawing with its scales.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

/// Values over steps: one entry for each step, `None` if the value is absent.
pub(super) type Values = Vec<Option<f64>>;

/// A line over steps, with how it looks and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Name of its colour.
    pub(super) colour: String,
    /// `dash`, `dots` or nothing.
    pub(super) pattern: &'static str,
    /// The label at its end.
    pub(super) label: String,
    /// What it is called in a list of values.
    pub(super) name: String,
    /// The number and name of its run, among several.
    pub(super) run: Option<(usize, String)>,
    pub(super) x: Vec<f64>,
    /// Seconds since the run began, for each of `x`.
    pub(super) seconds: Option<Vec<f64>>,
    pub(super) y: Values,
    /// Half the height of its band.
    pub(super) spread: Option<Values>,
    /// How many errors that is.
    pub(super) errors: f64,
}

impl Line {
    /// A line without a label and a band.
    pub(super) fn new(
        name: &str,
        (colour, pattern): (&str, &'static str),
        x: Vec<f64>,
        y: Values,
    ) -> Self {
        Self {
            colour: colour.to_owned(),
            pattern,
            label: String::new(),
            name: name.to_owned(),
            run: None,
            x,
            seconds: None,
            y,
            spread: None,
            errors: 1.0,
        }
    }

    /// With a band of two errors.
    pub(super) fn twice(self) -> Self {
        let double = |errors: Values| errors.into_iter().map(|se| se.map(|se| 2.0 * se)).collect();
        Self { spread: self.spread.map(double), errors: 2.0 * self.errors, ..self }
    }

    /// Whether it has a value.
    pub(super) fn is_there(&self) -> bool {
        self.y.iter().any(Option::is_some)
    }

    /// The values and the borders of its band.
    pub(super) fn reach(&self) -> impl Iterator<Item = f64> + Clone + '_ {
        let borders = self.band().flat_map(|(_, low, high)| [low, high]);
        self.y.iter().flatten().copied().chain(borders)
    }

    fn band(&self) -> impl Iterator<Item = (usize, f64, f64)> + Clone + '_ {
        let spreads = self.spread.iter().flatten().enumerate();
        spreads.filter_map(|(k, spread)| {
            let (y, spread) = (self.y[k]?, (*spread)?);
            Some((k, y - spread, y + spread))
        })
    }
}

impl Panel {
    /// The position of a point in the drawing.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.left + self.width * self.x.at(x), self.top + self.height * (1.0 - self.y.at(y)))
    }

    pub(super) const fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(super) const fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Width of the labels of a vertical axis, on its left.
    pub(super) fn margin_for_ticks(y: &Scale, height: f64) -> f64 {
        y.ticks(height / 22.0).iter().map(|(_, label)| width(label)).fold(0.0, f64::max) + 5.0
    }

    /// The vertical axis: a thin line across at each tick; the title is above the panel.
    pub(super) fn vertical(&self, drawing: &mut Drawing, title: &str) {
        self.grid(drawing, true);
        drawing.words("", Anchor::Start, (self.left, self.top - 6.0), title);
    }

    /// The lines across, with their numbers or without.
    pub(super) fn grid(&self, drawing: &mut Drawing, numbers: bool) {
        for (value, label) in self.y.ticks(self.height / 22.0) {
            let (_, y) = self.at(0.0, value);
            let class = if value == 0.0 { "axis" } else { "grid" };
            drawing.path(class, &[(self.left, y), (self.right(), y)]);
            if numbers {
                drawing.words("faint", Anchor::End, (self.left - 4.0, y + 3.0), &label);
            }
        }
    }

    /// The horizontal axis, with its title at the right end or, for more than a word, in the middle.
    pub(super) fn horizontal(&self, drawing: &mut Drawing, title: &str) {
        let bottom = self.bottom();
        drawing.path("axis", &[(self.left, bottom), (self.right(), bottom)]);
        let ticks = self.x.ticks(self.width / 40.0);
        let mut free = f64::NEG_INFINITY;
        for (value, label) in ticks {
            let (x, _) = self.at(value, 0.0);
            drawing.path("axis", &[(x, bottom), (x, bottom + 3.0)]);
            let half = width(&label) / 2.0;
            if x - half >= free {
                drawing.words("faint", Anchor::Middle, (x, bottom + 12.0), &label);
                free = x + half + 4.0;
            }
        }
        let middle = self.left + self.width / 2.0;
        drawing.words("", Anchor::Middle, (middle, bottom + 24.0), title);
    }

    /// A line with its band; it is broken where a value is absent, and a value alone is a dot.
    pub(super) fn line(&self, drawing: &mut Drawing, line: &Line) {
        let colour = &line.colour;
        let band: Vec<_> = line.band().collect();
        for run in band.chunk_by(|a, b| a.0 + 1 == b.0) {
            let low = run.iter().map(|&(k, low, _)| self.at(line.x[k], low));
            let high = run.iter().rev().map(|&(k, _, high)| self.at(line.x[k], high));
            if run.len() > 1 {
                drawing.area(&format!("band f-{colour}"), &low.chain(high).collect::<Vec<_>>());
            }
        }
        let there: Vec<(usize, f64)> =
            line.y.iter().enumerate().filter_map(|(k, y)| Some((k, (*y)?))).collect();
        for run in there.chunk_by(|a, b| a.0 + 1 == b.0) {
            let points: Vec<_> = run.iter().map(|&(k, y)| self.at(line.x[k], y)).collect();
            if points.len() > 1 {
                drawing.path(&format!("line {} s-{colour}", line.pattern), &points);
            }
            if there.len() <= 12 || points.len() == 1 {
                points.iter().for_each(|p| drawing.dot(&format!("f-{colour}"), *p, 1.8));
            }
        }
    }

    /// The names of lines at their right ends, moved apart where they would meet.
    pub(super) fn labels(&self, drawing: &mut Drawing, lines: &[Line]) {
        let named = lines.iter().filter(|line| !line.label.is_empty());
        let ends = named.filter_map(|line| {
            let k = line.y.iter().rposition(Option::is_some)?;
            Some((line, self.at(line.x[k], line.y[k]?)))
        });
        let mut ends: Vec<_> = ends.collect();
        ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let wanted: Vec<f64> = ends.iter().map(|(_, (_, y))| *y).collect();
        let positions = apart(&wanted, FONT + 2.5, self.top - 2.0, self.bottom());
        for ((line, end), y) in ends.iter().zip(positions) {
            let x = self.right() + 6.0;
            if (y - end.1).abs() > 3.0 || end.0 < self.right() - 1.0 {
                // In the colour of the grid: it must not read as data.
                drawing.path("grid", &[*end, (x - 1.5, y)]);
            }
            let class = format!("t-{}", line.colour);
            drawing.words(&class, Anchor::Start, (x, y + 3.0), &line.label);
        }
    }

    /// Width of the names on the right.
    pub(super) fn margin_for_labels(lines: &[Line]) -> f64 {
        let shown = lines.iter().filter(|line| line.is_there());
        shown.map(|line| width(&line.label)).fold(0.0, f64::max) + 8.0
    }
}

/// Positions at least `gap` apart, as near as possible to the wanted ones (ascending), and within
/// the limits if there is enough space.
pub(super) fn apart(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut positions: Vec<f64> = wanted.to_vec();
    // Groups that meet share their mean, spread evenly around it.
    let mut groups: Vec<(usize, usize)> = (0..positions.len()).map(|k| (k, k + 1)).collect();
    let centre = |&(from, to): &(usize, usize)| {
        let half = gap * (to - from - 1) as f64 / 2.0;
        let mean = wanted[from..to].iter().sum::<f64>() / (to - from) as f64;
        let (lowest, highest) = (low + half, high - half);
        if lowest > highest { (low + high) / 2.0 } else { mean.clamp(lowest, highest) }
    };
    while let Some(k) = groups.windows(2).position(|pair| {
        let half = |g: &(usize, usize)| gap * (g.1 - g.0) as f64 / 2.0;
        centre(&pair[1]) - centre(&pair[0]) < half(&pair[0]) + half(&pair[1]) - 1e-9
    }) {
        groups[k].1 = groups[k + 1].1;
        groups.remove(k + 1);
    }
    for group in &groups {
        let first = centre(group) - gap * (group.1 - group.0 - 1) as f64 / 2.0;
        for (n, position) in positions[group.0..group.1].iter_mut().enumerate() {
            *position = first + gap * n as f64;
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_apart_no_further_than_they_must() {
        assert_eq!(apart(&[10.0, 50.0], 10.0, 0.0, 100.0), [10.0, 50.0]);
        assert_eq!(apart(&[50.0, 50.0], 10.0, 0.0, 100.0), [45.0, 55.0]);
        assert_eq!(apart(&[0.0, 1.0, 100.0], 10.0, 0.0, 100.0), [0.0, 10.0, 100.0]);
        // The third meets the pair that the first two became.
        assert_eq!(
            apart(&[50.0, 50.0, 58.0], 9.0, 0.0, 100.0),
            [158.0 / 3.0 - 9.0, 158.0 / 3.0, 158.0 / 3.0 + 9.0]
        );
    }
}
