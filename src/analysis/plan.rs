//! What a run analyses; made once, from the network and the draw.

use std::collections::BTreeMap;
use std::ops::Range;

use super::controls::Controls;
use super::entries::Positions;
use super::groups::Group;
use super::hops::{Hops, HopsError, HopsPlan};
use crate::counting::{EdgeLayout, RadiusTable};
use crate::mfa::Method;
use crate::network::{Connection, Draw, DrawError, Network, NeuronLayer, Orientation};

/// Everything about an analysis that stays the same from step to step.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) method: Method,
    pub(super) table: RadiusTable,
    network: Network,
    draw: Draw,
    stable: bool,
    hops: Option<HopsPlan>,
    details: bool,
    keeps_neurons: bool,
    pub(super) matrix_spectra: bool,
    pub(super) controls: Controls,
    pub(super) groups: Vec<Group>,                 // the network last
    pub(super) start_deviations: Option<Vec<f64>>, // one for each tensor, in order
    pub(super) sources: Vec<SourceLayer>,
    pub(super) whole_neurons: usize,
    pub(super) sample_neurons: Vec<usize>, // one for each sample
    overlap: f64,                          // see the method
}

/// A neuron layer that edges leave, with its rows in the histograms.
#[derive(Clone, Debug)]
pub(super) struct SourceLayer {
    pub(super) index: usize, // in the network
    pub(super) tensors: Vec<TensorPlan>,
    pub(super) whole: Range<usize>,
    pub(super) drawn: Vec<Vec<usize>>, // its neurons in each sample, ascending
}

/// Drawn sources of one tensor that have equally many drawn edges.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DrawnRun {
    pub(super) rows: Vec<usize>, // among the drawn sources
    pub(super) edges: usize,
}

/// One tensor that leaves a source layer.
#[derive(Clone, Debug)]
pub(super) struct TensorPlan {
    pub(super) connection: Connection,
    pub(super) layout: EdgeLayout,
    pub(super) targets: Vec<Vec<usize>>, // drawn target rows, ascending, one list for each sample
    pub(super) entries: Option<Positions>, // with the stable estimator
}

impl TensorPlan {
    fn new(connection: &Connection, samples: &[Vec<Vec<usize>>], stable: bool) -> Self {
        let Connection { outputs, inputs, taps, copies, target, groups, .. } = *connection;
        let rows_of = |drawn: &Vec<usize>| {
            let rows = |copy| drawn.iter().map(move |&f| connection.output(copy, f));
            let mut all: Vec<usize> = (0..copies).flat_map(rows).collect();
            all.sort_unstable();
            all
        };
        Self {
            connection: connection.clone(),
            layout: match connection.orientation {
                Orientation::OutIn => EdgeLayout::grouped(outputs, inputs, taps, groups),
                Orientation::InOut => EdgeLayout::transposed(inputs, outputs, taps),
            },
            targets: samples.iter().map(|sample| rows_of(&sample[target])).collect(),
            entries: stable.then(|| Positions::of(connection.weights())),
        }
    }

    /// The drawn sources of a sample by how many drawn edges each has: all alike, but for a grouped
    /// convolution, where it depends on the group.
    pub(super) fn drawn_runs(&self, sources: &[usize], sample: usize) -> Vec<DrawnRun> {
        let EdgeLayout { sources: inputs, targets: outputs, taps, groups, .. } = self.layout;
        let of = |group: usize| {
            let here = |(_, source): &(usize, &usize)| **source / (inputs / groups) == group;
            let meets = |target: &&usize| **target / (outputs / groups) == group;
            DrawnRun {
                rows: sources.iter().enumerate().filter(here).map(|(row, _)| row).collect(),
                edges: self.targets[sample].iter().filter(meets).count() * taps,
            }
        };
        (0..groups).map(of).filter(|run| run.edges > 0 && !run.rows.is_empty()).collect()
    }

    /// The rows of the tensor as a matrix: the length of its first axis.
    pub(super) fn first_axis(&self) -> usize {
        match self.connection.orientation {
            Orientation::OutIn => self.connection.outputs,
            Orientation::InOut => self.connection.inputs,
        }
    }

    /// Whether the drawn edges are complete rows and columns of the tensor's first two axes.
    pub(super) fn can_be_gathered(&self) -> bool {
        let Connection { groups, flattened, stacked, .. } = self.connection;
        groups == 1 && !flattened && stacked == 1
    }
}

