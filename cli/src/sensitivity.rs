//! How sensitive results are to the parameters: the same checkpoints, analysed with other
//! parameters.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use neuromfa::internals::analysis::{Baseline, Emergence, Estimators, Plan, Snapshot};
use neuromfa::internals::network::{Draw, DrawError};
use neuromfa::internals::record::{View, shown_in};
use neuromfa::mfa::{Parameters, Transfer};
use neuromfa::network::Network;
use neuromfa::source::{Checkpoint, CheckpointFile};
use neuromfa::{Error, Status};

use crate::threads::pool;

/// Analyses checkpoints once for each value of each parameter, the others at their defaults: the
/// ablation of the paper, on one's own weights.
///
/// | parameter | values | default |
/// |---|---|---|
/// | `max_distance` | 100, 150, 200 | 150 |
/// | `neurons` | 32, 64, 128, whole | 64 |
/// | `radius_step` | 1, 0.5, 0.1 | 1 |
/// | `transfer` | inverse; coth; log with distances from 0.5 to 10 in steps of 0.05 | inverse |
///
/// A value of `neurons` that covers every layer completely is left out: it equals `whole`.
#[derive(Clone, Debug)]
#[must_use = "a sensitivity analysis does nothing until it is run"]
pub struct Sensitivity {
    samples: usize,
    seed: u64,
    threads: Option<usize>,
}

/// One value of one parameter, with the result of each checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// The parameter that differs from the defaults; `defaults` for the first case.
    pub parameter: &'static str,
    /// Its value, in words.
    pub value: String,
    /// One for each checkpoint, in order of steps; the first is the baseline.
    pub points: Vec<Point>,
}

/// The result of one checkpoint in one case. An absent number is null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The step.
    pub step: u64,
    /// The columns of the view, by name.
    #[serde(flatten)]
    pub values: BTreeMap<&'static str, Option<f64>>,
    /// Whether all numbers are there.
    pub status: Status,
}

/// What a case analyses.
struct Choice {
    parameter: &'static str,
    value: String,
    parameters: Parameters,
    neurons: Option<usize>, // none: the whole network
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self { samples: 10, seed: 0, threads: None }
    }
}

impl Sensitivity {
    /// 10 samples, seed 0, the architecture read off the parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many samples are drawn, and their seed.
    pub fn samples(mut self, samples: usize, seed: u64) -> Self {
        (self.samples, self.seed) = (samples, seed);
        self
    }

    /// Threads to count with (default: all cores).
    pub fn threads(mut self, n: usize) -> Self {
        self.threads = Some(n);
        self
    }

    /// Analyses the checkpoints in every case. `progress` is called after each case with the number
    /// of cases done and that of all.
    ///
    /// # Errors
    /// [`Error`] when there is no checkpoint, or one cannot be read as the network of the first.
    pub fn run(
        &self,
        checkpoints: &[Checkpoint],
        network: &Network,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Vec<Case>, Error> {
        if checkpoints.is_empty() {
            let source = "no checkpoints to analyse".into();
            return Err(Error::Checkpoints { path: Path::new("").to_owned(), source });
        }
        let sources: Vec<CheckpointFile> =
            checkpoints.iter().map(|c| CheckpointFile::open(&c.path)).collect::<Result<_, _>>()?;
        if let Some(left_out) = sources[0].left_out() {
            tracing::warn!("{}: {left_out}", checkpoints[0].path.display());
        }
        let pool = pool(self.threads)?;
        network.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        let choices = choices(network);
        let mut cases = Vec::with_capacity(choices.len());
        for choice in &choices {
            let plan = self.plan(network, choice)?;
            let estimators = Estimators::new(&plan);
            let mut snapshot = Snapshot::new(&plan);
            let mut baseline = None;
            let mut points = Vec::with_capacity(sources.len());
            for (checkpoint, source) in checkpoints.iter().zip(&sources) {
                plan.snapshot(source, &pool, &mut snapshot).map_err(|error| {
                    Error::Checkpoints { path: checkpoint.path.clone(), source: error.into() }
                })?;
                let step = checkpoint.step;
                let measured = pool.install(|| estimators.measure(&plan, &snapshot, step));
                let baseline =
                    baseline.get_or_insert_with(|| Baseline::new(step, &plan, &measured));
                points.push(Point::new(step, &Emergence::new(&plan, baseline, &measured)));
            }
            let Choice { parameter, value, .. } = choice;
            cases.push(Case { parameter, value: value.clone(), points });
            progress(cases.len(), choices.len());
        }
        Ok(cases)
    }

    fn plan(&self, network: &Network, choice: &Choice) -> Result<Plan, Error> {
        let fail = |source: DrawError| Error::Draw {
            place: "drawn neurons".to_owned(),
            source: source.into(),
        };
        let draw = match choice.neurons {
            Some(n) => Draw::random(network, n, self.samples, self.seed).map_err(fail)?,
            None => Draw::whole(),
        };
        Plan::new(&choice.parameters.check()?, network, &draw, true).map_err(fail)
    }
}

/// The cases, the defaults first.
fn choices(network: &Network) -> Vec<Choice> {
    let base = Parameters::default;
    let case = |parameter, value: &str, parameters| Choice {
        parameter,
        value: value.to_owned(),
        parameters,
        neurons: Some(64),
    };
    let mut choices = vec![case("defaults", "64 neurons, inverse, 1 to 150", base())];
    for max_distance in [100.0, 200.0] {
        let parameters = base().max_distance(max_distance);
        choices.push(case("max_distance", &max_distance.to_string(), parameters));
    }
    let widest = network.layers().iter().map(|layer| layer.width.div_ceil(layer.draw)).max();
    for n in [32, 128].into_iter().filter(|&n| Some(n) < widest) {
        let case = case("neurons", &n.to_string(), base());
        choices.push(Choice { neurons: Some(n), ..case });
    }
    choices.push(Choice { neurons: None, ..case("neurons", "whole", base()) });
    for radius_step in [0.5, 0.1] {
        let parameters = base().radius_step(radius_step);
        choices.push(case("radius_step", &radius_step.to_string(), parameters));
    }
    choices.push(case("transfer", "coth", base().transfer(Transfer::Coth)));
    let log = base().transfer(Transfer::Log).min_distance(0.5).max_distance(10.0).radius_step(0.05);
    choices.push(case("transfer", "log", log));
    choices
}

impl Point {
    fn new(step: u64, row: &Emergence) -> Self {
        let shown = shown_in(View::Sensitivity).into_iter();
        let values = shown.map(|column| (column.name, column.of(row))).collect();
        Self { step, values, status: row.status }
    }
}
