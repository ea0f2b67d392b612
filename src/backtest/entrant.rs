//! What is compared: rules with their settings, and baselines.
//!
//! | entrant | settings |
//! |---|---|
//! | plateau of a quantity | highest value not exceeded, lowest not undercut, or both; for 3, 8 or 20 analysed steps; by more than 0 or 2 % of its range |
//! | threshold of a quantity | above or below the quantiles 0.1 to 0.9 of its values |
//! | plateau of a loss | not lowered for 2, 3, 5, 8, 12 or 20 steps; by more than 0, 0.5 or 2 % of its range |
//! | share of the budget | 5, 10, .. 90 % |
//! | patience 3 on the validation loss; full budget | one, nothing to tune |
//!
//! Ranges (the median over runs of highest less lowest) and quantiles are those of the runs that a rule is tuned on, so a setting is a number
//! before it meets the runs that it is judged on.

use super::history::History;
use super::judged::{Judged, Stopped};
use super::resample::quantile;
use crate::stop::{Mode, QuantityRule, StopRule};

/// How many settings a rule that is tuned has.
pub const SETTINGS: usize = 18;

/// A rule or a baseline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entrant {
    pub(super) quantity: Option<String>,
    pub(super) kind: Kind,
    /// Whether it is what others are compared with.
    pub(super) baseline: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Plateau,
    Threshold,
    /// Plateau of a loss.
    Loss,
    /// Lightning's default.
    Patience,
    Share,
    Full,
}

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Setting {
    Rule(StopRule, String),
    Share(f64),
    Full,
}

impl Entrant {
    pub(super) fn name(&self) -> String {
        let quantity = self.quantity.as_deref().unwrap_or_default();
        match self.kind {
            Kind::Plateau | Kind::Loss => format!("{quantity} plateau"),
            Kind::Threshold => format!("{quantity} threshold"),
            Kind::Patience => format!("{quantity} patience 3"),
            Kind::Share => "share of budget".to_owned(),
            Kind::Full => "full budget".to_owned(),
        }
    }

    /// Its settings, scaled on these runs.
    pub(super) fn settings(&self, training: &[&History]) -> Vec<Setting> {
        let quantity = self.quantity.as_deref().unwrap_or_default();
        let series = || {
            let finite = |run: &&History| -> Vec<f64> {
                let values = run.series(quantity).into_iter().map(|(_, value)| value);
                values.filter(|value| value.is_finite()).collect()
            };
            training.iter().map(finite)
        };
        match self.kind {
            Kind::Plateau => plateaus(quantity, range(series())),
            Kind::Threshold => thresholds(quantity, series().flatten().collect()),
            Kind::Loss => losses(quantity, range(series())),
            Kind::Patience => vec![rule(on(quantity, Mode::Min, 3, 0.0), "patience 3")],
            Kind::Share => (1..=SETTINGS).map(|k| Setting::Share(0.05 * k as f64)).collect(),
            Kind::Full => vec![Setting::Full],
        }
    }
}

impl Setting {
    /// Where it stops a run.
    pub(super) fn stops(&self, run: &History, judged: &Judged) -> Stopped {
        match self {
            Self::Rule(rule, _) => judged.at(run.stop(rule).map(|stop| stop.measured_step)),
            Self::Share(share) => judged.at_share(*share),
            Self::Full => judged.at(None),
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Rule(_, words) => words.clone(),
            Self::Share(share) => format!("{:.0} %", 100.0 * share),
            Self::Full => String::new(),
        }
    }
}

fn on(quantity: &str, mode: Mode, patience: u64, min_delta: f64) -> QuantityRule {
    StopRule::on(quantity).mode(mode).patience(patience).min_delta(min_delta)
}

fn rule(rule: impl Into<StopRule>, words: impl Into<String>) -> Setting {
    Setting::Rule(rule.into(), words.into())
}

