//! Opens a run: begins it, or resumes it.

use std::sync::Arc;

use rayon::ThreadPool;

use super::axis::Axis;
use super::baseline::{Awaited, Take, baseline_from, with_values};
use super::begin::{First, Prepared, begin, prepare, without_rows};
use super::judge::{Judge, Logged};
use super::opened::{Follow, Opened};
use super::settings::{Nodes, Settings, Start};
use super::start::kept_start;
use super::tally::Tally;
use super::watched::Watched;
use super::{Analyst, Listener, Pipeline, Step};
use crate::analysis::{Baseline, Estimators, Plan, Snapshot};
use crate::error::Error;
use crate::record::{
    NODES, RecordError, Recorded, RunConfig, check_gap, computed_quantities, holds_run, repair,
    resume,
};
use crate::source::{CheckpointFile, Source};

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
    in_its_folder(settings, |settings| {
        open_in(settings, follow.clone(), source, pool, first.clone(), listeners)
    })
}

/// Begins a run whose first step was measured elsewhere. `first` has the weights of that step, if the run
/// keeps them; none else.
pub(crate) fn open_measured(
    settings: &Settings,
    follow: Follow<'_>,
    prepared: impl Fn() -> Result<(Prepared, First), Error>,
    source: &dyn Source,
    at: Step,
    listeners: &mut Vec<Listener>,
) -> Result<Opened, Error> {
    in_its_folder(settings, |settings| {
        is_free(settings)?;
        let (prepared, first) = prepared()?;
        let take: Take = |path| CheckpointFile::open(path);
        let (follow, at) = (follow.clone(), at.clone());
        begin((settings, take), follow, prepared, first, source, at, listeners)
    })
}

/// Opens a run in the folder of the settings; of a numbered one, in the first folder that is free.
fn in_its_folder(
    settings: &Settings,
    mut open: impl FnMut(&Settings) -> Result<Opened, Error>,
) -> Result<Opened, Error> {
    if settings.start != Start::Numbered {
        return open(settings);
    }
    let mut free = Settings { start: Start::New, ..settings.clone() };
    let mut number = 1;
    loop {
        if !holds_run(&free.folder) {
            match open(&free) {
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

/// Said before the work, and once more under the folder's lock.
fn is_free(settings: &Settings) -> Result<(), Error> {
    match settings.start == Start::New && holds_run(&settings.folder) {
        true => Err(RecordError::Exists { path: settings.folder.clone() }.into()),
        false => Ok(()),
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
    let prepared = prepare(settings, (follow.schedule.clone(), follow.budget), source)?;
    // No file is mapped where training would end with the process, should another cut it short.
    let take: Take =
        if follow.live { CheckpointFile::read } else { |path| CheckpointFile::open(path) };
    if let Start::Resume(at) = settings.start {
        // What was drawn at random is taken from the run; what was given must be the same.
        let given = matches!(settings.nodes, Nodes::File(_)).then_some(&prepared.draw);
        if settings.repair && holds_run(&settings.folder) {
            let repaired = repair(&settings.folder)?;
            repaired.iter().for_each(|table| tracing::warn!("{table}"));
        }
        let config = &prepared.config;
        let recorded =
            resume(&settings.folder, config, given, (at, settings.allows_gaps), follow.due)?;
        if let Some(mut recorded) = recorded {
            // A drawn neuron that does not fit is in the run's own file.
            let in_run = |error| match error {
                Error::Draw { source, .. } => {
                    let place = settings.folder.join(NODES).display().to_string();
                    Error::Draw { place, source }
                }
                other => other,
            };
            let mut plan = prepared.plan(settings, &recorded.draw).map_err(in_run)?;
            let awaited = awaited_again((settings, take), &plan, config, pool, &mut recorded)?;
            plan.start_from(&recorded.baseline.deviations);
            let said = (prepared.config, prepared.warnings, awaited);
            let mut opened = go_on(settings, plan, recorded, follow.due, listeners, said)?;
            // A model that is resumed has the weights after the last step.
            let (last, next) = (opened.pipeline.last_row(), opened.resumed_at);
            if follow.live && last.map(|last| last + 1) == next && opened.pipeline.lacks_last() {
                opened.pipeline.follow(source)?;
            }
            return Ok(opened);
        }
    }
    is_free(settings)?;
    let measured = prepared.measure((settings, take), source, pool, first.step)?;
    begin((settings, take), follow, prepared, measured, source, first, listeners)
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
    let analyst = Arc::new(Analyst { plan, estimators, baseline: recorded.baseline });
    let mut pipeline = Pipeline {
        judge,
        unseen_checked: steps.len() > 1,
        tally,
        seen: recorded.seen,
        last_seen: recorded.last_seen,
        rolled_back: recorded.rolled_back,
        watched,
        axis,
        recorded: steps,
        ..without_rows(settings, analyst, recorded.recorder, listeners)
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
