//! summary.json: final results and monitoring cost.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Conclusion, printable};
use crate::analysis::{Concern, WarningKind, p_text};
use crate::network::share_in_words;
use crate::stop::Stop;

/// The value of a quantity at a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The step.
    pub step: u64,
    /// The value.
    pub value: f64,
}

/// The cost of monitoring, or of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Whether a training loop was running; false for a replay of checkpoints.
    pub live: bool,
    /// Seconds from the start of the monitor (of this process, after a resume) to its end.
    pub run_seconds: f64,
    /// Seconds that training waited in the hook; of a replay, seconds of reading and counting.
    pub hook_seconds: f64,
    /// Seconds in which steps were analysed and recorded outside the hook, waiting for a processor
    /// included; of a replay, of everything else.
    pub side_thread_seconds: f64,
    /// Steps analysed in this process.
    pub analysed: u64,
}

impl Best {
    fn pair(self) -> (u64, f64) {
        (self.step, self.value)
    }
}

impl Cost {
    /// The share of the run that training spent waiting for the monitor, 0 to 1; none for a
    /// replay.
    pub fn hook_share(&self) -> Option<f64> {
        (self.live && self.run_seconds > 0.0).then(|| self.hook_seconds / self.run_seconds)
    }
}

/// How far apart analyses were, from a step on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spacing {
    /// The step at which this was chosen.
    pub from_step: u64,
    /// One of this many due steps was analysed.
    pub every: u64,
}

/// The result of a budget for monitoring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetRecord {
    /// The share of the run's time that monitoring was given, 0 to 1.
    pub share: f64,
    /// The share that analyses took: the time that training waited for them, and the processor time
    /// of other threads.
    pub used: f64,
    /// The spacings of the analyses; none while each due step was analysed.
    pub spacings: Vec<Spacing>,
}

/// Why and when a stop rule ended the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRecord {
    /// The verdict.
    #[serde(flatten)]
    pub stop: Stop,
    /// The step at which the stop was reported to the training loop; none when the run ended
    /// before.
    pub stopped_step: Option<u64>,
}

/// Values by the names of their columns.
pub(crate) type Named = BTreeMap<String, Best>;

/// Of which columns a summary has the last value.
pub(crate) const LAST: [&str; 8] = [
    "E",
    "E_stable",
    "E_excess",
    "E_excess_p",
    "width_excess",
    "width_excess_p",
    "alpha0_excess",
    "alpha0_excess_p",
];

/// Of which it has the highest value.
pub(crate) const BEST: [&str; 2] = ["E", "E_stable"];

/// What summaries of schema 4 and before have instead of `last` and `best`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Older {
    best_e: Option<Best>,
    last_e: Option<Best>,
    best_e_stable: Option<Best>,
    last_e_stable: Option<Best>,
    last_e_excess: Option<Best>,
    last_e_excess_p: Option<f64>,
}

/// The end of a run. `Display` gives the closing lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run's folder, absolute.
    pub(crate) folder: PathBuf,
    /// The last step that the loop reported.
    pub(crate) last_step: Option<u64>,
    /// Rows in emergence.csv.
    pub(crate) rows: u64,
    /// Rows of steps that were due and not analysed.
    pub(crate) dropped: u64,
    /// Rows whose status is neither ok nor dropped.
    pub(crate) without_value: u64,
    /// The result of the run.
    #[serde(default)]
    pub(crate) conclusion: Conclusion,
    /// The last value of each of these columns of emergence.csv that has one.
    #[serde(default)]
    pub(crate) last: Named,
    /// The highest value of each of these columns.
    #[serde(default)]
    pub(crate) best: Named,
    /// The same in a summary of an older version.
    #[serde(flatten, skip_serializing)]
    pub(crate) older: Older,
    /// Why the run was stopped; none when no rule stopped it.
    pub(crate) stop: Option<StopRecord>,
    /// The share of the block weights that is analysed ([`crate::network::Network::share`]); none in a
    /// summary of an older version.
    #[serde(default)]
    pub(crate) share: Option<f64>,
    /// Calls that reported a step again and updated it.
    #[serde(default)]
    pub(crate) repeated_calls: u64,
    /// Steps that are in no file because the disk did not take them in time.
    #[serde(default)]
    pub(crate) lost_steps: u64,
    /// Quantities of the stop rule that never had a value.
    #[serde(default)]
    pub(crate) unseen: Vec<String>,
    /// The second axis, if the loop never logged it.
    #[serde(default)]
    pub(crate) unseen_axis: Option<String>,
    /// What monitoring cost.
    pub(crate) cost: Cost,
    /// `cost.hook_seconds / cost.run_seconds`.
    pub(crate) hook_share: Option<f64>,
    /// The result of the budget for monitoring; none without one.
    #[serde(default)]
    pub(crate) budget: Option<BudgetRecord>,
}

