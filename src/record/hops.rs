//! The rows of hops.csv: one for each analysed step and number of hops.

use super::number::optional;
use crate::analysis::HopEmergence;

pub(super) const HOP_COLUMNS: [&str; 21] = [
    "step",
    "hops",
    "alpha0",
    "width",
    "E",
    "E_se",
    "alpha0_std",
    "width_std",
    "r2",
    "alpha0_stable",
    "width_stable",
    "E_stable",
    "neurons",
    "radii",
    "alpha0_estimated",
    "width_estimated",
    "E_estimated",
    "estimate_error_mean",
    "estimate_error_max",
    "estimate_exact_share",
    "status",
];

/// A row's cells, in the order of the columns.
pub(super) fn hop_cells(step: u64, row: &HopEmergence) -> Vec<String> {
    let (exact, error) = (&row.exact, &row.error);
    let estimated = row.estimated.as_ref();
    let values = [
        exact.alpha0,
        exact.width,
        exact.e,
        exact.e_se,
        exact.alpha0_std,
        exact.width_std,
        exact.r2,
        exact.alpha0_stable,
        exact.width_stable,
        exact.e_stable,
        exact.neurons,
        exact.radii,
        estimated.and_then(|estimated| estimated.alpha0),
        estimated.and_then(|estimated| estimated.width),
        estimated.and_then(|estimated| estimated.e),
        error.mean,
        error.max,
        error.exact_share,
    ];
    let mut cells = vec![step.to_string(), row.hops.to_string()];
    cells.extend(values.map(optional));
    cells.push(row.status.to_string());
    cells
}
