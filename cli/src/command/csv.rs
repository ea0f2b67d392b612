//! Rows of JSON objects as a CSV file.

use std::path::Path;

use neuromfa::internals::record::{Cells, csv_text};
use serde_json::Value;

/// Writes a column for each key of the first row; null is an empty field.
pub fn write(path: &Path, rows: &[Value]) -> anyhow::Result<()> {
    let keys: Vec<&String> =
        rows.first().and_then(Value::as_object).into_iter().flat_map(|row| row.keys()).collect();
    let mut cells: Vec<Cells> = vec![keys.iter().map(|key| (*key).clone()).collect()];
    cells.extend(rows.iter().map(|row| {
        let cell = |key: &&String| match &row[key.as_str()] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        keys.iter().map(cell).collect()
    }));
    crate::output::write_file(path, &csv_text(&cells))
}
