//! What a run analyses: made once, from the network and the draw.

use std::ops::Range;

use crate::mfa::{EdgeLayout, Method, RadiusTable};
use crate::network::{Connection, Draw, DrawError, Network, Orientation};

/// Everything about an analysis that stays the same from step to step.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) method: Method,
    pub(super) table: RadiusTable,
    network: Network,
    draw: Draw,
    stable: bool,
    pub(super) sources: Vec<SourceLayer>,
    pub(super) whole_neurons: usize,
    pub(super) sample_neurons: Vec<usize>, // one for each sample
}

/// A neuron layer that edges leave, with its rows in the histograms.
#[derive(Clone, Debug)]
pub(super) struct SourceLayer {
    pub(super) tensors: Vec<TensorPlan>,
    pub(super) whole: Range<usize>,
    pub(super) drawn: Vec<DrawnRows>, // one for each sample
}

#[derive(Clone, Debug)]
pub(super) struct DrawnRows {
    pub(super) neurons: Vec<usize>,
    pub(super) rows: Range<usize>,
}

/// One tensor that leaves a source layer.
#[derive(Clone, Debug)]
pub(super) struct TensorPlan {
    pub(super) connection: Connection,
    pub(super) layout: EdgeLayout,
    pub(super) targets: Vec<Vec<usize>>, // drawn target rows, one list for each sample
}

impl TensorPlan {
    fn new(connection: &Connection, samples: &[Vec<Vec<usize>>]) -> Self {
        let Connection { outputs, inputs, taps, copies, target, .. } = *connection;
        let width = outputs / copies;
        let rows_of = |drawn: &Vec<usize>| {
            (0..copies).flat_map(|copy| drawn.iter().map(move |f| copy * width + f)).collect()
        };
        Self {
            connection: connection.clone(),
            layout: match connection.orientation {
                Orientation::OutIn => EdgeLayout::out_in(outputs, inputs, taps),
                Orientation::InOut => EdgeLayout::in_out(inputs, outputs),
            },
            targets: samples.iter().map(|sample| rows_of(&sample[target])).collect(),
        }
    }
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
                network.leaving(index).map(|c| TensorPlan::new(c, &samples)).collect();
            if tensors.is_empty() {
                continue;
            }
            let take = |from: &mut usize, n: usize| {
                *from += n;
                *from - n..*from
            };
            let whole = take(&mut whole_neurons, layer.width);
            let drawn = samples.iter().zip(&mut sample_neurons).map(|(sample, from)| {
                let neurons = sample[index].clone();
                DrawnRows { rows: take(from, neurons.len()), neurons }
            });
            let drawn = drawn.collect();
            sources.push(SourceLayer { tensors, whole, drawn });
        }
        Ok(Self {
            method: method.clone(),
            table: RadiusTable::new(method),
            network: network.clone(),
            draw: draw.clone(),
            stable,
            sources,
            whole_neurons,
            sample_neurons,
        })
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

    /// Whether the published estimator takes the whole network, not samples.
    pub fn published_on_whole(&self) -> bool {
        self.sample_neurons.is_empty()
    }

    pub(super) fn needs_whole(&self) -> bool {
        self.stable || self.published_on_whole()
    }

    /// The largest T that a neuron of the whole network can have.
    pub(super) fn largest_whole_mass(&self) -> u32 {
        let edges = |layer: &SourceLayer| {
            layer.tensors.iter().map(|t| t.layout.targets * t.layout.taps).sum::<usize>()
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
