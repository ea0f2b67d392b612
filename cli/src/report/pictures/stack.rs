//! Panels above one another, on the same horizontal axis.

use super::chart::Chart;
use super::drawing::{Anchor, Drawing, width};
use super::level::{Level, Marks};
use super::panel::{Line, Panel};
use super::scale::Scale;

/// How wide a picture is: 120 mm in print.
pub(super) const WIDE: f64 = 340.0;

/// The panels that have a line; none when no panel has one. The name is that of the files.
pub(super) fn stack(
    (title, name): (&str, &str),
    levels: Vec<Level>,
    marks: &Marks,
) -> Option<Drawing> {
    let mut shown = Vec::new();
    for mut level in levels {
        level.lines.retain(Line::is_there);
        let values = level.lines.iter().flat_map(Line::reach).chain(level.with.iter().copied());
        let values: Vec<f64> = values.collect();
        let scale = if level.wide { Scale::wide(values) } else { Scale::of(values) };
        if let (Some(y), false) = (scale, level.lines.is_empty()) {
            shown.push((level, y));
        }
    }
    let steps: Vec<f64> = shown
        .iter()
        .flat_map(|(level, _)| level.lines.iter().flat_map(|line| line.x.iter().copied()))
        .collect();
    let x = Scale::steps(steps)?;
    let left =
        shown.iter().map(|(level, y)| Panel::margin_for_ticks(y, level.height)).fold(0.0, f64::max);
    let right =
        shown.iter().map(|(level, _)| Panel::margin_for_labels(&level.lines)).fold(0.0, f64::max);
    let above = if marks.stopped.is_some() || !marks.warned.is_empty() { 14.0 } else { 0.0 };
    let height: f64 = shown.iter().map(|(level, _)| level.height + 24.0).sum();
    let mut drawing = Drawing::new(WIDE, height + above + 28.0, title);
    let mut top = above;
    let inner = WIDE - left - right;
    let first = top + 20.0;
    let mut last = None;
    for (level, y) in &shown {
        let panel = Panel { left, top: top + 20.0, width: inner, height: level.height, x, y: *y };
        panel.vertical(&mut drawing, &level.title);
        let named = last.is_none();
        for (k, at) in marks.rolled_back.iter().enumerate() {
            let name = if named && k == 0 { "rolled back" } else { "" };
            upright(&mut drawing, &panel, *at, "faint", name);
        }
        if let Some(at) = marks.onset {
            upright(&mut drawing, &panel, at, "c3", if named { "onset" } else { "" });
        }
        level.lines.iter().for_each(|line| panel.line(&mut drawing, line));
        panel.labels(&mut drawing, &level.lines);
        top += level.height + 24.0;
        last = Some(panel);
    }
    let bottom = last?;
    mark(&mut drawing, &bottom, first, marks);
    bottom.horizontal(&mut drawing, &super::drawing::name(&marks.axis));
    Some(drawing.with_script("chart", Chart::new((title, name), &shown, marks).json()))
}

/// A line through a panel, with a name or none.
fn upright(drawing: &mut Drawing, panel: &Panel, at: f64, colour: &str, name: &str) {
    let x = panel.at(at, 0.0).0.clamp(panel.left, panel.right());
    drawing.path(&format!("thin dash s-{colour}"), &[(x, panel.top), (x, panel.bottom())]);
    if !name.is_empty() {
        let right = panel.right() - x > width(name) + 10.0;
        let (anchor, x) = if right { (Anchor::Start, x + 4.0) } else { (Anchor::End, x - 4.0) };
        let class = if colour == "faint" { "faint".to_owned() } else { format!("t-{colour}") };
        drawing.words(&class, anchor, (x, panel.top + 8.0), name);
    }
}

fn mark(drawing: &mut Drawing, panel: &Panel, first: f64, marks: &Marks) {
    let at = |x: f64| panel.at(x, 0.0).0;
    if let Some(step) = marks.stopped {
        let x = at(step).clamp(panel.left, panel.right());
        drawing.path("thin dash s-faint", &[(x, first - 12.0), (x, panel.bottom())]);
        let (anchor, x) =
            if x > panel.left + 60.0 { (Anchor::End, x + 12.0) } else { (Anchor::Start, x) };
        drawing.words("faint", anchor, (x, 9.0), "stop");
    }
    for (from, to, kinds) in &marks.warned {
        let axis = &marks.axis;
        let where_to = match (from == to, axis == "step") {
            (true, _) => format!("{axis} {from}"),
            (false, true) => format!("steps {from} to {to}"),
            (false, false) => format!("{axis} {from} to {to}"),
        };
        drawing.begins("f-c5", (at(*from), first - 18.0), &format!("{kinds}, {where_to}"));
    }
}
