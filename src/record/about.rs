//! README.md and columns.json: what the files and columns of a run are.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Map, Value, json};

use super::column::Field;
use super::columns::{ROLLED_BACK, columns, leading};
use super::config::{RunConfig, SCHEMA};
use super::details::{DETAILS, NEURON_COLUMNS};
use super::error::RecordError;
use super::files::{
    BASELINE, BOXES, COLUMNS, DISTRIBUTIONS, EMERGENCE, ENTRIES, HASHES, HOPS, LAYERS, METRICS,
    NEURONS, NODES, README, RUN, SCALING, SPECTRA, START, STATE, SUMMARY, TENSORBOARD, write_json,
};
use super::folder::Folder;
use super::owned::Owned;
use super::printable::printable;

/// What each file holds, in the order in which people need them.
const ABOUT: [(&str, &str); 20] = [
    (EMERGENCE, "one row for each analysed step: the structure measures, E, their controls"),
    (METRICS, "one row for each step that was reported: what the training loop logged"),
    (SUMMARY, "written at the end: the verdict, last and best values, warnings, cost"),
    (RUN, "configuration, the network as it was read, where the run comes from"),
    (LAYERS, "analysed steps: each layer, block and role, and the network"),
    (SPECTRA, "analysed steps: the multifractal spectrum"),
    (DISTRIBUTIONS, "analysed steps: how degrees and dimensions are distributed over neurons"),
    (SCALING, "analysed steps: what the spectrum is fitted to, and the fits"),
    (BOXES, "analysed steps: what the dimensions of some neurons are fitted to"),
    (HOPS, "each analysed step: the values over 2 and 3 hops"),
    (HASHES, "each analysed step: a hash of each tensor"),
    (NEURONS, "a file for each analysed step: every neuron's dimension and degree"),
    (STATE, "state of the stop rule"),
    (BASELINE, "what the run compares against: the measurement of step 0"),
    (NODES, "the neurons that were drawn"),
    (START, "the weights of step 0"),
    (ENTRIES, "entries of the matrices at step 0, from which distances are measured"),
    (TENSORBOARD, "event files for TensorBoard"),
    (COLUMNS, "for programs: each column of each table, its type and meaning"),
    (README, "this page"),
];

/// Writes those of the two that are among the `files` of a run.
pub(super) fn write(folder: &Folder, files: &Owned, config: &RunConfig) -> Result<(), RecordError> {
    if files.contains(&COLUMNS) {
        write_json(folder, COLUMNS, false, &columns_json(files, config))?;
    }
    if files.contains(&README) {
        let text = readme(files, config);
        folder.replace(README, false, |file| file.write_all(text.as_bytes()))?;
    }
    Ok(())
}

/// The tables of a run, with their columns.
fn tables(files: &Owned) -> impl Iterator<Item = (&'static str, Vec<Field>)> {
    let details = DETAILS.iter().map(|detail| (detail.file, (detail.fields)()));
    let emergence = columns().map(|column| column.field()).collect();
    let lead = leading().len();
    let metrics = columns().take(lead).map(|column| column.field()).collect();
    let all = [(EMERGENCE, emergence), (METRICS, metrics)].into_iter().chain(details);
    all.chain([(NEURONS, NEURON_COLUMNS.to_vec())]).filter(|(file, _)| files.contains(file))
}

fn columns_json(files: &Owned, config: &RunConfig) -> Value {
    let about = |file: &str| ABOUT.iter().find(|(name, _)| *name == file).map(|(_, about)| *about);
    let table = |(file, fields): (&'static str, Vec<Field>)| {
        let mut table = json!({ "about": about(file), "columns": fields });
        if [EMERGENCE, METRICS].contains(&file) {
            let text = format!(
                "float: what the training loop logs, after wall_time ({ROLLED_BACK}: integer, the step \
                 whose weights were loaded)"
            );
            table["other_columns"] = text.into();
        }
        (file.to_owned(), table)
    };
    let tables: Map<String, Value> = tables(files).map(table).collect();
    let origin = &config.origin;
    json!({
        "schema": config.schema,
        "neuromfa": config.neuromfa,
        "begun": origin.begun,
        "command": origin.command,
        "absent": "an empty field in CSV, null in JSON",
        "not_finite": "NaN, inf or -inf in CSV, the same as text in JSON",
        "tables": tables,
    })
}

fn readme(files: &Owned, config: &RunConfig) -> String {
    let RunConfig { neuromfa, origin, network, every_detail, .. } = config;
    let unknown = || "unknown".to_owned();
    let command: Vec<String> =
        origin.command.iter().map(|word| printable(word).into_owned()).collect();
    let text = |text: &Option<String>| {
        text.as_deref().map_or_else(unknown, |text| printable(text).into_owned())
    };
    let mut page = format!(
        "# A run of neuromfa\n\n\
         Begun {} on {} with neuromfa {neuromfa} (schema {SCHEMA}), by the command\n\n    {}\n\n\
         Network: {}, {} neuron layers, {} matrices. To look at it, here:\n\n    \
         neuromfa show .\n    neuromfa report . --html\n\n| file | holds |\n|---|---|\n",
        text(&origin.begun),
        text(&origin.host),
        command.join(" "),
        network.architecture(),
        network.layers().len(),
        network.connections().len(),
    );
    for (name, about) in ABOUT {
        if files.contains(&name) || name == TENSORBOARD {
            let _ = writeln!(page, "| {name} | {about} |");
        }
    }
    let _ = write!(
        page,
        "\nA file is there once there is something to write to it. Where it says \"analysed steps\", it has each \
         of the first 100 analysed steps, then one in {every_detail}.\n\n\
         An absent value is an empty field in a CSV file and `null` in a JSON file. A number that is not \
         finite is `NaN`, `inf` or `-inf`; in JSON it is this text in quotes. The names of quantities \
         are the same in all files and in TensorBoard; {COLUMNS} says what each column is.\n\n    \
         pandas.read_csv(\"{EMERGENCE}\")\n    \
         polars.read_csv(\"{EMERGENCE}\")\n    \
         duckdb.sql(\"select * from '{EMERGENCE}'\")\n\n\
         neuromfa wrote this file and replaces it with the run: keep notes in another one.\n"
    );
    page
}

#[cfg(test)]
mod tests {
    use super::super::files::FILES;
    use super::*;

    #[test]
    fn each_file_of_a_run_is_described_and_each_column_has_a_meaning() {
        for file in FILES {
            assert!(ABOUT.iter().any(|(name, _)| *name == file), "{file}");
        }
        let files = FILES.to_vec();
        let mut tables_of_run = 0;
        for (file, fields) in tables(&files) {
            tables_of_run += 1;
            for field in fields {
                assert!(!field.meaning.is_empty(), "{file}: {}", field.name);
            }
        }
        assert_eq!(tables_of_run, DETAILS.len() + 3);
    }
}
