//! A deterministic loop for the monitor's tests: weights are a function of the step.
#![allow(dead_code)] // each test file uses its part

pub mod damage;
pub mod interrupted;
pub mod lives;
pub mod long;
pub mod ranks;
pub mod skipped;
pub mod synthetic;
pub mod warnings;
pub mod weighed;

use std::path::Path;

use neuromfa::internals::record::read_table;
use neuromfa::source::Memory;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The tables of a run, in the order in which a step is written to them.
pub const TABLES: [&str; 9] = [
    "metrics.csv",
    "spectra.csv",
    "layers.csv",
    "distributions.csv",
    "hops.csv",
    "scaling.csv",
    "boxes.csv",
    "hashes.csv",
    "emergence.csv",
];

/// A 32-48-32 chain.
const SHAPES: [(&str, [usize; 2]); 2] = [("0.weight", [48, 32]), ("2.weight", [32, 48])];

/// The weights of a step: a fixed draw whose scale and spread grow with the step.
pub fn set_weights(weights: &Memory, step: u64) {
    for (k, (name, shape)) in SHAPES.into_iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(k as u64);
        let growth = 1.0 + 0.01 * step as f32;
        let values: Vec<f32> = (0..shape[0] * shape[1])
            .map(|i| {
                let normal: f32 = StandardNormal.sample(&mut rng);
                let neuron = (i % shape[1]) as f32 / shape[1] as f32;
                0.05 * normal * growth * (1.0 + 0.01 * step as f32 * neuron)
            })
            .collect();
        weights.set(name, &shape, values).unwrap();
    }
}

pub fn weights_at(step: u64) -> Memory {
    let weights = Memory::new();
    set_weights(&weights, step);
    weights
}

/// One of a run's CSV files.
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn read(run: &Path, name: &str) -> Self {
        let (columns, rows) = read_table(&run.join(name)).unwrap();
        Self { columns, rows }
    }

    pub fn column(&self, name: &str) -> Vec<String> {
        let k = self.columns.iter().position(|c| c == name).unwrap();
        self.rows.iter().map(|row| row[k].clone()).collect()
    }

    pub fn number(&self, name: &str, row: usize) -> f64 {
        self.column(name)[row].parse().unwrap()
    }
}
