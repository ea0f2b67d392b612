//! How degrees and dimensions are distributed over the neurons, and their kurtosis.

use super::drawing::{Anchor, Drawing, width};
use super::figure::Figure;
use super::level::{Level, Marks};
use super::panel::{Line, Panel};
use super::recorded::Recorded;
use super::scale::Scale;
use super::shades::shade;
use super::stack::{WIDE, stack};
use super::style::SHADES;

/// Height of a step's row.
const ROW: f64 = 24.0;

/// How far a histogram may reach into the rows above.
const REACH: f64 = 34.0;

/// low, high, neurons; ascending.
type Bins = Vec<(f64, f64, f64)>;

pub(super) fn figure(run: &Recorded) -> Figure {
    let titles = [
        ("degree", "average weighted degree of a neuron (mean distance of its edges)"),
        ("dimension", "fractal dimension of a neuron"),
    ];
    let mut drawings = Vec::new();
    for (quantity, title) in titles {
        if let Some(drawing) = ridges(run, quantity, title) {
            drawings.push((format!("distributions-{quantity}"), drawing));
        }
    }
    if let Some(drawing) = kurtosis(run) {
        drawings.push(("distributions-kurtosis".to_owned(), drawing));
    }
    let none = "distributions.csv and layers.csv hold no neurons of the whole network.";
    let content = if drawings.is_empty() { Err(none.to_owned()) } else { Ok(drawings) };
    let text = "Each row is a histogram over all neurons of the network at one step; all rows have one \
                scale. The degree falls as weights grow; a second hump or a long tail says that some \
                neurons went their own way. Kurtosis measures the tails: 3 is a Gaussian, more says \
                that a few neurons have extreme values.";
    Figure {
        name: "distributions",
        title: "Neurons: degrees and dimensions".to_owned(),
        text: text.to_owned(),
        content,
    }
}

/// Steps with the histogram of the whole network.
fn histograms(run: &Recorded, quantity: &str) -> Vec<(String, Bins)> {
    let table = &run.distributions;
    let mut steps: Vec<(String, Bins)> = Vec::new();
    for row in &table.rows {
        if table.cell(row, "part") != "all" || table.cell(row, "quantity") != quantity {
            continue;
        }
        let cells = ["low", "high", "neurons"].map(|name| table.number(row, name));
        let [Some(low), Some(high), Some(neurons)] = cells else { continue };
        let step = table.cell(row, "step");
        if steps.last().is_none_or(|(last, _)| last != step) {
            steps.push((step.to_owned(), Bins::new()));
        }
        if let Some((_, bins)) = steps.last_mut() {
            bins.push((low, high, neurons));
        }
    }
    steps
}

fn ridges(run: &Recorded, quantity: &str, title: &str) -> Option<Drawing> {
    let mut all = histograms(run, quantity);
    let steps: Vec<String> = all.iter().map(|(step, _)| step.clone()).collect();
    let steps = Recorded::chosen(&steps, SHADES);
    all.retain(|(step, _)| steps.contains(step));
    let x = Scale::of(all.iter().flat_map(|(_, bins)| bins.iter().flat_map(|b| [b.0, b.1])))?;
    let highest = all.iter().flat_map(|(_, bins)| bins.iter().map(|b| b.2)).fold(1.0, f64::max);
    let left = steps.iter().map(|step| width(step)).fold(width("step"), f64::max) + 6.0;
    let height = REACH + ROW * (all.len() - 1) as f64;
    let mut drawing = Drawing::new(WIDE, height + 40.0, title);
    let y = Scale::between(0.0, 1.0);
    let panel = Panel { left, top: 12.0, width: WIDE - left - 8.0, height, x, y };
    drawing.words("faint", Anchor::End, (left - 6.0, 9.0), "step");
    for (k, (step, bins)) in all.iter().enumerate() {
        let base = panel.top + REACH + ROW * k as f64;
        let position =
            |value: f64, neurons: f64| (panel.at(value, 0.0).0, base - REACH * neurons / highest);
        let outline = outline(bins);
        let points: Vec<_> = outline.into_iter().map(|(v, n)| position(v, n)).collect();
        let shade = shade(k, all.len());
        drawing.area(&format!("ridge f-{shade}"), &points);
        drawing.path(&format!("thin s-{shade}"), &points);
        drawing.words("", Anchor::End, (left - 6.0, base), step);
    }
    panel.horizontal(&mut drawing, title);
    Some(drawing)
}

/// Corners of a histogram; it comes down to 0 where bins are empty.
fn outline(bins: &Bins) -> Vec<(f64, f64)> {
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for &(low, high, neurons) in bins {
        let near = |value: f64| (value - low).abs() < 1e-9 * (high - low).max(1e-12);
        match corners.last() {
            Some(&(last, _)) if (last - low).abs() <= 1e-6 * (high - low) || near(last) => {
                corners.pop();
            }
            _ => corners.push((low, 0.0)),
        }
        corners.extend([(low, neurons), (high, neurons), (high, 0.0)]);
    }
    corners
}

fn kurtosis(run: &Recorded) -> Option<Drawing> {
    let table = &run.layers;
    let whole: Vec<_> =
        table.rows.iter().filter(|row| table.cell(row, "scope") == "network").collect();
    if whole.len() < 2 {
        return None;
    }
    let steps: Vec<f64> =
        whole.iter().map(|row| run.axis.at(table.number(row, "step").unwrap_or(0.0))).collect();
    let line = |name: &str, style, label: &str| {
        let values = whole.iter().map(|row| table.number(row, name)).collect();
        Line { label: label.to_owned(), ..Line::new(name, style, steps.clone(), values) }
    };
    let level = Level {
        title: "kurtosis over all neurons".to_owned(),
        height: 90.0,
        lines: vec![
            line("degree_kurtosis", ("c1", ""), "degree"),
            line("dimension_kurtosis", ("c2", "dash"), "dimension"),
        ],
        wide: true,
        with: vec![3.0],
    };
    let title = "Kurtosis of degrees and dimensions over steps";
    stack((title, "kurtosis"), vec![level], &Marks::none(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_comes_down_where_bins_are_empty() {
        let bins = vec![(0.0, 1.0, 2.0), (1.0, 2.0, 5.0), (3.0, 4.0, 1.0)];
        let corners = [
            (0.0, 0.0),
            (0.0, 2.0),
            (1.0, 2.0),
            (1.0, 5.0),
            (2.0, 5.0),
            (2.0, 0.0),
            (3.0, 0.0),
            (3.0, 1.0),
            (4.0, 1.0),
            (4.0, 0.0),
        ];
        assert_eq!(outline(&bins), corners);
    }
}
