//! What is computed over several hops; made once, from the network and the draw.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::edges::LayerEdges;
use super::paths::{Arrival, End, Reached, Via, Waypoint, longest};
use super::settings::{Hops, HopsError, MOST_HOPS};
use crate::mfa::Method;
use crate::network::{Draw, Network};

/// Most sums of two distances for a whole network: some minutes on two cores.
const MOST_SUMS: f64 = 1e12;

/// Everything about the distances over several hops that stays the same from step to step.
#[derive(Clone, Debug)]
pub struct HopsPlan {
    pub(super) method: Method,
    pub(super) hops: Hops,
    pub(super) layers: Vec<LayerEdges>, // one for each layer of the network
    pub(super) last_use: Vec<usize>,    // by layer: the last source that needs its distances
    pub(super) sources: Vec<SourcePaths>,
    pub(super) drawn: Vec<Vec<Vec<usize>>>, // by sample and layer
    pub(super) sample_neurons: Vec<usize>,  // sources in each sample
    widths: Vec<usize>,                     // of the network's layers
    memory: Arc<Mutex<Vec<Vec<f64>>>>,      // of matrices that are not in use
}

/// The paths that leave one layer.
#[derive(Clone, Debug)]
pub(super) struct SourcePaths {
    pub(super) layer: usize,
    /// Neurons drawn in any sample, ascending.
    pub(super) neurons: Vec<usize>,
    /// By sample: the index of each drawn neuron in `neurons`.
    pub(super) members: Vec<Vec<usize>>,
    /// By sample: rows in the histograms.
    pub(super) rows: Vec<Range<usize>>,
    /// What paths of 1, 2, .. hops reach.
    pub(super) reached: Vec<Reached>,
    /// Layers whose edges the paths take.
    pub(super) uses: Vec<usize>,
}

impl HopsPlan {
    /// A plan for the drawn samples, or for the whole network as one sample.
    ///
    /// # Errors
    /// [`HopsError`] when the hops are out of range, the network has no path of that many hops, the
    /// complete network would take too long, or the draw does not fit.
    pub fn new(
        method: &Method,
        network: &Network,
        draw: &Draw,
        hops: Hops,
    ) -> Result<Self, HopsError> {
        if !(2..=MOST_HOPS).contains(&hops.most) {
            return Err(HopsError::Range { hops: hops.most });
        }
        if hops.budget == Some(0) {
            return Err(HopsError::Budget);
        }
        let longest = longest(network, hops.most);
        if longest < hops.most {
            return Err(HopsError::TooShort { hops: hops.most, longest });
        }
        let drawn = draw.resolve(network)?;
        let widths = 0..network.layers().len();
        let mut follows = vec![false; network.layers().len()];
        network.connections().iter().for_each(|c| follows[c.target] = true);
        let layers: Vec<_> =
            widths.clone().map(|l| LayerEdges::new(network, l, follows[l])).collect();
        let mut sample_neurons = vec![0; drawn.len()];
        let mut sources: Vec<SourcePaths> = Vec::new();
        for layer in widths {
            let reached = reached_from(network, &layers, layer, hops.most);
            if reached.iter().skip(1).all(|reached| reached.ends.is_empty()) {
                continue;
            }
            sources.push(SourcePaths::new(layer, reached, &drawn, &mut sample_neurons));
        }
        let mut last_use = vec![0; network.layers().len()];
        for (k, source) in sources.iter().enumerate() {
            source.uses.iter().for_each(|&layer| last_use[layer] = k);
        }
        let plan = Self {
            method: method.clone(),
            hops,
            layers,
            last_use,
            sources,
            drawn,
            sample_neurons,
            widths: network.layers().iter().map(|layer| layer.width).collect(),
            memory: Arc::default(),
        };
        let sums = plan.sums(network);
        if draw.is_whole() && sums > MOST_SUMS {
            return Err(HopsError::TooLarge { hops: hops.most, sums, most: MOST_SUMS });
        }
        Ok(plan)
    }

    /// Which distances are computed.
    pub fn hops(&self) -> Hops {
        self.hops
    }

    /// The numbers of hops, 2 and more.
    pub(super) fn each(&self) -> std::ops::RangeInclusive<usize> {
        2..=self.hops.most
    }

    /// The width of a waypoint ([`Waypoint::width`]).
    pub(super) fn width(&self, waypoint: Waypoint) -> usize {
        match waypoint {
            Waypoint::Layer(layer) => self.widths[layer],
            Waypoint::Projections(layer) => self.widths[layer] + 1,
        }
    }

    /// The largest T that a neuron can have.
    pub(super) fn largest_mass(&self) -> u32 {
        let targets = |ends: &[(End, Vec<Arrival>)], drawn: &[Vec<usize>]| {
            ends.iter().map(|(end, _)| end.targets(drawn[end.layer].len())).sum::<usize>()
        };
        let reached = self.sources.iter().flat_map(|source| &source.reached);
        let all = reached.flat_map(|r| self.drawn.iter().map(|drawn| targets(&r.ends, drawn)));
        all.max().unwrap_or(0) as u32 + 1
    }

