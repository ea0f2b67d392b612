//! Measures of neurons.

use serde::{Deserialize, Serialize};

use crate::mfa::{Line, Statistics};

/// Measures of one neuron of the complete network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neuron {
    /// Edges in range.
    pub edges: u32,
    /// Its fractal dimension: slope, intercept and R² of ln N(r) on ln r; none for a neuron that is
    /// not kept, or has one radius only.
    pub dimension: Option<Line>,
    /// Its average weighted degree: the mean of its kept distances; none without edges in range.
    pub degree: Option<f64>,
}

/// The neurons of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NeuronStatistics {
    /// Their fractal dimensions.
    pub dimension: Option<Statistics>,
    /// Mean R² of the fits behind the dimensions.
    pub dimension_r2: Option<f64>,
    /// Their average weighted degrees.
    pub degree: Option<Statistics>,
    /// How many neurons there are, kept or not.
    pub neurons: usize,
}
