//! A stop rule at work: it sees every analysed row, and what the loop logged between rows.
//!
//! A quantity that the loop logs counts once for each analysed step, with its value there. If an
//! analysed step lacks it although it was logged since the last one, as a validation loss at the ends
//! of epochs, then from there on it has its own clock: each of its values counts, in order, those since
//! the last analysed step included.
//!
//! Where the weights were set back to those of an earlier step, patience starts again, and the best
//! value stays what has to be improved on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::Peekable;

use crate::analysis::Status;
use crate::record::{ROLLED_BACK, RecordError, computed_quantities};
use crate::stop::{RuleState, Stop, StopRule, Value};

/// Values of a quantity that are kept until the next analysed step.
const KEPT: usize = 10_000;

/// A stop rule and its state.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    rule: StopRule,
    state: RuleState,
    to_log: Vec<String>,      // quantities of the rule that the loop has to log
    unseen: BTreeSet<String>, // quantities of the rule without a value so far
    logged: BTreeMap<String, Logging>, // quantities of the rule that the loop has logged
    held: Values,             // of quantities with their own clock, at the last step that has any
    rollbacks: BTreeSet<u64>, // steps from which on weights were set back, not yet judged
}

/// Values by step and name.
type Values = BTreeMap<u64, BTreeMap<String, f64>>;

/// A quantity that the loop logs.
#[derive(Clone, Debug, Default)]
struct Logging {
    own_clock: bool,
    pending: VecDeque<(u64, f64)>, // since the last analysed step; none with its own clock
}

impl Judge {
    pub(crate) fn new(rule: StopRule) -> Self {
        let computed = computed_quantities();
        let names = || rule.quantities().into_iter();
        Self {
            state: RuleState::new(&rule),
            to_log: names().filter(|n| !computed.contains(n)).map(str::to_owned).collect(),
            unseen: names().map(str::to_owned).collect(),
            logged: BTreeMap::new(),
            held: Values::new(),
            rollbacks: BTreeSet::new(),
            rule,
        }
    }

    /// The quantities that the loop has to log.
    pub(crate) fn to_log(&self) -> &[String] {
        &self.to_log
    }

    /// Takes what the loop logged at a step. Steps come in order.
    pub(crate) fn log<'a>(&mut self, step: u64, scalars: impl Iterator<Item = (&'a str, f64)>) {
        self.judge_held(step);
        for (name, value) in scalars {
            if name == ROLLED_BACK {
                self.rollbacks.insert(step);
            }
            if !self.to_log.iter().any(|known| known == name) {
                continue;
            }
            self.unseen.remove(name);
            let logging = self.logged.entry(name.to_owned()).or_default();
            if logging.own_clock {
                self.held.entry(step).or_default().insert(name.to_owned(), value);
            } else {
                logging.pending.push_back((step, value));
                if logging.pending.len() > KEPT {
                    logging.pending.pop_front();
                }
            }
        }
    }

    /// Judges an analysed row. A dropped step was not analysed, so it does not count. A computed
    /// quantity without a value because weights were not finite counts as not finite.
    pub(crate) fn judge(&mut self, step: u64, status: Status, value: &dyn Fn(&str) -> Option<f64>) {
        if status == Status::Dropped {
            return;
        }
        self.take_pending(step, value);
        self.judge_held(step);
        self.roll_back(step);
        self.unseen.retain(|name| value(name).is_none());
        let own_clock = |name: &str| self.logged.get(name).is_some_and(|l| l.own_clock);
        let here = self.held.remove(&step).unwrap_or_default();
        let value = |name: &str| match own_clock(name) {
            true => here.get(name).copied(),
            false => value(name),
        };
        let value = |name: &str| match value(name) {
            Some(value) => Value::Is(value),
            None if status == Status::NonFinite && !self.to_log.iter().any(|n| n == name) => {
                Value::NotFinite
            }
            None => Value::Absent,
        };
        self.state.observe(&self.rule, step, &value);
    }

    /// Takes note of rollbacks up to this step, before it is judged.
    fn roll_back(&mut self, step: u64) {
        while self.rollbacks.first().is_some_and(|from| *from <= step) {
            self.rollbacks.pop_first();
            self.state.rolled_back();
        }
    }

    /// Gives their own clocks to quantities that this row lacks.
    fn take_pending(&mut self, step: u64, value: &dyn Fn(&str) -> Option<f64>) {
        for (name, logging) in &mut self.logged {
            if value(name).is_some() {
                logging.pending.clear();
                continue;
            }
            // What is logged at this very step, and not in its row, came after the row: at step 0.
            let earlier = logging.pending.iter().any(|&(at, _)| at < step);
            if !logging.own_clock && earlier {
                logging.own_clock = true;
                for (at, value) in logging.pending.drain(..) {
                    self.held.entry(at).or_default().insert(name.clone(), value);
                }
            }
        }
    }

    /// Judges the held values of the steps before this one.
    fn judge_held(&mut self, step: u64) {
        let later = self.held.split_off(&step);
        for (at, here) in std::mem::replace(&mut self.held, later) {
            let value = |name: &str| here.get(name).map_or(Value::Absent, |v| Value::Is(*v));
            self.roll_back(at);
            self.state.observe(&self.rule, at, &value);
        }
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
pub(crate) struct Logged<'a> {
    rest: Peekable<Box<dyn Iterator<Item = LoggedStep> + 'a>>, // ascending steps
}

