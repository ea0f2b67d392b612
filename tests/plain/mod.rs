//! A second implementation of the method, directly from its definition: one power per neuron,
//! radius and q, and compensated sums. It shares no code with the crate, not even the q grid.
#![allow(dead_code)] // each test file uses its part

use neuromfa::mfa::{Parameters, Transfer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// The whole result of a network.
#[derive(Debug)]
pub struct Plain {
    pub neurons: usize,
    pub radii: Vec<f64>,
    pub tau: Vec<f64>,
    pub r2: Vec<f64>,
    pub alpha: Vec<f64>,
    pub f: Vec<f64>,
    pub alpha0: f64,
    pub width: f64,
    pub stable_alpha: Vec<f64>,
    pub stable_alpha0: f64,
    pub stable_width: f64,
}

/// Weights of one network: a list for each source neuron, of different lengths, normal with the
/// neuron's own standard deviation around `std`.
pub fn weights(neurons: usize, edges: usize, std: f64, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let neuron = |_| {
        let edges = rng.random_range(edges / 2..=edges);
        let std = std * rng.random_range(0.5..2.0);
        (0..edges).map(|_| (std * rng.sample::<f64, _>(StandardNormal)) as f32).collect()
    };
    (0..neurons).map(neuron).collect()
}

/// f(w) of each weight.
pub fn distances(transfer: Transfer, weights: &[Vec<f32>]) -> Vec<Vec<f64>> {
    let distance = |w: &f32| {
        let size = f64::from(*w).abs();
        match transfer {
            Transfer::Inverse => size.recip(),
            Transfer::Coth => size.tanh().recip(),
            Transfer::Log => size.ln().abs(),
            other => panic!("no plain {other}"),
        }
    };
    weights.iter().map(|list| list.iter().map(distance).collect()).collect()
}

/// The q grid: k/m with 1/m the step.
pub fn q_grid(p: &Parameters) -> Vec<f64> {
    let m = p.q_step.recip().round();
    ((p.q_min * m).round() as i64..=(p.q_max * m).round() as i64).map(|k| k as f64 / m).collect()
}

/// Both estimators; none without a kept neuron or with fewer than two radii.
pub fn analyse(p: &Parameters, distances: &[Vec<f64>]) -> Option<Plain> {
    let m = p.radius_step.recip().round();
    let step = |d: f64| (d * m).round_ties_even() as u64;
    let kept: Vec<Vec<u64>> = distances
        .iter()
        .map(|list| {
            let in_range = list.iter().filter(|d| **d > p.min_distance && **d <= p.max_distance);
            in_range.map(|d| step(*d)).collect::<Vec<u64>>()
        })
        .filter(|steps| steps.len() > p.min_edges as usize)
        .collect();
    let mut occupied: Vec<u64> = kept.iter().flatten().copied().collect();
    occupied.sort_unstable();
    occupied.dedup();
    if occupied.len() < 2 {
        return None;
    }
    let q = q_grid(p);

    let x = log_radii(&occupied);
    let p_occupied = masses(&kept, &occupied);
    let fit = |&q: &f64| {
        let ln_z: Vec<f64> = p_occupied.iter().map(|p| partition(p, q).ln()).collect();
        slope(&x, &ln_z)
    };
    let (tau, r2): (Vec<f64>, Vec<f64>) = q.par_iter().map(fit).unzip();
    let alpha: Vec<f64> = (1..q.len()).map(|k| (tau[k] - tau[k - 1]) / (q[k] - q[k - 1])).collect();
    let f: Vec<f64> = alpha.iter().enumerate().map(|(k, alpha)| q[k] * alpha - tau[k]).collect();
    // f is 0 on both sides of q = 0: values this near to the top are equal, the first one counts.
    let highest = f.iter().copied().fold(f64::MIN, f64::max);
    let top = f.iter().position(|f| *f > highest - 1e-12).unwrap();
    let range = |values: &[f64]| {
        let max = values.iter().copied().fold(f64::MIN, f64::max);
        max - values.iter().copied().fold(f64::MAX, f64::min)
    };

    let grid: Vec<u64> = (step(p.min_distance.next_up())..=step(p.max_distance)).collect();
    let x = log_radii(&grid);
    let p_grid = masses(&kept, &grid);
    let derivative = |&q: &f64| {
        let mean_log = |p: &Vec<f64>| sum(p.iter().map(|p| p.powf(q) * p.ln())) / partition(p, q);
        slope(&x, &p_grid.iter().map(mean_log).collect::<Vec<f64>>()).0
    };
    let stable_alpha: Vec<f64> = q.par_iter().map(derivative).collect();
    let zero = q.iter().position(|q| *q == 0.0).unwrap();
    Some(Plain {
        neurons: kept.len(),
        radii: occupied.iter().map(|r| *r as f64 / m).collect(),
        alpha0: alpha[top],
        width: range(&alpha),
        stable_alpha0: stable_alpha[zero],
        stable_width: stable_alpha[0] - stable_alpha[q.len() - 1],
        tau,
        r2,
        alpha,
        f,
        stable_alpha,
    })
}

/// ln(r/d), d the largest.
fn log_radii(radii: &[u64]) -> Vec<f64> {
    let d = *radii.last().unwrap() as f64;
    radii.iter().map(|r| (*r as f64 / d).ln()).collect()
}

/// p_i(r) = N_i(r)/T_i for each radius, then each neuron.
fn masses(kept: &[Vec<u64>], radii: &[u64]) -> Vec<Vec<f64>> {
    let mut sorted = kept.to_vec();
    sorted.iter_mut().for_each(|steps| steps.sort_unstable());
    let mass = |steps: &Vec<u64>, r: u64| {
        let inside = steps.partition_point(|step| *step <= r);
        (1 + inside) as f64 / (1 + steps.len()) as f64
    };
    radii.iter().map(|&r| sorted.iter().map(|steps| mass(steps, r)).collect()).collect()
}

fn partition(p: &[f64], q: f64) -> f64 {
    sum(p.iter().map(|p| p.powf(q)))
}

/// Least-squares slope of y on x, and R² (NaN for constant y).
fn slope(x: &[f64], y: &[f64]) -> (f64, f64) {
    let mean = |v: &[f64]| sum(v.iter().copied()) / v.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let pairs = || x.iter().zip(y).map(|(x, y)| (x - mean_x, y - mean_y));
    let xy = sum(pairs().map(|(x, y)| x * y));
    let xx = sum(pairs().map(|(x, _)| x * x));
    let yy = sum(pairs().map(|(_, y)| y * y));
    (xy / xx, xy * xy / (xx * yy))
}

/// Neumaier's compensated sum.
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}