/// The share of edges that two samples have in common, mean over all pairs, among the edges that
/// leave some layers; drawn neurons are in ascending order.
fn overlap<'a>(layers: impl Iterator<Item = &'a SourceLayer>, samples: usize) -> f64 {
    let common = |one: &[usize], other: &[usize]| {
        one.iter().filter(|neuron| other.binary_search(neuron).is_ok()).count()
    };
    let (mut shared, mut all) = (0.0, 0.0);
    for layer in layers {
        for (s, t) in (0..samples).flat_map(|s| (0..s).map(move |t| (s, t))) {
            let drawn = [&layer.drawn[s], &layer.drawn[t]];
            let from = common(drawn[0], drawn[1]);
            for tensor in &layer.tensors {
                let [one, other] = [&tensor.targets[s], &tensor.targets[t]];
                let taps = tensor.layout.taps as f64;
                shared += (from * common(one, other)) as f64 * taps;
                all +=
                    (drawn[0].len() * one.len() + drawn[1].len() * other.len()) as f64 * taps / 2.0;
            }
        }
    }
    if all > 0.0 { shared / all } else { 0.0 }
}

fn leaving_layers<'n>(network: &'n Network, sources: &[SourceLayer]) -> Vec<&'n NeuronLayer> {
    sources.iter().map(|layer| &network.layers()[layer.index]).collect()
}

impl Plan {
    /// A plan for the published estimator on the drawn samples (or, for [`Draw::whole`], on the
    /// whole network) and, with `stable`, for the stable one on the whole network.
    ///
    /// # Errors
    /// [`DrawError`] when the draw does not fit the network.
    pub fn new(
        method: &Method,
        network: &Network,
        draw: &Draw,
        stable: bool,
    ) -> Result<Self, DrawError> {
        let samples = if draw.is_whole() { Vec::new() } else { draw.resolve(network)? };
        let mut whole_neurons = 0;
        let mut sample_neurons = vec![0; samples.len()];
        let mut sources = Vec::new();
        for (index, layer) in network.layers().iter().enumerate() {
            let tensors: Vec<_> =
                network.leaving(index).map(|c| TensorPlan::new(c, &samples, stable)).collect();
            if tensors.is_empty() {
                continue;
            }
            let whole = whole_neurons..whole_neurons + layer.width;
            whole_neurons = whole.end;
            let mut drawn: Vec<_> = samples.iter().map(|sample| sample[index].clone()).collect();
            drawn.iter_mut().for_each(|drawn| drawn.sort_unstable());
            sample_neurons.iter_mut().zip(&drawn).for_each(|(all, drawn)| *all += drawn.len());
            sources.push(SourceLayer { index, tensors, whole, drawn });
        }
        let layers = leaving_layers(network, &sources);
        Ok(Self {
            overlap: overlap(sources.iter(), samples.len()),
            method: method.clone(),
            table: RadiusTable::new(method),
            network: network.clone(),
            draw: draw.clone(),
            stable,
            hops: None,
            details: false,
            keeps_neurons: false,
            matrix_spectra: false,
            controls: Controls::none(),
            groups: vec![Group::network(&layers)],
            start_deviations: None,
            sources,
            whole_neurons,
            sample_neurons,
        })
    }

    /// Adds distances over several hops.
    ///
    /// # Errors
    /// [`HopsError`] when the network has no path of that many hops, or they cannot be computed.
    pub fn with_hops(mut self, hops: Hops) -> Result<Self, HopsError> {
        self.hops = Some(HopsPlan::new(&self.method, &self.network, &self.draw, hops)?);
        Ok(self)
    }

    /// What is computed over several hops.
    pub fn hops(&self) -> Option<&HopsPlan> {
        self.hops.as_ref()
    }

    /// Sets the null controls; there are none if the plan does not measure the complete network.
    pub fn with_controls(mut self, controls: Controls) -> Self {
        self.controls = if self.stable { controls } else { Controls::none() };
        self
    }

    /// Adds the stable rank and the tail exponent of each matrix; nothing if the plan does not measure
    /// the complete network.
    pub fn with_matrix_spectra(self) -> Self {
        Self { matrix_spectra: self.stable, ..self }
    }

