//! What the loop logs, in the columns of a table.

use std::collections::HashSet;

use super::cell::Cells;
use super::columns::ROLLED_BACK;
use super::error::RecordError;
use super::folder::Folder;
use super::number::number;
use super::scalar::Scalar;
use super::table::Table;

/// The cells of a row: the first ones, then those of what the loop logged; the others are empty.
pub(super) fn with_scalars(
    table: &Table,
    head: impl IntoIterator<Item = String>,
    scalars: &[Scalar],
) -> Cells {
    let mut cells: Cells = head.into_iter().collect();
    let first = cells.len();
    cells.resize(table.columns().len(), String::new());
    for (k, (name, value)) in scalars.iter().enumerate() {
        if let Some(place) = table.place(first + k, name) {
            // A step, not a measurement.
            let step = **name == *ROLLED_BACK;
            cells[place] = if step { value.to_string() } else { number(*value) };
        }
    }
    cells
}

/// The table of a file, created if it is missing, with a column for each scalar between the `head`
/// columns and the `tail` columns. Where it needs a new one, it also takes those that are `expected`.
pub(super) fn table<'t>(
    table: &'t mut Option<Table>,
    (folder, name): (&Folder, &'static str),
    (head, tail): (&[&str], &[&str]),
    scalars: &[Scalar],
    expected: &mut Vec<String>,
) -> Result<&'t mut Table, RecordError> {
    let names = scalars.iter().map(|(name, _)| &**name);
    let table = match table {
        Some(table) => table,
        None => {
            let names: Vec<&str> = names.clone().collect();
            let columns = [head, &names, tail].concat().into_iter().map(str::to_owned).collect();
            table.insert(Table::create(folder, name, columns)?)
        }
    };
    let place = |(k, name): &(usize, &str)| table.place(head.len() + k, name);
    if names.clone().enumerate().any(|named| place(&named).is_none()) {
        let mut seen = HashSet::new();
        let wanted = expected.iter().map(String::as_str).chain(names);
        let new = wanted.filter(|name| table.place(0, name).is_none() && seen.insert(*name));
        let new: Vec<&str> = new.collect();
        table.insert_columns(table.columns().len() - tail.len(), &new)?;
        expected.clear();
    }
    Ok(table)
}
