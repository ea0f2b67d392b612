//! Rows of JSON objects as a CSV file.

use std::path::Path;

use serde_json::Value;

/// Writes a column for each key of the first row; null is an empty field.
pub fn write(path: &Path, rows: &[Value]) -> std::io::Result<()> {
    let keys: Vec<&String> =
        rows.first().and_then(Value::as_object).into_iter().flat_map(|row| row.keys()).collect();
    let mut text = line(keys.iter().map(|key| (*key).clone()));
    for row in rows {
        text += &line(keys.iter().map(|key| match &row[key.as_str()] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    std::fs::write(path, text)
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let quoted = |cell: String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    };
    cells.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}
