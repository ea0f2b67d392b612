//! Moments of the neurons' logarithms, radius by radius: one pass, from which all q follow.

use std::hint::black_box;

use multiversion::multiversion;
use rayon::prelude::*;

use super::exponential::TERMS;
use super::table::{Logarithms, STEPS};
use crate::mfa::mass::BoxMasses;

/// Neurons that are summed in registers before they are added to the rest.
const BLOCK: usize = 64;

/// Blocks that make one task.
const TASK: usize = 32;

/// Radii that are summed side by side.
pub(super) const LANES: usize = 8;

/// Σ y^0, Σ y^1, … at some radii side by side.
pub(super) type Powers = [[f64; LANES]; TERMS];

/// The neurons that lie around one centre at each of some radii side by side.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) shift: i32, // of the centre, in widths of a cell
    pub(super) powers: Powers,
}

/// The moments of the kept neurons of a network, or of a part of one.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub(super) neurons: usize,
    pub(super) slots: Vec<usize>, // the first, and the occupied ones: in between nothing changes
    pub(super) centres: Vec<[i32; LANES]>, // of those slots, in steps
    pub(super) cells: Vec<Vec<Cell>>, // of those slots
}

impl Moments {
    /// One pass over the neurons.
    ///
    /// # Panics
    /// When the logarithms do not reach the largest T.
    pub(super) fn of(masses: &BoxMasses<'_>, logarithms: &Logarithms) -> Self {
        let occupied = masses.occupied_slots();
        let first = Some(1).filter(|first| occupied.first() != Some(first));
        let slots: Vec<usize> = first.into_iter().chain(occupied.iter().copied()).collect();
        let centres = centres(masses, logarithms, &slots);
        let at: Vec<[f64; LANES]> =
            centres.iter().map(|c| c.map(|c| f64::from(c) / STEPS)).collect();
        let add = |mut all: Vec<Vec<Cell>>, part: Vec<Vec<Cell>>| {
            for (all, part) in all.iter_mut().zip(part) {
                part.iter().for_each(|cell| add_cell(all, cell.shift, &cell.powers));
            }
            all
        };
        let partial: Vec<Vec<Vec<Cell>>> = masses
            .ordered()
            .par_chunks(BLOCK * TASK)
            .map(|neurons| {
                let mut cells = vec![Vec::new(); at.len()];
                let mut logs = vec![[0.0; LANES]; neurons.len().min(BLOCK) * at.len()];
                for neurons in neurons.chunks(BLOCK) {
                    touch(masses, neurons);
                    for (logs, &(total, neuron)) in logs.chunks_exact_mut(at.len()).zip(neurons) {
                        let row = masses.row(neuron);
                        logarithms.of(row, total, &slots, logs.as_flattened_mut());
                    }
                    add_block(&logs[..neurons.len() * at.len()], &at, &mut cells);
                }
                cells
            })
            .collect();
        let cells = partial.into_iter().reduce(add).unwrap_or_default();
        Self { neurons: masses.neurons(), slots, centres, cells }
    }
}

/// For each slot the logarithm of the neurons' mean mass over their mean T, in steps.
fn centres(masses: &BoxMasses<'_>, logarithms: &Logarithms, slots: &[usize]) -> Vec<[i32; LANES]> {
    let edges = masses.edges();
    let neurons = masses.neurons() as u64;
    let total = (neurons + edges[1..].iter().sum::<u64>()) as f64;
    let (mut reached, mut next) = (neurons, 1);
    let mut centres = vec![[0; LANES]; slots.len().div_ceil(LANES)];
    for (centre, &slot) in centres.as_flattened_mut().iter_mut().zip(slots) {
        reached += edges[next..=slot].iter().sum::<u64>();
        next = slot + 1;
        let logarithm = (reached as f64 / total).ln() * logarithms.scale();
        *centre = (logarithm * STEPS).round() as i32;
    }
    centres
}

/// Reads one counter of each line of these neurons' rows, which lie anywhere: many lines are then on
/// their way from memory at once.
fn touch(masses: &BoxMasses<'_>, neurons: &[(u32, u32)]) {
    const LINE: usize = 64 / size_of::<u32>();
    let counters = neurons.iter().flat_map(|&(_, neuron)| masses.row(neuron).iter().step_by(LINE));
    black_box(counters.fold(0u32, |sum, &count| sum.wrapping_add(count)));
}

fn add_cell(cells: &mut Vec<Cell>, shift: i32, powers: &Powers) {
    match cells.iter_mut().find(|cell| cell.shift == shift) {
        None => cells.push(Cell { shift, powers: *powers }),
        Some(cell) => {
            let sums = cell.powers.as_flattened_mut().iter_mut();
            sums.zip(powers.as_flattened()).for_each(|(sum, part)| *sum += part);
        }
    }
}

/// Adds a block of neurons, one run of logarithms for each.
#[multiversion(targets = "simd")]
fn add_block(logs: &[[f64; LANES]], centres: &[[f64; LANES]], cells: &mut [Vec<Cell>]) {
    let width = centres.len();
    for (k, (centre, cells)) in centres.iter().zip(cells).enumerate() {
        let logs = &logs[k..];
        let mut farthest = [0.0; LANES];
        for logs in logs.iter().step_by(width) {
            for l in 0..LANES {
                let from = (logs[l] - centre[l]).abs();
                farthest[l] = if from > farthest[l] { from } else { farthest[l] };
            }
        }
        if farthest.iter().all(|&from| from <= 1.0) {
            add_cell(cells, 0, &powers::<false>(logs, width, centre, 0.0));
            continue;
        }
        let all = logs.iter().step_by(width).flat_map(|logs| logs.iter().zip(centre));
        let (least, most) = all.fold((0.0, 0.0), |(least, most): (f64, f64), (log, centre)| {
            (least.min(log - centre), most.max(log - centre))
        });
        let nearest = |log: f64| (log / 2.0).round_ties_even() as i32;
        for shift in nearest(least)..=nearest(most) {
            let powers = powers::<true>(logs, width, centre, f64::from(shift));
            if powers[0] != [0.0; LANES] {
                add_cell(cells, shift, &powers);
            }
        }
    }
}

/// Σ y^k, y the distance of a neuron's logarithm from the centre, moved by `shift` widths of a cell;
/// over all neurons or, `SOME`, those that are nearest to this centre.
#[inline(always)]
fn powers<const SOME: bool>(
    logs: &[[f64; LANES]],
    width: usize,
    centre: &[f64; LANES],
    shift: f64,
) -> Powers {
    let mut sums = [[0.0; LANES]; TERMS];
    for logs in logs.iter().step_by(width) {
        let (mut y, mut power) = ([0.0; LANES], [1.0; LANES]);
        for l in 0..LANES {
            let from = logs[l] - centre[l];
            y[l] = from - 2.0 * shift;
            if SOME {
                power[l] = if (from / 2.0).round_ties_even() == shift { 1.0 } else { 0.0 };
            }
        }
        for sum in &mut sums {
            for l in 0..LANES {
                sum[l] += power[l];
                power[l] *= y[l];
            }
        }
    }
    sums
}
