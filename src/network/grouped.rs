//! Several networks in one: actor and critic, generator and discriminator.
//!
//! The parameters of the group `actor` have names that begin with `actor.`; each group is inferred by
//! itself, its names read without this beginning, and its layers are called `actor/{layer}`.

use super::parameter::Kind;
use super::reading::within;
use super::{Architecture, LeftOut, Network, NetworkError, Parameter, Selection, select};

/// Why a parameter outside all groups is left out.
const OUTSIDE: &str = "in none of the groups";

impl Network {
    /// Infers a network for each group of parameters, and joins them into one. Patterns of the
    /// selection match complete names, with the group.
    ///
    /// # Errors
    ///
    /// A group without parameters, or what [`Network::infer`] refuses, with the group's name.
    pub fn infer_groups(
        parameters: &[Parameter],
        selection: &Selection,
        groups: &[String],
    ) -> Result<Self, NetworkError> {
        for (k, first) in groups.iter().enumerate() {
            let overlaps = |second: &&String| {
                *second == first
                    || within(first, second).is_some()
                    || within(second, first).is_some()
            };
            if let Some(second) = groups[k + 1..].iter().find(overlaps) {
                let (first, second) = (first.clone(), second.clone());
                return Err(NetworkError::GroupsOverlap { first, second });
            }
        }
        let sorted = select::in_natural_order(parameters)?;
        select::check_patterns(&sorted, selection)?;
        let mut joined: Option<Self> = None;
        for group in groups {
            let of_group =
                |error| NetworkError::InGroup { group: group.clone(), why: Box::new(error) };
            let own = sorted.iter().copied().filter(|p| within(group, &p.name).is_some());
            let own: Vec<&Parameter> = own.collect();
            if own.is_empty() {
                let count = parameters.len();
                return Err(NetworkError::EmptyGroup { group: group.clone(), count });
            }
            let network = Self::read(&own, selection, Some(group)).map_err(of_group)?;
            let network = network.called(group);
            joined = Some(match joined {
                None => network,
                Some(joined) => joined.and(network),
            });
        }
        let mut joined = joined.ok_or(NetworkError::NoMatrices { count: 0, untrained: 0 })?;
        let outside =
            |p: &&&Parameter| !groups.iter().any(|group| within(group, &p.name).is_some());
        joined
            .left_out
            .extend(sorted.iter().filter(outside).map(|p| LeftOut::new(p, Kind::Inside, OUTSIDE)));
        let Self { architecture, layers, connections, left_out, warnings, .. } = joined;
        let joined = Self::new(architecture, layers, connections, left_out, warnings);
        match joined.contradiction() {
            Some(why) => Err(NetworkError::Damaged { why }),
            None => Ok(joined),
        }
    }

    /// The same network, with layers and warnings that name the group.
    fn called(mut self, group: &str) -> Self {
        for layer in &mut self.layers {
            layer.name = format!("{group}/{}", within(group, &layer.name).unwrap_or(&layer.name));
            layer.group = Some(group.to_owned());
        }
        for warning in &mut self.warnings {
            *warning = format!("{group}: {warning}");
        }
        self
    }

    /// This network and another, next to each other.
    fn and(mut self, other: Self) -> Self {
        let first = self.layers.len();
        self.layers.extend(other.layers);
        self.connections.extend(other.connections.into_iter().map(|mut connection| {
            connection.source += first;
            connection.target += first;
            connection
        }));
        self.left_out.extend(other.left_out);
        self.warnings.extend(other.warnings);
        if self.architecture != other.architecture {
            self.architecture = Architecture::Custom;
        }
        self
    }
}