    /// Adds each layer, block and role, and the dimension and degree of every neuron.
    pub fn with_details(mut self) -> Self {
        self.details = true;
        self.groups = Group::all(&leaving_layers(&self.network, &self.sources));
        self
    }

    /// Keeps the numbers of every neuron, and adds everything that [`Self::with_details`] adds.
    pub fn with_neurons(self) -> Self {
        Self { keeps_neurons: true, ..self.with_details() }
    }

    /// Sets the standard deviation of each matrix at step 0, by name, to which the norm-matched
    /// control rescales; matrices that are not named have none.
    pub fn start_from(&mut self, deviations: &BTreeMap<String, f64>) {
        let of = |name: &String| deviations.get(name).copied().unwrap_or(f64::NAN);
        self.start_deviations = Some(self.tensors().map(of).collect());
    }

    /// The null controls.
    pub fn controls(&self) -> Controls {
        self.controls
    }

    /// The parts of the network that are measured separately, the network itself last.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Whether layers and neurons are measured separately.
    pub fn details(&self) -> bool {
        self.details
    }

    /// Whether every neuron's own numbers are kept.
    pub fn keeps_neurons(&self) -> bool {
        self.keeps_neurons
    }

    /// The layers that edges leave, with their neurons among those of the whole network.
    pub(super) fn layers(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        let layers = self.network.layers();
        self.sources.iter().map(|l| (layers[l.index].name.as_str(), l.whole.clone()))
    }

    /// The layers that edges leave, each with the number of its first tensor among those that are
    /// read.
    pub(super) fn layers_and_tensors(&self) -> Vec<(&SourceLayer, usize)> {
        let (mut all, mut next) = (Vec::with_capacity(self.sources.len()), 0);
        for layer in &self.sources {
            all.push((layer, next));
            next += layer.tensors.len();
        }
        all
    }

    /// The names of the tensors that are read, in order.
    pub fn tensors(&self) -> impl Iterator<Item = &String> {
        self.sources.iter().flat_map(|layer| &layer.tensors).map(|t| &t.connection.parameter)
    }

    /// The method's parameters.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The drawn neurons.
    pub fn draw(&self) -> &Draw {
        &self.draw
    }

    /// Whether the stable estimator runs on the whole network.
    pub fn stable(&self) -> bool {
        self.stable
    }

    /// The share of its edges that a sample has in common with another, mean over all pairs, in
    /// [0, 1]; 0 for fewer than two samples.
    pub fn overlap(&self) -> f64 {
        self.overlap
    }

    /// Whether there are two or more samples and all have the same neurons, so that they differ
    /// only by rounding.
    pub fn samples_coincide(&self) -> bool {
        self.overlap >= 1.0
    }

    /// Whether all samples are the same neurons of a group.
    pub(super) fn coincides(&self, group: &Group) -> bool {
        let members = group.members.iter().map(|&k| &self.sources[k]);
        overlap(members, self.sample_neurons.len()) >= 1.0
    }

    /// Whether the published estimator uses the complete network, not samples.
    pub fn published_on_whole(&self) -> bool {
        self.sample_neurons.is_empty()
    }

    pub(super) fn needs_whole(&self) -> bool {
        self.stable || self.published_on_whole()
    }

    /// Source neurons of the published estimator's networks, all samples together.
    pub(super) fn source_neurons(&self) -> usize {
        match self.published_on_whole() {
            true => self.whole_neurons,
            false => self.sample_neurons.iter().sum(),
        }
    }

    /// The largest T that a neuron of the whole network can have.
    pub(super) fn largest_whole_mass(&self) -> u32 {
        let edges = |layer: &SourceLayer| {
            layer.tensors.iter().map(|t| t.layout.edges_per_source()).sum::<usize>()
        };
        self.sources.iter().map(edges).max().unwrap_or(0) as u32 + 1
    }

    /// The largest T that a neuron of a sample can have.
    pub(super) fn largest_sample_mass(&self) -> u32 {
        let edges = |layer: &SourceLayer, sample: usize| {
            layer.tensors.iter().map(|t| t.targets[sample].len() * t.layout.taps).sum::<usize>()
        };
        let samples = 0..self.sample_neurons.len();
        let all = self.sources.iter().flat_map(|l| samples.clone().map(move |s| edges(l, s)));
        all.max().unwrap_or(0) as u32 + 1
    }
}