impl Summary {
    /// The run's folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Steps that are in no file: the disk did not answer, or refused them for so long that the
    /// limit of what is kept in memory was reached.
    pub fn lost_steps(&self) -> u64 {
        self.lost_steps
    }

    /// The last step that the loop reported.
    pub fn last_step(&self) -> Option<u64> {
        self.last_step
    }

    /// Rows in emergence.csv.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows of steps that were due and not analysed.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Rows whose status is neither ok nor dropped.
    pub fn without_value(&self) -> u64 {
        self.without_value
    }

    /// The step and value of the last E, published estimator.
    pub fn last_e(&self) -> Option<(u64, f64)> {
        self.last("E").map(Best::pair)
    }

    /// The step and value of the highest E, published estimator.
    pub fn best_e(&self) -> Option<(u64, f64)> {
        self.best("E").map(Best::pair)
    }

    /// The step and value of the last E, stable estimator.
    pub fn last_e_stable(&self) -> Option<(u64, f64)> {
        self.last("E_stable").map(Best::pair)
    }

    /// The step and value of the highest E, stable estimator.
    pub fn best_e_stable(&self) -> Option<(u64, f64)> {
        self.best("E_stable").map(Best::pair)
    }

    /// Why the run was stopped; none when no rule stopped it.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref().map(|stop| &stop.stop)
    }

    /// The step at which the stop was reported to the training loop; none when the run ended
    /// before.
    pub fn stopped_step(&self) -> Option<u64> {
        self.stop.as_ref()?.stopped_step
    }

    /// The share of the run that training waited for the monitor, 0 to 1; none for a replay.
    pub fn hook_share(&self) -> Option<f64> {
        self.hook_share
    }
}

impl Summary {
    fn last(&self, column: &str) -> Option<Best> {
        let Older { last_e, last_e_stable, last_e_excess, last_e_excess_p, .. } = self.older;
        self.last.get(column).copied().or_else(|| match column {
            "E" => last_e,
            "E_stable" => last_e_stable,
            "E_excess" => last_e_excess,
            "E_excess_p" => Some(Best { value: last_e_excess_p?, ..last_e_excess? }),
            _ => None,
        })
    }

    fn best(&self, column: &str) -> Option<Best> {
        self.best.get(column).copied().or(match column {
            "E" => self.older.best_e,
            "E_stable" => self.older.best_e_stable,
            _ => None,
        })
    }

    /// The kinds of warnings that concern something, each with the number of its rows.
    fn counted(&self, concern: Concern) -> String {
        let count = |(kind, rows): &(WarningKind, u64)| format!("{} {rows}", kind.code());
        let all: Vec<String> = self.conclusion.warnings_on(concern).iter().map(count).collect();
        all.join(", ")
    }

    fn lost_text(&self) -> String {
        let steps = if self.lost_steps == 1 { "step is" } else { "steps are" };
        let n = self.lost_steps;
        format!("{n} {steps} in no file: the disk did not take them in time")
    }

    /// Quantities that the stop rule never saw; none without any.
    fn unseen_text(&self) -> Option<String> {
        let names: Vec<String> = self.unseen.iter().map(|name| format!("{name:?}")).collect();
        (!names.is_empty()).then(|| {
            let names = names.join(", ");
            format!(
                "the stop rule watches {names}, which never had a value: that part had no effect"
            )
        })
    }

    fn unseen_axis_text(&self) -> Option<String> {
        let name = self.unseen_axis.as_ref()?;
        Some(format!("the axis {name:?} was never logged: it is 0 at all steps"))
    }

    /// The verdict, and what weakens it: a line or a few.
    pub(crate) fn headline(&self) -> String {
        let mut text = format!("structure: {}", self.conclusion);
        let warnings = self.counted(Concern::Conclusion);
        if !warnings.is_empty() {
            text += &format!("; warnings of {} rows: {warnings}", self.rows);
        }
        if self.lost_steps > 0 {
            text += &format!("\nwarning: {}", self.lost_text());
        }
        for unseen in self.unseen_text().into_iter().chain(self.unseen_axis_text()) {
            text += &format!("\nwarning: {unseen}");
        }
        text
    }

