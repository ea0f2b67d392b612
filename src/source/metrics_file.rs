//! A log of any trainer: CSV, or JSON lines, with a step in each row.

use std::path::Path;

use serde_json::Value;

use super::SourceError;
use super::trainer_log::{Logged, number, quoted_words};

/// Names of the column that has the step, in search order.
const STEPS: [&str; 9] = [
    "step",
    "global_step",
    "trainer/global_step",
    "_step",
    "iter",
    "iteration",
    "iter_num",
    "train_step",
    "steps",
];

/// The numbers in a file, by step; the first of each name. A file that begins with `{` holds JSON, an
/// object for each line; any other is CSV.
///
/// # Errors
/// [`SourceError::File`] when it cannot be read, or no column is named as a step.
pub(crate) fn metrics(path: &Path) -> Result<Logged, SourceError> {
    let text = std::fs::read(path).map_err(|e| SourceError::file(path, e))?;
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    let read = if text.get(start) == Some(&b'{') { json_lines(&text) } else { csv(&text) };
    read.map_err(|why| SourceError::file(path, why))
}

fn add(logged: &mut Logged, step: u64, name: &str, value: f64) {
    let at = logged.entry(step).or_default();
    if !at.iter().any(|(earlier, _)| earlier == name) {
        at.push((name.to_owned(), value));
    }
}

/// A step, which a table may have written as a float.
fn step(value: f64) -> Option<u64> {
    (value >= 0.0 && value.fract() == 0.0 && value < 2f64.powi(53)).then_some(value as u64)
}

fn json_lines(text: &[u8]) -> Result<Logged, String> {
    let mut logged = Logged::new();
    for (k, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row: Value = match serde_json::from_slice(&quoted_words(line)) {
            Ok(row) => row,
            // The last line of a file that is being written to.
            Err(_)
                if k > 0
                    && !text.ends_with(b"\n")
                    && line.as_ptr_range().end == text.as_ptr_range().end =>
            {
                continue;
            }
            Err(e) => return Err(format!("line {} is no JSON object: {e}", k + 1)),
        };
        let found = STEPS.iter().find_map(|name| Some((*name, step(row.get(*name)?.as_f64()?)?)));
        let Some((column, step)) = found else { continue };
        for (name, value) in row.as_object().into_iter().flatten() {
            if let (true, Some(value)) = (name != column, number(value)) {
                add(&mut logged, step, name, value);
            }
        }
    }
    match logged.is_empty() {
        true => Err(format!("no line has a step: one of {}", STEPS.join(", "))),
        false => Ok(logged),
    }
}

fn csv(text: &[u8]) -> Result<Logged, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let names: Vec<String> =
        reader.headers().map_err(|e| e.to_string())?.iter().map(|n| n.trim().to_owned()).collect();
    let named = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let column = STEPS.iter().find_map(|wanted| named(wanted)).ok_or_else(|| {
        format!("none of its columns is a step ({}); they are {names:?}", STEPS.join(", "))
    })?;
    let mut logged = Logged::new();
    for row in reader.records() {
        let row = row.map_err(|e| e.to_string())?;
        let value = |k: usize| row.get(k).and_then(|cell| cell.trim().parse::<f64>().ok());
        let Some(step) = value(column).and_then(step) else { continue };
        for (k, name) in names.iter().enumerate().filter(|(k, _)| *k != column) {
            if let Some(value) = value(k) {
                add(&mut logged, step, name, value);
            }
        }
    }
    Ok(logged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Logged, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        metrics(file.path()).map_err(|e| e.to_string())
    }

    #[test]
    fn tables_and_lines_of_json_are_joined_by_step() {
        let expected = Logged::from([
            (7, vec![("loss".to_owned(), 2.5), ("lr".to_owned(), 0.1)]),
            (14, vec![("loss".to_owned(), 2.0)]),
        ]);
        let csv = "time,Step,loss,lr\nx,7,2.5,0.1\ny,14,2.0,\n,,3,3\n";
        let lines = "{\"loss\": 2.5, \"lr\": 0.1, \"global_step\": 7, \"note\": \"x\"}\n\
                     {\"global_step\": 14.0, \"loss\": 2}\n{\"note\": 1}\n{\"global_st";
        assert_eq!(read(csv).unwrap(), expected);
        assert_eq!(read(lines).unwrap(), expected);
        let word = read("{\"step\": 1, \"loss\": NaN}\n").unwrap();
        assert!(word[&1][0].1.is_nan());
        assert!(read("epoch,loss\n1,2\n").unwrap_err().contains("none of its columns is a step"));
        assert!(read("{\"loss\": 1}\n").unwrap_err().contains("no line has a step"));
        assert!(read("{\"step\": 1}\nx\n{\"step\": 2}\n").unwrap_err().contains("line 2"));
    }
}
