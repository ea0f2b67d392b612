//! The measures of each layer at each step, as colours.

use super::drawing::{Anchor, Drawing, cut, name, width};
use super::figure::{Figure, number_text};
use super::recorded::Recorded;
use super::stack::WIDE;
use super::style::{diverging, sequential};

/// Columns of a map; of more steps, these are chosen.
const COLUMNS: usize = 120;

pub(super) fn figure(run: &Recorded) -> Figure {
    let maps = [
        ("width_excess", "layers-structure", "*width*_{excess} of each layer"),
        ("E", "layers-published", "*E* of each layer, published estimator"),
        ("E_stable", "layers-stable", "*E* of each layer, stable estimator"),
    ];
    let drawn: Vec<_> = maps
        .into_iter()
        .filter_map(|(column, file, title)| Some((file.to_owned(), draw(run, column, title)?)))
        .collect();
    let why = "layers.csv does not hold the values of at least two steps.";
    let content = if drawn.is_empty() { Err(why.to_owned()) } else { Ok(drawn) };
    let text = "A row for each neuron layer in the order of the network, a column for each analysed \
                step (not to scale in time). width_excess: how much wider a layer's spectrum is than \
                that of its weights shuffled, free of their scale; one layer at one step may differ by \
                chance, and layers.csv has the p. E: how far a layer has moved from its own first step; \
                it grows with scale. An empty cell has no value. Where some values are clearly \
                negative, blue is below 0 and orange above.";
    Figure { name: "layers", title: "Layers".to_owned(), text: text.to_owned(), content }
}

struct Map {
    layers: Vec<String>,
    steps: Vec<String>,
    values: Vec<(usize, usize, f64)>, // layer, step, value
}

fn map(run: &Recorded, column: &str) -> Map {
    let table = &run.layers;
    let mut map = Map { layers: Vec::new(), steps: Vec::new(), values: Vec::new() };
    let of_layer = || table.rows.iter().filter(|row| table.cell(row, "scope") == "layer");
    for row in of_layer() {
        let (step, part) = (table.cell(row, "step"), table.cell(row, "part"));
        if map.steps.last().is_none_or(|last| last != step) {
            map.steps.push(step.to_owned());
        }
        if !map.layers.iter().any(|layer| layer == part) {
            map.layers.push(part.to_owned());
        }
    }
    map.steps = Recorded::chosen(&map.steps, COLUMNS);
    for row in of_layer() {
        let step = map.steps.iter().position(|step| step == table.cell(row, "step"));
        let layer = map.layers.iter().position(|layer| layer == table.cell(row, "part"));
        if let (Some(layer), Some(step), Some(value)) = (layer, step, table.number(row, column)) {
            map.values.push((layer, step, value));
        }
    }
    map
}

fn draw(run: &Recorded, column: &str, title: &str) -> Option<Drawing> {
    let Map { layers, steps, values } = map(run, column);
    let low = values.iter().map(|v| v.2).fold(0.0, f64::min);
    let high = values.iter().map(|v| v.2).fold(0.0, f64::max);
    if steps.len() < 2 || high - low <= 0.0 {
        return None;
    }
    let row = (260.0 / layers.len() as f64).clamp(2.0, 16.0);
    let left = layers.iter().map(|l| width(&name(l))).fold(0.0, f64::max).min(110.0) + 6.0;
    let (top, scale_room) = (20.0, 44.0);
    let cell = (WIDE - left - scale_room) / steps.len() as f64;
    let height = row * layers.len() as f64;
    let mut drawing = Drawing::new(WIDE, top + height + 28.0, title);
    drawing.words("", Anchor::Start, (left, top - 6.0), title);
    let signs = low < -0.1 * high;
    let largest = high.max(-low);
    let colour = |value: f64| match signs {
        true => diverging(value / largest),
        false => sequential(value.max(0.0) / high),
    };
    for &(layer, step, value) in &values {
        let at = (left + cell * step as f64, top + row * layer as f64);
        // A little overlap, so that no hairlines show between cells.
        drawing.cell(&colour(value), at, (cell + 0.15, row + 0.15));
    }
    let each = (11.0 / row).ceil() as usize;
    for (k, layer) in layers.iter().enumerate().step_by(each) {
        let y = top + row * (k as f64 + 0.5) + 3.0;
        drawing.words("", Anchor::End, (left - 5.0, y), &cut(&name(layer), left - 6.0));
    }
    columns(&mut drawing, &steps, (left, top + height), cell);
    let ends = if signs { (-largest, largest) } else { (0.0, high) };
    bar(&mut drawing, (WIDE - scale_room + 8.0, top), height.min(120.0), ends, &colour);
    Some(drawing)
}

fn columns(drawing: &mut Drawing, steps: &[String], (left, bottom): (f64, f64), cell: f64) {
    let position =
        |(k, step): (usize, &String)| (left + cell * (k as f64 + 0.5), width(step) / 2.0);
    let last = steps.iter().enumerate().next_back().map(position);
    let (mut free, end) = (f64::NEG_INFINITY, last.map_or(0.0, |(x, half)| x - half - 14.0));
    for (k, step) in steps.iter().enumerate() {
        let (x, half) = position((k, step));
        // The last label always has its space.
        if x - half >= free && (x + half <= end || k + 1 == steps.len()) {
            drawing.words("faint", Anchor::Middle, (x, bottom + 11.0), step);
            free = x + half + 14.0;
        }
    }
    let middle = left + cell * steps.len() as f64 / 2.0;
    drawing.words("", Anchor::Middle, (middle, bottom + 23.0), "step");
}

/// The scale of colours with its ends.
fn bar(
    drawing: &mut Drawing,
    (x, top): (f64, f64),
    height: f64,
    (low, high): (f64, f64),
    colour: &dyn Fn(f64) -> String,
) {
    let parts = 32;
    let part = height / f64::from(parts);
    for k in 0..parts {
        let value = high - (high - low) * (f64::from(k) + 0.5) / f64::from(parts);
        let at = (x, top + part * f64::from(k));
        drawing.cell(&colour(value), at, (7.0, part + 0.15));
    }
    let two = |value: f64| {
        let text = number_text(value);
        if text.len() > 5 && !text.contains('e') { text.chars().take(5).collect() } else { text }
    };
    drawing.words("faint", Anchor::Start, (x + 9.0, top + 7.0), &two(high));
    drawing.words("faint", Anchor::Start, (x + 9.0, top + height), &two(low));
}