    /// All kinds of warnings, by code, each with the number of its rows.
    pub fn warnings(&self) -> Vec<(&'static str, u64)> {
        self.conclusion.warnings().into_iter().map(|(kind, rows)| (kind.code(), rows)).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |f: &mut fmt::Formatter<'_>, name, last: Option<Best>, best: Option<Best>| match (
            last, best,
        ) {
            (Some(last), Some(best)) => writeln!(
                f,
                "{name:<9}{:.5} at step {}, highest {:.5} at step {}",
                last.value, last.step, best.value, best.step
            ),
            _ => writeln!(f, "{name:<9}no value"),
        };
        writeln!(f, "structure: {}", self.conclusion)?;
        for name in BEST {
            ends(f, name, self.last(name), self.best(name))?;
        }
        if let Some(Best { step, value }) = self.last("E_excess") {
            let p = self.last("E_excess_p").filter(|p| p.step == step);
            let p = p.map_or(String::new(), |p| format!("{}; ", p_text(p.value)));
            writeln!(
                f,
                "E_excess {value:.5} at step {step} ({p}grows with the scale of the weights)"
            )?;
        }
        if let Some(share) = self.share.and_then(share_in_words) {
            writeln!(f, "weights  {share}")?;
        }
        if let Some(repeated) = self.conclusion.repeated_text() {
            writeln!(f, "repeats  {repeated}")?;
        }
        if let Some(stop) = &self.stop {
            let Stop { reason, measured_step, .. } = &stop.stop;
            let asked = match (stop.stopped_step, self.last_step) {
                (Some(at), Some(last)) if last > at => {
                    format!("asked for at step {at}, the loop continued to step {last}")
                }
                (Some(at), _) => format!("asked for at step {at}, where the loop ended"),
                (None, _) => "asked for after the last step".to_owned(),
            };
            writeln!(f, "stop     {asked}: {reason} (measured at step {measured_step})")?;
        }
        if self.repeated_calls > 0 {
            writeln!(f, "updates  {} calls reported a step again", self.repeated_calls)?;
        }
        if self.lost_steps > 0 {
            writeln!(f, "lost     {}", self.lost_text())?;
        }
        if let Some(unseen) = self.unseen_text() {
            writeln!(f, "rule     {unseen}")?;
        }
        if let Some(unseen) = self.unseen_axis_text() {
            writeln!(f, "axis     {unseen}")?;
        }
        if self.dropped + self.without_value > 0 {
            let (dropped, without) = (self.dropped, self.without_value);
            writeln!(
                f,
                "rows     {dropped} dropped, {without} without values (see the column status)"
            )?;
        }
        let [findings, caveats] =
            [Concern::Conclusion, Concern::Published].map(|concern| self.counted(concern));
        if !findings.is_empty() {
            writeln!(f, "warnings of {} rows: {findings}", self.rows)?;
        }
        if !caveats.is_empty() {
            writeln!(f, "caveats of the published estimator: {caveats}")?;
        }
        let Cost { run_seconds, hook_seconds, side_thread_seconds, analysed, .. } = self.cost;
        let analyses = match analysed {
            1 => "1 analysis".to_owned(),
            n => format!("{n} analyses"),
        };
        match self.cost.hook_share() {
            Some(share) => writeln!(
                f,
                "cost     training waited {hook_seconds:.3} s of {run_seconds:.1} s ({:.2} %) for \
                 {analyses}; background threads worked {side_thread_seconds:.3} s",
                100.0 * share
            )?,
            None => writeln!(f, "cost     {run_seconds:.2} s for {analyses}")?,
        }
        if let Some(BudgetRecord { share, used, spacings }) = &self.budget {
            let every = match spacings.last().map_or(1, |spacing| spacing.every) {
                1 => "every due step".to_owned(),
                n => format!("one due step in {n}"),
            };
            let (used, share) = (100.0 * used, 100.0 * share);
            writeln!(f, "budget   {used:.2} % of {share} % used; {every} is analysed at the end")?;
        }
        // From where the program is now.
        let here = std::env::current_dir().unwrap_or_default();
        let folder = self.folder.strip_prefix(&here).unwrap_or(&self.folder);
        write!(f, "files    {}", printable(&folder.display().to_string()))
    }
}
