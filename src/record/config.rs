//! run.json: the configuration of the run.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::RecordError;
use super::files::{RUN, read_json};
use super::origin::Origin;
use super::thinning::EVERY_DETAIL;
use crate::analysis::Controls;
use crate::mfa::Parameters;
use crate::network::Network;
use crate::stop::StopRule;

/// Version of the run directory's layout.
pub(super) const SCHEMA: u32 = 5;

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

/// The resolved configuration of a run, as in run.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunConfig {
    /// Version of the run directory's layout.
    pub schema: u32,
    /// Version of the crate that wrote it.
    pub neuromfa: String,
    /// Where the run comes from.
    #[serde(default)]
    pub origin: Origin,
    /// Parameters of the method.
    pub method: Parameters,
    /// How the neurons were chosen.
    pub sampling: Sampling,
    /// Whether the stable estimator runs on the whole network.
    pub stable: bool,
    /// Which null controls are computed.
    pub controls: Controls,
    /// Whether layers, blocks and roles, and their neurons, are measured on their own.
    pub layers: bool,
    /// Whether every neuron's numbers are kept.
    pub neurons: bool,
    /// Whether the spectra of the matrices are computed.
    #[serde(default)]
    pub matrix_spectra: bool,
    /// The largest number of hops.
    #[serde(default = "one_hop")]
    pub hops: usize,
    /// Neurons that each trial of the sampled estimate draws from an intermediate layer; null
    /// without the estimate.
    #[serde(default)]
    pub hops_estimated: Option<usize>,
    /// After the first hundred analysed steps, one in this many has rows in the tables that are
    /// thinned: layers.csv, spectra.csv, distributions.csv, scaling.csv and boxes.csv.
    #[serde(default = "each")]
    pub every_detail: u64,
    /// When steps are analysed: a schedule, or the checkpoints given.
    pub schedule: Value,
    /// The share of the run's time that monitoring may take, 0 to 1; null for no budget.
    #[serde(default)]
    pub budget: Option<f64>,
    /// The stop rule; null for none.
    pub stop_rule: Value,
    /// The file that the baseline was taken from; null for the run's first step.
    pub baseline: Option<String>,
    /// Whether the baseline is the first step that has values, not step 0.
    #[serde(default)]
    pub baseline_at_first_edges: bool,
    /// The logged quantity that is the run's second axis; null for none.
    #[serde(default)]
    pub axis: Option<String>,
    /// The neuron interaction network.
    pub network: Network,
}

/// Older runs are not thinned.
fn each() -> u64 {
    1
}

fn one_hop() -> usize {
    1
}

impl RunConfig {
    /// Whether each analysis reads all weights of the network, not only the drawn ones.
    pub(super) fn reads_all(&self) -> bool {
        self.stable || self.sampling == Sampling::Whole
    }

    /// A configuration written by this version.
    pub fn new(method: Parameters, sampling: Sampling, stable: bool, network: Network) -> Self {
        Self {
            schema: SCHEMA,
            neuromfa: env!("CARGO_PKG_VERSION").to_owned(),
            origin: Origin::now(),
            method,
            sampling,
            stable,
            controls: Controls::none(),
            layers: false,
            neurons: false,
            matrix_spectra: false,
            hops: one_hop(),
            hops_estimated: None,
            every_detail: EVERY_DETAIL,
            schedule: Value::Null,
            budget: None,
            stop_rule: Value::Null,
            baseline: None,
            baseline_at_first_edges: false,
            axis: None,
            network,
        }
    }

    /// The configuration of the run in a folder.
    ///
    /// # Errors
    /// [`RecordError::NotARun`] when it cannot be read, [`RecordError::Newer`] when a newer version wrote
    /// it.
    pub fn read(folder: &Path) -> Result<Self, RecordError> {
        check_schema(folder)?;
        let path = folder.join(RUN);
        read_json(&path).map_err(|source| RecordError::NotARun { path, source })
    }

    /// The first key at which a recorded configuration differs from this one, with both values in
    /// words; the versions and the origin are ignored.
    pub(super) fn difference(&self, recorded: &Self) -> Option<Difference> {
        let comparable = |config: &Self| Self {
            schema: SCHEMA,
            neuromfa: String::new(),
            origin: Origin::default(),
            stop_rule: Value::from(sentence(&config.stop_rule)),
            ..config.clone()
        };
        difference("", &comparable(recorded), &comparable(self))
    }
}

/// Refuses the run in a folder when it has a layout that this version does not know.
pub fn check_schema(folder: &Path) -> Result<(), RecordError> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
        neuromfa: String,
    }
    let path = folder.join(RUN);
    match read_json::<Version>(&path) {
        Ok(Version { schema, neuromfa: version }) if schema > SCHEMA => {
            Err(RecordError::Newer { path, schema, known: SCHEMA, version })
        }
        // Whoever needs the file says what is wrong with it.
        _ => Ok(()),
    }
}

/// Where two values differ, and both in words.
pub(crate) struct Difference {
    pub(crate) key: String,
    pub(crate) recorded: String,
    pub(crate) current: String,
}

/// The first key at which two values differ in a JSON file.
pub(crate) fn difference<T: Serialize>(key: &str, recorded: &T, current: &T) -> Option<Difference> {
    let json = |value: &T| serde_json::to_value(value).unwrap_or_default();
    first_difference(key, &json(recorded), &json(current))
}

fn first_difference(key: &str, a: &Value, b: &Value) -> Option<Difference> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            let dot = if key.is_empty() { "" } else { "." };
            let pairs = a.iter().zip(b.values());
            pairs
                .into_iter()
                .find_map(|((name, a), b)| first_difference(&format!("{key}{dot}{name}"), a, b))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(k, (a, b))| {
                let name = a.get("name").or_else(|| a.get("parameter")).and_then(Value::as_str);
                let place = name.map_or(k.to_string(), str::to_owned);
                first_difference(&format!("{key}[{place}]"), a, b)
            })
        }
        (Value::Array(a), Value::Array(b)) => {
            let entries = |list: &[Value]| format!("a list of {}", list.len());
            Some(Difference { key: key.to_owned(), recorded: entries(a), current: entries(b) })
        }
        _ => (a != b).then(|| Difference {
            key: key.to_owned(),
            recorded: words(a),
            current: words(b),
        }),
    }
}

/// A stop rule in words.
fn sentence(rule: &Value) -> String {
    StopRule::deserialize(rule).map_or_else(|_| words(rule), |rule| rule.to_string())
}

/// A value without JSON punctuation: `drawn (neurons 64, samples 10, seed 0)`.
fn words(value: &Value) -> String {
    let list = |values: Vec<String>| values.join(", ");
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("({})", list(values.iter().map(words).collect())),
        Value::Object(fields) => match fields.iter().next() {
            // The form in which serde writes an enum variant.
            Some((variant, Value::Object(inner))) if fields.len() == 1 => {
                let fields = inner.iter().map(|(name, value)| format!("{name} {}", words(value)));
                format!("{variant} ({})", list(fields.collect()))
            }
            _ => list(
                fields.iter().map(|(name, value)| format!("{name} {}", words(value))).collect(),
            ),
        },
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
