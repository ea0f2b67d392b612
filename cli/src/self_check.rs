//! Checks that this machine computes correct results: analyses a small built-in network and
//! compares with values from an independent program.
//!
//! The network is a 20-30-16 chain. Weight k of layer l (row-major) at step t is, rounded to f32,
//!
//! ```text
//! ((31k² + 17k + 5 + l) mod 211 − 105)/525 · (1 + 0.05·t·(k mod 7))
//! ```
//!
//! and step 1 is analysed against step 0, over the whole network. The expected values are those of
//! `tests/data/self_check.py`, which shares no code with this crate.

use serde::Serialize;

use neuromfa::Error;
use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Plan, Snapshot};
use neuromfa::internals::counting::Instructions;
use neuromfa::internals::network::{Draw, DrawError};
use neuromfa::mfa::Parameters;
use neuromfa::network::{Network, Selection};
use neuromfa::source::{Memory, Source};

use crate::threads::pool;

const SHAPES: [(&str, [usize; 2]); 2] = [("0.weight", [30, 20]), ("2.weight", [16, 30])];

/// Largest relative difference.
const TOLERANCE: f64 = 1e-9;

/// A quantity of the built-in network. An absent number is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// Its name in emergence.csv.
    pub quantity: &'static str,
    /// The value of the independent program.
    pub expected: f64,
    /// The value of this machine.
    pub found: Option<f64>,
}

impl Checked {
    /// Whether the two agree to 10⁻⁹ relative.
    pub fn holds(&self) -> bool {
        let near = |found: f64| (found - self.expected).abs() <= TOLERANCE * self.expected.abs();
        self.found.is_some_and(near)
    }
}

/// Analyses the built-in network with the same code, vector instructions and threads as a run.
///
/// # Errors
/// [`Error`] when it cannot be analysed at all.
pub fn self_check() -> Result<Vec<Checked>, Error> {
    let pool = pool(None)?;
    let sources = [weights(0)?, weights(1)?];
    let network = Network::infer(&sources[0].parameters(), &Selection::default())?;
    let method = Parameters::default().check()?;
    let place = |source: DrawError| Error::Draw {
        place: "the built-in network".to_owned(),
        source: source.into(),
    };
    let plan = Plan::new(&method, &network, &Draw::whole(), true).map_err(place)?;
    let (estimators, mut snapshot) = (Estimators::new(&plan), Snapshot::new(&plan));
    let mut measure = |step: u64, source: &Memory| {
        plan.snapshot(source, &pool, &mut snapshot)?;
        Ok::<_, Error>(pool.install(|| estimators.measure(&plan, &snapshot, step)))
    };
    let start = Baseline::new(0, &plan, &measure(0, &sources[0])?);
    let found = Emergence::new(&plan, &start, &measure(1, &sources[1])?);
    Ok(vec![
        Checked { quantity: "alpha0", expected: 0.31007196894624545, found: found.alpha0 },
        Checked { quantity: "width", expected: 0.12690176174685586, found: found.width },
        Checked { quantity: "E", expected: 0.18946485311755693, found: found.e },
        Checked {
            quantity: "alpha0_stable",
            expected: 0.39502830136108064,
            found: found.alpha0_stable,
        },
        Checked {
            quantity: "width_stable",
            expected: 0.09911624977134076,
            found: found.width_stable,
        },
        Checked { quantity: "E_stable", expected: 0.09993515583166857, found: found.e_stable },
    ])
}

/// The vector instructions with which this machine counts edges, in words.
pub fn vector_instructions() -> String {
    Instructions::of_machine().to_string()
}

fn weights(step: u64) -> Result<Memory, Error> {
    let memory = Memory::new();
    for (layer, (name, shape)) in (0..).zip(SHAPES) {
        let weight = |k: u64| {
            let size = ((31 * k * k + 17 * k + 5 + layer) % 211) as f64 - 105.0;
            (size / 525.0 * (1.0 + 0.05 * step as f64 * (k % 7) as f64)) as f32
        };
        let values: Vec<f32> = (0..(shape[0] * shape[1]) as u64).map(weight).collect();
        memory.set(name, &shape, values)?;
    }
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_computes_what_the_independent_program_does() {
        for checked in self_check().unwrap() {
            assert!(checked.holds(), "{checked:?}");
        }
    }

    #[test]
    fn a_difference_is_seen() {
        let of = |found| Checked { quantity: "E", expected: 0.25, found }.holds();
        assert!(of(Some(0.25 * (1.0 + 9e-10))));
        assert!(!of(Some(0.25 * (1.0 + 2e-9))) && !of(None) && !of(Some(f64::NAN)));
    }
}
