//! The columns of layers.csv after the step.

use super::column::Column;
use super::column::Kind::{Alpha0, E, Fit, Row as Which, Width};
use super::column::Need::Stable;
use super::column::Value::{Count, Number, Text};
use super::column::View::Layers;
use super::measures::Measured;
use crate::analysis::Part;

/// Before the measures of structure.
const ESTIMATES: [Column<Part>; 12] = [
    Column::new("scope", Which, Text(|part: &Part| part.scope.as_str().to_owned()))
        .means("what kind of part it is")
        .range("layer, block, role, group or network"),
    Column::new("part", Which, Text(|part: &Part| part.name.clone())).means("its name"),
    Column::new(
        "role",
        Which,
        Text(|part: &Part| part.role.map(|role| role.to_string()).unwrap_or_default()),
    )
    .means("the role of its edges")
    .absent("its edges have several roles"),
    Column::new("alpha0", Alpha0, Number(|part: &Part| part.alpha0))
        .means("alpha0 of the part, published")
        .equation("on its drawn neurons, as in emergence.csv"),
    Column::new("width", Width, Number(|part: &Part| part.width))
        .means("width of the part, published")
        .equation("on its drawn neurons, as in emergence.csv"),
    Column::new("E", E, Number(|part: &Part| part.e))
        .means("E of the part, published")
        .equation("against its own step 0")
        .views(&[Layers]),
    Column::new("E_se", E, Number(|part: &Part| part.e_se))
        .means("error of E from which neurons were drawn")
        .range("≥ 0")
        .equation("as in emergence.csv"),
    Column::new("r2", Fit, Number(|part: &Part| part.r2))
        .means("R² of ln Z at the largest q")
        .range("0 to 1")
        .equation("on its drawn neurons, mean over samples"),
    Column::new("kept", Fit, Number(|part: &Part| part.kept))
        .means("kept neurons of the published estimator")
        .range("≥ 0")
        .equation("mean over samples"),
    Column::new("alpha0_stable", Alpha0, Number(|part: &Part| part.alpha0_stable))
        .means("alpha0 of the part, stable")
        .equation("over all its neurons")
        .needs(&[Stable])
        .views(&[Layers]),
    Column::new("width_stable", Width, Number(|part: &Part| part.width_stable))
        .means("width of the part, stable")
        .equation("over all its neurons")
        .needs(&[Stable])
        .views(&[Layers]),
    Column::new("E_stable", E, Number(|part: &Part| part.e_stable))
        .means("E of the part, stable")
        .equation("against its own step 0")
        .needs(&[Stable])
        .views(&[Layers]),
];

/// Then the neurons of the part.
const NEURONS: [Column<Part>; 2] = [
    Column::new(
        "neurons",
        Fit,
        Count(|part: &Part| Some(part.neurons.neurons as u64).filter(|&n| n > 0)),
    )
    .means("neurons of the part, kept or not")
    .range("≥ 1"),
    Column::new("dimension_r2", Fit, Number(|part: &Part| part.neurons.dimension_r2))
        .means("mean R² of the fits behind the dimensions")
        .range("0 to 1"),
];

/// The statistics of a number over neurons.
macro_rules! statistics {
    ($prefix:literal, $of:ident, $what:literal, $equation:literal, $neurons:literal) => {
        [
            Column::new(
                concat!($prefix, "_neurons"),
                Fit,
                Count(|part: &Part| part.neurons.$of.map(|of| of.neurons as u64)),
            )
            .means(concat!("how many neurons have a ", $what, ": ", $neurons))
            .range("≥ 1"),
            Column::new(
                concat!($prefix, "_mean"),
                Fit,
                Number(|part: &Part| Some(part.neurons.$of?.mean)),
            )
            .means(concat!("mean ", $what))
            .equation($equation),
            Column::new(
                concat!($prefix, "_median"),
                Fit,
                Number(|part: &Part| Some(part.neurons.$of?.median)),
            )
            .means(concat!("median ", $what)),
            Column::new(
                concat!($prefix, "_std"),
                Fit,
                Number(|part: &Part| Some(part.neurons.$of?.std)),
            )
            .means("standard deviation")
            .range("≥ 0")
            .equation("of the population"),
            Column::new(
                concat!($prefix, "_min"),
                Fit,
                Number(|part: &Part| Some(part.neurons.$of?.min)),
            )
            .means(concat!("smallest ", $what)),
            Column::new(
                concat!($prefix, "_max"),
                Fit,
                Number(|part: &Part| Some(part.neurons.$of?.max)),
            )
            .means(concat!("largest ", $what)),
            Column::new(
                concat!($prefix, "_kurtosis"),
                Fit,
                Number(|part: &Part| part.neurons.$of?.kurtosis),
            )
            .means("kurtosis, 3 for a Gaussian")
            .range("≥ 1")
            .equation("β₂ = E[((X - μ)/σ)⁴], population moments")
            .absent("all are equal"),
        ]
    };
}

const DIMENSIONS: [Column<Part>; 7] = statistics!(
    "dimension",
    dimension,
    "dimension",
    "D_i, least-squares slope of ln N_i(r) on ln r over the neuron's own occupied radii",
    "kept neurons with two radii or more"
);

const DEGREES: [Column<Part>; 7] = statistics!(
    "degree",
    degree,
    "degree",
    "average weighted degree: the mean of a neuron's kept distances",
    "neurons with an edge in range"
);

/// The columns of layers.csv after the step, in the order of the file.
pub fn layer_columns() -> impl Iterator<Item = &'static Column<Part>> {
    let parts: [&'static [Column<Part>]; 6] =
        [&ESTIMATES, &Part::MEASURES, &Part::WEIGHTS, &NEURONS, &DIMENSIONS, &DEGREES];
    parts.into_iter().flatten()
}
