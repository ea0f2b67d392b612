//! The one place where a monitor is configured.

use super::group::Joined;
use super::policy::{BackPressure, OnFailure};
use super::schedule::Schedule;
use super::work::Work;
use crate::group::{Communicator, Part};
use crate::pipeline::{RunBuilder, Start};
use crate::stop::StopRule;

/// Configures a [`Monitor`](super::Monitor). Everything is checked by `attach`.
///
/// | setting | default |
/// |---|---|
/// | [`every`](MonitorBuilder::every), [`schedule`](MonitorBuilder::schedule) | every 100 steps |
/// | [`budget`](MonitorBuilder::budget) | none: each due step is analysed |
/// | [`work`](MonitorBuilder::work) | count in the hook, the rest on a side thread |
/// | [`sampled`](MonitorBuilder::sampled), [`whole`](MonitorBuilder::whole), [`nodes`](MonitorBuilder::nodes) | 10 samples of 64 neurons, seed 0 |
/// | [`without_stable`](MonitorBuilder::without_stable), [`controls`](MonitorBuilder::controls) | the stable estimator over the whole network, with its controls |
/// | [`without_layers`](MonitorBuilder::without_layers), [`with_neurons`](MonitorBuilder::with_neurons) | each layer, not each neuron |
/// | [`hops`](MonitorBuilder::hops), [`hops_estimated`](MonitorBuilder::hops_estimated) | one hop |
/// | [`parameters`](MonitorBuilder::parameters) | the published ones |
/// | [`architecture`](MonitorBuilder::architecture), [`network`](MonitorBuilder::network), [`include`](MonitorBuilder::include), [`exclude`](MonitorBuilder::exclude), [`orient`](MonitorBuilder::orient), [`rename`](MonitorBuilder::rename) | read off names and shapes |
/// | [`per_head`](MonitorBuilder::per_head) | fused rows of GPT-NeoX as published |
/// | [`without_tensorboard`](MonitorBuilder::without_tensorboard) | event files in `tb/` |
/// | [`prometheus`](MonitorBuilder::prometheus) | no text file for Prometheus |
/// | [`every_detail`](MonitorBuilder::every_detail) | the large tables have the first 100 analysed steps, then one in 10 |
/// | [`axis`](MonitorBuilder::axis) | steps alone |
/// | [`baseline_at_first_edges`](MonitorBuilder::baseline_at_first_edges) | step 0, also if it has no values |
/// | [`baseline`](MonitorBuilder::baseline) | the weights at `attach`, as step 0 |
/// | [`stop_when`](MonitorBuilder::stop_when) | never |
/// | [`resume`](MonitorBuilder::resume), [`resume_at`](MonitorBuilder::resume_at), [`overwrite`](MonitorBuilder::overwrite), [`numbered`](MonitorBuilder::numbered) | the folder must hold no run |
/// | [`back_pressure`](MonitorBuilder::back_pressure) | wait |
/// | [`on_failure`](MonitorBuilder::on_failure) | report |
/// | [`allow_gaps`](MonitorBuilder::allow_gaps) | a step 10⁹ after the last is an error |
/// | [`update_repeated_steps`](MonitorBuilder::update_repeated_steps) | a repeated step is an error |
/// | [`group`](MonitorBuilder::group) | the model is in this process |
/// | [`quiet`](MonitorBuilder::quiet) | a few lines on standard error |
/// | [`threads`](MonitorBuilder::threads) | as many as there are cores |
pub type MonitorBuilder = RunBuilder<Live>;

/// The options of a monitor alone.
#[derive(Debug)]
pub struct Live {
    pub(super) schedule: Schedule,
    pub(super) budget: Option<f64>,
    pub(super) work: Work,
    pub(super) back_pressure: BackPressure,
    pub(super) on_failure: OnFailure,
    pub(super) quiet: bool,
    pub(super) updates: bool,
    pub(super) group: Option<Joined>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            schedule: Schedule::every(100),
            budget: None,
            work: Work::default(),
            back_pressure: BackPressure::default(),
            on_failure: OnFailure::default(),
            quiet: false,
            updates: false,
            group: None,
        }
    }
}

impl RunBuilder<Live> {
    /// Analyses every `n`-th step.
    pub fn every(self, n: u64) -> Self {
        self.schedule(Schedule::every(n))
    }

