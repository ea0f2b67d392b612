//! The one place where a monitor is configured.

use std::fmt;
use std::path::PathBuf;

use super::policy::{BackPressure, OnFailure};
use super::schedule::Schedule;
use super::work::Work;
use crate::pipeline::{Listener, Settings, Start, run_settings};
use crate::stop::StopRule;

/// Configures a [`Monitor`](super::Monitor). Everything is checked by `attach`.
///
/// | setting | default |
/// |---|---|
/// | [`every`](Self::every), [`schedule`](Self::schedule) | every 100 steps |
/// | [`budget`](Self::budget) | none: each due step is analysed |
/// | [`work`](Self::work) | count in the hook, the rest on a side thread |
/// | [`sampled`](Self::sampled), [`whole`](Self::whole), [`nodes`](Self::nodes) | 10 samples of 64 neurons, seed 0 |
/// | [`without_stable`](Self::without_stable), [`controls`](Self::controls) | the stable estimator over the whole network, with its controls |
/// | [`without_layers`](Self::without_layers), [`with_neurons`](Self::with_neurons) | each layer, not each neuron |
/// | [`hops`](Self::hops), [`hops_estimated`](Self::hops_estimated) | one hop |
/// | [`parameters`](Self::parameters) | the published ones |
/// | [`architecture`](Self::architecture), [`network`](Self::network), [`include`](Self::include), [`exclude`](Self::exclude) | read off names and shapes |
/// | [`per_head`](Self::per_head) | fused rows of GPT-NeoX as published |
/// | [`without_tensorboard`](Self::without_tensorboard) | event files in `tb/` |
/// | [`baseline`](Self::baseline) | the weights at `attach`, as step 0 |
/// | [`stop_when`](Self::stop_when) | never |
/// | [`resume`](Self::resume), [`resume_at`](Self::resume_at), [`overwrite`](Self::overwrite) | the folder must hold no run |
/// | [`back_pressure`](Self::back_pressure) | wait |
/// | [`on_failure`](Self::on_failure) | report |
/// | [`threads`](Self::threads) | as many as there are cores |
#[must_use = "a builder does nothing until it is attached"]
pub struct MonitorBuilder {
    pub(super) settings: Settings,
    pub(super) schedule: Schedule,
    pub(super) budget: Option<f64>,
    pub(super) work: Work,
    pub(super) back_pressure: BackPressure,
    pub(super) on_failure: OnFailure,
    pub(super) listeners: Vec<Listener>,
}

impl fmt::Debug for MonitorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, schedule, budget, work, back_pressure, on_failure, listeners: _ } =
            self;
        f.debug_struct("MonitorBuilder")
            .field("settings", settings)
            .field("schedule", schedule)
            .field("budget", budget)
            .field("work", work)
            .field("back_pressure", back_pressure)
            .field("on_failure", on_failure)
            .finish_non_exhaustive()
    }
}

impl MonitorBuilder {
    run_settings!();

    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            settings: Settings::new(folder),
            schedule: Schedule::every(100),
            budget: None,
            work: Work::default(),
            back_pressure: BackPressure::default(),
            on_failure: OnFailure::default(),
            listeners: Vec::new(),
        }
    }

    /// Analyses every `n`-th step.
    pub fn every(self, n: u64) -> Self {
        self.schedule(Schedule::every(n))
    }

    /// Analyses the steps of a schedule.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Keeps monitoring under a share of the run's time, above 0 and at most 1: of the steps that the
    /// schedule has due, each k-th is analysed, k out of 1, 2, 5, 10, 20, 50, … so that it does. What
    /// was chosen is logged (`tracing`, level info) and stands in summary.json. With
    /// `.every(1).budget(0.01)` analyses are as close together as one percent allows.
    ///
    /// An analysis is charged what training waits for it, and the processor time of the threads that
    /// analyse and record in the background, as if that were taken from training, as it is on full cores.
    /// Writing what the loop logs is not charged.
    ///
    /// Which steps are analysed then depends on the machine. After a crash, a step whose analysis
    /// was under way is one that was passed over.
    pub fn budget(mut self, share: f64) -> Self {
        self.budget = Some(share);
        self
    }

    /// Where the work of the monitor is done.
    pub fn work(mut self, work: Work) -> Self {
        self.work = work;
        self
    }

    /// Asks the loop to stop when the rule says so.
    pub fn stop_when(mut self, rule: impl Into<StopRule>) -> Self {
        self.settings.stop_rule = Some(rule.into());
        self
    }

    /// Goes on with the run that the folder holds, where its files end: [`Monitor::next_step`](super::Monitor::next_step)
    /// says where, and [`Monitor::verdict`](super::Monitor::verdict) whether the stop rule had ended it. Starts again when
    /// there is none.
    pub fn resume(mut self) -> Self {
        self.settings.start = Start::Resume(None);
        self
    }

    /// Goes on with the run that the folder holds at `step`, the first step that the loop runs
    /// again; recorded rows from it on are dropped.
    pub fn resume_at(mut self, step: u64) -> Self {
        self.settings.start = Start::Resume(Some(step));
        self
    }

    /// What to do when the side thread is busy.
    pub fn back_pressure(mut self, policy: BackPressure) -> Self {
        self.back_pressure = policy;
        self
    }

    /// What to do after a failure of the monitor.
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.on_failure = policy;
        self
    }
}
