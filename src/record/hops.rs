//! The columns of hops.csv after the step: one row for each analysed step and number of hops.

use super::column::Column;
use super::column::Kind::{Alpha0, E, Fit, Note, Row as Which, Width};
use super::column::Value::{Count, Number, Text};
use crate::analysis::HopEmergence;

const COLUMNS: [Column<HopEmergence>; 20] = [
    Column::new("hops", Which, Count(|row: &HopEmergence| Some(row.hops as u64)))
        .means("the number of hops")
        .range("2 or 3"),
    Column::new("alpha0", Alpha0, Number(|row: &HopEmergence| row.exact.alpha0))
        .means("alpha0, published, on exact distances"),
    Column::new("width", Width, Number(|row: &HopEmergence| row.exact.width))
        .means("width, published, on exact distances"),
    Column::new("E", E, Number(|row: &HopEmergence| row.exact.e))
        .means("E, published, against step 0 at this number of hops"),
    Column::new("E_se", E, Number(|row: &HopEmergence| row.exact.e_se))
        .means("error of E from which neurons were drawn")
        .range("≥ 0"),
    Column::new("alpha0_std", Alpha0, Number(|row: &HopEmergence| row.exact.alpha0_std))
        .means("spread of alpha0 over the samples")
        .range("≥ 0"),
    Column::new("width_std", Width, Number(|row: &HopEmergence| row.exact.width_std))
        .means("spread of the width over the samples")
        .range("≥ 0"),
    Column::new("r2", Fit, Number(|row: &HopEmergence| row.exact.r2))
        .means("R² of ln Z at the largest q, mean over samples")
        .range("0 to 1"),
    Column::new("alpha0_stable", Alpha0, Number(|row: &HopEmergence| row.exact.alpha0_stable))
        .means("alpha0, stable, mean over samples"),
    Column::new("width_stable", Width, Number(|row: &HopEmergence| row.exact.width_stable))
        .means("width, stable, mean over samples"),
    Column::new("E_stable", E, Number(|row: &HopEmergence| row.exact.e_stable))
        .means("E, stable, against step 0 at this number of hops"),
    Column::new("neurons", Fit, Number(|row: &HopEmergence| row.exact.neurons))
        .means("kept neurons of the published estimator, mean over samples")
        .range("≥ 0"),
    Column::new("radii", Fit, Number(|row: &HopEmergence| row.exact.radii))
        .means("occupied radii of the published estimator, mean over samples")
        .range("≥ 2"),
    Column::new("alpha0_estimated", Alpha0, Number(|row: &HopEmergence| row.estimated.as_ref()?.alpha0))
        .means("alpha0, published, on estimated distances")
        .absent("no estimate was asked for"),
    Column::new("width_estimated", Width, Number(|row: &HopEmergence| row.estimated.as_ref()?.width))
        .means("width, published, on estimated distances")
        .absent("no estimate was asked for"),
    Column::new("E_estimated", E, Number(|row: &HopEmergence| row.estimated.as_ref()?.e))
        .means("E, published, on estimated distances")
        .absent("no estimate was asked for"),
    Column::new("estimate_error_mean", Fit, Number(|row: &HopEmergence| row.error.mean))
        .means("mean of estimate/exact - 1, over the pairs that have an estimate")
        .absent("no estimate was asked for"),
    Column::new("estimate_error_max", Fit, Number(|row: &HopEmergence| row.error.max))
        .means("largest of estimate/exact - 1, over the pairs that have an estimate")
        .absent("no estimate was asked for"),
    Column::new("estimate_exact_share", Fit, Number(|row: &HopEmergence| row.error.exact_share))
        .means("share of all pairs in range whose estimate is within one tolerance of the exact distance")
        .range("0 to 1")
        .absent("no estimate was asked for"),
    Column::new("status", Note, Text(|row: &HopEmergence| row.status.to_string()))
        .means("whether all values are there")
        .range("as in emergence.csv"),
];

/// The columns of hops.csv after the step, in the order of the file.
pub fn hop_columns() -> impl Iterator<Item = &'static Column<HopEmergence>> {
    let columns: &'static [Column<HopEmergence>] = &COLUMNS;
    columns.iter()
}
