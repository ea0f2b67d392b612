//! The tables of a step other than emergence.csv: many rows in separate files.

use super::cell::Cells;
use super::column::Column;
use super::hops::hop_columns;
use super::layers::layer_columns;
use super::number::{number, optional};
use super::row::{Row, SPECTRUM_COLUMNS};
use super::scaling::{BOX_COLUMNS, SCALING_COLUMNS, box_cells, scaling_cells};
use super::{BOXES, DISTRIBUTIONS, HASHES, HOPS, LAYERS, SCALING, SPECTRA};
use crate::analysis::{Distribution, Neuron};

/// A file of many rows for each analysed step.
pub(super) struct Detail {
    pub(super) file: &'static str,
    pub(super) columns: fn() -> Vec<&'static str>,
    pub(super) cells: fn(&Row) -> Vec<Cells>,
}

/// The files, in the order in which a step is written to them.
pub(super) const DETAILS: [Detail; 7] = [
    Detail { file: SPECTRA, columns: || SPECTRUM_COLUMNS.to_vec(), cells: Row::spectrum_cells },
    Detail { file: LAYERS, columns: || names(layer_columns()), cells: layer_cells },
    Detail {
        file: DISTRIBUTIONS,
        columns: || DISTRIBUTION_COLUMNS.to_vec(),
        cells: distribution_cells,
    },
    Detail { file: HOPS, columns: || names(hop_columns()), cells: hop_cells },
    Detail { file: SCALING, columns: || SCALING_COLUMNS.to_vec(), cells: scaling_cells },
    Detail { file: BOXES, columns: || BOX_COLUMNS.to_vec(), cells: box_cells },
    Detail { file: HASHES, columns: || HASH_COLUMNS.to_vec(), cells: Row::hash_cells },
];

/// XXH3 of each tensor's bytes, 64 bits in hexadecimal.
const HASH_COLUMNS: [&str; 3] = ["step", "tensor", "xxh3"];

/// How many neurons of a part have the quantity in [low, high).
const DISTRIBUTION_COLUMNS: [&str; 6] = ["step", "part", "quantity", "low", "high", "neurons"];

/// The columns of the files in neurons/.
pub(super) const NEURON_COLUMNS: [&str; 6] =
    ["layer", "neuron", "edges", "dimension", "dimension_r2", "degree"];

fn layer_cells(row: &Row) -> Vec<Cells> {
    let parts = row.emergence.parts.iter();
    parts.map(|part| cells(row.step, layer_columns(), part)).collect()
}

fn hop_cells(row: &Row) -> Vec<Cells> {
    let hops = row.emergence.hops.iter();
    hops.map(|hops| cells(row.step, hop_columns(), hops)).collect()
}

/// The step, then a cell for each column.
fn cells<R: 'static>(
    step: u64,
    columns: impl Iterator<Item = &'static Column<R>>,
    row: &R,
) -> Cells {
    std::iter::once(step.to_string()).chain(columns.map(|column| column.cell(row))).collect()
}

/// The names of the columns of a table whose first one is the step.
fn names<R: 'static>(columns: impl Iterator<Item = &'static Column<R>>) -> Vec<&'static str> {
    std::iter::once("step").chain(columns.map(|column| column.name)).collect()
}

fn distribution_cells(row: &Row) -> Vec<Cells> {
    let rows = |d: &Distribution| {
        let edge = |k: i64| number(k as f64 * d.bin);
        let one = |&(k, neurons): &(i64, u64)| {
            let (low, high) = (edge(k), edge(k + 1));
            let (step, quantity) = (row.step.to_string(), d.quantity.to_owned());
            vec![step, d.part.clone(), quantity, low, high, neurons.to_string()]
        };
        d.counts.iter().map(one).collect::<Vec<_>>()
    };
    row.emergence.distributions.iter().flat_map(rows).collect()
}

/// The rows of the step's file in neurons/.
pub(super) fn neuron_cells(row: &Row) -> Vec<Cells> {
    let rows = |(layer, neurons): &(String, Vec<Neuron>)| {
        let one = |(k, n): (usize, &Neuron)| {
            let mut cells = vec![layer.clone(), k.to_string(), n.edges.to_string()];
            let r2 = n.dimension.and_then(|line| line.r2);
            let numbers = [n.dimension.map(|line| line.slope), r2, n.degree];
            cells.extend(numbers.map(optional));
            cells
        };
        neurons.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    row.emergence.neuron_values.iter().flat_map(rows).collect()
}
