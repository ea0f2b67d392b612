//! The rows of scaling.csv and of boxes.csv: the fitted points, and the fits.
//!
//! The points come first and the fits last, so that a step whose fits are present is complete.

use super::cell::Cells;
use super::column::Field;
use super::column::Type::{Float, Integer, Text};
use super::number::{number, optional};
use super::row::Row;
use crate::analysis::NeuronBoxes;

pub(super) const SCALING_COLUMNS: [Field; 9] = [
    Field::new("step", Integer, "the step"),
    Field::new("what", Text, "ln_z: a fitted point; slope, intercept: of the fits on ln r"),
    Field::new("r", Float, "the radius").absent("the row is of the fits"),
    Field::new("ln_z_-3", Float, "ln Z_q at q = -3, mean over samples, or of its fit"),
    Field::new("ln_z_-2", Float, "the same at q = -2"),
    Field::new("ln_z_-1", Float, "the same at q = -1"),
    Field::new("ln_z_1", Float, "the same at q = 1"),
    Field::new("ln_z_2", Float, "the same at q = 2"),
    Field::new("ln_z_3", Float, "the same at q = 3"),
];

pub(super) const BOX_COLUMNS: [Field; 8] = [
    Field::new("step", Integer, "the step"),
    Field::new("layer", Text, "the neuron's layer"),
    Field::new("neuron", Integer, "which neuron of the layer, from 0 on"),
    Field::new("r", Float, "the radius").absent("the row is of the fit"),
    Field::new("mass", Integer, "N(r): edges within the radius").absent("the row is of the fit"),
    Field::new("dimension", Float, "slope of ln N on ln r").absent("the row is of a radius"),
    Field::new("intercept", Float, "intercept of that line").absent("the row is of a radius"),
    Field::new("r2", Float, "R² of that line").absent("the row is of a radius"),
];

/// Rows of a step in scaling.csv that are fits.
pub(super) const FITS: [&str; 2] = ["slope", "intercept"];

/// ln Z_q at the radii, then the slopes and the intercepts of the fits.
pub(super) fn scaling_cells(row: &Row) -> Vec<Cells> {
    let Some(scaling) = &row.emergence.scaling else { return Vec::new() };
    let cells = |what: &str, r: Option<f64>, values: &[Option<f64>]| {
        let mut cells = vec![row.step.to_string(), what.to_owned(), optional(r)];
        cells.extend(values.iter().copied().map(optional));
        cells
    };
    let points = scaling.points.iter().map(|(r, ln_z)| cells("ln_z", Some(*r), ln_z));
    let fits = FITS.into_iter().zip([&scaling.slope, &scaling.intercept]);
    points.chain(fits.map(|(what, values)| cells(what, None, values))).collect()
}

/// N at each neuron's radii, then its fit.
pub(super) fn box_cells(row: &Row) -> Vec<Cells> {
    let of_neuron = |boxes: &NeuronBoxes| {
        let cells = |values: [String; 5]| {
            let whose = [row.step.to_string(), boxes.layer.clone(), boxes.neuron.to_string()];
            whose.into_iter().chain(values).collect::<Cells>()
        };
        let empty = String::new;
        let point = |&(r, mass): &(f64, u32)| {
            cells([number(r), mass.to_string(), empty(), empty(), empty()])
        };
        let fit = [
            boxes.line.map(|line| line.slope),
            boxes.line.map(|line| line.intercept),
            boxes.line.and_then(|line| line.r2),
        ];
        let [slope, intercept, r2] = fit.map(optional);
        let fit = cells([empty(), empty(), slope, intercept, r2]);
        boxes.points.iter().map(point).chain([fit]).collect::<Vec<_>>()
    };
    row.emergence.boxes.iter().flat_map(of_neuron).collect()
}