    /// Memory for this many distances. A buffer that is much too large is kept for the matrix that
    /// it was made for; otherwise all buffers would in time grow as large as the largest.
    pub(super) fn memory(&self, distances: usize) -> Vec<f64> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |m: &&Vec<f64>| (distances..=2 * distances).contains(&m.capacity());
        let best = memory.iter().filter(fits).map(Vec::capacity).min();
        let waypoint = memory.iter().position(|m| Some(m.capacity()) == best);
        waypoint
            .map_or_else(|| Vec::with_capacity(distances), |waypoint| memory.swap_remove(waypoint))
    }

    /// Takes the memory of matrices that are not needed any more.
    pub(super) fn give_back(&self, matrices: impl IntoIterator<Item = crate::mfa::Distances>) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.extend(matrices.into_iter().map(crate::mfa::Distances::into_memory));
    }

    /// Sums of two distances at each step, without pruning.
    fn sums(&self, network: &Network) -> f64 {
        let mut sums = 0.0;
        for source in &self.sources {
            for pair in source.reached.windows(2) {
                let rows = |arrival: &Arrival| {
                    pair[0].waypoints[arrival.from].0.width(network) as f64
                        * source.neurons.len() as f64
                };
                for (waypoint, arrivals) in &pair[1].waypoints {
                    let width = waypoint.width(network) as f64;
                    sums += arrivals.iter().map(rows).sum::<f64>() * width;
                }
                for (end, arrivals) in &pair[1].ends {
                    let targets = end.targets(network.layers()[end.layer].width) as f64;
                    sums += arrivals.iter().map(rows).sum::<f64>() * targets;
                }
            }
        }
        sums
    }
}

impl SourcePaths {
    fn new(
        layer: usize,
        reached: Vec<Reached>,
        drawn: &[Vec<Vec<usize>>],
        sample_neurons: &mut [usize],
    ) -> Self {
        let mut neurons: Vec<usize> = drawn.iter().flat_map(|d| d[layer].clone()).collect();
        neurons.sort_unstable();
        neurons.dedup();
        let member = |neuron: &usize| neurons.binary_search(neuron).unwrap_or_default();
        let members = drawn.iter().map(|d| d[layer].iter().map(member).collect()).collect();
        let rows = drawn.iter().zip(sample_neurons).map(|(drawn, from)| {
            *from += drawn[layer].len();
            *from - drawn[layer].len()..*from
        });
        let rows = rows.collect();
        let arrivals = reached.iter().flat_map(|r| {
            let waypoints = r.waypoints.iter().flat_map(|(_, arrivals)| arrivals);
            waypoints.chain(r.ends.iter().flat_map(|(_, arrivals)| arrivals))
        });
        let layer_of = |arrival: &Arrival| match arrival.via {
            Via::Edges { layer, .. } => Some(layer),
            Via::Passage => None,
        };
        let mut uses: Vec<usize> = arrivals.filter_map(layer_of).collect();
        uses.sort_unstable();
        uses.dedup();
        Self { layer, neurons, members, rows, reached, uses }
    }
}

/// What the paths from a layer reach after 1, 2, .. hops. Ends count from two hops on.
fn reached_from(
    network: &Network,
    layers: &[LayerEdges],
    source: usize,
    most: usize,
) -> Vec<Reached> {
    let mut all: Vec<Reached> = Vec::with_capacity(most);
    let mut before = vec![Waypoint::Layer(source)];
    for hops in 1..=most {
        let mut reached = Reached::default();
        for (from, &waypoint) in before.iter().enumerate() {
            match waypoint {
                Waypoint::Layer(layer) => {
                    let via = |index| Arrival { from, via: Via::Edges { layer, index } };
                    let LayerEdges { waypoints, ends, .. } = &layers[layer];
                    for (index, &(waypoint, _)) in waypoints.iter().enumerate() {
                        reached.add_waypoint(waypoint, via(index));
                    }
                    for (index, &end) in ends.iter().enumerate() {
                        reached.add_end(end, via(index));
                    }
                }
                Waypoint::Projections(layer) => {
                    let arrival = Arrival { from, via: Via::Passage };
                    reached.add_end(End::of_passage(layer), arrival);
                    if Waypoint::Layer(layer).has_next(network) {
                        reached.add_waypoint(Waypoint::Layer(layer), arrival);
                    }
                }
            }
        }
        if hops == 1 {
            reached.ends.clear();
        }
        if hops == most {
            reached.waypoints.clear();
        }
        before = reached.waypoints.iter().map(|(waypoint, _)| *waypoint).collect();
        all.push(reached);
    }
    all
}
