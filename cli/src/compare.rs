//! Compares recorded runs with different seeds, sizes or data.
//!
//! **Verdict** and **onset**: [`neuromfa::internals::record::Conclusion`]. **Plateau**: the first step
//! from which E_stable stays within 5 % of the span of its values over the run (max − min) of its
//! last value; none where it has fewer than two values or a span of 0. Onset and plateau both take
//! several rows: the last row alone is never a plateau.
//!
//! **Layers** are compared at the last step that all runs have rows of in layers.csv, by E_stable
//! of each layer that all runs have: the spread is max − min over the runs, and z of a run is its
//! distance from the mean of the other runs in units of their standard deviation (n − 1 below),
//! which needs two others that differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use neuromfa::RecordError;
use neuromfa::internals::record::{Conclusion, LAYERS, RecordedRun, Sampling, read_table};

/// A quantity at a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct At {
    /// The step.
    pub step: u64,
    /// The value.
    pub value: f64,
}

/// The results of a run. An absent value is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The run's folder.
    pub run: String,
    /// The architecture of its network.
    pub architecture: String,
    /// Weights in the network.
    pub weights: usize,
    /// Analysed steps.
    pub rows: usize,
    /// The last step.
    pub last_step: Option<u64>,
    /// Last E of the published estimator.
    #[serde(rename = "E")]
    pub e: Option<At>,
    /// Highest E.
    #[serde(rename = "E_best")]
    pub best_e: Option<At>,
    /// Last E of the stable estimator.
    #[serde(rename = "E_stable")]
    pub e_stable: Option<At>,
    /// Highest E_stable.
    #[serde(rename = "E_stable_best")]
    pub best_e_stable: Option<At>,
    /// Last width_excess.
    pub width_excess: Option<At>,
    /// Last alpha0_excess.
    pub alpha0_excess: Option<At>,
    /// The verdict on the run, in words.
    pub verdict: String,
    /// The p of that claim; none where nothing is claimed.
    pub p: Option<f64>,
    /// The step at which structure was first seen; none where nothing is claimed.
    pub onset: Option<u64>,
    /// First step from which E_stable stays near its last value.
    pub plateau: Option<u64>,
}

/// E_stable of a layer in each run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// Its name.
    pub layer: String,
    /// The step.
    pub step: u64,
    /// E_stable, one for each run in their order.
    #[serde(rename = "E_stable")]
    pub e_stable: Vec<f64>,
    /// Highest less lowest.
    pub spread: f64,
    /// Distance of each run from the mean of the others, in their standard deviations.
    pub z: Vec<Option<f64>>,
}

/// The results of a run.
pub fn compare(run: &RecordedRun) -> Compared {
    let network = &run.config.network;
    let [e, e_stable, width, alpha0] =
        ["E", "E_stable", "width_excess", "alpha0_excess"].map(|name| run.series(name));
    let conclusion = Conclusion::of(&run.rows);
    Compared {
        run: run.folder.display().to_string(),
        architecture: network.architecture().to_string(),
        weights: network.connections().iter().map(|c| c.weights()).sum(),
        rows: run.rows.len(),
        last_step: run.last_step,
        e: last(&e),
        best_e: highest(&e),
        e_stable: last(&e_stable),
        best_e_stable: highest(&e_stable),
        width_excess: last(&width),
        alpha0_excess: last(&alpha0),
        p: conclusion.claim().map(|verdict| verdict.p),
        onset: conclusion.claim().and(conclusion.onset),
        verdict: conclusion.to_string(),
        plateau: plateau(&e_stable),
    }
}

fn last(series: &[(u64, f64)]) -> Option<At> {
    series.last().map(|&(step, value)| At { step, value })
}

fn highest(series: &[(u64, f64)]) -> Option<At> {
    let all = series.iter().map(|&(step, value)| At { step, value });
    all.reduce(|best, at| if at.value > best.value { at } else { best })
}

fn plateau(e_stable: &[(u64, f64)]) -> Option<u64> {
    let end = last(e_stable)?.value;
    let low = e_stable.iter().map(|(_, e)| *e).fold(f64::INFINITY, f64::min);
    let high = e_stable.iter().map(|(_, e)| *e).fold(f64::NEG_INFINITY, f64::max);
    let span = high - low;
    let near: Vec<(u64, bool)> =
        e_stable.iter().map(|&(step, e)| (step, (e - end).abs() <= 0.05 * span)).collect();
    if span > 0.0 { stays(&near) } else { None }
}

/// The first of at least two steps from which it holds to the end.
fn stays(holds: &[(u64, bool)]) -> Option<u64> {
    let from = holds.iter().rposition(|(_, holds)| !holds).map_or(0, |k| k + 1);
    (holds.len() >= from + 2).then(|| holds[from].0)
}

