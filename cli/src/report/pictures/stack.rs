//! Panels above one another, on the same horizontal axis.

use super::drawing::{Anchor, Drawing, width};
use super::panel::{Line, Panel};
use super::recorded::Recorded;
use super::scale::Scale;

/// How wide a picture is: 120 mm in print.
pub(super) const WIDE: f64 = 340.0;

/// Lines that share a vertical axis.
pub(super) struct Level {
    pub(super) title: String,
    pub(super) height: f64,
    pub(super) lines: Vec<Line>,
    /// Whether the axis may go by powers of ten.
    pub(super) wide: bool,
    /// Numbers that the axis must reach.
    pub(super) with: Vec<f64>,
}

/// The horizontal axis, and what is marked on it in all panels.
pub(super) struct Marks {
    axis: String,
    pub(super) stopped: Option<f64>,
    /// Where structure was first seen.
    pub(super) onset: Option<f64>,
    /// First and last step of each run of steps that have warnings.
    pub(super) warned: Vec<(f64, f64)>,
    /// Where weights were set back to those of an earlier step.
    pub(super) rolled_back: Vec<f64>,
}

impl Marks {
    /// The axis of a run, without marks.
    pub(super) fn none(run: &Recorded) -> Self {
        let (axis, warned, rolled_back) = (run.axis.name.clone(), Vec::new(), Vec::new());
        Self { axis, stopped: None, onset: None, warned, rolled_back }
    }

    /// The stop, the onset, the warnings and the rollbacks of a run.
    pub(super) fn of(run: &Recorded) -> Self {
        let (steps, table) = (run.x(&run.emergence), &run.emergence);
        let marked: Vec<bool> =
            table.rows.iter().map(|row| !table.cell(row, "warning").is_empty()).collect();
        let numbered: Vec<usize> = (0..steps.len()).filter(|&k| marked[k]).collect();
        let runs = numbered.chunk_by(|a, b| a + 1 == *b);
        let ends = |run: &[usize]| (steps[run[0]], steps[run[run.len() - 1]]);
        let warned = runs.map(ends).collect();
        let (stopped, onset, rolled_back) = (run.stopped(), run.onset(), run.rolled_back());
        Self { stopped, onset, warned, rolled_back, ..Self::none(run) }
    }
}

/// The panels that have a line; none when no panel has one.
pub(super) fn stack(title: &str, levels: Vec<Level>, marks: &Marks) -> Option<Drawing> {
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
    Some(drawing)
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
    let mut free = panel.right();
    if let Some(step) = marks.stopped {
        let x = at(step).clamp(panel.left, panel.right());
        drawing.path("thin dash s-faint", &[(x, first - 12.0), (x, panel.bottom())]);
        let (anchor, x) =
            if x > panel.left + 60.0 { (Anchor::End, x + 12.0) } else { (Anchor::Start, x) };
        drawing.words("faint", anchor, (x, 9.0), "stopped");
        free = x - 44.0;
    }
    if marks.warned.is_empty() {
        return;
    }
    for &(from, to) in &marks.warned {
        let (from, to) = (at(from) - 1.2, at(to) + 1.2);
        drawing.bar("f-c5", (from, panel.bottom() + 0.4), (to - from, 2.6));
    }
    let words = "steps with warnings";
    if free > panel.left + 100.0 {
        drawing.bar("f-c5", (panel.left, 4.0), (8.0, 3.0));
        drawing.words("faint", Anchor::Start, (panel.left + 12.0, 9.0), words);
    }
}
