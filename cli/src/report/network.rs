//! A neuron interaction network as text: what an analysis would use, before it is run.

use std::collections::HashMap;
use std::fmt::Write;

use super::alike::{Run, runs};
use crate::wording::in_options;
use neuromfa::internals::network::share_in_words;
use neuromfa::internals::record::{printable, shown_name};
use neuromfa::network::{Connection, LeftOut, Network, Orientation, Parameter};

/// Columns of a terminal that a line keeps to where names allow it.
const WIDTH: usize = 100;
/// Heads of the columns that hold numbers.
const NUMBERS: [&str; 4] = ["width", "drawn", "block", "edges"];
/// Names that are listed for each reason to leave parameters out.
const NAMED: usize = 3;

/// The network as text: a line on what it is, its neuron layers, the connections, what was left
/// out and why, and the warnings.
///
/// `parameters` are those that the network was read from, for their shapes; `neurons` is how many
/// a sample would draw from each layer. Runs of layers that differ in a number of their names only
/// are shown once, unless `all` are wanted.
#[must_use]
pub fn network(network: &Network, parameters: &[Parameter], neurons: usize, all: bool) -> String {
    let weights: usize = network.connections().iter().map(Connection::weights).sum();
    let mut text = format!(
        "{}: {} neuron layers, {} matrices, {} edges; {} left out{}\n",
        network.architecture(),
        network.layers().len(),
        network.connections().len(),
        grouped(weights),
        network.left_out().len(),
        share_in_words(network.share()).map_or(String::new(), |share| format!("; {share}")),
    );
    layers(&mut text, network, neurons, all);
    connections(&mut text, network, parameters, all);
    left_out(&mut text, network.left_out(), all);
    if !network.warnings().is_empty() {
        text.push_str("\nWarnings\n");
        for warning in network.warnings() {
            wrap(&mut text, "  - ", "    ", &printable(&in_options(warning)));
        }
    }
    text
}

fn layers(text: &mut String, network: &Network, neurons: usize, all: bool) {
    let in_blocks = network.layers().iter().any(|layer| layer.block.is_some());
    let in_groups = network.layers().iter().any(|layer| layer.group.is_some());
    let rows = network.layers().iter().map(|layer| {
        let drawn = neurons.saturating_mul(layer.draw).min(layer.width);
        let mut cells = vec![grouped(layer.width), grouped(drawn), layer.role.to_string()];
        if in_blocks {
            cells.push(layer.block.map_or(String::new(), |block| block.to_string()));
        }
        if in_groups {
            cells.push(layer.group.clone().unwrap_or_default());
        }
        // A block's number changes with its name.
        let alike = format!("{} {} {}", layer.width, layer.draw, layer.role);
        Row { name: layer.name.clone(), cells, below: None, alike }
    });
    let mut heads = vec!["Neuron layer", "width", "drawn", "role"];
    heads.extend(in_blocks.then_some("block"));
    heads.extend(in_groups.then_some("group"));
    table(text, &heads, &rows.collect::<Vec<_>>(), all);
}

fn connections(text: &mut String, network: &Network, parameters: &[Parameter], all: bool) {
    let shapes: HashMap<&str, &[usize]> =
        parameters.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    let rows = network.connections().iter().map(|c| {
        let [from, to] = [c.source, c.target].map(|layer| network.layers()[layer].name.clone());
        let shape = shapes.get(c.parameter.as_str()).map_or(String::new(), |s| format!("{s:?}"));
        let cells = vec![shape, grouped(c.weights()), note(c)];
        let alike = cells.join(" ");
        Row { name: c.parameter.clone(), cells, below: Some((from, to)), alike }
    });
    table(text, &["Connection", "shape", "edges", ""], &rows.collect::<Vec<_>>(), all);
}

/// The unusual properties of a connection.
fn note(c: &Connection) -> String {
    let mut notes = Vec::new();
    if c.orientation == Orientation::InOut {
        notes.push("in, out".to_owned());
    }
    if c.copies > 1 {
        notes.push(format!("{} copies", c.copies));
    }
    if c.heads > 1 {
        notes.push(format!("{} heads", c.heads));
    }
    if c.taps > 1 {
        notes.push(format!("{} {}", c.taps, if c.flattened { "positions" } else { "taps" }));
    }
    if c.stacked > 1 {
        notes.push(format!("{} side by side", c.stacked));
    }
    if c.groups > 1 {
        notes.push(format!("{} groups", c.groups));
    }
    notes.join(", ")
}

