//! The numbers of one part of the network: a row of layers.csv.

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, GroupBaseline};
use super::groups::{Group, Scope};
use super::measurement::{GroupMeasurement, GroupNulls};
use super::neuron::NeuronStatistics;
use super::samples::{PublishedNumbers, fractals, mean_fractal};
use super::statistics::mean;
use super::structure::Structure;
use super::weights::Weights;
use crate::mfa::{Fractal, Spectrum, degree_of_emergence};
use crate::network::Role;

/// A layer, a block, a role or the whole network at one step. A value that does not exist is
/// `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What kind of part.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// The role of its edges; none when there are several.
    pub role: Option<Role>,
    /// Published alpha0, mean over samples.
    pub alpha0: Option<f64>,
    /// Published width, mean over samples.
    pub width: Option<f64>,
    /// E of the published estimator, against the part's own step 0.
    pub e: Option<f64>,
    /// Its standard error over the samples.
    pub e_se: Option<f64>,
    /// R² of ln Z_q at the largest q, mean over samples.
    pub r2: Option<f64>,
    /// Kept neurons of the published estimator, mean over samples.
    pub kept: Option<f64>,
    /// Stable alpha0, over all neurons of the part.
    pub alpha0_stable: Option<f64>,
    /// Stable width.
    pub width_stable: Option<f64>,
    /// E of the stable estimator.
    pub e_stable: Option<f64>,
    /// The part against its shuffles.
    pub structure: Structure,
    /// The size of its weights, and how far they have moved.
    pub weights: Weights,
    /// Dimensions and degrees of all its neurons.
    pub neurons: NeuronStatistics,
}

impl Part {
    pub(super) fn new(
        baseline: &Baseline,
        (k, group): (usize, &Group),
        (measured, weights): (&GroupMeasurement, Weights),
        nulls: Option<&GroupNulls>,
    ) -> Self {
        let same = |g: &&GroupBaseline| g.scope == group.scope && g.name == group.name;
        // The baseline of the same network has the same groups in the same order.
        let start = baseline.groups.get(k).filter(same);
        let start = start.or_else(|| baseline.groups.iter().find(same));
        let samples: &[Spectrum] = measured.published.as_deref().unwrap_or_default();
        let now = fractals(samples);
        let published = start.and_then(|start| PublishedNumbers::of(&start.samples, &now).ok());
        let fractal: Option<Fractal> = mean_fractal(&now);
        let r2: Vec<f64> = samples.iter().filter_map(Spectrum::r2).collect();
        let stable =
            |start: &GroupBaseline| degree_of_emergence(start.stable?, measured.stable?).ok();
        Self {
            scope: group.scope,
            name: group.name.clone(),
            role: group.role,
            alpha0: fractal.map(|f| f.alpha0),
            width: fractal.map(|f| f.width),
            e: published.as_ref().map(|published| published.e),
            e_se: published.and_then(|published| published.e_se),
            r2: mean(r2.into_iter()),
            kept: mean(samples.iter().map(|s| s.neurons as f64)),
            alpha0_stable: measured.stable.map(|f| f.alpha0),
            width_stable: measured.stable.map(|f| f.width),
            e_stable: start.and_then(stable),
            structure: nulls
                .map(|nulls| Structure::of(start.and_then(|s| s.stable), measured.stable, nulls).0)
                .unwrap_or_default(),
            weights,
            neurons: measured.neurons,
        }
    }
}
