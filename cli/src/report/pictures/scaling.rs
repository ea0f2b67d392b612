//! ln Z_q against ln(r/d), with the lines whose slopes are tau(q).

use super::drawing::{Anchor, Drawing, FONT, width};
use super::figure::Figure;
use super::panel::{Panel, apart};
use super::recorded::Recorded;
use super::scale::Scale;
use super::sheet::Sheet;
use super::stack::WIDE;

/// The values of q as in the names of the columns, the highest line first.
const Q: [&str; 6] = ["-3", "-2", "-1", "1", "2", "3"];

pub(super) fn figure(run: &Recorded) -> Figure {
    let text = "What tau(q) is fitted to, at the first and the newest step: points are ln Z_q at the \
                occupied radii (24 at most), mean over the samples, lines the least-squares fits over all \
                of them. d is the largest radius. Where points bend away from their line there is no \
                power law, and alpha and f depend on the range of radii; R² in spectra.csv says how far.";
    let drawing = draw(run).ok_or_else(|| {
        "there is no scaling.csv with two radii (runs of older versions have none).".to_owned()
    });
    Figure::one("scaling", "Scaling of the partition function", text.to_owned(), drawing)
}

/// Between the panels of the two steps.
const GAP: f64 = 14.0;

/// A step's points and line for one q; x is ln(r/d).
struct Fit {
    q: &'static str,
    points: Vec<(f64, f64)>,
    line: [(f64, f64); 2],
}

impl Fit {
    /// Reads the fit of one q from the rows of a step.
    fn of(table: &Sheet, rows: &[&Vec<String>], q: &'static str) -> Option<Self> {
        let column = format!("ln_z_{q}");
        let fit = |what: &str| {
            let row = rows.iter().find(|row| table.cell(row, "what") == what)?;
            table.number(row, &column)
        };
        let (slope, intercept) = (fit("slope")?, fit("intercept")?);
        let point =
            |row: &&Vec<String>| Some((table.number(row, "r")?.ln(), table.number(row, &column)?));
        let mut points: Vec<(f64, f64)> = rows.iter().filter_map(point).collect();
        let ln_d = points.last()?.0;
        points.iter_mut().for_each(|p| p.0 -= ln_d);
        let ends = (points.len() > 1).then(|| [points[0].0, points[points.len() - 1].0])?;
        Some(Self { q, points, line: ends.map(|x| (x, intercept + slope * (x + ln_d))) })
    }

    fn reach(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().copied().chain(self.line)
    }

    fn colour(&self) -> String {
        format!("c{}", Q.iter().position(|q| *q == self.q).unwrap_or(0) + 1)
    }

    fn draw(&self, drawing: &mut Drawing, panel: &Panel) {
        let colour = self.colour();
        drawing.path(&format!("line s-{colour}"), &self.line.map(|(x, y)| panel.at(x, y)));
        for &(x, y) in &self.points {
            drawing.dot(&format!("f-{colour}"), panel.at(x, y), 1.7);
        }
    }
}

/// The first and the last step of a table that a function makes something of.
pub(super) fn first_and_last<T>(
    table: &Sheet,
    of: impl Fn(&[&Vec<String>]) -> Option<T>,
) -> Vec<(String, T)> {
    let rows: Vec<&Vec<String>> = table.rows.iter().collect();
    let same = |a: &&Vec<String>, b: &&Vec<String>| table.cell(a, "step") == table.cell(b, "step");
    let steps: Vec<&[&Vec<String>]> = rows.chunk_by(same).collect();
    let one = |rows: &&[&Vec<String>]| Some((table.cell(rows[0], "step").to_owned(), of(rows)?));
    let first = steps.iter().position(|rows| one(rows).is_some());
    let last =
        steps.iter().rposition(|rows| one(rows).is_some()).filter(|last| Some(*last) != first);
    [first, last].into_iter().flatten().filter_map(|k| one(&steps[k])).collect()
}

fn draw(run: &Recorded) -> Option<Drawing> {
    let fits_of = |rows: &[&Vec<String>]| {
        let fits: Vec<Fit> = Q.iter().filter_map(|q| Fit::of(&run.scaling, rows, q)).collect();
        (!fits.is_empty()).then_some(fits)
    };
    let steps = first_and_last(&run.scaling, fits_of);
    let points = || steps.iter().flat_map(|(_, fits)| fits).flat_map(Fit::reach);
    let y = Scale::of(points().map(|p| p.1))?;
    let low = points().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let height = 210.0;
    let left = Panel::margin_for_ticks(&y, height);
    let wide = (WIDE - left - 8.0 - GAP * (steps.len() - 1) as f64) / steps.len() as f64;
    // The names of the lines are inside the panel, before their left ends.
    let names = width("*q* = −3") + 8.0;
    let x = Scale::between(low * wide / (wide - names), 0.02 * -low);
    let mut drawing = Drawing::new(WIDE, height + 62.0, "ln Z_q against ln(r/d) with fits");
    drawing.words("", Anchor::Start, (left, 9.0), "ln *Z*_{q}");
    for (k, (step, fits)) in steps.iter().enumerate() {
        let across = left + (wide + GAP) * k as f64;
        let panel = Panel { left: across, top: 34.0, width: wide, height, x, y };
        panel.grid(&mut drawing, k == 0);
        drawing.words("", Anchor::End, (panel.right(), panel.top - 6.0), &format!("step {step}"));
        fits.iter().for_each(|fit| fit.draw(&mut drawing, &panel));
        labels(&mut drawing, &panel, fits);
        panel.horizontal(&mut drawing, "ln(*r*/*d*)");
    }
    Some(drawing)
}

/// The q of each line before its first point.
fn labels(drawing: &mut Drawing, panel: &Panel, fits: &[Fit]) {
    let mut ends: Vec<(&Fit, (f64, f64))> =
        fits.iter().map(|fit| (fit, panel.at(fit.points[0].0, fit.points[0].1))).collect();
    ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let wanted: Vec<f64> = ends.iter().map(|(_, (_, y))| *y).collect();
    let positions = apart(&wanted, FONT + 1.0, panel.top, panel.bottom());
    for ((fit, (x, _)), y) in ends.iter().zip(positions) {
        let text = format!("*q* = {}", fit.q.replace('-', "−"));
        drawing.words(&format!("t-{}", fit.colour()), Anchor::End, (x - 5.0, y + 3.0), &text);
    }
}
