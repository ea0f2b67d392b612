//! Convolutional networks: convolutions in natural order of their names, or in residual blocks
//! (ResNet names), then linear layers.
//!
//! A neuron is a channel; each pair of output channel and kernel tap is one target. A layer is
//! named after the module whose outputs it holds. In a residual block (`layer1.0.conv1`, `conv2`,
//! `conv3`, `downsample.0`) the first convolution and the shortcut leave the same layer.
//!
//! A convolution that reads 1/g of the channels before it, `[out, in/g, taps..]`, has g groups. The
//! shape alone does not show g; the chain does. A linear layer that reads p times as many values as
//! there are channels reads a feature map of p positions: it is a convolution of p taps.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::chain::{Start, arrange, broken, in_order_of_creation};
use super::joins::branches::{is_small_stem, pools_unnormed, side_by_side};
use super::layout_doubt::{may_be_transposed, turned};
use super::link::{Link, doubted, successive};
use super::plan::{Fit, Plan};
use super::select::{Evidence, Matrix};
use super::side_by_side::{against, encoder_first, order_in_doubt};
use super::{Orientation, Role, concat};

/// Chains convolutions, then linear layers. Matrices that only an include pattern adds are not part
/// of the chain.
///
/// Convolutions are tried in the order of creation, if tch's numbers give it, and in the order of
/// their names. They are read as transposed if they chain only so.
pub(super) fn plan<'a>(matrices: &[Matrix<'a>]) -> Fit<Plan<'a>> {
    let all = matrices.iter().copied();
    let (chained, unplaced): (Vec<Matrix>, Vec<Matrix>) = all.partition(|m| !m.put_back);
    let (mut kernels, linear): (Vec<Matrix>, Vec<Matrix>) =
        chained.into_iter().partition(|m| m.shape().len() > 2);
    encoder_first(&mut kernels);
    // SqueezeNet's `classifier.1` comes after `features`.
    kernels.sort_by_key(|m| m.path().split('.').any(|segment| segment == "classifier"));
    if kernels.is_empty() {
        return Err("no tensor has the three or more dimensions of a convolution".into());
    }
    if let Some(plan) = concat::plan(&kernels, &linear)? {
        return Ok(Plan { unplaced, ..plan });
    }
    if let Some(odd) = kernels.iter().find(|m| is_side_branch(m.path())) {
        return Err(format!(
            "`{}` {:?} looks like a parallel branch or a squeeze layer, not like a part of the chain",
            odd.name(),
            odd.shape()
        ));
    }
    let matrices = [&kernels[..], &linear].concat();
    if let Some((list, which)) = side_by_side(&matrices).first() {
        let first = &matrices[which[0]];
        return Err(format!(
            "the {} convolutions in `{list}`, such as `{}` {:?}, read one layer: what they give is put \
             side by side",
            which.len(),
            first.name(),
            first.shape(),
        ));
    }
    let made = in_order_of_creation(&kernels).and_then(|kernels| convolutions(&kernels).ok());
    let mut chain = match made {
        Some(chain) if chain.grouped.is_empty() => chain,
        // Groups are not needed where the names give an order without them.
        Some(chain) => {
            convolutions(&kernels).ok().filter(|c| c.grouped.is_empty()).unwrap_or(chain)
        }
        None => convolutions(&kernels)?,
    };
    chain.linear(&linear)?;
    let Chain { mut plan, grouped, links, .. } = chain;
    if let Some(why) = against(&links) {
        return Err(why);
    }
    plan.warnings.extend(of_other_rank(&links));
    plan.warnings.extend(may_be_transposed(&kernels));
    if plan.warnings.is_empty() {
        plan.warnings.extend(order_in_doubt(&links));
    }
    plan.warnings.extend(grouping(&grouped));
    plan.unplaced = unplaced;
    Ok(plan)
}

/// Says that two kernels hardly follow each other: one reads a sequence, say, and the other an image.
fn of_other_rank(links: &[Link<'_>]) -> Option<String> {
    let rank = |link: &Link<'_>| Some(link.matrix.shape().len()).filter(|&rank| rank > 2);
    let other = |&(one, next): &(_, _)| rank(one).zip(rank(next)).is_some_and(|(a, b)| a != b);
    let pair = successive(links).find(other)?;
    Some(doubted(pair, ", but they are kernels of other dimensions"))
}

/// Chains convolutions in the order given: as they are, else as transposed, else in groups.
fn convolutions<'a>(kernels: &[Matrix<'a>]) -> Fit<Chain<'a>> {
    let as_they_are = in_order(kernels);
    if as_they_are.as_ref().is_ok_and(|chain| chain.grouped.is_empty()) {
        return as_they_are;
    }
    let Some(around) = transposed(kernels) else { return as_they_are };
    let Ok(mut chain) = in_order(&around) else { return as_they_are };
    chain.plan.warnings.extend(turned(kernels, &around));
    Ok(chain)
}

