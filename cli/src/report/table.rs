//! emergence.csv as a table for a terminal.

use std::fmt::Write;
use std::path::Path;

use super::align::{align, p_cell, rounded, widths};
use super::notes::{Warned, notes};
use neuromfa::internals::network::share_in_words;
use neuromfa::internals::record::{
    Cells, Conclusion, EMERGENCE, Format, Kind, RunConfig, Sampling, check_schema, column,
    columns as known, read_table,
};

/// Which part of a run's table is wanted.
#[derive(Debug, Default)]
pub struct Part {
    /// These columns, after the step; those that people read if it is empty.
    pub columns: Vec<String>,
    /// Only so many rows, the last ones.
    pub last: Option<usize>,
    /// Only the row of this step.
    pub step: Option<u64>,
}

/// What is asked for that the table does not have.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    #[error("--columns {name}: emergence.csv has no such column; it has {known}")]
    Column { name: String, known: String },
    #[error("--step {step}: no such row; emergence.csv has {rows}")]
    Step { step: u64, rows: String },
}

/// The rows and columns of emergence.csv that are wanted, with the names of the columns.
///
/// # Errors
/// A `RecordError` when it cannot be read; [`PartError`] for what it does not have.
pub fn part(folder: &Path, part: &Part) -> anyhow::Result<(Vec<String>, Vec<Cells>)> {
    check_schema(folder)?;
    let (columns, mut rows) = read_table(&folder.join(EMERGENCE))?;
    part.choose_rows(&mut rows)?;
    if part.columns.is_empty() {
        return Ok((columns, rows));
    }
    let chosen = part.chosen(&columns)?;
    let of = |cells: &Cells| chosen.iter().map(|&k| cells[k].clone()).collect();
    Ok((of(&columns), rows.iter().map(of).collect()))
}

impl Part {
    fn choose_rows(&self, rows: &mut Vec<Cells>) -> Result<(), PartError> {
        if let Some(step) = self.step {
            let ends = [rows.first(), rows.last()].map(|row| row.map(|row| row[0].clone()));
            rows.retain(|row| row[0] == step.to_string());
            if rows.is_empty() {
                let rows = match ends {
                    [Some(first), Some(last)] => format!("steps {first} to {last}"),
                    _ => "no row".to_owned(),
                };
                return Err(PartError::Step { step, rows });
            }
        }
        if let Some(last) = self.last {
            rows.drain(..rows.len().saturating_sub(last));
        }
        Ok(())
    }

    /// The places of the wanted columns, the step's first.
    fn chosen(&self, columns: &[String]) -> Result<Vec<usize>, PartError> {
        let names = self.columns.iter().filter(|name| *name != "step");
        let place = |name: &String| {
            columns
                .iter()
                .position(|column| column == name)
                .ok_or_else(|| PartError::Column { name: name.clone(), known: columns.join(", ") })
        };
        std::iter::once(Ok(0)).chain(names.map(place)).collect()
    }
}

