//! The measurement of one snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entries::Entries;
use super::fault::Fault;
use super::hops::HopMeasurement;
use super::matrix_spectrum::MatrixSpectrum;
use super::neuron::{Neuron, NeuronStatistics};
use super::scaling::NeuronBoxes;
use crate::mfa::{Degenerate, Fractal, Spectrum};

/// The spectra of one snapshot.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Published estimator: one spectrum for each sample, or one for the whole network.
    pub published: Result<Vec<Spectrum>, Fault>,
    /// Stable estimator on the whole network; none when the plan leaves it out.
    pub stable: Option<Result<Fractal, Fault>>,
    /// The plan's groups, the network last; empty without details and without finite weights.
    pub groups: Vec<GroupMeasurement>,
    /// The size of the weights of each of the plan's groups, the network last; empty without the stable
    /// estimator and without finite weights.
    pub norms: Vec<Norm>,
    /// The mean spectrum of the matrices of each of these; empty unless asked for.
    pub spectra: Vec<MatrixSpectrum>,
    /// The kept entries of each matrix; empty where the norms are.
    pub entries: Arc<Entries>,
    /// The null controls.
    pub controls: Nulls,
    /// The neurons of the whole network, layer by layer; empty without details.
    pub neurons: Vec<Neuron>,
    /// One neuron of some layers, with the data of the fit of its dimension; empty without details.
    pub boxes: Vec<NeuronBoxes>,
    /// Source neurons of the published estimator's networks, kept or not, mean over samples.
    pub source_neurons: f64,
    /// Share of the weights whose distances are in range: of the network's or, where only drawn
    /// weights are counted, of the samples'.
    pub in_range: Option<f64>,
    /// A hash of each tensor, by name; empty where only drawn weights are counted.
    pub hashes: Vec<(String, u64)>,
    /// The standard deviation of each matrix, by name, where a control asks for it.
    pub deviations: BTreeMap<String, f64>,
    /// Over several hops, by their number; empty when only one was asked for.
    pub hops: Vec<HopMeasurement>,
}

/// A part of the network.
#[derive(Clone, Debug, Default)]
pub struct GroupMeasurement {
    /// Published estimator, one spectrum for each sample; none when one of them has no value. Only
    /// the spectra of the network keep the data of their fits.
    pub published: Option<Vec<Spectrum>>,
    /// Stable estimator over all neurons of the group.
    pub stable: Option<Fractal>,
    /// Its neurons' dimensions and degrees.
    pub neurons: NeuronStatistics,
}

/// The size of the weights of a part of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// The Frobenius norm √(Σ w²) over all its weights.
    pub norm: f64,
    /// The coefficient of variation of √(Σ w²) over its source neurons: standard deviation of the
    /// population over the mean. None if all weights are 0.
    pub spread: Option<f64>,
}

/// The null controls of one snapshot; empty where they are not computed.
#[derive(Clone, Debug, Default)]
pub struct Nulls {
    /// Published estimator on shuffled weights, one spectrum for each sample.
    pub shuffled: Option<Result<Vec<Spectrum>, Degenerate>>,
    /// Stable estimator, one for each of the plan's groups.
    pub groups: Vec<GroupNulls>,
    /// Stable estimator on the weights of step 0, each matrix at its spread of this step.
    pub rescaled_start: Option<Result<Fractal, String>>,
}

/// The null controls of one part of the network, by the stable estimator; none where they are not
/// computed.
#[derive(Clone, Debug, Default)]
pub struct GroupNulls {
    /// On shuffled weights.
    pub shuffled: Option<Result<Draws, String>>,
    /// With each matrix at its spread of step 0, without those that cannot be rescaled to it.
    pub matched: Option<Result<Fractal, String>>,
    /// The same, shuffled.
    pub matched_shuffled: Option<Result<Draws, String>>,
    /// Which matrix cannot be rescaled, and why: the first one.
    pub unmatched: Option<String>,
}

/// The stable estimator on draws of a part of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    /// alpha0 and width of each draw.
    pub fractals: Vec<Fractal>,
    /// Of the neurons of all draws, as one network.
    pub together: Fractal,
    /// Of the neurons of all draws except one, for each draw; empty if a draw deals so large a
    /// share that this is not needed.
    pub without_one: Vec<Fractal>,
    /// The share of its sources that a draw deals of the part's layers, the lowest of them, in
    /// (0, 1].
    pub share: f64,
    /// The layers of which it deals a larger share.
    pub small: Vec<SmallLayer>,
}

/// A layer of which a draw deals a larger share than of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct SmallLayer {
    /// The share of its sources that a draw deals, in (0, 1].
    pub share: f64,
    /// alpha0 and width of all draws together, with this layer taken from one draw: the spread that
    /// this layer alone adds.
    pub fractals: Vec<Fractal>,
}
