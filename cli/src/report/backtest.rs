//! A backtest as a table for a terminal, and as CSV.

use super::align::{align, rounded};
use neuromfa::Mode;
use neuromfa::backtest::{Outcome, Trial};
use neuromfa::internals::record::{csv_text, number};

/// One line for each rule, best first. Of one run it says where the rule stops, of several how many
/// it stops; shares are means over the runs.
pub fn backtest(trials: &[Trial]) -> String {
    let one_run = trials.iter().all(|trial| trial.outcomes.len() == 1);
    let stop = if one_run { "stop" } else { "stopped" };
    let columns = [
        "rank",
        "rule on",
        "mode",
        "patience",
        "min_delta",
        stop,
        "saved",
        "lowest loss",
        "given up",
    ];
    let mut lines = vec![columns.map(str::to_owned).to_vec()];
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    for (rank, trial) in trials.iter().enumerate() {
        let first = &trial.outcomes[..trial.outcomes.len().min(1)];
        let stop = match first {
            [only] if one_run => only.stop.map_or_else(String::new, |step| step.to_string()),
            _ => format!("{} of {}", trial.stopped(), trial.outcomes.len()),
        };
        let loss = first.first().and_then(|only| only.loss).filter(|_| one_run);
        lines.push(vec![
            (rank + 1).to_string(),
            format!("{}{}", trial.monitor, if trial.baseline { " (baseline)" } else { "" }),
            mode(trial).to_owned(),
            trial.patience.to_string(),
            trial.min_delta.to_string(),
            stop,
            percent(trial.saved_share()),
            loss.map_or_else(String::new, |loss| rounded(&number(loss), 4)),
            trial.given_up_share().map_or_else(String::new, percent),
        ]);
    }
    let mut text = String::new();
    align(&mut text, &lines);
    text
}

/// One line for each rule and run, with a header.
pub fn backtest_csv(trials: &[Trial]) -> Vec<u8> {
    let columns = [
        "rank",
        "monitor",
        "mode",
        "patience",
        "min_delta",
        "baseline",
        "run",
        "stop",
        "saved",
        "saved_share",
        "loss",
        "given_up",
    ];
    let mut lines = vec![columns.map(str::to_owned).to_vec()];
    let optional = |value: Option<f64>| value.map(number).unwrap_or_default();
    for (rank, trial) in trials.iter().enumerate() {
        for Outcome { run, stop, saved, saved_share, loss, given_up, .. } in &trial.outcomes {
            lines.push(vec![
                (rank + 1).to_string(),
                trial.monitor.clone(),
                mode(trial).to_owned(),
                trial.patience.to_string(),
                number(trial.min_delta),
                trial.baseline.to_string(),
                run.display().to_string(),
                stop.map(|step| step.to_string()).unwrap_or_default(),
                saved.to_string(),
                number(*saved_share),
                optional(*loss),
                optional(*given_up),
            ]);
        }
    }
    csv_text(&lines)
}

fn mode(trial: &Trial) -> &'static str {
    match trial.mode {
        Mode::Min => "min",
        Mode::Max => "max",
    }
}