fn in_order<'a>(kernels: &[Matrix<'a>]) -> Fit<Chain<'a>> {
    let first = kernels[0];
    let mut plan = Plan::default();
    let input = plan.layer(format!("{}.in", first.path()), first.inputs(), Role::Linear, None);
    let mut chain = Chain {
        plan,
        end: input,
        last: first,
        grouped: Vec::new(),
        links: Vec::new(),
        blocks: false,
    };
    for unit in units(kernels) {
        chain.unit(&unit)?;
    }
    Ok(chain)
}

/// The kernels, as few of them as possible read as transposed, so that each reads exactly what the
/// one before gives; none if there is no such reading.
fn transposed<'a>(kernels: &[Matrix<'a>]) -> Option<Vec<Matrix<'a>>> {
    let is_layer = |m: &Matrix<'a>| m.reads.contains("weight") || m.reads.contains("kernel");
    let ways = |m: &Matrix<'a>| match m.evidence {
        Evidence::Usual if is_layer(m) => vec![*m, m.turned()],
        _ => vec![*m],
    };
    // For each kernel and way of reading it: how many are turned so far, and the way of the one before.
    let mut readings: Vec<Vec<(usize, Matrix<'a>, usize)>> = Vec::with_capacity(kernels.len());
    for kernel in kernels {
        let way = |way: Matrix<'a>| {
            let cost = usize::from(way.orientation != kernel.orientation);
            let Some(before) = readings.last() else { return Some((cost, way, 0)) };
            let before = before.iter().enumerate();
            let fits = before.filter(|(_, (_, last, _))| last.outputs() == way.inputs());
            let (at, (turned, ..)) = fits.min_by_key(|(_, (turned, ..))| *turned)?;
            Some((turned + cost, way, at))
        };
        let next = ways(kernel).into_iter().filter_map(way).collect();
        readings.push(next);
    }
    let last = readings.last()?.iter().enumerate();
    let (mut at, _) = last.min_by_key(|(_, (turned, ..))| *turned)?;
    let back = readings.iter().rev().map(|ways| {
        let (_, way, before) = ways[at];
        at = before;
        way
    });
    let mut all: Vec<Matrix<'a>> = back.collect();
    all.reverse();
    Some(all)
}

/// Whether any matrix is a convolution.
pub(super) fn has_kernels(matrices: &[Matrix]) -> bool {
    matrices.iter().any(|m| !m.put_back && m.shape().len() > 2)
}

/// Whether a convolution has a name of parallel branches or of squeeze and excitation. Their shapes
/// may chain, but they are not part of the chain.
fn is_side_branch(path: &str) -> bool {
    path.split('.').any(|segment| {
        let segment = segment.to_ascii_lowercase();
        matches!(segment.as_str(), "se" | "fc1" | "fc2")
            || ["branch", "squeeze"].iter().any(|sign| segment.starts_with(sign))
    })
}

/// A convolution by itself (no stem), or the convolutions of a residual block.
struct Unit<'a> {
    stem: Option<&'a str>,
    convolutions: Vec<Matrix<'a>>,
    shortcut: Option<Matrix<'a>>,
}

fn units<'a>(kernels: &[Matrix<'a>]) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit<'a>> = Vec::new();
    let mut by_stem: HashMap<&str, usize> = HashMap::new();
    for kernel in kernels {
        let split = split_name(kernel.path());
        let stem = split.map(|(stem, _)| stem);
        let known = stem.and_then(|stem| match by_stem.entry(stem) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(new) => {
                new.insert(units.len());
                None
            }
        });
        match (known.map(|known| &mut units[known]), split) {
            (Some(unit), Some((_, true))) => unit.shortcut = Some(*kernel),
            (Some(unit), _) => unit.convolutions.push(*kernel),
            (None, Some((stem, true))) => units.push(Unit {
                stem: Some(stem),
                convolutions: Vec::new(),
                shortcut: Some(*kernel),
            }),
            (None, _) => {
                units.push(Unit { stem, convolutions: vec![*kernel], shortcut: None });
            }
        }
    }
    units
}

/// Splits a path into a residual block's stem and whether it is the shortcut.
fn split_name(path: &str) -> Option<(&str, bool)> {
    let numbered = |stem: &&str| stem.rsplit('.').next().is_some_and(|s| s.parse::<u32>().is_ok());
    for shortcut in [
        ".downsample.0",
        ".downsample.1",
        ".shortcut.0",
        ".downsample.conv",
        ".shortcut.convolution",
    ] {
        if let Some(stem) = path.strip_suffix(shortcut) {
            return Some((stem, true));
        }
    }
    if let Some(stem) = path.strip_suffix(".convolution") {
        let stem = stem.rsplit_once('.')?.0.strip_suffix(".layer")?;
        return Some((stem, false));
    }
    let (stem, last) = path.rsplit_once('.')?;
    let convolution = last.strip_prefix("conv").is_some_and(|k| k.parse::<u8>().is_ok());
    Some((stem, false)).filter(|_| convolution && numbered(&stem))
}