fn left_out(text: &mut String, left_out: &[LeftOut], all: bool) {
    let mut reasons: Vec<(&str, Vec<&LeftOut>)> = Vec::new();
    for parameter in left_out {
        match reasons.iter_mut().find(|(why, _)| *why == parameter.why) {
            Some((_, names)) => names.push(parameter),
            None => reasons.push((&parameter.why, vec![parameter])),
        }
    }
    if !reasons.is_empty() {
        text.push_str("\nLeft out\n");
    }
    for (why, parameters) in reasons {
        let _ = writeln!(text, "  {} × {why}", parameters.len());
        let shown = if all { parameters.len() } else { parameters.len().min(NAMED) };
        for parameter in &parameters[..shown] {
            let _ = writeln!(text, "      {} {:?}", shown_name(&parameter.name), parameter.shape);
        }
        if shown < parameters.len() {
            let _ = writeln!(text, "      … and {} more", parameters.len() - shown);
        }
    }
}

/// Adds the tensors of the file that are not read, by what they are.
pub fn not_read<'a>(
    text: &mut String,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a str)>,
    all: bool,
) {
    type Named<'a> = Vec<(&'a str, &'a [usize])>;
    let mut kinds: Vec<(&str, Named<'_>)> = Vec::new();
    for (name, shape, what) in tensors {
        match kinds.iter_mut().find(|(kind, _)| *kind == what) {
            Some((_, names)) => names.push((name, shape)),
            None => kinds.push((what, vec![(name, shape)])),
        }
    }
    if !kinds.is_empty() {
        text.push_str("\nNot read\n");
    }
    for (what, tensors) in kinds {
        wrap(text, &format!("  {} × ", tensors.len()), "      ", &printable(what));
        let shown = if all { tensors.len() } else { tensors.len().min(NAMED) };
        for (name, shape) in &tensors[..shown] {
            let _ = writeln!(text, "      {} {shape:?}", shown_name(name));
        }
        if shown < tensors.len() {
            let _ = writeln!(text, "      … and {} more", tensors.len() - shown);
        }
    }
}

/// An entry of a table.
struct Row {
    name: String,
    cells: Vec<String>,
    /// Source and target, on a separate line.
    below: Option<(String, String)>,
    /// What similar rows have in common, other than their names.
    alike: String,
}

/// Writes a table; a stretch that repeats but for numbers is written once, under its range.
fn table(text: &mut String, heads: &[&str], rows: &[Row], all: bool) {
    let names: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| {
            let below = row.below.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]);
            std::iter::once(row.name.as_str()).chain(below).collect()
        })
        .collect();
    let alike: Vec<&str> = rows.iter().map(|row| row.alike.as_str()).collect();
    let whole = Run { start: 0, period: rows.len(), count: 1 };
    let runs = if all { vec![whole] } else { runs(&names, &alike) };

    let mut lines = vec![(String::new(), heads.iter().map(|&h| h.to_owned()).collect::<Vec<_>>())];
    let mut notes = vec![None];
    for run in &runs {
        let mut indent = "  ";
        if run.count > 1 {
            let last = run.start + (run.count - 1) * run.period;
            let (a, b) = Run::stems(&rows[run.start].name, &rows[last].name);
            let [a, b] = [a, b].map(shown_name);
            lines.push((format!("  {a} … {b} ({} alike)", run.count), Vec::new()));
            notes.push(None);
            indent = "    ";
        }
        for row in &rows[run.start..run.start + run.period] {
            let name = std::iter::once(format!("{indent}{}", shown_name(&row.name)));
            lines.push((String::new(), name.chain(row.cells.iter().cloned()).collect()));
            notes.push(row.below.as_ref().map(|(from, to)| {
                let [from, to] = [from, to].map(|name| shown_name(name));
                let line = format!("{indent}    {from} → {to}\n");
                let broken = || format!("{indent}    {from}\n{indent}    → {to}\n");
                if line.chars().count() > WIDTH { broken() } else { line }
            }));
        }
    }
    let width = |k: usize| {
        let cells = lines.iter().filter_map(|(_, cells)| cells.get(k));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    text.push('\n');
    for ((title, cells), note) in lines.iter().zip(notes) {
        let mut line = title.clone();
        for ((cell, width), head) in cells.iter().zip(&widths).zip(heads) {
            // Numbers are right-aligned, names left-aligned.
            line += &match NUMBERS.contains(head) {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
        text.push_str(&note.unwrap_or_default());
    }
}

/// A number with its thousands separated.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes words on lines of their own, each within the width.
fn wrap(text: &mut String, first: &str, rest: &str, words: &str) {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in words.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            (line, empty) = (rest.to_owned(), true);
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(text, "{line}");
}
