//! Counting the edges between drawn neurons.

use super::edges::{EdgeLayout, EdgeMatrix};
use super::kernel::{Counters, Kernel, Share};
use super::radius_table::RadiusTable;
use super::weight::Weight;
use crate::mfa::Values;

/// Weights that are gathered at once.
const GATHERED: usize = 1 << 14;

/// Adds the edges between drawn sources and drawn target rows of their group only. Row k of `rows` is the
/// neuron `sources[k]`. Returns the number of drawn weights that are not finite.
///
/// # Panics
/// When a drawn index lies outside the matrix.
pub fn count_sampled_edges(
    table: &RadiusTable,
    matrix: &EdgeMatrix<'_>,
    sources: &[usize],
    targets: &[usize],
    rows: &mut [u32],
) -> u64 {
    match matrix.values {
        Values::F32(v) => sampled(table, v, matrix.layout, sources, targets, rows),
        Values::F64(v) => sampled(table, v, matrix.layout, sources, targets, rows),
        Values::F16(v) => sampled(table, v, matrix.layout, sources, targets, rows),
        Values::Bf16(v) => sampled(table, v, matrix.layout, sources, targets, rows),
    }
}

/// Adds the drawn edges of a matrix; gives how many of their weights are not finite.
pub(super) fn sampled<W: Weight>(
    table: &RadiusTable,
    weights: &[W],
    layout: EdgeLayout,
    sources: &[usize],
    targets: &[usize],
    rows: &mut [u32],
) -> u64 {
    let gathered = EdgeLayout::out_in(targets.len(), sources.len(), layout.taps);
    if let Some(kernel) = table.kernel_for(&gathered, sources.len()).filter(|_| layout.groups == 1)
    {
        let slots = table.method().slots();
        return gather(&kernel, slots, weights, layout, (sources, targets), rows);
    }
    let mut not_finite = 0;
    let group = layout.group();
    for &target in targets {
        for (row, &source) in rows.chunks_exact_mut(table.method().slots()).zip(sources) {
            if layout.groups > 1 && source / group.sources != target / group.targets {
                continue;
            }
            let source = if layout.groups > 1 { source % group.sources } else { source };
            let first = target * layout.target_stride + source * layout.source_stride;
            for weight in &weights[first..first + layout.taps] {
                row[weight.slot(table)] += 1;
                not_finite += u64::from(!weight.finite());
            }
        }
    }
    not_finite
}

/// Gathers the drawn edges, some targets at a time, into a matrix of their own.
fn gather<W: Weight>(
    kernel: &Kernel,
    slots: usize,
    weights: &[W],
    layout: EdgeLayout,
    (sources, targets): (&[usize], &[usize]),
    rows: &mut [u32],
) -> u64 {
    let taps = layout.taps;
    let offsets: Vec<usize> = sources.iter().map(|s| s * layout.source_stride).collect();
    let mut gathered = Vec::new();
    let mut not_finite = 0;
    for targets in targets.chunks((GATHERED / (sources.len() * taps).max(1)).max(1)) {
        gathered.clear();
        for &target in targets {
            let row = weights.get(target * layout.target_stride..).unwrap_or_default();
            match taps {
                // A call to copy four bytes costs more than the bytes.
                1 => gathered.extend(offsets.iter().map(|offset| row[*offset])),
                _ => offsets.iter().for_each(|at| gathered.extend_from_slice(&row[*at..][..taps])),
            }
        }
        let layout = EdgeLayout::out_in(targets.len(), sources.len(), taps);
        if !gathered.is_empty() {
            let share = Share { weights: &gathered, layout, first: 0, last: sources.len() };
            let counts = &mut rows[..sources.len() * slots];
            let into = Counters { counts, distances: None, rescaled: None, drawn: Vec::new() };
            not_finite += kernel.count(share, into);
        }
    }
    not_finite
}