    /// Analyses the steps of a schedule.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.origin.schedule = schedule;
        self
    }

    /// Keeps monitoring under a share of the run's time, above 0 and at most 1: of the steps that the
    /// schedule has due, each k-th is analysed, k out of 1, 2, 5, 10, 20, 50, … so that it does. What
    /// was chosen is logged (`tracing`, level info) and recorded in summary.json. With
    /// `.every(1).budget(0.01)` analyses are as close together as one percent allows.
    ///
    /// An analysis is charged what training waits for it, and the processor time of the threads that
    /// analyse and record in the background, as if that were taken from training, as it is on full cores.
    /// Writing what the loop logs is not charged.
    ///
    /// Which steps are analysed then depends on the machine. After a crash, a step whose analysis
    /// was under way is one that was passed over.
    pub fn budget(mut self, share: f64) -> Self {
        self.origin.budget = Some(share);
        self
    }

    /// Where the work of the monitor is done.
    pub fn work(mut self, work: Work) -> Self {
        self.origin.work = work;
        self
    }

    /// Asks the loop to stop when the rule says so.
    pub fn stop_when(mut self, rule: impl Into<StopRule>) -> Self {
        self.settings.stop_rule = Some(rule.into());
        self
    }

    /// Resumes the run that the folder holds, after its last recorded step: [`Monitor::next_step`](super::Monitor::next_step)
    /// says where, and [`Monitor::verdict`](super::Monitor::verdict) whether the stop rule had ended it. Starts again when
    /// there is none.
    pub fn resume(mut self) -> Self {
        self.settings.start = Start::Resume(None);
        self
    }

    /// Resumes the run that the folder holds at `step`, the first step that the loop runs
    /// again; recorded rows from it on are dropped. Step 2 or before, of a run with more than 100
    /// recorded steps after it, is an error: replace such a run ([`overwrite`](RunBuilder::overwrite)).
    pub fn resume_at(mut self, step: u64) -> Self {
        self.settings.start = Start::Resume(Some(step));
        self
    }

    /// Writes nothing to standard error. Otherwise, in a program without a `tracing` subscriber, the
    /// monitor says at `attach` what it watches and what is wrong with it, and at the end what it
    /// found; a subscriber gets events instead.
    pub fn quiet(mut self) -> Self {
        self.origin.quiet = true;
        self
    }

    /// Takes a step that is reported again, before the next, as an update: of each value, the last
    /// counts. For loops whose step does not advance with every call. The weights are those of the
    /// first call, so a loop that accumulates gradients reports better once, after its update. A
    /// `flush` ends the step. A step is then recorded when the next is
    /// reported, and a stop rule's verdict comes one call later. Without this, a repeated step is an
    /// error.
    pub fn update_repeated_steps(mut self) -> Self {
        self.origin.updates = true;
        self
    }

    /// Watches a model whose weights lie in pieces over the ranks of a group as one. Each rank attaches
    /// its own tensors, and reports the same steps; `parts` says which parts of the whole model they
    /// are, by their names. Those that are not listed are whole.
    ///
    /// Rank 0 monitors: its settings count, it writes the folder, and its word decides. Other ranks need
    /// the same schedule; at due steps they count layers or hand over weights, and get the verdict: all
    /// ranks stop at the same step. What is recorded has the bits of a model in one process. A step that
    /// [`analyse_now`](super::Monitor::analyse_now) reports is reported so on every rank; after `finish` each rank has the summary.
    ///
    /// A rank that leaves, or is silent beyond the communicator's time limit, ends monitoring on all
    /// ranks ([`Error::Failed`](crate::Error::Failed) names it), and training nowhere.
    ///
    /// ```
    /// use std::time::Duration;
    /// use neuromfa::group::{Part, Threads};
    /// use neuromfa::{Monitor, source::Memory};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let run = folder.path().join("run");
    /// let whole = [64, 32]; // rank 0 has rows 0 to 31, rank 1 the others
    /// let train = |rank: Threads, number: usize| -> Result<(), neuromfa::Error> {
    ///     let weights = Memory::new();
    ///     weights.set("fc.weight", &[32, 32], vec![0.1f32 * (number + 1) as f32; 32 * 32])?;
    ///     let part = Part::slice(&whole, 0, 32 * number);
    ///     let builder = Monitor::builder(&run).every(10).quiet();
    ///     let mut monitor = builder.group(rank, [("fc.weight", part)]).attach_source(weights)?;
    ///     for step in 1..=20 {
    ///         if monitor.step(step, &[("loss", 1.0)])?.should_stop() {
    ///             break;
    ///         }
    ///     }
    ///     assert_eq!(monitor.finish()?.rows(), 3);
    ///     Ok(())
    /// };
    /// std::thread::scope(|scope| {
    ///     let ranks = Threads::group(2, Duration::from_secs(60)).into_iter().enumerate();
    ///     let ranks: Vec<_> = ranks.map(|(n, rank)| scope.spawn(move || train(rank, n))).collect();
    ///     ranks.into_iter().try_for_each(|rank| rank.join().unwrap())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group<S: Into<String>>(
        mut self,
        communicator: impl Communicator + 'static,
        parts: impl IntoIterator<Item = (S, Part)>,
    ) -> Self {
        let parts = parts.into_iter().map(|(name, part)| (name.into(), part)).collect();
        self.origin.group = Some(Joined { communicator: Box::new(communicator), parts });
        self
    }

    /// What to do when the side thread is busy.
    pub fn back_pressure(mut self, policy: BackPressure) -> Self {
        self.origin.back_pressure = policy;
        self
    }

    /// What to do after a failure of the monitor.
    pub fn on_failure(mut self, policy: OnFailure) -> Self {
        self.origin.on_failure = policy;
        self
    }
}
