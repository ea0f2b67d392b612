//! Moments of the neurons' logarithms, radius by radius: one pass, from which all q follow.

use std::cell;
use std::hint::black_box;

use multiversion::multiversion;
use rayon::prelude::*;

use super::exponential::TERMS;
use super::logarithms::{LANES, Logarithms, STEPS};
use crate::mfa::mass::BoxMasses;

/// Neurons that are summed in registers before they are added to the rest.
const BLOCK: usize = 96;

/// Blocks that make one task.
const TASK: usize = 32;

/// The largest width of a part of a block's neurons: around a centre in its middle, rounded to a
/// step, all of it lies within 1.
const WIDEST: f64 = 1.85;

/// Steps between the centres of blocks whose width is from [`COARSE_MIN`] to [`COARSE_MAX`]. They all take
/// [`TERMS`] powers and still lie within 1 of a rough centre, and neighbouring radii share it.
const COARSE: i32 = 4;
const COARSE_MIN: f64 = 0.5;
const COARSE_MAX: f64 = 1.45;

/// The distance from a centre within which 14 powers are enough, or 18: (3y)^k / k! is below 2·10⁻¹⁶
/// at the first that is left out.
const WITHIN_14: f64 = 0.14;
const WITHIN_18: f64 = 0.32;

/// Σ y^0, Σ y^1, … at some radii side by side.
pub(super) type Powers = [[f64; LANES]; TERMS];

