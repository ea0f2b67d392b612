//! A stop rule at work: it sees every analysed row, and what the loop logged between rows.
//!
//! A quantity that the loop logs at an analysed step counts once for each such step. One that it
//! does not log there, such as a validation loss at the ends of epochs, counts once for each value
//! that was logged since the last analysed step, in order.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::Status;
use crate::record::computed_quantities;
use crate::stop::{RuleState, Stop, StopRule, Value};

/// A stop rule and its state.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    rule: StopRule,
    state: RuleState,
    computed: Vec<&'static str>,
    unseen: BTreeSet<String>, // quantities of the rule without a value so far
    logged: BTreeMap<u64, Vec<(String, f64)>>, // since the last analysed step
}

impl Judge {
    pub(crate) fn new(rule: StopRule) -> Self {
        Self {
            state: RuleState::new(&rule),
            computed: computed_quantities(),
            unseen: rule.quantities().into_iter().map(str::to_owned).collect(),
            logged: BTreeMap::new(),
            rule,
        }
    }

    /// The quantities that the loop has to log.
    pub(crate) fn to_log(&self) -> Vec<String> {
        let names = self.rule.quantities().into_iter();
        names.filter(|name| !self.computed.contains(name)).map(str::to_owned).collect()
    }

    /// Takes what the loop logged at a step. Steps come in order.
    pub(crate) fn log<'a>(&mut self, step: u64, scalars: impl Iterator<Item = (&'a str, f64)>) {
        for (name, value) in scalars {
            if self.rule.quantities().contains(&name) && !self.computed.contains(&name) {
                self.unseen.remove(name);
                self.logged.entry(step).or_default().push((name.to_owned(), value));
            }
        }
    }

    /// Judges an analysed row. A dropped step was not analysed, so it does not count. A computed
    /// quantity without a value because weights were not finite counts as not finite.
    pub(crate) fn judge(&mut self, step: u64, status: Status, value: &dyn Fn(&str) -> Option<f64>) {
        if status == Status::Dropped {
            return;
        }
        for (step, scalars) in std::mem::take(&mut self.logged) {
            let here = scalars.iter().filter(|(name, _)| value(name).is_none());
            let here: BTreeMap<&str, f64> = here.map(|(name, v)| (name.as_str(), *v)).collect();
            if !here.is_empty() {
                let value = |name: &str| here.get(name).map_or(Value::Absent, |v| Value::Is(*v));
                self.state.observe(&self.rule, step, &value);
            }
        }
        self.unseen.retain(|name| value(name).is_none());
        let value = |name: &str| match value(name) {
            Some(value) => Value::Is(value),
            None if status == Status::NonFinite && self.computed.contains(&name) => {
                Value::NotFinite
            }
            None => Value::Absent,
        };
        self.state.observe(&self.rule, step, &value);
    }

    /// The verdict, once there is one.
    pub(crate) fn stop(&self) -> Option<&Stop> {
        self.state.stop()
    }

    pub(crate) fn state(&self) -> &RuleState {
        &self.state
    }

    /// The quantities of the rule that have had no value so far.
    pub(crate) fn unseen(&self) -> Vec<String> {
        self.unseen.iter().cloned().collect()
    }
}

/// What a recorded run logged of a rule's quantities, to be given to its judge once more.
#[derive(Debug, Default)]
pub(crate) struct Logged<'a> {
    series: Vec<(String, &'a [(u64, f64)])>, // ascending steps
}

impl<'a> Logged<'a> {
    /// `metrics` has each logged quantity with its steps, ascending.
    pub(crate) fn of(
        judge: Option<&Judge>,
        metrics: &'a BTreeMap<String, Vec<(u64, f64)>>,
    ) -> Self {
        let names = judge.map(Judge::to_log).unwrap_or_default().into_iter();
        let series = names.filter_map(|name| {
            let series = metrics.get(&name)?;
            Some((name, &series[..]))
        });
        Self { series: series.collect() }
    }

    /// Gives the judge what was logged up to a step, and not given before.
    pub(crate) fn up_to(&mut self, step: u64, judge: &mut Judge) {
        for (name, series) in &mut self.series {
            let (now, later) = series.split_at(series.partition_point(|&(at, _)| at <= step));
            now.iter().for_each(|&(at, value)| judge.log(at, [(name.as_str(), value)].into_iter()));
            *series = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step of the verdict, where `val_loss` is logged at these steps, worse each time, and
    /// every hundredth step is analysed; `at_rows` says whether it is logged there, too.
    fn stopped(rule: &StopRule, logged: &[u64], at_rows: bool) -> Option<u64> {
        let mut judge = Judge::new(rule.clone());
        for step in 0..=1000 {
            if logged.contains(&step) {
                let scalars = [("loss", 1.0), ("val_loss", step as f64)];
                judge.log(step, scalars.into_iter());
            }
            if step % 100 == 0 {
                let value = |name: &str| (name == "val_loss" && at_rows).then_some(step as f64);
                judge.judge(step, Status::Ok, &value);
            }
        }
        judge.stop().map(|stop| stop.measured_step)
    }

    #[test]
    fn a_quantity_that_is_logged_between_rows_counts_by_its_own_clock() {
        let rule = StopRule::from(StopRule::on("val_loss").patience(2));
        let epochs: Vec<u64> = (1..20).map(|epoch| 47 * epoch).collect();
        assert_eq!(stopped(&rule, &epochs, false), Some(141), "47, then two worse: 94 and 141");
        assert_eq!(stopped(&rule, &[250], false), None, "one value");
        assert_eq!(stopped(&rule, &epochs, true), Some(200), "0, then two worse rows");
    }

    #[test]
    fn what_was_never_there_is_named() {
        let rule = StopRule::on("los").or(StopRule::on("val_loss")).or(StopRule::on("E"));
        let mut judge = Judge::new(rule);
        assert_eq!(judge.to_log(), ["los", "val_loss"]);
        judge.log(3, [("val_loss", 1.0), ("loss", 1.0)].into_iter());
        judge.judge(4, Status::Ok, &|name| (name == "E").then_some(0.1));
        assert_eq!(judge.unseen(), ["los"]);
    }

    #[test]
    fn a_dropped_row_keeps_what_was_logged_before_it() {
        let mut judge = Judge::new(StopRule::on("val_loss").patience(1).into());
        judge.log(10, [("val_loss", 1.0)].into_iter());
        judge.judge(20, Status::Dropped, &|_| None);
        judge.log(30, [("val_loss", 2.0)].into_iter());
        judge.judge(40, Status::Ok, &|_| None);
        assert_eq!(judge.stop().unwrap().measured_step, 30);
    }
}
