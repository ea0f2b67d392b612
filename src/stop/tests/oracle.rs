//! A second implementation, after the description of Lightning's `EarlyStopping`: a signed
//! min_delta, an infinite first best score, negated operands for divergence.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

struct EarlyStopping<'a> {
    rule: &'a QuantityRule,
    monitor_op: fn(&f64, &f64) -> bool,
    min_delta: f64,
    best_score: f64,
    wait_count: u64,
    should_stop: bool,
}

impl<'a> EarlyStopping<'a> {
    fn new(rule: &'a QuantityRule) -> Self {
        let min = rule.mode == Mode::Min;
        Self {
            rule,
            monitor_op: if min { f64::lt } else { f64::gt },
            min_delta: rule.min_delta * if min { -1.0 } else { 1.0 },
            best_score: if min { INF } else { -INF },
            wait_count: 0,
            should_stop: false,
        }
    }

    /// Judges every row, also after a stop.
    fn row(&mut self, step: u64, value: Value) {
        let current = match value {
            _ if step < self.rule.start_from_step => return,
            Value::Absent => return,
            Value::NotFinite if !self.rule.check_finite => return,
            Value::NotFinite => NAN,
            Value::Is(x) => x,
        };
        let op = self.monitor_op;
        let QuantityRule { stopping_threshold: stopping, divergence_threshold: divergence, .. } =
            self.rule;
        let beyond = (self.rule.check_finite && !current.is_finite())
            || stopping.is_some_and(|threshold| op(&current, &threshold))
            || divergence.is_some_and(|threshold| op(&-current, &-threshold));
        if beyond {
            self.should_stop = true;
        } else if op(&(current - self.min_delta), &self.best_score) {
            self.best_score = current;
            self.wait_count = 0;
            self.should_stop = false;
        } else {
            self.wait_count += 1;
            self.should_stop = self.wait_count >= self.rule.patience;
        }
    }
}

/// Quarters, so that ties and gains of exactly min_delta are frequent.
fn quarters() -> impl Strategy<Value = f64> {
    (-6_i8..=6).prop_map(|n| f64::from(n) / 4.0)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        24 => quarters().prop_map(Value::Is),
        1 => prop::sample::select(vec![NAN, INF, -INF]).prop_map(Value::Is),
        1 => Just(Value::NotFinite),
        4 => Just(Value::Absent),
    ]
}

fn quantity_rule() -> impl Strategy<Value = QuantityRule> {
    let threshold = || prop::option::weighted(0.3, quarters());
    (
        prop::sample::select(vec!["E", "loss", "accuracy"]),
        prop::sample::select(vec![Mode::Min, Mode::Max]),
        1_u64..5,
        prop::sample::select(vec![0.0, 0.25, 0.5]),
        any::<bool>(),
        threshold(),
        threshold(),
        0_u64..8,
    )
        .prop_map(
            |(monitor, mode, patience, min_delta, check, stopping, divergence, start)| {
                QuantityRule {
                    stopping_threshold: stopping,
                    divergence_threshold: divergence,
                    check_finite: check,
                    ..StopRule::on(monitor)
                        .mode(mode)
                        .patience(patience)
                        .min_delta(min_delta)
                        .start_from_step(start)
                }
            },
        )
}

fn rule() -> impl Strategy<Value = StopRule> {
    let leaf = quantity_rule().prop_map(StopRule::from);
    leaf.prop_recursive(3, 8, 2, |side| {
        (side.clone(), side, any::<bool>())
            .prop_map(|(a, b, and)| if and { a.and(b) } else { a.or(b) })
    })
}

/// E, loss and accuracy at steps 0, 1, 2, ...
fn rows() -> impl Strategy<Value = Vec<[Value; 3]>> {
    prop::collection::vec([value(), value(), value()], 0..40)
}

fn pick(row: &[Value; 3], name: &str) -> Value {
    match name {
        "E" => row[0],
        "loss" => row[1],
        "accuracy" => row[2],
        _ => Value::Absent,
    }
}

fn feed(state: &mut RuleState, rule: &StopRule, first: u64, rows: &[[Value; 3]]) {
    for (step, row) in (first..).zip(rows) {
        let value = |name: &str| pick(row, name);
        state.observe(rule, step, &value);
    }
}

/// Whether the current verdicts, from left to right, amount to a stop.
fn amounts_to_stop(rule: &StopRule, verdicts: &mut impl Iterator<Item = bool>) -> bool {
    match rule {
        StopRule::On(_) => verdicts.next().unwrap(),
        StopRule::And(a, b) => amounts_to_stop(a, verdicts) & amounts_to_stop(b, verdicts),
        StopRule::Or(a, b) => amounts_to_stop(a, verdicts) | amounts_to_stop(b, verdicts),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(20),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn one_quantity_agrees_at_every_row(quantity in quantity_rule(), rows in rows()) {
        // Joined with a rule that never speaks, the quantity is judged on past its first stop.
        let rule = quantity.clone().and(StopRule::on("never logged"));
        let mut state = RuleState::new(&rule);
        let mut oracle = EarlyStopping::new(&quantity);
        for (step, row) in (0..).zip(&rows) {
            feed(&mut state, &rule, step, std::slice::from_ref(row));
            oracle.row(step, pick(row, &quantity.monitor));
            let ours = &state.quantities()[0];
            prop_assert_eq!(ours.verdict.is_some(), oracle.should_stop);
            prop_assert_eq!(ours.wait, oracle.wait_count);
            let best = ours.best.map_or(quantity.mode.worst(), |best| best.value);
            prop_assert_eq!(best, oracle.best_score);
        }
        prop_assert_eq!(state.stop(), None);
    }

    #[test]
    fn combinations_stop_at_the_same_row(rule in rule(), rows in rows()) {
        let mut oracles: Vec<_> = rule.leaves().into_iter().map(EarlyStopping::new).collect();
        let mut expected = None;
        for (step, row) in (0..).zip(&rows) {
            for oracle in &mut oracles {
                oracle.row(step, pick(row, &oracle.rule.monitor));
            }
            let mut verdicts = oracles.iter().map(|oracle| oracle.should_stop);
            if amounts_to_stop(&rule, &mut verdicts) {
                expected = expected.or(Some(step));
            }
        }
        let mut state = RuleState::new(&rule);
        feed(&mut state, &rule, 0, &rows);
        prop_assert_eq!(state.stop().map(|stop| stop.measured_step), expected);
    }

    #[test]
    fn an_interruption_changes_nothing(
        rule in rule(),
        rows in rows(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut whole = RuleState::new(&rule);
        feed(&mut whole, &rule, 0, &rows);

        let cut = cut.index(rows.len() + 1);
        let mut first = RuleState::new(&rule);
        feed(&mut first, &rule, 0, &rows[..cut]);
        let state = serde_json::to_string(&first).unwrap();
        let rule: StopRule = serde_json::from_str(&serde_json::to_string(&rule).unwrap()).unwrap();
        let mut second: RuleState = serde_json::from_str(&state).unwrap();
        prop_assert_eq!(&second, &first);
        feed(&mut second, &rule, cut as u64, &rows[cut..]);
        prop_assert_eq!(second, whole);
    }
}
