//! The size of the weights: what E and the measures of structure are compared with.

use super::groups::Group;
use super::measurement::Norm;
use super::snapshot::Snapshot;

/// The norm of a group's weights, and how much its source neurons differ in theirs.
pub(super) fn norm(group: &Group, snapshot: &Snapshot) -> Norm {
    let squares = || group.members.iter().flat_map(|&k| &snapshot.layers[k].squares);
    let all: f64 = squares().sum();
    let n = squares().count() as f64;
    let mean = squares().map(|square| square.sqrt()).sum::<f64>() / n;
    let variance = squares().map(|square| (square.sqrt() - mean).powi(2)).sum::<f64>() / n;
    Norm { norm: all.sqrt(), spread: Some(variance.sqrt() / mean).filter(|_| mean > 0.0) }
}
