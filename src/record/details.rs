//! The tables of a step other than emergence.csv: many rows in separate files.

use super::cell::Cells;
use super::column::Type::{Float, Integer, Text};
use super::column::{Column, Field};
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
    pub(super) fields: fn() -> Vec<Field>,
    pub(super) cells: fn(&Row) -> Vec<Cells>,
    pub(super) thinned: bool, // whether only some steps have rows
}

impl Detail {
    /// The names of its columns.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        (self.fields)().iter().map(|field| field.name).collect()
    }
}

/// The files, in the order in which a step is written to them.
pub(super) const DETAILS: [Detail; 7] = [
    Detail {
        file: SPECTRA,
        fields: || SPECTRUM_COLUMNS.to_vec(),
        cells: Row::spectrum_cells,
        thinned: true,
    },
    Detail {
        file: LAYERS,
        fields: || after_step(layer_columns()),
        cells: layer_cells,
        thinned: true,
    },
    Detail {
        file: DISTRIBUTIONS,
        fields: || DISTRIBUTION_COLUMNS.to_vec(),
        cells: distribution_cells,
        thinned: true,
    },
    Detail { file: HOPS, fields: || after_step(hop_columns()), cells: hop_cells, thinned: false },
    Detail {
        file: SCALING,
        fields: || SCALING_COLUMNS.to_vec(),
        cells: scaling_cells,
        thinned: true,
    },
    Detail { file: BOXES, fields: || BOX_COLUMNS.to_vec(), cells: box_cells, thinned: true },
    Detail {
        file: HASHES,
        fields: || HASH_COLUMNS.to_vec(),
        cells: Row::hash_cells,
        thinned: false,
    },
];

const STEP: Field = Field::new("step", Integer, "the step");

const HASH_COLUMNS: [Field; 3] = [
    STEP,
    Field::new("tensor", Text, "the tensor's name"),
    Field::new("xxh3", Text, "XXH3 of its bytes, 64 bits in hexadecimal"),
];

const DISTRIBUTION_COLUMNS: [Field; 6] = [
    STEP,
    Field::new("part", Text, "a layer, or all: the network"),
    Field::new("quantity", Text, "dimension or degree"),
    Field::new("low", Float, "where the bin begins, inclusive"),
    Field::new("high", Float, "where the bin ends, exclusive"),
    Field::new("neurons", Integer, "neurons of the part in the bin; empty bins have no row"),
];

/// The columns of the files in neurons/.
pub(super) const NEURON_COLUMNS: [Field; 6] = [
    Field::new("layer", Text, "the neuron's layer"),
    Field::new("neuron", Integer, "which neuron of the layer, from 0 on"),
    Field::new("edges", Integer, "its edges in range"),
    Field::new("dimension", Float, "slope of ln N(r) on ln r")
        .absent("fewer than two radii are occupied"),
    Field::new("dimension_r2", Float, "R² of that line").absent("N(r) is constant"),
    Field::new("degree", Float, "the mean of its distances in range")
        .absent("it has no edge in range"),
];

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

/// The columns of a table whose first one is the step.
fn after_step<R: 'static>(columns: impl Iterator<Item = &'static Column<R>>) -> Vec<Field> {
    std::iter::once(STEP).chain(columns.map(Column::field)).collect()
}

fn distribution_cells(row: &Row) -> Vec<Cells> {
    let rows = |d: &Distribution| {
        let edge = |k: i64| number(k as f64 * d.bin);
        let one = |&(k, neurons): &(i64, u64)| {
            let (low, high) = (edge(k), edge(k + 1));
            let (step, quantity) = (row.step.to_string(), d.quantity.clone().into_owned());
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
