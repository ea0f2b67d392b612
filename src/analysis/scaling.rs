//! The data of the fits: ln Z_q(r) of the network, and N(r) of a few of its neurons.
//!
//! Both at no more than [`RADII`] radii, evenly in ln r as far as radii are occupied; the smallest
//! and the largest are always there.

use serde::{Deserialize, Serialize};

use super::statistics::mean;
use crate::mfa::{Line, SCALING_Q, Spectrum};
use crate::network::Network;

/// Radii that are kept of a curve.
const RADII: usize = 24;

/// Neurons that are kept.
pub(super) const NEURONS: usize = 6;

/// A value for each q of [`SCALING_Q`]; none for one that the method's grid lacks.
type Values = [Option<f64>; SCALING_Q.len()];

/// ln Z_q against ln r: means over the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanScaling {
    /// A radius that is occupied in every sample, and ln Z_q there for each q of [`SCALING_Q`];
    /// ascending.
    pub points: Vec<(f64, [Option<f64>; SCALING_Q.len()])>,
    /// tau(q), the slope of the mean of the samples' lines.
    pub slope: [Option<f64>; SCALING_Q.len()],
    /// Where that line meets ln r = 0.
    pub intercept: [Option<f64>; SCALING_Q.len()],
}

impl MeanScaling {
    /// The means over the samples' spectra on this q grid; none without samples.
    pub(super) fn of(q: &[f64], samples: &[Spectrum]) -> Option<Self> {
        let (first, others) = samples.split_first()?;
        let everywhere = |r: &&f64| {
            let has = |s: &Spectrum| s.scaling.radii.binary_search_by(|x| x.total_cmp(r)).is_ok();
            others.iter().all(has)
        };
        let common: Vec<f64> = first.scaling.radii.iter().filter(everywhere).copied().collect();
        let at = |r: f64| {
            let ln_z = |shown: usize| {
                let of_sample = |s: &Spectrum| {
                    let k = s.scaling.radii.binary_search_by(|x| x.total_cmp(&r)).ok()?;
                    s.scaling.ln_z[shown].get(k).copied()
                };
                let values: Vec<f64> = samples.iter().filter_map(of_sample).collect();
                mean(values.into_iter())
            };
            (r, std::array::from_fn(ln_z))
        };
        let over_lines = |value: &dyn Fn(&Spectrum, &Line) -> f64| -> Values {
            SCALING_Q.map(|shown| {
                let k = q.iter().position(|q| *q == shown)?;
                mean(samples.iter().map(|s| value(s, &s.tau[k])))
            })
        };
        let largest = |s: &Spectrum| s.scaling.radii.last().copied().unwrap_or(1.0);
        Some(Self {
            points: thinned(&common, |r| *r).into_iter().copied().map(at).collect(),
            slope: over_lines(&|_, line| line.slope),
            intercept: over_lines(&|s, line| line.intercept - line.slope * largest(s).ln()),
        })
    }
}

/// A neuron, and the mass of its box at each radius.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeuronBoxes {
    /// Its layer.
    pub layer: String,
    /// Its number in the layer.
    pub neuron: usize,
    /// An occupied radius, and N there; ascending.
    pub points: Vec<(f64, u32)>,
    /// The line of ln N on ln r over all its occupied radii, whose slope is its dimension; none for
    /// a neuron that is not kept, or has one radius only.
    pub line: Option<Line>,
}

impl NeuronBoxes {
    /// How many neurons are kept of a network.
    pub fn count(network: &Network) -> usize {
        let leaves = |&k: &usize| network.leaving(k).next().is_some();
        (0..network.layers().len()).filter(leaves).count().min(NEURONS)
    }
}

/// At most `most` of the numbers below n, evenly spaced, both ends included.
pub(super) fn even(n: usize, most: usize) -> impl Iterator<Item = usize> {
    let last = n.min(most).saturating_sub(1);
    (0..n.min(most)).map(move |k| (k * n.saturating_sub(1) + last / 2) / last.max(1))
}

