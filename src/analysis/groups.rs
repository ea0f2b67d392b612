//! Parts of a network that are measured separately: layers, blocks, roles, and the network itself.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::mfa::{Degenerate, PowerSums};
use crate::network::{Network, NeuronLayer, Role};

/// What kind of part a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One neuron layer: the edges that leave it.
    Layer,
    /// The layers of one block.
    Block,
    /// The layers of one role, in all blocks.
    Role,
    /// The layers of one of several networks.
    Group,
    /// All layers.
    Network,
}

impl Scope {
    /// The name in layers.csv.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Block => "block",
            Self::Role => "role",
            Self::Group => "group",
            Self::Network => "network",
        }
    }
}

/// A part of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What kind of part.
    pub scope: Scope,
    /// `block.0.mlp`, `block.0`, `mlp_out`, `actor` or `all`.
    pub name: String,
    /// The role of all its layers; none when they have several.
    pub role: Option<Role>,
    /// Indices of its layers among those that edges leave, ascending.
    pub(super) members: Vec<usize>,
}

impl Group {
    /// How many groups a network has.
    pub fn count(network: &Network) -> usize {
        let leaves = |&(k, _): &(usize, &NeuronLayer)| network.leaving(k).next().is_some();
        let sources = network.layers().iter().enumerate().filter(leaves);
        Self::all(&sources.map(|(_, layer)| layer).collect::<Vec<_>>()).len()
    }

    /// The complete network, from the layers that edges leave.
    pub(super) fn network(sources: &[&NeuronLayer]) -> Self {
        let members = (0..sources.len()).collect();
        Self::of(Scope::Network, "all".to_owned(), sources, members)
    }

    /// All groups of the layers that edges leave: each layer, block by block, role by role, and
    /// the network last. Roles are left out where there is one only.
    pub(super) fn all(sources: &[&NeuronLayer]) -> Vec<Self> {
        let all = sources.iter().enumerate();
        let mut groups: Vec<Self> = all
            .clone()
            .map(|(k, layer)| Self::of(Scope::Layer, layer.name.clone(), sources, vec![k]))
            .collect();
        let mut by = |scope, key: &dyn Fn(&NeuronLayer) -> Option<String>, least: usize| {
            let mut found: Vec<(String, Vec<usize>)> = Vec::new();
            let mut places: HashMap<String, usize> = HashMap::new();
            for (k, name) in all.clone().filter_map(|(k, layer)| Some((k, key(layer)?))) {
                let place = *places.entry(name.clone()).or_insert(found.len());
                if place == found.len() {
                    found.push((name, Vec::new()));
                }
                found[place].1.push(k);
            }
            if found.len() >= least {
                let group = |(name, members)| Self::of(scope, name, sources, members);
                groups.extend(found.into_iter().map(group));
            }
        };
        let block = |layer: &NeuronLayer| {
            let block = layer.block?;
            Some(match &layer.group {
                Some(group) => format!("{group}/block.{block}"),
                None => format!("block.{block}"),
            })
        };
        by(Scope::Block, &block, 1);
        by(Scope::Group, &|layer| layer.group.clone(), 2);
        by(Scope::Role, &|layer| Some(layer.role.to_string()), 2);
        groups.push(Self::network(sources));
        groups
    }

    fn of(scope: Scope, name: String, sources: &[&NeuronLayer], members: Vec<usize>) -> Self {
        let first = members.first().map(|&k| sources[k].role);
        let role = first.filter(|role| members.iter().all(|&k| sources[k].role == *role));
        Self { scope, name, role, members }
    }
}

/// Turns results of each group, of several folds, into the results of all folds for each group.
pub(super) fn by_group<T>(
    of_folds: Vec<Vec<Result<T, Degenerate>>>,
    groups: &[Group],
) -> impl Iterator<Item = Result<Vec<T>, Degenerate>> {
    let mut of_folds: Vec<_> = of_folds.into_iter().map(Vec::into_iter).collect();
    groups.iter().map(move |_| {
        // Every fold advances to the next group, even if one of them has no result.
        let of_group: Vec<_> = of_folds.iter_mut().filter_map(Iterator::next).collect();
        of_group.into_iter().collect()
    })
}

/// Adds the sums of layers, which come in order, to those of their groups. A group is finished as
/// soon as its last layer has come, so that few sums are in memory at once.
pub(super) struct Fold<'a, T, F> {
    groups: &'a [Group],
    of_layer: Vec<Vec<usize>>, // the groups that a layer is in
    open: Vec<Option<PowerSums>>,
    done: Vec<Option<Result<T, Degenerate>>>,
    finish: F,
    none: Degenerate, // why a group without kept neurons has no result
}

impl<'a, T, F: Fn(&PowerSums) -> Result<T, Degenerate>> Fold<'a, T, F> {
    pub(super) fn new(groups: &'a [Group], min_edges: u32, finish: F) -> Self {
        let layers = groups.iter().filter_map(|group| group.members.last()).max();
        let mut of_layer = vec![Vec::new(); layers.map_or(0, |last| last + 1)];
        for (k, group) in groups.iter().enumerate() {
            group.members.iter().for_each(|&layer| of_layer[layer].push(k));
        }
        Self {
            groups,
            of_layer,
            open: groups.iter().map(|_| None).collect(),
            done: groups.iter().map(|_| None).collect(),
            finish,
            none: Degenerate::NoNeurons { min_edges },
        }
    }

    /// Takes the sums of the next layer; none when it has no kept neuron.
    pub(super) fn add(&mut self, layer: usize, sums: Option<&PowerSums>) {
        for &k in self.of_layer.get(layer).into_iter().flatten() {
            let group = &self.groups[k];
            if let ([_], Some(sums)) = (&group.members[..], sums) {
                self.done[k] = Some((self.finish)(sums));
                continue;
            }
            match (&mut self.open[k], sums) {
                (Some(open), Some(sums)) => open.add(sums),
                (open @ None, Some(sums)) => *open = Some(sums.clone()),
                (_, None) => {}
            }
            if group.members.last() == Some(&layer) {
                let sums = self.open[k].take();
                self.done[k] = Some(sums.map_or(Err(self.none), |sums| (self.finish)(&sums)));
            }
        }
    }

    /// The results, in the order of the groups.
    pub(super) fn finish(self) -> Vec<Result<T, Degenerate>> {
        let none = self.none;
        self.done.into_iter().map(|done| done.unwrap_or(Err(none))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_without_a_result_leaves_the_others_theirs() {
        let group = |name: &str| Group {
            scope: Scope::Layer,
            name: name.to_owned(),
            role: None,
            members: Vec::new(),
        };
        let groups = ["a", "b", "c"].map(group);
        let of_folds = vec![
            vec![Ok(1), Err(Degenerate::Constant), Ok(3)],
            vec![Err(Degenerate::NotFinite), Ok(20), Ok(30)],
            vec![Ok(100), Ok(200), Ok(300)],
        ];
        let found: Vec<_> = by_group(of_folds, &groups).collect();
        let expected =
            [Err(Degenerate::NotFinite), Err(Degenerate::Constant), Ok(vec![3, 30, 300])];
        assert_eq!(found, expected);
    }
}