fn plateaus(quantity: &str, range: f64) -> Vec<Setting> {
    let mut settings = Vec::with_capacity(SETTINGS);
    for patience in [3, 8, 20] {
        for min_delta in [0.0, 0.02 * range] {
            let [up, down] = [Mode::Max, Mode::Min].map(|m| on(quantity, m, patience, min_delta));
            let words = |which: &str| format!("{which}, {}", waits(patience, min_delta));
            settings.push(rule(up.clone(), words("max")));
            settings.push(rule(down.clone(), words("min")));
            settings.push(rule(up.and(down), words("max and min")));
        }
    }
    settings
}

fn losses(quantity: &str, range: f64) -> Vec<Setting> {
    let patience = [2, 3, 5, 8, 12, 20];
    let deltas = [0.0, 0.005 * range, 0.02 * range];
    let all = patience.into_iter().flat_map(|p| deltas.map(|delta| (p, delta)));
    all.map(|(p, delta)| rule(on(quantity, Mode::Min, p, delta), waits(p, delta))).collect()
}

fn waits(patience: u64, min_delta: f64) -> String {
    format!("patience {patience}, min_delta {}", short(min_delta))
}

fn thresholds(quantity: &str, mut values: Vec<f64>) -> Vec<Setting> {
    values.sort_unstable_by(f64::total_cmp);
    if values.is_empty() {
        return Vec::new();
    }
    let levels: Vec<f64> = (1..=9).map(|k| quantile(&values, f64::from(k) / 10.0)).collect();
    // Patience that does not end before any run.
    let rule_on = |mode, level: f64| {
        let threshold = on(quantity, mode, u64::MAX, 0.0).stopping_threshold(level);
        let side = if mode == Mode::Max { "above" } else { "below" };
        rule(threshold, format!("{side} {}", short(level)))
    };
    let sides = [Mode::Max, Mode::Min].into_iter();
    sides.flat_map(|mode| levels.iter().map(move |&level| rule_on(mode, level))).collect()
}

/// A number with three digits.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.001..1000.0 => {
            let digits = (2 - value.abs().log10().floor() as i32).max(0) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.2e}"),
    }
}

/// The median over runs of the highest value less the lowest.
fn range(series: impl Iterator<Item = Vec<f64>>) -> f64 {
    let ends = |values: Vec<f64>| {
        let end = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick);
        Some(end(f64::max)? - end(f64::min)?)
    };
    let mut ranges: Vec<f64> = series.filter_map(ends).collect();
    ranges.sort_unstable_by(f64::total_cmp);
    if ranges.is_empty() { 0.0 } else { quantile(&ranges, 0.5) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::computed_quantities;

    #[test]
    fn every_tuned_rule_has_the_same_number_of_settings_all_different_and_allowed() {
        let share = Entrant { quantity: None, kind: Kind::Share, baseline: true };
        for settings in [
            plateaus("E", 0.3),
            losses("loss", 2.0),
            thresholds("E", (0..50).map(f64::from).collect()),
            share.settings(&[]),
        ] {
            assert_eq!(settings.len(), SETTINGS);
            for (k, setting) in settings.iter().enumerate() {
                assert!(!settings[..k].contains(setting), "{setting:?} twice");
                let words = |s: &Setting| s.words();
                assert!(!settings[..k].iter().map(words).any(|w| w == setting.words()));
                if let Setting::Rule(rule, _) = setting {
                    rule.check(&computed_quantities()).unwrap();
                }
            }
        }
    }

    #[test]
    fn ranges_and_numbers_by_hand() {
        assert_eq!(
            range([vec![1.0, 3.0], vec![], vec![5.0, 5.0], vec![0.0, 9.0]].into_iter()),
            2.0
        );
        let texts = [0.0, 0.5, 12.345, -0.0123, 123_456.0, 2e-5].map(short);
        assert_eq!(texts, ["0", "0.500", "12.3", "-0.0123", "1.23e5", "2.00e-5"]);
    }
}