/// A step and what was logged there.
type LoggedStep = Result<(u64, Vec<(String, f64)>), RecordError>;

impl<'a> Logged<'a> {
    /// The quantities that matter to a judge.
    pub(crate) fn names(judge: &Judge) -> Vec<String> {
        judge.to_log().iter().cloned().chain([ROLLED_BACK.to_owned()]).collect()
    }

    /// Reads the rows one by one.
    pub(crate) fn read(rows: impl Iterator<Item = LoggedStep> + 'a) -> Self {
        Self { rest: (Box::new(rows) as Box<dyn Iterator<Item = LoggedStep> + 'a>).peekable() }
    }

    /// `metrics` has each logged quantity with its steps, ascending.
    pub(crate) fn of(judge: &Judge, metrics: &'a BTreeMap<String, Vec<(u64, f64)>>) -> Self {
        let mut steps: BTreeMap<u64, Vec<(String, f64)>> = BTreeMap::new();
        for name in Self::names(judge) {
            for &(step, value) in metrics.get(&name).into_iter().flatten() {
                steps.entry(step).or_default().push((name.clone(), value));
            }
        }
        Self::read(steps.into_iter().map(Ok))
    }

    /// Gives the judge what was logged up to a step that was reported, and not given before.
    pub(crate) fn up_to(&mut self, step: u64, judge: &mut Judge) -> Result<(), RecordError> {
        let is_now = |row: &LoggedStep| row.as_ref().map_or(true, |(at, _)| *at <= step);
        while let Some(row) = self.rest.next_if(is_now) {
            let (at, scalars) = row?;
            judge.log(at, scalars.iter().map(|(name, value)| (name.as_str(), *value)));
        }
        // The loop logged something at this step, if none of the rule's quantities.
        judge.log(step, std::iter::empty());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps at which values of `val_loss` count, each worse than the one before, where it is
    /// logged every `epoch` steps and every hundredth step is analysed; `from` is the first.
    fn counted(epoch: u64, from: u64) -> Vec<u64> {
        let mut counted = Vec::new();
        for patience in 1..=6 {
            let mut judge = Judge::new(StopRule::on("val_loss").patience(patience).into());
            for step in from..=1000 {
                let here = step % epoch == 0;
                let scalars = [("loss", 1.0), ("val_loss", step as f64)];
                judge.log(step, scalars.into_iter().take(if here { 2 } else { 1 }));
                if step % 100 == 0 {
                    let value = |name: &str| (name == "val_loss" && here).then_some(step as f64);
                    judge.judge(step, Status::Ok, &value);
                }
            }
            counted.extend(judge.stop().map(|stop| stop.measured_step));
        }
        counted
    }

    #[test]
    fn a_quantity_that_analysed_steps_lack_counts_by_its_own_clock() {
        assert_eq!(counted(47, 1), [94, 141, 188, 235, 282, 329]);
        assert_eq!(counted(30, 1), [60, 90, 120, 150, 180, 210], "also where a row has it: 300");
        assert_eq!(counted(150, 1), [300, 450, 600, 750, 900]);
    }

    #[test]
    fn a_quantity_that_analysed_steps_have_counts_there() {
        assert_eq!(counted(1, 1), [200, 300, 400, 500, 600, 700]);
        assert_eq!(counted(50, 1), [200, 300, 400, 500, 600, 700]);
        assert_eq!(counted(300, 1), [600, 900]);
    }

    /// A live run logs step 0 after its row, a replay before it.
    #[test]
    fn a_value_of_step_0_counts_the_same_before_and_after_its_row() {
        let run = |before: bool| {
            let mut judge = Judge::new(StopRule::on("val_loss").patience(2).into());
            let zero = |judge: &mut Judge| judge.log(0, [("val_loss", 0.5)].into_iter());
            if before {
                zero(&mut judge);
            }
            judge.judge(0, Status::Ok, &|_| None);
            if !before {
                zero(&mut judge);
            }
            for step in [47, 94, 141] {
                judge.log(step, [("val_loss", 1.0)].into_iter());
                judge.judge(step + 1, Status::Ok, &|_| None);
            }
            judge.stop().map(|stop| stop.measured_step)
        };
        assert_eq!((run(true), run(false)), (Some(94), Some(94)));
    }

    #[test]
    fn after_the_last_analysed_step_values_still_count() {
        let mut judge = Judge::new(StopRule::on("val_loss").patience(2).into());
        judge.log(5, [("val_loss", 1.0)].into_iter());
        judge.judge(10, Status::Ok, &|_| None);
        for step in [15, 20, 25] {
            judge.log(step, [("val_loss", 2.0)].into_iter());
        }
        assert_eq!(judge.stop().unwrap().measured_step, 20);
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

    /// The last value counts once a later step is reported, in a recorded run as in a live one.
    #[test]
    fn the_last_value_of_a_recorded_run_counts_if_a_step_came_after_it() {
        for (last, stopped) in [(10, None), (11, Some(10))] {
            let mut judge = Judge::new(StopRule::on("val_loss").patience(1).into());
            let series = vec![(3, 1.0), (10, 2.0)];
            let metrics = BTreeMap::from([("val_loss".to_owned(), series)]);
            let mut logged = Logged::of(&judge, &metrics);
            logged.up_to(5, &mut judge).unwrap();
            judge.judge(5, Status::Ok, &|_| None);
            logged.up_to(last, &mut judge).unwrap();
            assert_eq!(judge.stop().map(|stop| stop.measured_step), stopped);
        }
    }

    /// Two quantities with their own clocks, logged at the same steps.
    #[test]
    fn a_recorded_run_is_judged_in_the_order_of_its_steps() {
        let rule = || StopRule::on("a").patience(2).or(StopRule::on("b").patience(1));
        let values = |step: u64| [("a", step as f64), ("b", step as f64)];
        let mut live = Judge::new(rule());
        let mut again = Judge::new(rule());
        let series = |k: usize| (1..=6).map(|n| (7 * n, values(7 * n)[k].1)).collect::<Vec<_>>();
        let metrics = BTreeMap::from([("a".to_owned(), series(0)), ("b".to_owned(), series(1))]);
        let mut logged = Logged::of(&again, &metrics);
        for step in 1..=50 {
            live.log(step, std::iter::empty());
            if step % 7 == 0 && step <= 42 {
                live.log(step, values(step).into_iter());
            }
            if step % 10 == 0 {
                live.judge(step, Status::Ok, &|_| None);
                logged.up_to(step, &mut again).unwrap();
                again.judge(step, Status::Ok, &|_| None);
            }
        }
        assert_eq!(live.stop(), again.stop());
        assert_eq!(live.stop().unwrap().measured_step, 14, "b is worse before a is twice");
    }

    /// Improves up to step 2, and never again; rolled back before step 4, which the row of step 5 is
    /// the first to see.
    #[test]
    fn a_rollback_starts_patience_again_and_keeps_the_best() {
        let stopped = |rollback: bool, own_clock: bool| {
            let mut judge = Judge::new(StopRule::on("loss").min().patience(3).into());
            for step in 1..=20 {
                let value = if step <= 2 { -(step as f64) } else { 0.0 };
                let back = (rollback && step == 4).then_some((ROLLED_BACK, 2.0));
                judge.log(step, [("loss", value)].into_iter().chain(back));
                if !own_clock || step == 20 {
                    judge.judge(step, Status::Ok, &|_| (!own_clock).then_some(value));
                }
            }
            judge.log(21, std::iter::empty());
            let stop = judge.stop().unwrap();
            assert!(stop.reason.contains("best -2 (step 2)"), "{}", stop.reason);
            stop.measured_step
        };
        for own_clock in [false, true] {
            assert_eq!([false, true].map(|back| stopped(back, own_clock)), [5, 6], "{own_clock}");
        }
    }

    #[test]
    fn a_recorded_rollback_is_judged_as_a_live_one() {
        let mut judge = Judge::new(StopRule::on("loss").min().patience(3).into());
        let loss = (1..=20).map(|step| (step, (step as f64 - 2.0).abs())).collect();
        let back = vec![(4, 2.0)];
        let metrics = BTreeMap::from([("loss".to_owned(), loss), (ROLLED_BACK.to_owned(), back)]);
        let mut logged = Logged::of(&judge, &metrics);
        for step in 1..=20 {
            logged.up_to(step, &mut judge).unwrap();
            judge.judge(step, Status::Ok, &|_| Some((step as f64 - 2.0).abs()));
        }
        assert_eq!(judge.stop().unwrap().measured_step, 6);
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
