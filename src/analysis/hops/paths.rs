//! The paths through a network: waypoints, and the hops between them.

use crate::network::{Connection, Network, Projection};

/// What a path passes between two hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waypoint {
    /// A neuron of a layer.
    Layer(usize),
    /// A query, key or value feature of an attention layer.
    Projections(usize),
}

impl Waypoint {
    /// The waypoint that a connection reaches.
    pub(super) fn reached_by(network: &Network, connection: &Connection) -> Self {
        match network.attention(connection) {
            Some((attention, _)) => Self::Projections(attention),
            None => Self::Layer(connection.target),
        }
    }

    /// How many distances describe the paths to this waypoint: one for each neuron of a layer. At
    /// the projections, one for each query, then the smallest over all keys and values, which lead
    /// to all features alike.
    pub(super) fn width(self, network: &Network) -> usize {
        match self {
            Self::Layer(layer) => network.layers()[layer].width,
            Self::Projections(layer) => network.layers()[layer].width + 1,
        }
    }

    /// Whether a path can continue from here.
    pub(super) fn has_next(self, network: &Network) -> bool {
        match self {
            Self::Layer(layer) => network.leaving(layer).next().is_some(),
            Self::Projections(_) => true,
        }
    }

    /// The waypoints after one more hop.
    pub(super) fn next(self, network: &Network) -> Vec<Self> {
        let mut next = match self {
            Self::Layer(layer) => {
                network.leaving(layer).map(|c| Self::reached_by(network, c)).collect()
            }
            Self::Projections(layer) => vec![Self::Layer(layer)],
        };
        next.sort_unstable();
        next.dedup();
        next
    }
}

/// Targets at the end of paths. Paths with equal ends reach the same neurons; the shortest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    pub(super) layer: usize,
    pub(super) projection: Option<Projection>,
    pub(super) copies: usize,
    pub(super) taps: usize,
}

impl End {
    pub(super) fn of(network: &Network, connection: &Connection) -> Self {
        let Connection { target, copies, taps, .. } = *connection;
        let projection = network.attention(connection).map(|(_, projection)| projection);
        Self { layer: target, projection, copies, taps }
    }

    /// The neurons of a layer, reached from its projections.
    pub(super) fn of_passage(layer: usize) -> Self {
        Self { layer, projection: None, copies: 1, taps: 1 }
    }

    /// The number of targets when `drawn` neurons of the layer are drawn.
    pub(super) fn targets(self, drawn: usize) -> usize {
        self.copies * drawn * self.taps
    }
}

/// The last hop of a path so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Index of the previous waypoint, among those of the previous hop.
    pub(super) from: usize,
    pub(super) via: Via,
}

/// How a hop is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Via {
    /// Over edges of a layer, to the `index`-th of its waypoints or ends.
    Edges { layer: usize, index: usize },
    /// From queries, keys and values to their attention layer.
    Passage,
}

/// What the paths from one layer reach after a number of hops.
#[derive(Clone, Debug, Default)]
pub(super) struct Reached {
    /// Waypoints from which they continue.
    pub(super) waypoints: Vec<(Waypoint, Vec<Arrival>)>,
    /// Their targets, if they end here.
    pub(super) ends: Vec<(End, Vec<Arrival>)>,
}

impl Reached {
    pub(super) fn add_waypoint(&mut self, waypoint: Waypoint, arrival: Arrival) {
        insert(&mut self.waypoints, waypoint, arrival);
    }

    pub(super) fn add_end(&mut self, end: End, arrival: Arrival) {
        insert(&mut self.ends, end, arrival);
    }
}

fn insert<K: PartialEq>(entries: &mut Vec<(K, Vec<Arrival>)>, key: K, arrival: Arrival) {
    match entries.iter_mut().find(|(k, _)| *k == key) {
        Some((_, arrivals)) => arrivals.push(arrival),
        None => entries.push((key, vec![arrival])),
    }
}

/// The number of hops of the longest path, at most `most`.
pub(super) fn longest(network: &Network, most: usize) -> usize {
    let mut waypoints: Vec<Waypoint> = (0..network.layers().len()).map(Waypoint::Layer).collect();
    for hops in 0..most {
        waypoints = waypoints.iter().flat_map(|waypoint| waypoint.next(network)).collect();
        waypoints.sort_unstable();
        waypoints.dedup();
        if waypoints.is_empty() {
            return hops;
        }
    }
    most
}
