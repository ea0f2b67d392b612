//! The fallback: every tensor of two or more dimensions is a separate bipartite network.

use super::plan::Plan;
use super::select::Matrix;

/// Lays out `{parameter}.in` and `{parameter}.out` for each tensor `[out, in, taps..]`.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Plan<'a> {
    let mut plan = Plan::default();
    for matrix in matrices {
        plan.alone(matrix);
    }
    plan
}

/// The warning when no architecture fits the parameters, and why.
pub(super) fn warning(why: &str) -> String {
    format!(
        "The architecture was not recognised ({why}), so every matrix is analysed as a two-layer \
         network of its own: its columns (second dimension) are source neurons, its rows are \
         targets. Matrices that read the same neurons are not joined into one neighbourhood, paths \
         over several layers are not seen, and values do not compare with those of a recognised \
         architecture. To change this, name the architecture or put the network together with \
         Network::builder()."
    )
}
