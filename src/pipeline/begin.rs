//! The beginning of a run in three parts: what the run is, its first step measured, and its folder.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;
use serde_json::Value;

use super::analyst::{Analysed, Analyst};
use super::axis::Axis;
use super::baseline::{Awaited, Take, baseline_from, with_values};
use super::findings::findings;
use super::judge::Judge;
use super::opened::{Follow, Opened};
use super::run::{Listener, Pipeline, Step};
use super::settings::{Settings, Start};
use super::start::{keep_start, kept_start, start_at};
use super::tally::Tally;
use super::watched::Watched;
use crate::analysis::{Baseline, Estimators, Plan, Snapshot};
use crate::error::Error;
use crate::mfa::{Method, Parameters};
use crate::network::{Draw, Network};
use crate::record::{Recorder, RunConfig, check_name, computed_quantities, write_prometheus};
use crate::source::{Checkpoint, CheckpointFile, Source};

/// What a run is: what it analyses, and how.
pub(crate) struct Prepared {
    pub(super) method: Method,
    /// As in run.json.
    pub(crate) config: RunConfig,
    /// The drawn neurons.
    pub(crate) draw: Draw,
    /// What the network and its shapes give reason to warn of.
    pub(super) warnings: Vec<String>,
}

/// The first step of a run, measured.
pub(crate) struct First {
    pub(crate) analyst: Analyst,
    pub(crate) analysed: Analysed,
    pub(crate) snapshot_ms: f64,
    pub(crate) awaited: Option<Awaited>,
}

/// What these settings make of a source of weights.
pub(crate) fn prepare(
    settings: &Settings,
    (schedule, budget): (Value, Option<f64>),
    source: &dyn Source,
) -> Result<Prepared, Error> {
    let method = settings.parameters.check()?;
    settings.check_network()?;
    settings.hops()?;
    settings.axis.as_deref().map_or(Ok(()), check_name)?;
    let network = settings.network(source)?;
    let warnings = said(&network, &settings.parameters);
    let mut config = RunConfig::new(
        settings.parameters.clone(),
        settings.sampling(),
        settings.stable,
        network.clone(),
    );
    config.controls = settings.controls();
    (config.layers, config.neurons) = (settings.layers, settings.neurons);
    config.matrix_spectra = settings.matrix_spectra;
    config.hops = settings.hops;
    config.hops_estimated = settings.hops_estimated;
    config.every_detail = settings.every_detail();
    (config.schedule, config.budget) = (schedule, budget);
    config.stop_rule = serde_json::to_value(&settings.stop_rule).unwrap_or_default();
    config.axis.clone_from(&settings.axis);
    config.baseline_at_first_edges = settings.first_edges;
    config.baseline = settings.baseline.as_ref().map(|path| path.display().to_string());
    let draw = settings.draw(&network)?;
    settings.check_stop_rule(draw.samples().len())?;
    Ok(Prepared { method, config, draw, warnings })
}

/// Says what the network and its shapes give reason to warn of.
fn said(network: &Network, parameters: &Parameters) -> Vec<String> {
    let mut warnings = network.warnings().to_vec();
    warnings.extend(findings(network, parameters));
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    warnings
}

impl Prepared {
    /// The plan of these settings for some drawn neurons.
    pub(super) fn plan(&self, settings: &Settings, draw: &Draw) -> Result<Plan, Error> {
        let plan = Plan::new(&self.method, &self.config.network, draw, settings.stable)
            .map_err(Error::draw(settings))?
            .with_controls(self.config.controls);
        let plan = match settings.hops()? {
            Some(hops) => plan.with_hops(hops)?,
            None => plan,
        };
        let plan = if settings.matrix_spectra { plan.with_matrix_spectra() } else { plan };
        Ok(match (settings.layers, settings.neurons) {
            (_, true) => plan.with_neurons(),
            (true, false) => plan.with_details(),
            (false, false) => plan,
        })
    }

    /// Measures the first step, and what the run compares against.
    pub(super) fn measure(
        &self,
        (settings, take): (&Settings, Take),
        source: &dyn Source,
        pool: &ThreadPool,
        step: u64,
    ) -> Result<First, Error> {
        let mut plan = self.plan(settings, &self.draw)?;
        let estimators = Estimators::new(&plan);
        let mut snapshot = Snapshot::new(&plan);
        let from_file = match &settings.baseline {
            Some(path) => {
                let config = &self.config;
                let take = (path.as_path(), take);
                Some(baseline_from(take, &plan, config, &estimators, pool, &mut snapshot)?)
            }
            None => None,
        };
        // A baseline of a later step does not count before it.
        let (from_file, later) = match from_file {
            Some(later) if settings.first_edges && later.step > step => (None, Some(later)),
            from_file => (from_file, None),
        };
        if let Some(baseline) = &from_file {
            plan.start_from(&baseline.deviations);
        }
        let start = Instant::now();
        plan.snapshot_with(settings.elsewhere.as_deref(), source, pool, &mut snapshot)?;
        let snapshot_ms = start.elapsed().as_secs_f64() * 1e3;
        let start = Instant::now();
        let measurement = pool.install(|| estimators.measure(&plan, &snapshot, step));
        let baseline = from_file.unwrap_or_else(|| Baseline::new(step, &plan, &measurement));
        let awaited = match later {
            Some(later) => Some(Awaited::Known(Box::new(later))),
            None => {
                let waits = settings.first_edges && with_values(baseline.clone(), &plan).is_err();
                waits.then_some(Awaited::Values)
            }
        };
        plan.start_from(&baseline.deviations);
        let analyst = Analyst { plan: Arc::new(plan), estimators, baseline };
        let analysed = analyst.compare(&measurement, start);
        Ok(First { analyst, analysed, snapshot_ms, awaited })
    }

