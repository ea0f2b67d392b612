//! The measures of each layer at each step, as colours.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::chart::{for_script, rounded};
use super::drawing::{Anchor, Drawing, cut, name, width};
use super::figure::Figure;
use super::panel::Panel;
use super::recorded::Recorded;
use super::scale::Scale;
use super::stack::WIDE;
use super::style::{LEVELS, level};

/// How wide names of layers may be.
const NAMES: f64 = 110.0;

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
                step (not to scale in time). Blue is below 0, orange above; what is near 0 has nearly \
                the colour of the page, and a cell with a cross has no value. width_excess: how much wider a \
                layer's spectrum is than that of its weights shuffled (0), free of their scale; one layer \
                at one step may differ by chance, and layers.csv has the p. E: how far a layer has moved \
                from its own first step (0); it grows with scale.";
    Figure { name: "layers", title: "Layers".to_owned(), text: text.to_owned(), content }
}

struct Map {
    layers: Vec<String>,
    steps: Vec<String>,
    values: Vec<Vec<Option<f64>>>, // of a layer at each step
}

fn map(run: &Recorded, column: &str) -> Map {
    let table = &run.layers;
    let (mut layers, mut steps) = (Vec::<String>::new(), Vec::<String>::new());
    let of_layer = || table.rows.iter().filter(|row| table.cell(row, "scope") == "layer");
    for row in of_layer() {
        let (step, part) = (table.cell(row, "step"), table.cell(row, "part"));
        if steps.last().is_none_or(|last| last != step) {
            steps.push(step.to_owned());
        }
        if !layers.iter().any(|layer| layer == part) {
            layers.push(part.to_owned());
        }
    }
    let steps = Recorded::chosen(&steps, run.points * 3 / 10);
    let mut values = vec![vec![None; steps.len()]; layers.len()];
    for row in of_layer() {
        let step = steps.iter().position(|step| step == table.cell(row, "step"));
        let layer = layers.iter().position(|layer| layer == table.cell(row, "part"));
        if let (Some(layer), Some(step)) = (layer, step) {
            values[layer][step] = table.number(row, column);
        }
    }
    Map { layers, steps, values }
}

/// For the page's script: which value is where.
#[derive(Serialize)]
struct Places<'m> {
    what: &'m str,
    rows: &'m [String],
    columns: &'m [String],
    values: Vec<Vec<Value>>,
    left: f64,
    top: f64,
    cell: f64,
    row: f64,
}

fn draw(run: &Recorded, column: &str, title: &str) -> Option<Drawing> {
    let Map { layers, steps, values } = map(run, column);
    let there = || values.iter().flatten().flatten();
    let largest = there().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if steps.len() < 2 || largest <= 0.0 {
        return None;
    }
    let row = (260.0 / layers.len() as f64).clamp(2.0, 16.0);
    let labels = without_shared(&layers);
    let left = labels.iter().map(|l| width(&name(l))).fold(0.0, f64::max).min(NAMES) + 6.0;
    let (top, scale_room) = (20.0, 50.0);
    let cell = (WIDE - left - scale_room) / steps.len() as f64;
    let height = row * layers.len() as f64;
    let mut drawing = Drawing::new(WIDE, top + height + 28.0, title);
    drawing.words("", Anchor::Start, (left, top - 6.0), title);
    let mut coloured: BTreeMap<String, Vec<(usize, usize, usize)>> = BTreeMap::new();
    for (k, of_layer) in values.iter().enumerate() {
        let colours: Vec<_> = of_layer.iter().map(|v| v.map(|v| level(v / largest))).collect();
        let mut n = 0;
        for alike in colours.chunk_by(|a, b| a == b) {
            match &alike[0] {
                Some(colour) => {
                    coloured.entry(colour.clone()).or_default().push((n, k, alike.len()))
                }
                None => (n..n + alike.len()).for_each(|n| {
                    let (x, y) = (left + cell * n as f64, top + row * k as f64);
                    drawing.path("grid", &[(x + 0.5, y + 0.5), (x + cell - 0.5, y + row - 0.5)]);
                }),
            }
            n += alike.len();
        }
    }
    drawing.cells((left, top), (cell, row), &coloured);
    let each = (11.0 / row).ceil() as usize;
    for (k, (layer, label)) in layers.iter().zip(&labels).enumerate().step_by(each) {
        let y = top + row * (k as f64 + 0.5) + 3.0;
        drawing.named(Anchor::End, (left - 5.0, y), &cut(&name(label), left - 6.0), layer);
    }
    columns(&mut drawing, &steps, (left, top + height), cell);
    bar(&mut drawing, (WIDE - scale_room + 8.0, top), height.min(120.0), largest);
    let places = Places {
        what: column,
        rows: &layers,
        columns: &steps,
        values: values.iter().map(|of| of.iter().map(|v| rounded(*v, 5)).collect()).collect(),
        left,
        top,
        cell,
        row,
    };
    Some(drawing.with_script("map", for_script(&places)))
}

/// The names of layers without what all of them begin and end with, in whole words between dots.
fn without_shared(layers: &[String]) -> Vec<String> {
    let words: Vec<Vec<&str>> = layers.iter().map(|name| name.split('.').collect()).collect();
    let fewest = words.iter().map(Vec::len).min().unwrap_or(0);
    let shared = |of: &dyn Fn(&Vec<&str>, usize) -> String| {
        let alike = |k: &usize| words.iter().all(|name| of(name, *k) == of(&words[0], *k));
        (0..fewest.saturating_sub(1)).take_while(alike).count()
    };
    let front = shared(&|name, k| name[k].to_owned());
    let back = shared(&|name, k| name[name.len() - 1 - k].to_owned())
        .min(fewest.saturating_sub(front + 1));
    words.iter().map(|name| name[front..name.len() - back].join(".")).collect()
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

/// The scale of colours from -largest to largest, with its numbers.
fn bar(drawing: &mut Drawing, (x, top): (f64, f64), height: f64, largest: f64) {
    let part = height / LEVELS as f64;
    for k in 0..LEVELS {
        let (high, low) = (top + height - part * (k + 1) as f64, top + height - part * k as f64);
        let corners = [(x, high), (x + 7.0, high), (x + 7.0, low + 0.15), (x, low + 0.15)];
        drawing.area(&format!("f-d{k}"), &corners);
    }
    let y = Scale::between(-largest, largest);
    let panel = Panel { left: x, top, width: 7.0, height, x: Scale::between(0.0, 1.0), y };
    for (value, label) in y.ticks((height / 22.0).max(2.0)) {
        let (_, y) = panel.at(0.0, value);
        drawing.path("axis", &[(x + 7.0, y), (x + 10.0, y)]);
        drawing.words("faint", Anchor::Start, (x + 12.0, y + 3.0), &label);
    }
}

#[cfg(test)]
mod tests {
    use super::without_shared;

    #[test]
    fn names_keep_what_tells_them_apart() {
        let short = |names: &[&str]| {
            without_shared(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
        };
        let names = ["model.encoder.layer.0.query", "model.encoder.layer.1.query"];
        assert_eq!(short(&names), ["0", "1"]);
        assert_eq!(short(&["a.b.in", "a.c.d.in", "a.c.out"]), ["b.in", "c.d.in", "c.out"]);
        assert_eq!(short(&["block.0.mlp"]), ["mlp"]);
        assert_eq!(short(&["fc1", "fc2"]), ["fc1", "fc2"]);
    }
}
