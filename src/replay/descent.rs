//! Whether the weights of a series descend from each other, by samples of them.

use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::source::{CheckpointFile, Source, Tensor};

/// Matrices of which a sample has values, and how many of each.
const MATRICES: usize = 8;
const VALUES: usize = 2048;
/// Cosines below and above which weights are those of different runs, and of one.
const APART: f64 = 0.1;
const CLOSE: f64 = 0.9;

/// A sample of the weights of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    values: Vec<f64>,      // of some matrices
    zeros: Option<String>, // the first matrix among them that is 0 everywhere
}

/// Samples of the weights so far.
#[derive(Default)]
pub(super) struct Descent {
    last: Option<(u64, Vec<f64>)>,
    before: Option<f64>, // the cosine of the two checkpoints before the last
    doubt: Option<(u64, u64, f64)>, // steps of the last two, if these are far apart
    zero: bool,          // whether matrices of zeros were said
}

impl Descent {
    /// Takes the weights of the next step; returns what there is to say of them.
    pub(super) fn add(&mut self, step: u64, sample: &Sample) -> Option<String> {
        if let (Some(name), false) = (&sample.zeros, self.zero) {
            self.zero = true;
            let why = format!("all weights of {name:?} are 0 at step {step}: it has no neighbours");
            tracing::warn!("{why}");
        }
        self.compare(step, sample.values.clone())
    }

    fn compare(&mut self, step: u64, sample: Vec<f64>) -> Option<String> {
        let last = self.last.replace((step, sample));
        let (from, earlier) = last?;
        let now = cosine(&earlier, &self.last.as_ref()?.1)?;
        let doubt = self.doubt.take();
        if now < APART && self.before.is_none_or(|before| before > CLOSE) {
            self.doubt = Some((from, step, now));
        }
        self.before = Some(now);
        let (from, to, cosine) = doubt.filter(|_| now > CLOSE)?;
        Some(format!(
            "step {to} and those after it do not descend from step {from}: the cosine of their weights \
             is {cosine:.2}, that of steps {to} and {step} is {now:.2}. E compares weights of different \
             runs"
        ))
    }
}

/// The sample of a checkpoint.
pub(super) fn sample(source: &CheckpointFile, network: &Network) -> Sample {
    let connections = network.connections();
    let (mut values, mut zeros) = (Vec::new(), None);
    for connection in connections.iter().step_by(connections.len().div_ceil(MATRICES).max(1)) {
        let name = &connection.parameter;
        let Ok(first) = source.first(name, VALUES) else { continue };
        let first = first.values().first(VALUES).to_f64();
        let is_zero = |values: &[f64]| values.iter().all(|value| *value == 0.0);
        // All values are read only where the first are 0.
        let all_zero = |tensor: Tensor<'_>| {
            let all = tensor.values();
            let part = |at| all.from(at).first(VALUES).to_f64();
            (0..all.len()).step_by(VALUES).all(|at| is_zero(&part(at)))
        };
        if zeros.is_none() && is_zero(&first) && source.tensor(name).is_ok_and(all_zero) {
            zeros = Some(name.clone());
        }
        values.extend(first);
    }
    Sample { values, zeros }
}

/// None where the weights have no direction.
fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    (a.len() == b.len() && norms > 0.0 && norms.is_finite()).then(|| dot(a, b) / norms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of weights that are multiples of these directions, a part of the next one added.
    fn said(series: &[(usize, f64)]) -> Vec<(u64, String)> {
        let mut descent = Descent::default();
        let weights = |(direction, part): (usize, f64)| -> Vec<f64> {
            (0..64)
                .map(|k| {
                    let of = |direction: usize| f64::from(u8::from(k % 4 == direction));
                    of(direction) + part * of(direction + 1)
                })
                .collect()
        };
        let add = |(k, w): (usize, &(usize, f64))| {
            let step = 100 * k as u64;
            Some((step, descent.compare(step, weights(*w))?))
        };
        series.iter().enumerate().filter_map(add).collect()
    }

    /// Whether a doubt is said of weights whose cosines, each with those before, are these.
    fn is_said(cosines: &[f64]) -> bool {
        let (mut descent, mut angle, mut said) = (Descent::default(), 0.0f64, false);
        for (step, cosine) in (0..).zip([1.0].iter().chain(cosines)) {
            angle += cosine.acos();
            said |= descent.compare(step, vec![angle.cos(), angle.sin()]).is_some();
        }
        said
    }

    #[test]
    fn weights_are_apart_below_a_tenth_and_close_above_nine_tenths() {
        let (far, near) = ([APART + 0.01, APART - 0.01], [CLOSE - 0.01, CLOSE + 0.01]);
        assert_eq!((APART, CLOSE), (0.1, 0.9));
        for (before, apart, after) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1)] {
            let said = is_said(&[near[before], far[apart], near[after]]);
            assert_eq!(said, before + apart + after == 3, "{before} {apart} {after}");
        }
        // At the beginning there is none before; a doubt is of the last step only.
        assert!(is_said(&[far[1], near[1]]) && !is_said(&[far[1], near[0], near[1]]));
        assert!(!is_said(&[far[1]]));
    }

    #[test]
    fn a_step_that_does_not_descend_from_the_one_before_is_said() {
        let of =
            |said: Vec<(u64, String)>| said.into_iter().map(|(step, _)| step).collect::<Vec<_>>();
        assert_eq!(of(said(&[(0, 0.0), (2, 0.0), (2, 0.1), (2, 0.2)])), [200]);
        assert_eq!(of(said(&[(0, 0.0), (0, 0.1), (0, 0.2), (2, 0.0), (2, 0.1)])), [400]);
        let text = &said(&[(0, 0.0), (2, 0.0), (2, 0.1)])[0].1;
        assert!(
            text.starts_with("step 100 and those after it do not descend from step 0"),
            "{text}"
        );
        // Training that goes far, or forgets by and by.
        assert!(said(&[(0, 0.0), (0, 0.3), (0, 0.8), (0, 2.0)]).is_empty());
        assert!(said(&[(0, 0.0), (2, 0.0)]).is_empty());
        assert!(said(&[(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0)]).is_empty());
    }
}