    /// What a run is that was prepared elsewhere.
    pub(crate) fn recorded(config: RunConfig, draw: Draw) -> Result<Self, Error> {
        let method = config.method.check()?;
        let warnings = said(&config.network, &config.method);
        Ok(Self { method, config, draw, warnings })
    }

    /// Measures the first checkpoint of a series for a process that records no run.
    pub(crate) fn measure_alone(
        &self,
        settings: &Settings,
        first: &Checkpoint,
        file: &CheckpointFile,
        pool: &ThreadPool,
    ) -> Result<First, Error> {
        let take: Take = |path| CheckpointFile::open(path);
        let mut measured = self.measure((settings, take), file, pool, first.step)?;
        if self.config.controls.rescaled_start {
            let start = start_at(settings, take, &first.path)?;
            measured.analyst.estimators.start_from(start);
        }
        Ok(measured)
    }

    /// The first step as it was measured elsewhere.
    pub(crate) fn measured(
        &self,
        settings: &Settings,
        baseline: Baseline,
        analysed: Analysed,
        snapshot_ms: f64,
    ) -> Result<First, Error> {
        let mut plan = self.plan(settings, &self.draw)?;
        plan.start_from(&baseline.deviations);
        let estimators = Estimators::new(&plan);
        let analyst = Analyst { plan: Arc::new(plan), estimators, baseline };
        Ok(First { analyst, analysed, snapshot_ms, awaited: None })
    }
}

/// Makes the run's folder, and records the first step. The listeners are taken once the run has begun.
/// `source` has the weights of the first step, which are kept for the rescaled start.
pub(super) fn begin(
    (settings, take): (&Settings, Take),
    follow: Follow<'_>,
    prepared: Prepared,
    first: First,
    source: &dyn Source,
    mut at: Step,
    listeners: &mut Vec<Listener>,
) -> Result<Opened, Error> {
    let Prepared { config, draw, warnings, .. } = prepared;
    let First { mut analyst, analysed, snapshot_ms, awaited } = first;
    let replace = settings.start == Start::Overwrite;
    let baseline = &analyst.baseline;
    let mut recorder = Recorder::create(&settings.folder, &config, &draw, baseline, replace)?;
    if settings.tensorboard {
        recorder.show_in_tensorboard(None);
    }
    if config.controls.rescaled_start {
        keep_start(settings, &analyst.plan, source, take)?;
        analyst.estimators.start_from(kept_start(settings, &recorder)?);
    }
    let mut pipeline = without_rows(settings, Arc::new(analyst), recorder, listeners);
    for mut earlier in follow.earlier {
        pipeline.log(&mut earlier)?;
    }
    if follow.log_first {
        pipeline.log(&mut at)?;
    }
    let analysis_seconds = (snapshot_ms + analysed.milliseconds) / 1e3;
    pipeline.record_analysed(at, analysed, snapshot_ms)?;
    Ok(Opened {
        pipeline,
        folder: settings.folder.clone(),
        resumed_at: None,
        last_step: None,
        stopped_step: None,
        analysis_seconds,
        config,
        awaited,
        warnings,
    })
}

/// A run that has no rows yet.
pub(super) fn without_rows(
    settings: &Settings,
    analyst: Arc<Analyst>,
    recorder: Recorder,
    listeners: &mut Vec<Listener>,
) -> Pipeline {
    Pipeline {
        analyst,
        recorder,
        judge: settings.stop_rule.clone().map(Judge::new),
        unseen_checked: false,
        listeners: taken(listeners, settings),
        tally: Tally::default(),
        warned: Vec::new(),
        recorded: Vec::new(),
        seen: HashMap::new(),
        last_seen: None,
        rolled_back: false,
        last_entries: Arc::default(),
        watched: Watched::of(settings.stop_rule.as_ref(), &computed_quantities()),
        axis: settings.axis.as_deref().map(|name| Axis::new(name, None)),
    }
}

/// The listeners of the run, which has begun.
fn taken(listeners: &mut Vec<Listener>, settings: &Settings) -> Vec<Listener> {
    let mut listeners = std::mem::take(listeners);
    if let Some(file) = settings.prometheus.clone() {
        let run = settings.folder.components().as_path();
        let run = run.file_name().unwrap_or(run.as_os_str()).to_string_lossy().into_owned();
        let mut failed = false;
        listeners.push(Box::new(move |row| {
            if let Err(why) = write_prometheus(&file, &run, row)
                && !std::mem::replace(&mut failed, true)
            {
                tracing::warn!("cannot write {}: {why} (said once)", file.display());
            }
        }));
    }
    listeners
}
