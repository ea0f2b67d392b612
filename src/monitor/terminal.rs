//! What the monitor says to the person at the terminal.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::analysis::{Concern, Status, WarningKind};
use crate::network::Network;
use crate::pipeline::Listener;
use crate::record::{Row, RunConfig, Sampling, Summary, printable};

/// How many warnings are written out at attach.
const LISTED: usize = 5;

/// Lines on standard error, for a program that installs no `tracing` subscriber. Such a subscriber
/// gets events instead, and no line is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    quiet: bool,
}

impl Terminal {
    pub(super) const fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Writes lines. A terminal that is gone is no failure.
    fn write(self, lines: &[String]) {
        if self.quiet || tracing::dispatcher::has_been_set() {
            return;
        }
        let line = |line: &String| format!("neuromfa: {}\n", printable(line));
        let lines: String = lines.iter().map(line).collect();
        let _ = std::io::stderr().write_all(lines.as_bytes());
    }

    /// Says what is watched, and what is wrong with it.
    pub(super) fn attached(self, watched: &str, warnings: &[String]) {
        tracing::info!("{watched}");
        let mut lines = vec![watched.to_owned()];
        lines.extend(warnings.iter().take(LISTED).map(|warning| format!("warning: {warning}")));
        if warnings.len() > LISTED {
            lines.push(format!("{} more: Monitor::warnings() has all", warnings.len() - LISTED));
        }
        self.write(&lines);
    }

    /// Says what is not wrong; it is in the log already.
    pub(super) fn say(self, text: &str) {
        self.write(&[text.to_owned()]);
    }

    /// Says that something is wrong that is in the log already.
    fn repeat(self, warning: &str) {
        self.write(&[format!("warning: {warning}")]);
    }

    /// Says that something is wrong.
    pub(super) fn warn(self, warning: &str) {
        tracing::warn!("{warning}");
        self.write(&[format!("warning: {warning}")]);
    }

    /// Says that monitoring has failed.
    pub(super) fn error(self, error: &str) {
        tracing::error!("{error}");
        self.write(&[format!("warning: {error}")]);
    }

    /// Says what the run found.
    pub(super) fn finished(self, summary: &Summary) {
        let headline = summary.headline();
        tracing::info!(rows = summary.rows(), warnings = ?summary.warnings(), "{headline}");
        self.write(&headline.lines().map(str::to_owned).collect::<Vec<_>>());
    }
}

/// One line: the network, how much of it is analysed, and where the results go.
pub(super) fn watched(
    network: &Network,
    config: &RunConfig,
    folder: &str,
    warnings: usize,
) -> String {
    let analysed: usize = network.connections().iter().map(|c| c.weights()).sum();
    let left = network.left_out().iter().filter(|l| !l.is_buffer());
    let left: usize = left.map(|l| l.shape.iter().product::<usize>()).sum();
    let all = analysed + left;
    let share = 100.0 * analysed as f64 / all.max(1) as f64;
    let buffers = network.left_out().iter().filter(|l| l.is_buffer()).count();
    let buffers = match buffers {
        0 => String::new(),
        n => format!(" ({} left out)", plural(n, "buffer")),
    };
    let neurons = match config.sampling {
        Sampling::Drawn { neurons, samples, .. } => {
            format!("{samples} samples of {neurons} neurons")
        }
        Sampling::Whole => "all neurons".to_owned(),
        Sampling::Given => "given neurons".to_owned(),
    };
    let matrices = match network.connections().len() {
        1 => "1 matrix".to_owned(),
        n => format!("{n} matrices"),
    };
    format!(
        "{}: {matrices}, {share:.0} % of {all} weights analysed{buffers}, {neurons}, {}; results in {folder}",
        network.architecture(),
        plural(warnings, "warning"),
    )
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The last row of a run, as its recording thread leaves it, and what it said that the loop should
/// know.
#[derive(Clone, Debug, Default)]
pub(super) struct LastRow(Arc<Mutex<(Option<Row>, Vec<String>)>>);

impl LastRow {
    /// What keeps it up to date.
    pub(super) fn listener(&self, terminal: Terminal) -> Listener {
        let (this, mut said, mut said_not_finite) = (self.clone(), false, false);
        Box::new(move |row| {
            // Of the first row `warnings` says it; the log has it for each row.
            if row.emergence.status == Status::NonFinite && !row.first && !said_not_finite {
                said_not_finite = true;
                let why = row.emergence.why.as_deref().unwrap_or("weights are not finite");
                terminal.repeat(&format!("step {}: {why} (said once)", row.step));
            }
            let hint = row.returned.as_ref().filter(|_| !std::mem::replace(&mut said, true));
            let hint = hint.map(|hint| format!("step {}: {hint}", row.step));
            hint.iter().for_each(|hint| terminal.repeat(hint));
            let (last, hints) = &mut *this.lock();
            *last = Some(row.clone());
            hints.extend(hint);
        })
    }

    pub(super) fn get(&self) -> Option<Row> {
        self.lock().0.clone()
    }

    /// What rows said since the last call.
    pub(super) fn take_hints(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().1)
    }

    /// What step 0 shows: why it has no values, or the warnings about its conclusion.
    pub(super) fn warnings(&self, awaited: bool) -> Vec<String> {
        let Some(row) = self.get() else { return Vec::new() };
        let emergence = &row.emergence;
        if let (false, Some(why)) = (emergence.status == Status::Ok, &emergence.why) {
            if awaited {
                return vec![format!(
                    "step 0 has no values, so the first step that has some is the baseline of E ({why})"
                )];
            }
            return vec![format!(
                "step 0 has no values, so E has no baseline ({why}); attach once the weights have \
                 edges in range, after the first update for weights that begin at zero, or call \
                 baseline_at_first_edges(), or give a baseline"
            )];
        }
        let conclusion = emergence.trust.warnings.iter();
        let conclusion = conclusion.filter(|warning| warning.kind.concern() == Concern::Conclusion);
        let advice = |kind| match kind {
            WarningKind::PoorFit => " Small initial weights, such as N(0, 0.02), fit.",
            _ => "",
        };
        conclusion
            .map(|w| format!("step 0: {}. {}{}", w.text, w.kind.meaning(), advice(w.kind)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Row>, Vec<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