/// The run in a folder as text: a line that describes it, a row for each analysed step with
/// everything that the loop logged, then the verdict and the warnings by kind. Also for a run in
/// progress. A p follows its measure. Columns that do not fit into `width` characters are left out,
/// the least important ones first, and named below.
///
/// # Errors
/// A `RecordError` when the folder holds no run or a file of it cannot be read; [`PartError`] for what its table does not have.
pub fn table(folder: &Path, part: &Part, width: usize) -> anyhow::Result<String> {
    let config = RunConfig::read(folder)?;
    let (columns, rows) = read_table(&folder.join(EMERGENCE))?;
    let mut text = heading(&config) + "\n\n";
    let mut chosen = rows.clone();
    part.choose_rows(&mut chosen)?;
    let shown = match part.columns.is_empty() {
        true => shown(&columns),
        false => part
            .chosen(&columns)?
            .into_iter()
            .map(|k| Shown { at: k, how: Format::Plain, rank: 0 })
            .collect(),
    };
    let head = |shown: &Shown| match shown.how {
        Format::P => "p".to_owned(),
        _ => columns[shown.at].clone(),
    };
    let mut lines = vec![shown.iter().map(head).collect::<Vec<_>>()];
    let cell = |cell: &String, how| match how {
        Format::Plain => cell.clone(),
        Format::Digits(digits) => rounded(cell, digits),
        Format::P => p_cell(cell.parse().ok()),
    };
    let line = |row: &Cells| shown.iter().map(|shown| cell(&row[shown.at], shown.how)).collect();
    lines.extend(chosen.iter().map(line));
    let kept = fitting(&shown, &widths(&lines), width);
    let lines: Vec<Vec<String>> =
        lines.iter().map(|line| kept.iter().map(|&k| line[k].clone()).collect()).collect();
    align(&mut text, &lines);
    let hidden = (0..shown.len()).filter(|k| !kept.contains(k) && shown[*k].how != Format::P);
    let hidden: Vec<&str> = hidden.map(|k| columns[shown[k].at].as_str()).collect();
    if !hidden.is_empty() {
        let _ = writeln!(
            text,
            "\nToo wide for this terminal: {} (--columns, --csv)",
            hidden.join(", ")
        );
    }
    let conclusion = Conclusion::of_table(&columns, &rows);
    let _ = writeln!(text, "\nstructure: {conclusion}");
    if let Some(repeated) = conclusion.repeated_text() {
        let _ = writeln!(text, "{repeated}");
    }
    for notes in notes(&conclusion, &Warned::of(&columns, &rows)) {
        let _ = writeln!(text, "\n{}", notes.heading);
        for line in notes.lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    Ok(text)
}

/// The columns that stay in a table of this width: while it is too wide, all of the highest rank go,
/// from the right.
pub(super) fn fitting(shown: &[Shown], widths: &[usize], width: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..shown.len()).collect();
    let wide =
        |kept: &[usize]| kept.iter().map(|&k| widths[k] + 2).sum::<usize>().saturating_sub(2);
    while wide(&kept) > width {
        let rank = kept.iter().map(|&k| shown[k].rank).max().unwrap_or(0);
        let is_last = |&k: &usize| shown[k].rank == rank && shown[k].how != Format::P;
        let Some(last) = kept.iter().rposition(is_last).filter(|_| rank > 0) else { break };
        kept.remove(last);
        // A p goes with its measure.
        if kept.get(last).is_some_and(|&k| shown[k].how == Format::P) {
            kept.remove(last);
        }
    }
    kept
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
        "{architecture}: {layers} neuron layers, {tensors} matrices, {weights} weights; {sampling}{}",
        share_in_words(network.share()).map_or(String::new(), |share| format!("; {share}")),
    )
}

/// A column that people read.
pub(super) struct Shown {
    pub(super) at: usize,
    pub(super) how: Format,
    /// Columns of a high rank are left out first, of rank 0 never.
    pub(super) rank: u8,
}

/// Which columns to show and how to round them: the step, what the loop logged, what was computed,
/// how well it fits, the status.
fn shown(columns: &[String]) -> Vec<Shown> {
    let logged = columns.iter().enumerate().filter(|(_, name)| column(name).is_none());
    let rank = |name: &str| if name.to_lowercase().contains("loss") { 2 } else { 5 };
    let of_loop =
        logged.map(|(at, name)| (1, Shown { at, how: Format::Digits(5), rank: rank(name) }));
    let mut shown: Vec<(u8, Shown)> = of_loop.collect();
    for column in known() {
        let (position, rank) = match column.kind {
            Kind::Row => (0, 0),
            Kind::Structure => (2, 1),
            Kind::Note => (4, 3),
            Kind::E if column.name == "E_stable" => (2, 3),
            Kind::E => (2, 4),
            Kind::Fit => (3, 7),
            _ => (2, 6),
        };
        let at = columns.iter().position(|name| name == column.name);
        shown.extend(at.zip(column.format()).map(|(at, how)| (position, Shown { at, how, rank })));
    }
    shown.sort_by_key(|(position, _)| *position);
    shown.into_iter().map(|(_, shown)| shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_columns_go_first_and_a_p_with_its_measure() {
        let of = |rank, how| Shown { at: 0, how, rank };
        let plain = Format::Plain;
        let shown = [
            of(0, plain),
            of(5, plain),
            of(4, plain),
            of(4, Format::P),
            of(1, plain),
            of(1, Format::P),
        ];
        let widths = [4, 4, 4, 2, 4, 2];
        let kept = |width| fitting(&shown, &widths, width);
        assert_eq!(kept(30), [0, 1, 2, 3, 4, 5]);
        assert_eq!(kept(29), [0, 2, 3, 4, 5]);
        assert_eq!(kept(23), [0, 4, 5]);
        assert_eq!(kept(3), [0]);
    }
}