/// The layers that all runs have, at the last step that all have, the widest spread first.
///
/// # Errors
/// [`RecordError::Read`] when a layers.csv is there and cannot be read.
pub fn layers(runs: &[RecordedRun]) -> Result<Vec<Layer>, RecordError> {
    let tables = runs.iter().map(layers_of).collect::<Result<Vec<_>, _>>()?;
    let Some((first, rest)) = tables.split_first() else { return Ok(Vec::new()) };
    let common = first.keys().rev().find(|step| rest.iter().all(|of| of.contains_key(step)));
    let Some(&step) = common else { return Ok(Vec::new()) };
    let mut layers = Vec::new();
    for name in first[&step].keys() {
        let values: Option<Vec<f64>> =
            tables.iter().map(|of| of[&step].get(name).copied()).collect();
        let Some(e_stable) = values else { continue };
        let high = e_stable.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = e_stable.iter().copied().fold(f64::INFINITY, f64::min);
        let z = (0..e_stable.len()).map(|k| distance(&e_stable, k)).collect();
        layers.push(Layer { layer: name.clone(), step, e_stable, spread: high - low, z });
    }
    layers.sort_by(|a, b| b.spread.total_cmp(&a.spread));
    Ok(layers)
}

/// z of one value against the others.
fn distance(values: &[f64], k: usize) -> Option<f64> {
    let others: Vec<f64> =
        values.iter().enumerate().filter(|(j, _)| *j != k).map(|(_, v)| *v).collect();
    let n = others.len() as f64;
    if others.len() < 2 {
        return None;
    }
    let mean = others.iter().sum::<f64>() / n;
    let variance = others.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (variance > 0.0).then(|| (values[k] - mean) / variance.sqrt())
}

/// E_stable of each layer at each step.
fn layers_of(run: &RecordedRun) -> Result<BTreeMap<u64, BTreeMap<String, f64>>, RecordError> {
    let path = run.folder.join(LAYERS);
    let mut layers: BTreeMap<u64, BTreeMap<String, f64>> = BTreeMap::new();
    if !path.exists() {
        return Ok(layers);
    }
    let (columns, rows) = read_table(&path)?;
    let at = |name: &str| columns.iter().position(|column| column == name);
    let found = (at("step"), at("scope"), at("part"), at("E_stable"));
    let (Some(step), Some(scope), Some(part), Some(e)) = found else { return Ok(layers) };
    for row in rows.iter().filter(|row| row[scope] == "layer") {
        if let (Ok(step), Ok(e)) = (row[step].parse(), row[e].parse()) {
            layers.entry(step).or_default().insert(row[part].clone(), e);
        }
    }
    Ok(layers)
}

/// Why numbers of the runs do not compare, in words; empty when they do.
pub fn differences(runs: &[RecordedRun]) -> Vec<String> {
    let of = |what: &dyn Fn(&RecordedRun) -> String| {
        let values: BTreeSet<String> = runs.iter().map(what).collect();
        values.into_iter().collect::<Vec<_>>()
    };
    let mut differences = Vec::new();
    let mut add = |why: &str, values: Vec<String>| {
        if values.len() > 1 {
            differences.push(format!("{why}: {}", values.join(" | ")));
        }
    };
    add(
        "alpha0, width and E of the published estimator depend on how many neurons are drawn",
        of(&|run| match &run.config.sampling {
            Sampling::Drawn { neurons, samples, .. } => {
                format!("{neurons} neurons, {samples} samples")
            }
            Sampling::Whole => "whole network".to_owned(),
            _ => "neurons from a file".to_owned(),
        }),
    );
    add(
        "every value depends on the parameters of the method",
        of(&|run| serde_json::to_string(&run.config.method).unwrap_or_default()),
    );
    add(
        "E compares with the first step of a run, or its baseline",
        of(&|run| match (&run.config.baseline, run.rows.first()) {
            (Some(path), _) => format!("baseline {path}"),
            (None, Some(row)) => format!("step {}", row.step),
            (None, None) => "no row".to_owned(),
        }),
    );
    add(
        "networks of other architectures",
        of(&|run| run.config.network.architecture().to_string()),
    );
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_so_to_the_end() {
        let of = |holds: &[u8]| {
            let steps: Vec<(u64, bool)> =
                holds.iter().zip((0..).step_by(10)).map(|(h, step)| (step, *h == 1)).collect();
            stays(&steps)
        };
        assert_eq!(of(&[0, 1, 0, 1, 1]), Some(30));
        assert_eq!(of(&[1, 1]), Some(0));
        assert_eq!(of(&[1, 1, 0, 1]), None, "one row does not stay");
        assert_eq!(of(&[1, 1, 0]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_plateau_is_within_5_percent_of_the_span_of_the_last_value() {
        // Span 1, last value 0.9: within 0.85 to 0.95.
        let e = [(0, 0.), (1, 0.88), (2, 1.), (3, 0.86), (4, 0.94), (5, 0.9)];
        assert_eq!(plateau(&e), Some(3));
        assert_eq!(plateau(&[(0, 0.), (1, 0.5), (2, 1.)]), None);
        assert_eq!(plateau(&[(0, 0.5), (1, 0.5)]), None);
    }

    #[test]
    fn z_is_against_the_rest() {
        // The others are 1, 2, 3: mean 2, standard deviation 1.
        assert_eq!(distance(&[1., 2., 7., 3.], 2), Some(5.));
        assert_eq!(distance(&[1., 7., 1.], 1), None, "the others are equal");
        assert_eq!(distance(&[1., 7.], 1), None);
    }
}
