//! Several networks in one: actor and critic, generator and discriminator.
//!
//! The parameters of the group `actor` have names that begin with `actor.`; each group is inferred by
//! itself, without this beginning, and its layers are called `actor/{layer}`.

use super::pattern::{matches, renamed};
use super::select::BY_PATTERN;
use super::{Architecture, LeftOut, Network, NetworkError, Parameter, Selection, reading, select};

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
        selected: &Selection,
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
        let (readings, _) = reading::read(&sorted, &selected.rename)?;
        select::check_patterns(&readings, selected)?;
        let mut joined: Option<Self> = None;
        for group in groups {
            let of_group =
                |error| NetworkError::InGroup { group: group.clone(), why: Box::new(error) };
            let (own, selection) = of(group, parameters, selected);
            if own.is_empty() {
                let count = parameters.len();
                return Err(NetworkError::EmptyGroup { group: group.clone(), count });
            }
            let mut network = Self::infer(&own, &selection).map_err(of_group)?.called(group);
            for warning in &mut network.warnings {
                own.iter().for_each(|p| *warning = with_group(warning, group, &p.name));
            }
            for left_out in network.left_out.iter_mut().filter(|l| l.why.contains(BY_PATTERN)) {
                if let Some(pattern) = selected.exclude.iter().find(|p| matches(p, &left_out.name))
                {
                    left_out.why = format!("{BY_PATTERN}`{pattern}`");
                }
            }
            joined = Some(match joined {
                None => network,
                Some(joined) => joined.and(network),
            });
        }
        let mut joined = joined.ok_or(NetworkError::NoMatrices { count: 0, untrained: 0 })?;
        let outside =
            |p: &&&Parameter| !groups.iter().any(|group| within(group, &p.name).is_some());
        joined.left_out.extend(sorted.iter().filter(outside).map(|p| LeftOut::new(p, OUTSIDE)));
        match joined.contradiction() {
            Some(why) => Err(NetworkError::Damaged { why }),
            None => Ok(joined),
        }
    }

    /// The same network with the name of a group before each name.
    fn called(mut self, group: &str) -> Self {
        for layer in &mut self.layers {
            layer.name = format!("{group}/{}", layer.name);
            layer.group = Some(group.to_owned());
        }
        for connection in &mut self.connections {
            connection.parameter = format!("{group}.{}", connection.parameter);
        }
        for left_out in &mut self.left_out {
            left_out.name = format!("{group}.{}", left_out.name);
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

/// A message with the complete name of a parameter where it has the short one, in quotes or in a flag.
fn with_group(message: &str, group: &str, name: &str) -> String {
    let full = format!("{group}.{name}");
    let mut message = message.to_owned();
    for (before, after) in [("`", "`"), ("\"", "\""), ("--orient ", "="), ("--rename ", "=")] {
        let (short, long) = (format!("{before}{name}{after}"), format!("{before}{full}{after}"));
        message = message.replace(&short, &long);
    }
    message.replace(&format!("--exclude {name}."), &format!("--exclude {full}."))
}

/// The rest of a name that is in a group.
fn within<'n>(group: &str, name: &'n str) -> Option<&'n str> {
    name.strip_prefix(group)?.strip_prefix('.')
}

/// The parameters of a group, without its name, and the selection for them, by complete names.
fn of(group: &str, all: &[Parameter], selection: &Selection) -> (Vec<Parameter>, Selection) {
    let mut own = Vec::new();
    let mut named = Selection { include: Vec::new(), exclude: Vec::new(), ..selection.clone() };
    (named.orient, named.rename) = (Vec::new(), Vec::new());
    for parameter in all {
        let Some(rest) = within(group, &parameter.name) else { continue };
        let name = &parameter.name;
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        if any(&selection.include) && select::joins_neurons(parameter) {
            named.include.push(rest.to_owned());
        }
        if any(&selection.exclude) {
            named.exclude.push(rest.to_owned());
        }
        let orient = selection.orient.iter().find(|(pattern, _)| matches(pattern, name));
        if let Some((_, orientation)) = orient.filter(|_| select::joins_neurons(parameter)) {
            named.orient.push((rest.to_owned(), *orientation));
        }
        if let Some(new) = selection.rename.iter().find_map(|(from, to)| renamed(from, to, name)) {
            let new = within(group, &new).unwrap_or(&new).to_owned();
            named.rename.push((rest.to_owned(), new));
        }
        own.push(Parameter { name: rest.to_owned(), ..parameter.clone() });
    }
    (own, named)
}
