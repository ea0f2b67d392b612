//! emergence.csv as a table for a terminal.

use std::fmt::Write;
use std::path::Path;

use super::align::{align, rounded};
use crate::record::{COLUMNS, Cells, EMERGENCE, RUN, RecordError, RunConfig, Sampling, read_table};

/// Computed columns that the table shows, with the digits behind the point.
const SHOWN: [(&str, usize); 9] = [
    ("alpha0", 4),
    ("width", 4),
    ("E", 4),
    ("E_se", 4),
    ("E_shuffled", 4),
    ("E_stable", 4),
    ("E_excess", 4),
    ("E_excess_se", 4),
    ("r2", 3),
];

/// The run in a folder as text: a line on what it is, then a row for each analysed step with all
/// that the loop logged. Also of a run in progress.
///
/// # Errors
/// [`RecordError::Read`] when the folder holds no run or a file of it cannot be read.
pub fn table(folder: &Path) -> Result<String, RecordError> {
    let path = folder.join(RUN);
    let read = |why: String| RecordError::Read { path: path.clone(), why };
    let text = std::fs::read(&path).map_err(|e| read(format!("{e} (is it a run's folder?)")))?;
    let config: RunConfig = serde_json::from_slice(&text).map_err(|e| read(e.to_string()))?;
    let (columns, rows) = read_table(&folder.join(EMERGENCE))?;
    let mut text = heading(&config);
    text.push('\n');
    let shown = shown(&columns);
    let mut lines = vec![shown.iter().map(|&(k, _)| columns[k].clone()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| {
        shown
            .iter()
            .map(|&(k, digits)| digits.map_or(row[k].clone(), |d| rounded(&row[k], d)))
            .collect()
    }));
    align(&mut text, &lines);
    text += &warnings(&columns, &rows);
    Ok(text)
}

/// How many steps should not be believed as they stand, and why not the last of them.
fn warnings(columns: &[String], rows: &[Cells]) -> String {
    let at = |name: &str| columns.iter().position(|column| column == name);
    let Some((warning, step)) = at("warning").zip(at("step")) else { return String::new() };
    let marked = || rows.iter().filter(|row| !row[warning].is_empty());
    let Some(last) = marked().next_back() else { return String::new() };
    let (n, of) = (marked().count(), rows.len());
    let mut text = format!("\n{n} of {of} steps have warnings. At step {}:\n", last[step]);
    for warning in last[warning].split("; ") {
        let _ = writeln!(text, "  {warning}");
    }
    text
}

pub(super) fn heading(config: &RunConfig) -> String {
    let network = &config.network;
    let weights: usize = network.connections().iter().map(|c| c.weights()).sum();
    let sampling = match &config.sampling {
        Sampling::Drawn { neurons, samples, seed } => {
            format!("{samples} samples of {neurons} neurons, seed {seed}")
        }
        Sampling::Whole => "whole network".to_owned(),
        Sampling::Given => "neurons from a file".to_owned(),
    };
    let (layers, tensors) = (network.layers().len(), network.connections().len());
    let architecture = network.architecture();
    format!(
        "{architecture}: {layers} neuron layers, {tensors} matrices, {weights} weights; {sampling}\n"
    )
}

/// Which columns to show and how to round them: the step, what the loop logged, what was computed,
/// the status.
fn shown(columns: &[String]) -> Vec<(usize, Option<usize>)> {
    let at = |name: &str| columns.iter().position(|column| column == name);
    let logged = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| !COLUMNS.contains(&c.as_str()) && *c != "step" && *c != "wall_time")
        .map(|(k, _)| (k, Some(5)));
    let computed = SHOWN.iter().filter_map(|&(name, digits)| Some((at(name)?, Some(digits))));
    let step = at("step").map(|k| (k, None));
    step.into_iter().chain(logged).chain(computed).chain(at("status").map(|k| (k, None))).collect()
}