/// At most [`RADII`] of the items, whose radii ascend, as even in ln r as they allow.
pub(super) fn thinned<T>(items: &[T], radius: impl Fn(&T) -> f64) -> Vec<&T> {
    let (Some(first), Some(last)) = (items.first(), items.last()) else { return Vec::new() };
    if items.len() <= RADII {
        return items.iter().collect();
    }
    let (low, high) = (radius(first).ln(), radius(last).ln());
    let nearest = |k: usize| {
        let wanted = low + (high - low) * k as f64 / (RADII - 1) as f64;
        let after = items.partition_point(|item| radius(item).ln() < wanted).min(items.len() - 1);
        let before = after.saturating_sub(1);
        let distance = |k: usize| (radius(&items[k]).ln() - wanted).abs();
        if distance(before) < distance(after) { before } else { after }
    };
    let mut chosen: Vec<usize> = (0..RADII).map(nearest).collect();
    // Rounding must not drop an end.
    (chosen[0], chosen[RADII - 1]) = (0, items.len() - 1);
    chosen.dedup();
    chosen.into_iter().map(|k| &items[k]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::{BoxMasses, Histogram, Method, Published};

    #[test]
    fn thinned_radii_keep_both_ends_and_are_even_in_ln_r() {
        let radii: Vec<f64> = (1..=150).map(f64::from).collect();
        let kept: Vec<f64> = thinned(&radii, |r| *r).into_iter().copied().collect();
        assert_eq!((kept[0], kept[1], kept[kept.len() - 1]), (1.0, 2.0, 150.0));
        assert!(kept.len() <= RADII && kept.windows(2).all(|pair| pair[0] < pair[1]));
        // Evenly, a step is a factor of 150^(1/23) = 1.243.
        let far = kept.iter().zip(&kept[1..]).filter(|(r, _)| **r > 10.0);
        far.for_each(|(r, next)| assert!((1.15..1.35).contains(&(next / r)), "{r}, {next}"));
        assert_eq!(thinned(&radii[..24], |r| *r).len(), 24);
        assert_eq!(thinned(&radii[..0], |r| *r).len(), 0);
    }

    #[test]
    fn layers_are_even_and_keep_both_ends() {
        assert_eq!(even(3, 6).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(even(11, 6).collect::<Vec<_>>(), [0, 2, 4, 6, 8, 10]);
        assert_eq!(even(1, 6).collect::<Vec<_>>(), [0]);
        assert_eq!(even(0, 6).count(), 0);
    }

    /// Two samples with different radii: their means at those that both have, and the mean of their
    /// lines.
    #[test]
    fn means_are_over_the_radii_of_every_sample() {
        let method = Method::default();
        let mut published = Published::new(&method);
        published.reach(100);
        let spectrum = |neurons: &[Vec<f64>]| {
            let histogram = Histogram::from_distances(&method, neurons);
            published.estimate(&BoxMasses::new(&method, &histogram).unwrap()).unwrap()
        };
        let distances = |radii: &[f64]| vec![radii.repeat(8), radii[1..].repeat(9)];
        let a = spectrum(&distances(&[2.0, 5.0, 9.0, 30.0]));
        let b = spectrum(&distances(&[3.0, 5.0, 9.0, 20.0]));
        let both = [a, b];
        let scaling = MeanScaling::of(method.q(), &both).unwrap();
        assert_eq!(scaling.points.iter().map(|(r, _)| *r).collect::<Vec<_>>(), [5.0, 9.0]);
        let (q, shown) = (method.q().iter().position(|q| *q == 2.0).unwrap(), 4);
        let at_5: f64 = both.iter().map(|s| s.scaling.ln_z[shown][1]).sum::<f64>() / 2.0;
        assert_eq!(scaling.points[0].1[shown], Some(at_5));
        let line = |s: &Spectrum, r: f64| {
            let d = s.scaling.radii.last().unwrap();
            s.tau[q].intercept + s.tau[q].slope * (r / d).ln()
        };
        let (slope, at_1) = (scaling.slope[shown].unwrap(), scaling.intercept[shown].unwrap());
        for r in [1.0f64, 7.0] {
            let expected = both.iter().map(|s| line(s, r)).sum::<f64>() / 2.0;
            assert!((at_1 + slope * r.ln() - expected).abs() < 1e-12);
        }
        assert!(MeanScaling::of(method.q(), &[]).is_none());
    }
}
