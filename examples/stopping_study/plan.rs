//! The runs of the study.

use std::fmt;

use anyhow::{Context, Result};
use clap::ValueEnum;

/// A task. Its test loss is on data of its own, without wrong labels or noise.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Family {
    /// The next character of Rust sources
    Characters,
    /// Grades of red wines
    Wine,
    /// The same with 20 % wrong grades in training and validation
    Wine20,
    /// The same with 40 % wrong grades
    Wine40,
    /// Addition modulo 23
    Modular,
    /// What another network computes, with noise in training and validation
    Teacher,
    /// Shapes in noisy images, with a convolutional network
    Shapes,
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub family: Family,
    pub width: i64,
    pub rate: f64,
    pub decay: f64,
    pub seed: u64,
}

/// Seeds of each family and setting.
const SEEDS: u64 = 8;
const WIDTHS: [i64; 2] = [64, 128];

impl Family {
    fn rates(self) -> [f64; 2] {
        match self {
            Self::Characters => [0.001, 0.003],
            Self::Modular => [0.003, 0.01],
            _ => [0.0003, 0.001],
        }
    }

    /// Of AdamW, where a step of rate η multiplies weights by 1 - η · decay.
    fn decays(self) -> [f64; 2] {
        match self {
            Self::Modular => [0.3, 2.0],
            _ => [0.01, 1.0],
        }
    }

    /// How many steps a run has.
    pub fn steps(self) -> u64 {
        match self {
            Self::Characters | Self::Wine | Self::Wine20 | Self::Wine40 => 2400,
            Self::Modular => 9600,
            Self::Teacher => 1600,
            Self::Shapes => 800,
        }
    }

    pub fn name(self) -> String {
        self.to_possible_value().expect("none is skipped").get_name().to_owned()
    }
}

/// Losses and weights are looked at so often in a run.
pub const ROWS: u64 = 80;

impl Plan {
    /// Steps between two evaluations.
    pub fn every(&self) -> u64 {
        self.family.steps() / ROWS
    }

    /// The run of this name.
    pub fn named(name: &str) -> Result<Self> {
        let mut all = plans(1.0, &[]).into_iter();
        all.find(|plan| plan.to_string() == name).with_context(|| format!("there is no run {name}"))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, width, rate, decay, seed } = self;
        write!(f, "{}/width{width}-lr{rate}-wd{decay}-seed{seed}", family.name())
    }
}

/// This share of each family's runs, evenly over seeds and settings; of these families, or of all. Seed by seed,
/// so that what is there after a while has all families.
pub fn plans(part: f64, families: &[Family]) -> Vec<Plan> {
    let mut plans = Vec::new();
    for seed in 0..SEEDS {
        for &family in Family::value_variants() {
            let mut setting = 0;
            for width in WIDTHS {
                for rate in family.rates() {
                    for decay in family.decays() {
                        // In another order for each seed, so that a part has all settings.
                        let k = 8 * seed + (setting + seed) % 8;
                        plans.push((k, Plan { family, width, rate, decay, seed }));
                        setting += 1;
                    }
                }
            }
        }
    }
    let before = |k: u64| (k as f64 * part).ceil() as u64;
    plans.retain(|(k, plan)| {
        before(k + 1) > before(*k) && (families.is_empty() || families.contains(&plan.family))
    });
    plans.into_iter().map(|(_, plan)| plan).collect()
}
