//! emergence.csv as a table for a terminal.

use std::fmt::Write;
use std::path::Path;

use crate::record::{COLUMNS, EMERGENCE, RUN, RecordError, RunConfig, Sampling, read_table};

/// Computed columns that the table shows, with the digits behind the point.
const SHOWN: [(&str, usize); 8] = [
    ("alpha0", 4),
    ("width", 4),
    ("E", 5),
    ("E_se", 5),
    ("E_stable", 5),
    ("r2", 4),
    ("neurons", 0),
    ("radii", 0),
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
    Ok(text)
}

fn heading(config: &RunConfig) -> String {
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

/// A number with this many digits behind the point; small ones keep as many significant digits.
fn rounded(cell: &str, digits: usize) -> String {
    match cell.parse::<f64>() {
        Ok(value) if value != 0.0 && value.abs() < 10f64.powi(1 - digits as i32) && digits > 0 => {
            format!("{value:.2e}")
        }
        Ok(value) => format!("{value:.digits$}"),
        Err(_) => cell.to_owned(),
    }
}

/// Right-aligned columns; an absent value is a dash.
fn align(text: &mut String, lines: &[Vec<String>]) {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|k| lines.iter().map(|line| line[k].chars().count().max(1)).max().unwrap_or(1))
        .collect();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{:>width$}", if cell.is_empty() { "-" } else { cell }))
            .collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_meaning() {
        assert_eq!(rounded("0.123456789", 5), "0.12346");
        assert_eq!(rounded("0.0000123", 5), "1.23e-5");
        assert_eq!(rounded("0", 5), "0.00000");
        assert_eq!(rounded("", 5), "");
        assert_eq!(rounded("NaN", 5), "NaN");
        assert_eq!(rounded("320", 0), "320");
    }
}
