//! The multifractal spectrum f(alpha), coloured by step.

use super::drawing::{Drawing, width};
use super::figure::Figure;
use super::panel::Panel;
use super::recorded::Recorded;
use super::scale::Scale;
use super::shades::{legend, shade};
use super::stack::WIDE;
use super::style::SHADES;

/// alpha, f, deviation of f; by q.
type Curve = Vec<(f64, f64, f64)>;

pub(super) fn figure(run: &Recorded) -> Figure {
    let text = "The multifractal spectrum at up to eight steps, the first one dark and the last one \
                bright. alpha is a local dimension, f(alpha) how common it is among the neurons \
                (highest, 0, for the typical one). A spectrum that moves left becomes more regular, \
                one that widens more diverse. The shade is one standard deviation of f over the \
                samples.";
    let drawing = draw(run).ok_or_else(|| "spectra.csv holds no step with alpha and f.".to_owned());
    Figure::one("spectra", "Multifractal spectra", text.to_owned(), drawing)
}

/// Steps that have a spectrum, ascending, each with its curve.
fn curves(run: &Recorded) -> Vec<(String, Curve)> {
    let table = &run.spectra;
    let mut curves: Vec<(String, Curve)> = Vec::new();
    for row in &table.rows {
        let point = table.number(row, "alpha").zip(table.number(row, "f"));
        let Some((alpha, f)) = point else { continue };
        let step = table.cell(row, "step");
        if curves.last().is_none_or(|(last, _)| last != step) {
            curves.push((step.to_owned(), Curve::new()));
        }
        if let Some((_, curve)) = curves.last_mut() {
            curve.push((alpha, f, table.number(row, "f_std").unwrap_or_default()));
        }
    }
    curves
}

fn draw(run: &Recorded) -> Option<Drawing> {
    let mut curves = curves(run);
    let steps: Vec<String> = curves.iter().map(|(step, _)| step.clone()).collect();
    let steps = Recorded::chosen(&steps, SHADES);
    curves.retain(|(step, _)| steps.contains(step));
    let points = || curves.iter().flat_map(|(_, curve)| curve.iter());
    let x = Scale::of(points().map(|p| p.0))?;
    let y = Scale::of(points().flat_map(|p| [p.1 - p.2, p.1 + p.2]))?;
    let height = 190.0;
    let left = Panel::margin_for_ticks(&y, height);
    let right = steps.iter().map(|step| width(step)).fold(width("step"), f64::max) + 32.0;
    let mut drawing = Drawing::new(WIDE, height + 48.0, "Multifractal spectra by step");
    let panel = Panel { left, top: 20.0, width: WIDE - left - right, height, x, y };
    panel.vertical(&mut drawing, "*f*(*α*)");
    for (k, (_, curve)) in curves.iter().enumerate() {
        let shade = shade(k, curves.len());
        let low = curve.iter().map(|p| panel.at(p.0, p.1 - p.2));
        let high = curve.iter().rev().map(|p| panel.at(p.0, p.1 + p.2));
        drawing.area(&format!("band f-{shade}"), &low.chain(high).collect::<Vec<_>>());
        let line: Vec<_> = curve.iter().map(|p| panel.at(p.0, p.1)).collect();
        drawing.path(&format!("line s-{shade}"), &line);
    }
    panel.horizontal(&mut drawing, "*α*");
    legend(&mut drawing, (panel.right() + 14.0, panel.top + 8.0), &steps);
    Some(drawing)
}