struct Chain<'a> {
    plan: Plan<'a>,
    /// The layer that the chain has reached, and the matrix that reaches it.
    end: usize,
    last: Matrix<'a>,
    /// Grouped convolutions, with their groups.
    grouped: Vec<(Matrix<'a>, usize)>,
    /// The convolutions that follow each other, without those of residual blocks.
    links: Vec<Link<'a>>,
    /// Whether a residual block has been laid out.
    blocks: bool,
}

impl<'a> Chain<'a> {
    fn unit(&mut self, unit: &Unit<'a>) -> Fit<()> {
        let start = self.end;
        let [.., last] = unit.convolutions.as_slice() else {
            let name = unit.shortcut.map_or("", |m| m.name());
            return Err(format!("no convolution found next to the shortcut `{name}`"));
        };
        for matrix in &unit.convolutions {
            let is_last = matrix.name() == last.name();
            let name = unit.stem.filter(|_| is_last).unwrap_or(matrix.path());
            let source = self.end;
            self.convolution(matrix, name)?;
            if unit.stem.is_none() {
                self.links.push(Link { matrix: *matrix, source, target: self.end });
            }
        }
        if let Some(shortcut) = &unit.shortcut {
            let widths = [self.end, start].map(|layer| self.plan.layers[layer].width);
            if [shortcut.outputs(), shortcut.inputs()] != widths {
                return Err(format!(
                    "the shortcut `{}` {:?} must join {} channels to {} to fit `{}` {:?}",
                    shortcut.name(),
                    shortcut.shape(),
                    widths[1],
                    widths[0],
                    last.name(),
                    last.shape(),
                ));
            }
            // ResNet-D pools before it, except in the first stage, which keeps its positions; so do
            // networks without normalisation.
            let pools = shortcut.path().ends_with(".downsample.1") || pools_unnormed(shortcut);
            let halves = || self.links.first().is_some_and(|link| is_small_stem(&link.matrix));
            let pooled = pools && (self.blocks || pools_unnormed(shortcut) && halves());
            let source = match pooled {
                true => {
                    let name = format!("{}.in", shortcut.path());
                    self.plan.layer(name, widths[1], Role::Linear, None)
                }
                false => start,
            };
            self.plan.join(shortcut, source, self.end, 1);
        }
        self.blocks |= unit.stem.is_some();
        Ok(())
    }

    fn convolution(&mut self, matrix: &Matrix<'a>, name: &str) -> Fit<()> {
        let channels = self.plan.layers[self.end].width;
        let groups = channels / matrix.inputs();
        let groups_fit = matrix.outputs().is_multiple_of(groups)
            && (groups == 1 || matrix.orientation == Orientation::OutIn);
        if groups * matrix.inputs() != channels || !groups_fit {
            return Err(broken(matrix, &self.last, channels));
        }
        if groups > 1 {
            self.grouped.push((*matrix, groups));
        }
        let target = self.plan.layer(name, matrix.outputs(), Role::Linear, None);
        let connection = self.plan.join(matrix, self.end, target, 1);
        (connection.inputs, connection.groups) = (channels, groups);
        (self.end, self.last) = (target, *matrix);
        Ok(())
    }

    /// Linear layers, the first perhaps on a feature map.
    fn linear(&mut self, matrices: &[Matrix<'a>]) -> Fit<()> {
        let channels = self.plan.layers[self.end].width;
        let arranged = arrange(matrices, Start::Map(channels, self.last))?;
        let links = arranged.links.clone();
        let first = self.plan.connections.len();
        arranged.lay_out(&mut self.plan, self.end, Link::path);
        let connections = self.plan.connections[first..].iter_mut().zip(links);
        for (connection, Link { matrix, .. }) in connections.filter(|(_, link)| link.source == 0) {
            let positions = matrix.inputs() / channels;
            if positions > 1 && matrix.orientation == Orientation::InOut {
                return Err(format!(
                    "`{}` {:?} is read as [in, out], but reads a map of {positions} positions, \
                     which needs [out, in]",
                    matrix.name(),
                    matrix.shape(),
                ));
            }
            connection.inputs = channels;
            connection.taps = positions;
            connection.flattened = positions > 1;
        }
        Ok(())
    }
}

fn grouping(grouped: &[(Matrix, usize)]) -> Option<String> {
    let ((matrix, groups), rest) = grouped.split_first()?;
    let more = match rest.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(format!(
        "The groups of convolutions are in no shape; they were read off the chain of channels: \
         `{}` {:?} has {groups}{more}. Where a convolution reads only some of the channels before \
         it for another reason, put the network together with Network::builder().",
        matrix.name(),
        matrix.shape(),
    ))
}
