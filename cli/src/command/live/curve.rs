//! A chart of curves in braille.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph};

use super::points::ends;

/// A curve's name, color and points, ascending in x. The first of a chart is drawn in braille, the
/// others in dots: they differ without colours, too.
pub struct Curve<'a> {
    pub name: &'a str,
    pub color: Color,
    pub points: Vec<(f64, f64)>,
}

/// What the curves of a chart are drawn in.
const MARKS: [&str; 2] = ["⠒", "•"];

/// Draws curves in one frame, with their names in its title. Without points it shows that there are no values yet.
pub fn chart(frame: &mut Frame, area: Rect, note: &str, curves: &[Curve<'_>], line: bool) {
    let mut title: Vec<Span<'_>> = vec![" ".into()];
    for (curve, mark) in curves.iter().zip(MARKS) {
        title.push(Span::styled(curve.name, Style::new().fg(curve.color).bold()));
        if curves.len() > 1 {
            title.push(format!(" {mark}").dim());
        }
        title.push(" ".into());
    }
    title.push(Span::from(note).dim());
    let block = Block::bordered().border_style(Style::new().dim()).title(Line::from(title));
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let (Some(x), Some(y)) = (range(all().map(|p| p.0)), range(all().map(|p| p.1))) else {
        let waiting = Paragraph::new("no values yet").dim().alignment(Alignment::Center);
        return frame.render_widget(waiting.block(block), area);
    };
    let thinned: Vec<Vec<(f64, f64)>> =
        curves.iter().map(|curve| thin(&curve.points, 2 * usize::from(area.width))).collect();
    let kind = if line { GraphType::Line } else { GraphType::Scatter };
    let marker = |k: usize| if k == 0 { Marker::Braille } else { Marker::Dot };
    let datasets = curves.iter().zip(&thinned).enumerate().map(|(k, (curve, points))| {
        let dataset = Dataset::default().marker(marker(k)).graph_type(kind);
        dataset.style(Style::new().fg(curve.color)).data(points)
    });
    let axis = |range: [f64; 2], of: [f64; 2]| {
        let labels = of.map(short);
        Axis::default().bounds(range).labels(labels).style(Style::new().dim())
    };
    let chart = Chart::new(datasets.collect()).block(block).legend_position(None);
    let chart = chart.x_axis(axis(widened(x), x)).y_axis(axis(widened(y), widened(y)));
    frame.render_widget(chart, area);
}

fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.fold(None, |range, value| match range {
        None => Some([value, value]),
        Some([low, high]) => Some([value.min(low), value.max(high)]),
    })
}

/// A range that has a width.
fn widened([low, high]: [f64; 2]) -> [f64; 2] {
    if low < high {
        return [low, high];
    }
    let half = if low == 0.0 { 1.0 } else { low.abs() / 2.0 };
    [low - half, high + half]
}

/// The least and the greatest of each stretch of points, so that no peak is lost.
fn thin(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most.max(2) {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(most.max(2) / 2);
    points.chunks(stretch).flat_map(ends).collect()
}

/// A number in some six characters.
pub fn short(value: f64) -> String {
    let size = value.abs();
    match value {
        _ if value == value.trunc() && size < 1e7 => format!("{value:.0}"),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.1e}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_every_peak() {
        let mut points: Vec<(f64, f64)> = (0..1000).map(|k| (f64::from(k), 0.0)).collect();
        points[517].1 = 9.0;
        points[518].1 = -9.0;
        let thinned = thin(&points, 40);
        assert!(thinned.len() <= 40 && thinned.is_sorted_by(|a, b| a.0 <= b.0));
        assert!(thinned.contains(&(517.0, 9.0)) && thinned.contains(&(518.0, -9.0)));
        assert_eq!(thin(&points[..3], 40), points[..3]);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 300.0, 0.36, 0.000243, 12.3456, 1234.56, -0.05, 2.5e9];
        let texts = numbers.map(short);
        assert_eq!(texts, ["0", "300", "0.3600", "2.4e-4", "12.346", "1234.6", "-0.0500", "2.5e9"]);
    }
}
