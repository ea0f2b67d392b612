//! The beginning of a run, or its resume.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;
use serde_json::Value;

use super::axis::Axis;
use super::baseline::{Awaited, Take, baseline_from, with_values};
use super::findings::findings;
use super::judge::{Judge, Logged};
use super::settings::{Nodes, Settings, Start};
use super::tally::Tally;
use super::watched::Watched;
use super::{Analyst, Listener, Pipeline, Step};
use crate::analysis::{Baseline, Estimators, Plan, Snapshot};
use crate::error::Error;
use crate::mfa::Method;
use crate::network::{Draw, Parameter};
use crate::record::{
    Disk, NODES, RecordError, Recorded, Recorder, RunConfig, START, check_gap, check_name,
    computed_quantities, holds_run, repair, resume,
};
use crate::source::{CheckpointFile, RereadFile, Source, SourceError, Tensor, save};

/// Which steps the run analyses.
#[derive(Clone)]
pub(crate) struct Follow<'a> {
    pub(crate) schedule: Value, // as in run.json
    pub(crate) budget: Option<f64>,
    pub(crate) due: &'a dyn Fn(u64) -> bool,
    pub(crate) log_first: bool, // whether the first step has a row in metrics.csv
    pub(crate) earlier: Vec<Step>, // what was logged before the first step
    pub(crate) live: bool,      // whether this is the process that trains
}

/// A run that has begun, or is resumed.
pub(crate) struct Opened {
    pub(crate) pipeline: Pipeline,
    /// The run's folder, as it was given; of a numbered run, with its number.
    pub(crate) folder: PathBuf,
    /// The step at which a resumed run continues; none for a new one.
    pub(crate) resumed_at: Option<u64>,
    /// The last step that was reported before.
    pub(crate) last_step: Option<u64>,
    /// The step at which a stop was reported to training before.
    pub(crate) stopped_step: Option<u64>,
    /// Seconds that the last analysis took, snapshot and all.
    pub(crate) analysis_seconds: f64,
    /// The configuration, as in run.json.
    pub(crate) config: RunConfig,
    /// The baseline that the run has not reached; none if it has one.
    pub(crate) awaited: Option<Awaited>,
    /// What the network and its shapes give reason to warn of.
    pub(crate) warnings: Vec<String>,
}

/// Begins a run with the weights as they are at the step `first`, and records that step; or goes
/// on with the run that the folder holds. The listeners are taken once the run has begun.
pub(crate) fn open(
    settings: &Settings,
    follow: Follow<'_>,
    source: &dyn Source,
    pool: &ThreadPool,
    first: Step,
    listeners: &mut Vec<Listener>,
) -> Result<Opened, Error> {
    if settings.start != Start::Numbered {
        return open_in(settings, follow, source, pool, first, listeners);
    }
    let mut free = Settings { start: Start::New, ..settings.clone() };
    let mut number = 1;
    loop {
        if !holds_run(&free.folder) {
            let opened = open_in(&free, follow.clone(), source, pool, first.clone(), listeners);
            match opened {
                // Another process begins a run there.
                Err(Error::Record(RecordError::Exists { .. } | RecordError::Locked { .. })) => {}
                opened => return opened,
            }
        }
        number += 1;
        let mut path = settings.folder.components().as_path().as_os_str().to_owned();
        path.push(format!("-{number}"));
        free.folder = path.into();
    }
}

