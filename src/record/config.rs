//! run.json: what the run is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::mfa::Parameters;
use crate::network::Network;

/// Version of the run directory's layout.
const SCHEMA: u32 = 1;

/// How the neurons of the published estimator were chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sampling {
    /// Drawn at random: n neurons of each layer, S times.
    Drawn {
        /// n.
        neurons: usize,
        /// S.
        samples: usize,
        /// The seed of the draw.
        seed: u64,
    },
    /// All neurons, once.
    Whole,
    /// Given as a file of nodes.
    Given,
}

/// The resolved configuration of a run, as it stands in run.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunConfig {
    /// Version of the run directory's layout.
    pub schema: u32,
    /// Version of the crate that wrote it.
    pub neuromfa: String,
    /// Parameters of the method.
    pub method: Parameters,
    /// How the neurons were chosen.
    pub sampling: Sampling,
    /// Whether the stable estimator runs on the whole network.
    pub stable: bool,
    /// When steps are analysed: a schedule, or the checkpoints given.
    pub schedule: Value,
    /// The stop rule; null for none.
    pub stop_rule: Value,
    /// The file that the baseline was taken from; null for the run's first step.
    pub baseline: Option<String>,
    /// The neuron interaction network.
    pub network: Network,
}

impl RunConfig {
    /// A configuration written by this version.
    pub fn new(method: Parameters, sampling: Sampling, stable: bool, network: Network) -> Self {
        Self {
            schema: SCHEMA,
            neuromfa: env!("CARGO_PKG_VERSION").to_owned(),
            method,
            sampling,
            stable,
            schedule: Value::Null,
            stop_rule: Value::Null,
            baseline: None,
            network,
        }
    }

    /// The first place where a recorded configuration differs from this one, with both values;
    /// the crate's version does not count.
    pub(super) fn difference(&self, recorded: &Self) -> Option<(String, String, String)> {
        let value = |config: &Self| {
            let config = Self { neuromfa: String::new(), ..config.clone() };
            serde_json::to_value(config).unwrap_or_default()
        };
        first_difference("run.json", &value(recorded), &value(self))
    }
}

fn first_difference(key: &str, a: &Value, b: &Value) -> Option<(String, String, String)> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|k| !a.contains_key(*k)));
            let null = Value::Null;
            names.into_iter().find_map(|name| {
                let (a, b) = (a.get(name).unwrap_or(&null), b.get(name).unwrap_or(&null));
                first_difference(&format!("{key}: {name}"), a, b)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(k, (a, b))| first_difference(&format!("{key}[{k}]"), a, b))
        }
        (Value::Array(a), Value::Array(b)) => {
            Some((key.to_owned(), format!("{} entries", a.len()), format!("{} entries", b.len())))
        }
        _ => (a != b).then(|| (key.to_owned(), a.to_string(), b.to_string())),
    }
}
