//! ln Z_q against ln(r/d), with the lines whose slopes are tau(q).

use super::drawing::{Anchor, Drawing, FONT, width};
use super::figure::Figure;
use super::panel::{Panel, apart};
use super::recorded::{Recorded, Sheet};
use super::scale::Scale;
use super::shades::{legend_above, shade};
use super::stack::WIDE;

/// The q's as they stand in the names of the columns, the highest line first.
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

/// A step's points and line for one q; x is ln(r/d).
struct Fit {
    q: &'static str,
    points: Vec<(f64, f64)>,
    line: [(f64, f64); 2],
}

impl Fit {
    /// Of the rows of a step.
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
        let fits = Q.iter().filter_map(|q| Fit::of(&run.scaling, rows, q));
        let fits: Vec<Fit> = fits.collect();
        (!fits.is_empty()).then_some(fits)
    };
    let steps = first_and_last(&run.scaling, fits_of);
    let all = || steps.iter().flat_map(|(_, fits)| fits);
    let points = || all().flat_map(|fit| fit.points.iter().chain(&fit.line));
    let y = Scale::of(points().map(|p| p.1))?;
    let low = points().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let height = 210.0;
    let left = Panel::room_for_ticks(&y, height);
    let room = WIDE - left - 8.0;
    // The names of the lines stand within the panel, before their left ends.
    let names = width("*q* = −3") + 8.0;
    let x = Scale::between(low * room / (room - names), 0.02 * -low);
    let mut drawing = Drawing::new(WIDE, height + 64.0, "ln Z_q against ln(r/d) with fits");
    let panel = Panel { left, top: 36.0, width: room, height, x, y };
    panel.vertical(&mut drawing, "ln *Z*_{q}");
    let labels: Vec<String> = steps.iter().map(|(step, _)| step.clone()).collect();
    legend_above(&mut drawing, (panel.right(), 9.0), &labels);
    for (k, (_, fits)) in steps.iter().enumerate() {
        let shade = shade(k, steps.len());
        for fit in fits {
            drawing.path(&format!("line s-{shade}"), &fit.line.map(|(x, y)| panel.at(x, y)));
            let dots = fit.points.iter().map(|&(x, y)| panel.at(x, y));
            dots.for_each(|at| drawing.dot(&format!("f-{shade}"), at, 1.5));
        }
    }
    // At the first points of the newest step.
    let mut ends: Vec<(&str, (f64, f64))> = steps
        .last()?
        .1
        .iter()
        .map(|fit| {
            let (x, y) = fit.points[0];
            (fit.q, panel.at(x, y))
        })
        .collect();
    ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let wanted: Vec<f64> = ends.iter().map(|(_, (_, y))| *y).collect();
    let places = apart(&wanted, FONT + 1.0, panel.top, panel.bottom());
    for ((q, _), y) in ends.iter().zip(places) {
        let text = format!("*q* = {}", q.replace('-', "−"));
        let at = (panel.at(low, 0.0).0 - 5.0, y + 3.0);
        drawing.words("", Anchor::End, at, &text);
    }
    panel.horizontal(&mut drawing, "ln(*r*/*d*)");
    Some(drawing)
}