fn open_in(
    settings: &Settings,
    follow: Follow<'_>,
    source: &dyn Source,
    pool: &ThreadPool,
    first: Step,
    listeners: &mut Vec<Listener>,
) -> Result<Opened, Error> {
    let method = settings.parameters.check()?;
    settings.check_network()?;
    settings.hops()?;
    settings.axis.as_deref().map_or(Ok(()), check_name)?;
    let network = settings.network(source)?;
    // No file is mapped where training would end with the process, should another cut it short.
    let take: Take =
        if follow.live { CheckpointFile::read } else { |path| CheckpointFile::open(path) };
    let mut warnings = network.warnings().to_vec();
    warnings.extend(findings(&network, &settings.parameters));
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut config = RunConfig::new(
        settings.parameters.clone(),
        settings.sampling(),
        settings.stable,
        network.clone(),
    );
    config.controls = settings.controls();
    (config.layers, config.neurons) = (settings.layers, settings.neurons);
    config.hops = settings.hops;
    config.hops_estimated = settings.hops_estimated;
    config.every_detail = settings.every_detail();
    (config.schedule, config.budget) = (follow.schedule, follow.budget);
    config.stop_rule = serde_json::to_value(&settings.stop_rule).unwrap_or_default();
    config.axis.clone_from(&settings.axis);
    config.baseline_at_first_edges = settings.first_edges;
    config.baseline = settings.baseline.as_ref().map(|path| path.display().to_string());
    let draw = settings.draw(&network)?;
    settings.check_stop_rule(draw.samples().len())?;

    if let Start::Resume(at) = settings.start {
        // What was drawn at random is taken from the run; what was given must be the same.
        let given = matches!(settings.nodes, Nodes::File(_)).then_some(&draw);
        if settings.repair && holds_run(&settings.folder) {
            let repaired = repair(&settings.folder)?;
            repaired.iter().for_each(|table| tracing::warn!("{table}"));
        }
        let recorded =
            resume(&settings.folder, &config, given, (at, settings.allows_gaps), follow.due)?;
        if let Some(recorded) = recorded {
            // A drawn neuron that does not fit is in the run's own file.
            let in_run = |error| match error {
                Error::Draw { source, .. } => {
                    let place = settings.folder.join(NODES).display().to_string();
                    Error::Draw { place, source }
                }
                other => other,
            };
            let plan = plan(settings, &method, &config, &recorded.draw);
            let mut plan = plan.map_err(in_run)?;
            let mut recorded = recorded;
            let awaited = awaited_again((settings, take), &plan, &config, pool, &mut recorded)?;
            plan.start_from(&recorded.baseline.deviations);
            let said = (config, warnings, awaited);
            return go_on(settings, plan, recorded, follow.due, listeners, said);
        }
    }
    // Said before the work, and once more under the folder's lock.
    if settings.start == Start::New && holds_run(&settings.folder) {
        return Err(RecordError::Exists { path: settings.folder.clone() }.into());
    }
    let mut plan = plan(settings, &method, &config, &draw)?;
    let mut estimators = Estimators::new(&plan);
    let mut snapshot = Snapshot::new(&plan);
    let from_file = match &settings.baseline {
        Some(path) => {
            Some(baseline_from((path, take), &plan, &config, &estimators, pool, &mut snapshot)?)
        }
        None => None,
    };
    // A baseline of a later step does not count before it.
    let (from_file, later) = match from_file {
        Some(later) if settings.first_edges && later.step > first.step => (None, Some(later)),
        from_file => (from_file, None),
    };
    if let Some(baseline) = &from_file {
        plan.start_from(&baseline.deviations);
    }
    let start = Instant::now();
    plan.snapshot(source, pool, &mut snapshot)?;
    let snapshot_ms = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let measurement = pool.install(|| estimators.measure(&plan, &snapshot, first.step));
    let baseline = from_file.unwrap_or_else(|| Baseline::new(first.step, &plan, &measurement));
    let awaited = match later {
        Some(later) => Some(Awaited::Known(Box::new(later))),
        None => {
            let waits = settings.first_edges && with_values(baseline.clone(), &plan).is_err();
            waits.then_some(Awaited::Values)
        }
    };
    let replace = settings.start == Start::Overwrite;
    let mut recorder = Recorder::create(&settings.folder, &config, &draw, &baseline, replace)?;
    if settings.tensorboard {
        recorder.show_in_tensorboard(None);
    }
    plan.start_from(&baseline.deviations);
    if config.controls.rescaled_start {
        keep_start(settings, &plan, source, take)?;
        estimators.start_from(kept_start(settings, &recorder)?);
    }
    let analyst = Arc::new(Analyst { plan: Arc::new(plan), estimators, baseline });
    let mut pipeline = Pipeline {
        analyst: Arc::clone(&analyst),
        recorder,
        judge: settings.stop_rule.clone().map(Judge::new),
        unseen_checked: false,
        listeners: std::mem::take(listeners),
        tally: Tally::default(),
        warned: Vec::new(),
        recorded: Vec::new(),
        seen: HashMap::new(),
        last_seen: None,
        rolled_back: false,
        watched: Watched::of(settings.stop_rule.as_ref(), &computed_quantities()),
        axis: settings.axis.as_deref().map(|name| Axis::new(name, None)),
    };
    let mut first = first;
    for mut earlier in follow.earlier {
        pipeline.log(&mut earlier)?;
    }
    if follow.log_first {
        pipeline.log(&mut first)?;
    }
    let analysed = analyst.compare(&measurement, start);
    pipeline.record_analysed(first, analysed, snapshot_ms)?;
    let analysis_seconds = snapshot_ms / 1e3 + start.elapsed().as_secs_f64();
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

/// The baseline that a resumed run has yet to reach, at the step where it continues or later. What
/// the run compares against until then has no values.
fn awaited_again(
    (settings, take): (&Settings, Take),
    plan: &Plan,
    config: &RunConfig,
    pool: &ThreadPool,
    recorded: &mut Recorded,
) -> Result<Option<Awaited>, Error> {
    let baseline = &recorded.baseline;
    let reached = baseline.step < recorded.next_step && with_values(baseline.clone(), plan).is_ok();
    if reached || !settings.first_edges {
        return Ok(None);
    }
    if baseline.step >= recorded.next_step {
        recorded.baseline = Baseline { step: recorded.first_step, ..Baseline::default() };
    }
    let Some(path) = &settings.baseline else { return Ok(Some(Awaited::Values)) };
    let (estimators, mut snapshot) = (Estimators::new(plan), Snapshot::new(plan));
    let known = baseline_from((path, take), plan, config, &estimators, pool, &mut snapshot)?;
    Ok(Some(Awaited::Known(Box::new(known))))
}

/// The weights that are kept in the run's folder.
struct KeptStart {
    file: RereadFile,
    disk: Arc<Disk>,
}

impl Source for KeptStart {
    fn parameters(&self) -> Vec<Parameter> {
        self.file.parameters()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        self.disk.watched(|| self.file.tensor(name))
    }
}

fn kept_start(settings: &Settings, recorder: &Recorder) -> Result<Arc<KeptStart>, Error> {
    let file = RereadFile::open(&settings.folder.join(START))?;
    Ok(Arc::new(KeptStart { file, disk: Arc::clone(recorder.disk()) }))
}

/// Keeps the weights of step 0, or of the file that takes its place, in the run's folder.
fn keep_start(
    settings: &Settings,
    plan: &Plan,
    source: &dyn Source,
    take: Take,
) -> Result<(), Error> {
    let names: Vec<&str> = plan.tensors().map(String::as_str).collect();
    let kept = settings.folder.join(START);
    match &settings.baseline {
        None => save(&kept, source, &names)?,
        Some(path) => {
            let of_run = [path.join(START), path.with_file_name(START)];
            let found = of_run.iter().find(|p| p.is_file()).unwrap_or(path);
            let fail = |source| Error::NoStart { path: path.clone(), source };
            save(&kept, &take(found).map_err(fail)?, &names).map_err(fail)?;
        }
    }
    Ok(())
}

fn plan(
    settings: &Settings,
    method: &Method,
    config: &RunConfig,
    draw: &Draw,
) -> Result<Plan, Error> {
    let plan = Plan::new(method, &config.network, draw, settings.stable)
        .map_err(Error::draw(settings))?
        .with_controls(config.controls);
    let plan = match settings.hops()? {
        Some(hops) => plan.with_hops(hops)?,
        None => plan,
    };
    Ok(match (settings.layers, settings.neurons) {
        (_, true) => plan.with_neurons(),
        (true, false) => plan.with_details(),
        (false, false) => plan,
    })
}

fn go_on(
    settings: &Settings,
    plan: Plan,
    mut recorded: Recorded,
    due: &dyn Fn(u64) -> bool,
    listeners: &mut Vec<Listener>,
    (config, warnings, awaited): (RunConfig, Vec<String>, Option<Awaited>),
) -> Result<Opened, Error> {
    let mut tally = Tally::default();
    let mut judge = settings.stop_rule.clone().map(Judge::new);
    // The state is a function of the rows and of what was logged between them.
    let names = judge.as_ref().map(Logged::names);
    let mut logged = Logged::read(recorded.logged(names.unwrap_or_default())?);
    let mut watched = Watched::of(settings.stop_rule.as_ref(), &computed_quantities());
    let (mut steps, mut took) = (Vec::new(), None);
    for row in recorded.rows()? {
        let row = row?;
        steps.push(row.step);
        took = row.value("snapshot_ms").zip(row.value("analysis_ms")).or(took);
        tally.add_recorded(&row);
        for watched in &mut watched {
            row.value(watched.quantity()).map(|value| watched.add(value));
        }
        if let Some(judge) = &mut judge {
            logged.up_to(row.step, judge)?;
            judge.judge(row.step, row.status, &|name| row.value(name));
        }
    }
    if settings.tensorboard {
        let from = recorded.gap_from.unwrap_or(recorded.next_step);
        recorded.recorder.show_in_tensorboard(Some(from));
    }
    if let Some(judge) = &mut judge {
        logged.up_to(recorded.last_step.unwrap_or(0), judge)?;
        recorded.recorder.write_state(judge.state())?;
    }
    let mut estimators = Estimators::new(&plan);
    if plan.controls().rescaled_start {
        estimators.start_from(kept_start(settings, &recorded.recorder)?);
    }
    let mut axis = None;
    if let Some(name) = &settings.axis {
        let mut last = None;
        for logged in recorded.logged(vec![name.clone()])? {
            let (_, values) = logged?;
            last = values.iter().map(|(_, value)| *value).find(|value| value.is_finite()).or(last);
        }
        axis = Some(Axis::new(name, last));
    }
    let plan = Arc::new(plan);
    let mut pipeline = Pipeline {
        analyst: Arc::new(Analyst { plan, estimators, baseline: recorded.baseline }),
        recorder: recorded.recorder,
        judge,
        unseen_checked: steps.len() > 1,
        listeners: std::mem::take(listeners),
        tally,
        warned: Vec::new(),
        seen: recorded.seen,
        last_seen: recorded.last_seen,
        rolled_back: recorded.rolled_back,
        watched,
        axis,
        recorded: steps,
    };
    if let Some(gap) = recorded.gap_from {
        let next = recorded.next_step;
        tracing::warn!(
            "the run was recorded up to step {}, and continues at step {next}: what lies between is \
             lost (flush the monitor before a checkpoint is saved)",
            gap.saturating_sub(1)
        );
        let far = check_gap(false, gap.checked_sub(1), next).is_err();
        let lost = if far { 0..0 } else { gap..next };
        for step in lost.filter(|&step| due(step)) {
            pipeline.drop_row(Step::now(step, Vec::new()), "lost when the run was interrupted")?;
        }
        // No row of metrics.csv says later that these steps are due.
        pipeline.sync()?;
    }
    Ok(Opened {
        pipeline,
        folder: settings.folder.clone(),
        resumed_at: Some(recorded.next_step),
        last_step: recorded.last_step,
        stopped_step: recorded.stopped_step,
        analysis_seconds: took.map_or(0.0, |(snapshot, analysis)| (snapshot + analysis) / 1e3),
        config,
        awaited,
        warnings,
    })
}
