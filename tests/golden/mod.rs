//! Expected values from an independent program (tests/data/README.md), and how to compare.
#![allow(dead_code)] // each test file uses its part

use std::path::{Path, PathBuf};

use neuromfa::mfa::{Fractal, Spectrum};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Agreement asked for, relative.
const TOLERANCE: f64 = 1e-9;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

pub fn value<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

pub fn assert_near(what: &str, got: f64, expected: f64) {
    let error = (got - expected).abs() / expected.abs().max(1e-300);
    // Differences of nearly equal numbers (tau near q = 0, E at step 0) are held absolutely.
    let ok = error <= TOLERANCE || (got - expected).abs() <= 1e-13;
    assert!(ok, "{what}: got {got}, expected {expected}, relative error {error:e}");
}

pub fn assert_close(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (k, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_near(&format!("{what}[{k}]"), *got, *expected);
    }
}

/// A full result, as the golden files hold it.
pub struct Expected {
    pub nodes: usize,
    pub radii: Vec<f64>,
    pub mass_total: Vec<f64>,
    tau: Vec<f64>,
    r2: Vec<f64>,
    alpha: Vec<f64>,
    f: Vec<f64>,
    pub fractal: Fractal,
    pub stable: Fractal,
    pub stable_alpha: Vec<f64>,
}

impl Expected {
    pub fn read(data: &Value) -> Self {
        Self {
            nodes: value(&data["nodes"]),
            radii: value(&data["radii"]),
            mass_total: value(&data["mass_total"]),
            tau: value(&data["tau"]),
            r2: value(&data["r2"]),
            alpha: value(&data["alpha"]),
            f: value(&data["f"]),
            fractal: fractal(data),
            stable: fractal(&data["stable"]),
            stable_alpha: value(&data["stable"]["alpha"]),
        }
    }

    pub fn assert_published(&self, got: &Spectrum) {
        assert_eq!((got.neurons, got.radii), (self.nodes, self.radii.len()));
        assert_fractal("published", got.fractal, self.fractal);
        assert_tau(got, &self.tau, &self.r2);
        assert_close("alpha", &got.alpha, &self.alpha);
        assert_close("f", &got.f, &self.f);
    }

    pub fn assert_stable(&self, got: Fractal) {
        assert_fractal("stable", got, self.stable);
    }
}

/// alpha0 and width of an estimator.
pub fn fractal(data: &Value) -> Fractal {
    Fractal { alpha0: value(&data["alpha0"]), width: value(&data["width"]) }
}

pub fn assert_fractal(what: &str, got: Fractal, expected: Fractal) {
    assert_near(&format!("{what} alpha0"), got.alpha0, expected.alpha0);
    assert_near(&format!("{what} width"), got.width, expected.width);
}

/// tau and R² over q. At q = 0 tau is exactly 0 and R² has no value; the golden program leaves
/// its rounding errors there.
pub fn assert_tau(got: &Spectrum, tau: &[f64], r2: &[f64]) {
    let slopes: Vec<f64> = got.tau.iter().map(|line| line.slope).collect();
    assert_close("tau", &slopes, tau);
    for (k, (line, r2)) in got.tau.iter().zip(r2).enumerate() {
        if k == 30 {
            assert_eq!((line.slope, line.r2), (0.0, None));
        } else {
            assert_near(&format!("r2[{k}]"), line.r2.unwrap(), *r2);
        }
    }
}
