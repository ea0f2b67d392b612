//! emergence.csv as a table for a terminal.

use std::fmt::Write;
use std::path::Path;

use super::align::{align, p_cell, rounded};
use super::notes::notes;
use neuromfa::RecordError;
use neuromfa::internals::record::{
    Conclusion, EMERGENCE, Format, Kind, RUN, RunConfig, Sampling, column, columns as known,
    read_file, read_rows, read_table,
};

/// The run in a folder as text: a line that describes it, a row for each analysed step with
/// everything that the loop logged, then the verdict and the warnings by kind. Also for a run in
/// progress. A p follows its measure.
///
/// # Errors
/// [`RecordError::Read`] when the folder holds no run or a file of it cannot be read.
pub fn table(folder: &Path) -> Result<String, RecordError> {
    let path = folder.join(RUN);
    let not_a_run =
        |e: std::io::Error| RecordError::NotARun { path: path.clone(), source: e.into() };
    let text = read_file(&path).map_err(not_a_run)?;
    let config: RunConfig = serde_json::from_slice(&text)
        .map_err(|e| RecordError::Read { path: path.clone(), source: e.into() })?;
    let (columns, rows) = read_table(&folder.join(EMERGENCE))?;
    let mut text = heading(&config);
    text.push('\n');
    let shown = shown(&columns);
    let head = |&(k, how): &(usize, Format)| match how {
        Format::P => "p".to_owned(),
        _ => columns[k].clone(),
    };
    let mut lines = vec![shown.iter().map(head).collect::<Vec<_>>()];
    let cell = |cell: &String, how| match how {
        Format::Plain => cell.clone(),
        Format::Digits(digits) => rounded(cell, digits),
        Format::P => p_cell(cell.parse().ok()),
    };
    lines.extend(rows.iter().map(|row| shown.iter().map(|&(k, how)| cell(&row[k], how)).collect()));
    align(&mut text, &lines);
    let conclusion = Conclusion::of(&read_rows(folder)?);
    let _ = writeln!(text, "\nstructure: {conclusion}");
    if let Some(repeated) = conclusion.repeated_text() {
        let _ = writeln!(text, "{repeated}");
    }
    for notes in notes(&conclusion, &columns, &rows) {
        let _ = writeln!(text, "\n{}", notes.heading);
        for line in notes.lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    Ok(text)
}

pub(super) fn heading(config: &RunConfig) -> String {
    let network = &config.network;
    let weights: usize = network.connections().iter().map(|c| c.weights()).sum();
    let sampling = match &config.sampling {
        Sampling::Drawn { neurons, samples, seed } => {
            format!("{samples} samples of {neurons} neurons, seed {seed}")
        }
        Sampling::Whole => "whole network".to_owned(),
        _ => "neurons from a file".to_owned(),
    };
    let (layers, tensors) = (network.layers().len(), network.connections().len());
    let architecture = network.architecture();
    format!(
        "{architecture}: {layers} neuron layers, {tensors} matrices, {weights} weights; {sampling}\n"
    )
}

/// Which columns to show and how to round them: the step, what the loop logged, what was computed,
/// how well it fits, the status.
fn shown(columns: &[String]) -> Vec<(usize, Format)> {
    let logged = columns.iter().enumerate().filter(|(_, name)| column(name).is_none());
    let mut shown: Vec<_> = logged.map(|(k, _)| (1, (k, Format::Digits(5)))).collect();
    for column in known() {
        let position = match column.kind {
            Kind::Row => 0,
            Kind::Fit => 3,
            Kind::Note => 4,
            _ => 2,
        };
        let at = columns.iter().position(|name| name == column.name);
        shown.extend(at.zip(column.format()).map(|cell| (position, cell)));
    }
    shown.sort_by_key(|(position, _)| *position);
    shown.into_iter().map(|(_, cell)| cell).collect()
}
