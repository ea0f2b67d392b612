//! What a step has besides its row in emergence.csv: many rows in files of their own.

use super::hops::HOP_COLUMNS;
use super::number::{number, optional};
use super::row::{Row, SPECTRUM_COLUMNS, STRUCTURE_COLUMNS, structure};
use super::scaling::{BOX_COLUMNS, SCALING_COLUMNS, box_cells, scaling_cells};
use super::table::Cells;
use super::{BOXES, DISTRIBUTIONS, HASHES, HOPS, LAYERS, SCALING, SPECTRA};
use crate::analysis::{Distribution, Neuron, NeuronStatistics, Part};
use crate::mfa::Statistics;

/// A file of many rows for each analysed step.
pub(super) struct Detail {
    pub(super) file: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) cells: fn(&Row) -> Vec<Cells>,
}

/// The files, in the order in which a step is written to them.
pub(super) const DETAILS: [Detail; 7] = [
    Detail { file: SPECTRA, columns: &SPECTRUM_COLUMNS, cells: Row::spectrum_cells },
    Detail { file: LAYERS, columns: &LAYER_COLUMNS, cells: layer_cells },
    Detail { file: DISTRIBUTIONS, columns: &DISTRIBUTION_COLUMNS, cells: distribution_cells },
    Detail { file: HOPS, columns: &HOP_COLUMNS, cells: Row::hop_cells },
    Detail { file: SCALING, columns: &SCALING_COLUMNS, cells: scaling_cells },
    Detail { file: BOXES, columns: &BOX_COLUMNS, cells: box_cells },
    Detail { file: HASHES, columns: &HASH_COLUMNS, cells: Row::hash_cells },
];

const LAYER_COLUMNS: [&str; 40] = [
    "step",
    "scope",
    "part",
    "role",
    "alpha0",
    "width",
    "E",
    "E_se",
    "r2",
    "kept",
    "alpha0_stable",
    "width_stable",
    "E_stable",
    "width_excess",
    "width_excess_se",
    "width_excess_p",
    "alpha0_excess",
    "alpha0_excess_se",
    "alpha0_excess_p",
    "E_stable_shuffled",
    "E_excess",
    "E_excess_se",
    "E_excess_p",
    "E_norm_matched",
    "neurons",
    "dimension_r2",
    "dimension_neurons",
    "dimension_mean",
    "dimension_median",
    "dimension_std",
    "dimension_min",
    "dimension_max",
    "dimension_kurtosis",
    "degree_neurons",
    "degree_mean",
    "degree_median",
    "degree_std",
    "degree_min",
    "degree_max",
    "degree_kurtosis",
];

/// XXH3 of each tensor's bytes, 64 bits in hexadecimal.
const HASH_COLUMNS: [&str; 3] = ["step", "tensor", "xxh3"];

/// How many neurons of a part have the quantity in [low, high).
const DISTRIBUTION_COLUMNS: [&str; 6] = ["step", "part", "quantity", "low", "high", "neurons"];

/// The columns of the files in neurons/.
pub(super) const NEURON_COLUMNS: [&str; 6] =
    ["layer", "neuron", "edges", "dimension", "dimension_r2", "degree"];

fn layer_cells(row: &Row) -> Vec<Cells> {
    let cells = |part: &Part| {
        let role = part.role.map(|role| role.to_string()).unwrap_or_default();
        let scope = part.scope.as_str().to_owned();
        let mut cells = vec![row.step.to_string(), scope, part.name.clone(), role];
        let published = [part.alpha0, part.width, part.e, part.e_se, part.r2, part.kept];
        cells.extend(published.map(optional));
        cells.extend([part.alpha0_stable, part.width_stable, part.e_stable].map(optional));
        let measure = |name| optional(structure(&part.structure, name).flatten());
        cells.extend(STRUCTURE_COLUMNS.map(measure));
        let NeuronStatistics { dimension, dimension_r2, degree, neurons } = part.neurons;
        cells.push(if neurons > 0 { neurons.to_string() } else { String::new() });
        cells.push(optional(dimension_r2));
        cells.extend(statistics(dimension));
        cells.extend(statistics(degree));
        cells
    };
    row.emergence.parts.iter().map(cells).collect()
}

/// How many neurons; mean, median, standard deviation, smallest, largest, kurtosis.
fn statistics(of: Option<Statistics>) -> [String; 7] {
    let Some(s) = of else { return Default::default() };
    let Statistics { neurons, mean, median, std, min, max, kurtosis } = s;
    let [mean, median, std, min, max] = [mean, median, std, min, max].map(number);
    [neurons.to_string(), mean, median, std, min, max, optional(kurtosis)]
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