/// The neurons that lie around one centre at each of some radii side by side.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) shift: i32, // of the centre, in steps from that of the network
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
        // Nearly all of them; nothing is counted between the others.
        let run = slots.len() - slots.chunk_by(|a, b| a + 1 == *b).last().map_or(0, <[_]>::len);
        let centres = centres(masses, logarithms, &slots);
        let at: Vec<[f64; LANES]> =
            centres.iter().map(|c| c.map(|c| f64::from(c) / STEPS)).collect();
        let add = |mut all: Vec<Vec<Cell>>, part: Vec<Vec<Cell>>| {
            for (all, part) in all.iter_mut().zip(part) {
                part.iter().for_each(|part| add_powers(all, &[part.shift; LANES], &part.powers));
            }
            all
        };
        let partial: Vec<Vec<Vec<Cell>>> = masses
            .ordered()
            .par_chunks(BLOCK * TASK)
            .map(|neurons| {
                let mut cells = CELLS.take();
                cells.iter_mut().for_each(Vec::clear);
                cells.resize_with(at.len(), Vec::new);
                let mut logs = vec![[0.0; LANES]; neurons.len().min(BLOCK) * at.len()];
                for neurons in neurons.chunks(BLOCK) {
                    touch(masses, neurons);
                    for (logs, &(total, neuron)) in logs.chunks_exact_mut(at.len()).zip(neurons) {
                        let row = masses.row(neuron);
                        logarithms.of(row, total, &slots, run, logs.as_flattened_mut());
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

thread_local! {
    /// Memory for the cells of small layers, of which there may be thousands.
    static CELLS: cell::Cell<Vec<Vec<Cell>>> = const { cell::Cell::new(Vec::new()) };
}

impl Drop for Moments {
    fn drop(&mut self) {
        CELLS.set(std::mem::take(&mut self.cells));
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
        let logarithm = (reached as f64 / total).ln() * logarithms.scale;
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

/// Adds the sums of each lane to the cell of its centre; those of no neuron nowhere.
#[inline(always)]
fn add_powers(cells: &mut Vec<Cell>, shifts: &[i32; LANES], powers: &Powers) {
    let mut left: [bool; LANES] = std::array::from_fn(|l| powers[0][l] != 0.0);
    while let Some(first) = left.iter().position(|left| *left) {
        let shift = shifts[first];
        let part: [f64; LANES] =
            std::array::from_fn(|l| if shifts[l] == shift { 1.0 } else { 0.0 });
        for l in 0..LANES {
            left[l] &= shifts[l] != shift;
        }
        let sums = cell(cells, shift).powers.as_flattened_mut();
        let part = [part; TERMS];
        for ((sum, power), part) in
            sums.iter_mut().zip(powers.as_flattened()).zip(part.as_flattened())
        {
            *sum += part * power;
        }
    }
}

/// The cell of a centre, a new one where there is none.
fn cell(cells: &mut Vec<Cell>, shift: i32) -> &mut Cell {
    let found = cells.iter().position(|cell| cell.shift == shift).unwrap_or_else(|| {
        cells.push(Cell { shift, powers: [[0.0; LANES]; TERMS] });
        cells.len() - 1
    });
    &mut cells[found]
}

/// Adds a block of neurons, one run of logarithms for each. Neurons that lie far apart are divided
/// into parts of equal width, each with a centre in its middle.
#[multiversion(targets = "simd")]
fn add_block(logs: &[[f64; LANES]], centres: &[[f64; LANES]], cells: &mut [Vec<Cell>]) {
    let width = centres.len();
    for (k, (centre, cells)) in centres.iter().zip(cells).enumerate() {
        let logs = &logs[k..];
        let (mut least, mut most) = (logs[0], logs[0]);
        for logs in logs.iter().step_by(width) {
            for l in 0..LANES {
                least[l] = if logs[l] < least[l] { logs[l] } else { least[l] };
                most[l] = if logs[l] > most[l] { logs[l] } else { most[l] };
            }
        }
        let widest = (0..LANES).fold(0.0, |widest: f64, l| widest.max(most[l] - least[l]));
        let parts = (widest / WIDEST).ceil().max(1.0);
        // Fewer centres, where the width of the block allows it.
        let grid = if (COARSE_MIN..=COARSE_MAX).contains(&widest) { COARSE } else { 1 };
        for part in (0..parts as u32).map(f64::from) {
            let (mut range, mut shifts) = (Range::ALL, [0; LANES]);
            let mut reach: f64 = 0.0;
            for l in 0..LANES {
                let spread = (most[l] - least[l]) / parts;
                let middle = least[l] + (part + 0.5) * spread - centre[l];
                let steps = f64::from(grid) / STEPS;
                shifts[l] = grid * (middle / steps).round_ties_even() as i32;
                let shift = f64::from(shifts[l]) / STEPS;
                range.centre[l] = centre[l] + shift;
                if part > 0.0 {
                    range.from[l] = least[l] + part * spread;
                }
                if part + 1.0 < parts {
                    range.to[l] = least[l] + (part + 1.0) * spread;
                }
                reach = reach.max((middle - shift).abs() + 0.5 * spread);
            }
            let powers = if parts > 1.0 {
                powers::<true, TERMS>(logs, width, &range)
            } else if reach <= WITHIN_14 {
                powers::<false, 14>(logs, width, &range)
            } else if reach <= WITHIN_18 {
                powers::<false, 18>(logs, width, &range)
            } else {
                powers::<false, TERMS>(logs, width, &range)
            };
            add_powers(cells, &shifts, &powers);
        }
    }
}

/// Logarithms around a centre, from one up to another.
struct Range {
    centre: [f64; LANES],
    from: [f64; LANES],
    to: [f64; LANES],
}

impl Range {
    const ALL: Self =
        Self { centre: [0.0; LANES], from: [f64::NEG_INFINITY; LANES], to: [f64::INFINITY; LANES] };
}

/// Σ y^k, y the distance of a neuron's logarithm from the centre; over all neurons or, `SOME`, those
/// in its range. Powers from `MOST` on are left out.
#[inline(always)]
fn powers<const SOME: bool, const MOST: usize>(
    logs: &[[f64; LANES]],
    width: usize,
    range: &Range,
) -> Powers {
    let mut sums = [[0.0; LANES]; MOST];
    for logs in logs.iter().step_by(width) {
        let (mut y, mut power) = ([0.0; LANES], [1.0; LANES]);
        for l in 0..LANES {
            y[l] = logs[l] - range.centre[l];
            if SOME {
                power[l] =
                    if range.from[l] <= logs[l] && logs[l] < range.to[l] { 1.0 } else { 0.0 };
            }
        }
        for sum in &mut sums {
            for l in 0..LANES {
                sum[l] += power[l];
                power[l] *= y[l];
            }
        }
    }
    let mut powers = [[0.0; LANES]; TERMS];
    powers[..MOST].copy_from_slice(&sums);
    powers
}
