//! Stop steps computed by hand; `oracle` does the same for random runs.

mod oracle;

use super::*;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Row i is step 10 i; its columns are the quantities that it has.
fn run(rule: &StopRule, rows: &[&[(&str, Value)]]) -> RuleState {
    let mut state = RuleState::new(rule);
    for (step, row) in (0..).step_by(10).zip(rows) {
        let value = |name: &str| {
            let column = row.iter().find(|(column, _)| *column == name);
            column.map_or(Value::Absent, |(_, value)| *value)
        };
        let verdict = state.observe(rule, step, &value);
        assert_eq!(verdict.as_ref(), state.stop());
    }
    state
}

/// E takes these values, one a row.
fn run_e(rule: impl Into<StopRule>, values: &[f64]) -> RuleState {
    let rows: Vec<_> = values.iter().map(|&x| [("E", Value::Is(x))]).collect();
    let rows: Vec<&[_]> = rows.iter().map(|row| &row[..]).collect();
    run(&rule.into(), &rows)
}

/// The row at which a run of E stops.
fn row_of_stop(rule: impl Into<StopRule>, values: &[f64]) -> Option<u64> {
    run_e(rule, values).stop().map(|stop| stop.measured_step / 10)
}

fn e() -> QuantityRule {
    StopRule::on("E")
}

#[test]
fn stop_rows_worked_out_by_hand() {
    type Case = (&'static str, QuantityRule, &'static [f64], Option<u64>);
    #[rustfmt::skip]
    let cases: &[Case] = &[
        ("default patience is 3, min", e(), &[5., 4., 4., 4., 4.], Some(4)),
        ("default min: rising never improves", e(), &[1., 2., 3., 4.], Some(3)),
        ("max: rising always improves", e().max(), &[1., 2., 3., 4., 5.], None),
        ("max: falling never improves", e().max(), &[4., 3., 2., 1.], Some(3)),
        ("patience 1", e().patience(1), &[5., 4., 4.], Some(2)),
        ("an improvement resets the count", e().patience(2), &[5., 6., 4., 6., 3., 6., 6.], Some(6)),
        ("compared with the best, not the last", e().patience(2), &[1., 5., 4.], Some(2)),
        ("one step short of the patience", e().max().patience(4), &[4., 3., 2., 1.], None),

        ("min: a gain equal to min_delta is none", e().patience(1).min_delta(0.5), &[3., 2.5], Some(1)),
        ("min: a gain above min_delta", e().patience(1).min_delta(0.5), &[3., 2.25, 1.5, 1.25], Some(3)),
        ("max: a gain equal to min_delta is none", e().max().patience(1).min_delta(0.5), &[1., 1.5], Some(1)),
        ("max: a gain above min_delta", e().max().patience(1).min_delta(0.5), &[1., 1.75, 2.5, 2.75], Some(3)),
        ("small gains add up against the best", e().max().patience(2).min_delta(0.5), &[1., 1.4, 1.8, 2.2, 2.6], None),
        ("too small gains add up too late", e().max().patience(2).min_delta(0.5), &[1., 1.25, 1.5], Some(2)),

        ("NaN stops", e(), &[5., NAN, 4.], Some(1)),
        ("+inf stops, even as the best", e().max(), &[5., INF], Some(1)),
        ("-inf stops, even as the best", e(), &[-INF], Some(0)),
        ("unchecked NaN is no improvement", e().patience(2).ignore_not_finite(), &[5., NAN, 4., NAN, NAN], Some(4)),
        ("unchecked NaN first, then a value", e().patience(2).ignore_not_finite(), &[NAN, 5., NAN, NAN], Some(3)),
        ("unchecked infinity is the best for good", e().max().patience(2).ignore_not_finite(), &[INF, 1., INF], Some(2)),
        ("unchecked worst infinity never counts", e().max().patience(2).ignore_not_finite(), &[-INF, -INF], Some(1)),

        ("min: below the stopping threshold", e().stopping_threshold(2.), &[3., 2., 1.75], Some(2)),
        ("max: above the stopping threshold", e().max().stopping_threshold(2.), &[1., 2., 2.25], Some(2)),
        ("the stopping threshold precedes patience", e().max().patience(1).stopping_threshold(2.), &[1., 3.], Some(1)),
        ("min: above the divergence threshold", e().patience(9).divergence_threshold(2.), &[1., 2., 2.25], Some(2)),
        ("max: below the divergence threshold", e().max().patience(9).divergence_threshold(-0.5), &[0., -0.5, -0.75], Some(2)),
        ("divergence at the first row", e().divergence_threshold(2.), &[3.], Some(0)),
        ("unchecked NaN passes no threshold", e().ignore_not_finite().stopping_threshold(2.).divergence_threshold(9.), &[5., NAN, NAN], None),
        ("unchecked infinity diverges", e().ignore_not_finite().divergence_threshold(9.), &[5., INF], Some(1)),

        ("earlier rows are not counted", e().patience(2).start_from_step(20), &[5., 6., 7., 8., 9.], Some(4)),
        ("earlier rows are not the best", e().patience(2).start_from_step(20), &[1., 1., 7., 6., 5.], None),
        ("earlier rows are not checked", e().start_from_step(20), &[NAN, INF, 1., NAN], Some(3)),
        ("between rows: the next one counts", e().patience(1).start_from_step(11), &[5., 4., 4., 4.], Some(3)),
    ];
    for (what, rule, values, expected) in cases {
        assert_eq!(row_of_stop(rule.clone(), values), *expected, "{what}");
    }
}

#[test]
fn the_first_verdict_is_final() {
    let stopped = run_e(e().max().patience(1), &[2., 1.]);
    assert!(stopped.stop().is_some());
    let later = run_e(e().max().patience(1), &[2., 1., 9., NAN]);
    assert_eq!(later, stopped);
}

#[test]
fn rows_without_the_quantity() {
    use Value::*;
    let rows = |cells: &[Value]| cells.iter().map(|&v| [("E", v)]).collect::<Vec<_>>();
    let stop = |rule: QuantityRule, cells: &[Value]| {
        let rows = rows(cells);
        let rows: Vec<&[_]> = rows.iter().map(|row| &row[..]).collect();
        let state = run(&rule.into(), &rows);
        state.stop().map(|stop| stop.measured_step / 10)
    };
    let patient = e().patience(2);
    let gaps = [Is(5.), Absent, Is(6.), Absent, Absent, Is(7.)];
    assert_eq!(stop(patient.clone(), &gaps), Some(5));
    let broken = [Is(5.), Is(6.), NotFinite, Is(7.)];
    assert_eq!(stop(patient.clone(), &broken), Some(2));
    assert_eq!(stop(patient.ignore_not_finite(), &broken), Some(3));
}

/// E and loss, one pair a row; NaN marks a row that lacks the quantity.
fn run_pairs(rule: &StopRule, pairs: &[(f64, f64)]) -> RuleState {
    let cell = |x: f64| {
        if x.is_nan() { Value::Absent } else { Value::Is(x) }
    };
    let rows: Vec<_> =
        pairs.iter().map(|&(e, loss)| [("E", cell(e)), ("loss", cell(loss))]).collect();
    let rows: Vec<&[_]> = rows.iter().map(|row| &row[..]).collect();
    run(rule, &rows)
}

fn row_of_pairs(rule: &StopRule, pairs: &[(f64, f64)]) -> Option<u64> {
    let state = run_pairs(rule, pairs);
    state.stop().map(|stop| stop.measured_step / 10)
}

#[test]
fn and_needs_both_at_one_row() {
    let settled = e().max().patience(2);
    let learned = StopRule::on("loss").stopping_threshold(0.5).patience(99);
    let both = settled.and(learned);
    // E settles at row 2 and still is when the loss is low.
    let row = row_of_pairs(&both, &[(2., 1.), (1., 1.), (1., 1.), (1., 0.25)]);
    assert_eq!(row, Some(3));
    // E improves again at row 3 and takes its verdict back, until row 5.
    let pairs = [(2., 1.), (1., 1.), (1., 1.), (3., 0.25), (1., 0.25), (1., 0.25)];
    assert_eq!(row_of_pairs(&both, &pairs), Some(5));
    // The loss leaves its threshold again before E settles.
    let row = row_of_pairs(&both, &[(2., 1.), (1., 0.25), (1., 1.)]);
    assert_eq!(row, None);
}

#[test]
fn and_holds_the_verdict_of_an_absent_side() {
    let both = e().max().patience(1).and(StopRule::on("loss").stopping_threshold(0.5));
    let state = run_pairs(&both, &[(2., 0.25), (NAN, NAN), (1., NAN)]);
    let stop = state.stop().unwrap();
    assert_eq!(stop.measured_step, 20);
    assert_eq!(
        stop.reason,
        "E did not improve on its best 2 (step 0) in 1 analysed step (last 1); \
         and loss = 0.25 is below the stopping threshold 0.5, measured at step 0"
    );
}

#[test]
fn or_needs_one() {
    let either = e().max().patience(2).or(StopRule::on("loss"));
    let row = row_of_pairs(&either, &[(2., 4.), (1., 3.), (1., 2.)]);
    assert_eq!(row, Some(2));
    let row = row_of_pairs(&either, &[(2., 4.), (3., 4.), (4., 4.), (5., 4.)]);
    assert_eq!(row, Some(3));
    // Where both say stop at one row, the left side speaks.
    let reason = |pairs| run_pairs(&either, pairs).stop().map(|stop| stop.reason.clone());
    let right = reason(&[(2., INF)]);
    assert_eq!(right.as_deref(), Some("loss is inf, not finite"));
    let left = reason(&[(INF, INF)]);
    assert_eq!(left.as_deref(), Some("E is inf, not finite"));
}

#[test]
fn reasons_say_the_numbers() {
    let reason =
        |rule: QuantityRule, values: &[f64]| run_e(rule, values).stop().unwrap().reason.clone();
    assert_eq!(
        reason(e().max().patience(2).min_delta(0.001), &[0.1, 0.153_200_001, 0.1531, 0.1529]),
        "E did not improve by more than 0.001 on its best 0.1532 (step 10) in 2 analysed steps \
         (last 0.1529)"
    );
    assert_eq!(
        reason(e().ignore_not_finite().patience(1), &[NAN]),
        "E never improved in 1 analysed step (last NaN)"
    );
    assert_eq!(reason(e(), &[1e-9, NAN]), "E is NaN, not finite; its best was 1e-9 (step 0)");
    assert_eq!(reason(e(), &[-INF]), "E is -inf, not finite");
    assert_eq!(
        reason(e().max().stopping_threshold(0.2), &[0.200_000_000_1]),
        "E = 0.2000000001 is above the stopping threshold 0.2"
    );
    assert_eq!(
        reason(e().max().divergence_threshold(-0.1), &[-0.5]),
        "E = -0.5 is below the divergence threshold -0.1"
    );
    assert_eq!(
        reason(e().divergence_threshold(3.), &[4.]),
        "E = 4 is above the divergence threshold 3"
    );
    let broken = run(&e().into(), &[&[("E", Value::NotFinite)]]);
    assert_eq!(broken.stop().unwrap().reason, "E has no value: weights or inputs are not finite");
}

#[test]
fn a_rule_reads_as_one_line() {
    let full = e()
        .max()
        .patience(5)
        .min_delta(1e-3)
        .ignore_not_finite()
        .stopping_threshold(0.2)
        .divergence_threshold(-0.1)
        .start_from_step(1000);
    assert_eq!(
        full.to_string(),
        "E (max) not improved by more than 0.001 in 5 analysed steps, or above 0.2, \
         or below -0.1, from step 1000 on"
    );
    let plain = e().patience(1);
    assert_eq!(
        plain.clone().or(plain.clone()).and(plain.clone()).to_string(),
        format!("(({plain}) or ({plain})) and ({plain})")
    );
}

#[test]
fn a_rule_survives_json_under_lightnings_names() {
    let rule = e().max().stopping_threshold(0.1 + 0.2).or(StopRule::on("loss").start_from_step(7));
    let json = serde_json::to_value(&rule).unwrap();
    assert_eq!(
        json["or"][0]["on"],
        serde_json::json!({
            "monitor": "E", "mode": "max", "patience": 3, "min_delta": 0.0, "check_finite": true,
            "stopping_threshold": 0.1 + 0.2, "divergence_threshold": null, "start_from_step": 0
        })
    );
    assert_eq!(serde_json::from_value::<StopRule>(json).unwrap(), rule);
    assert_eq!(rule.clone().and(e()).quantities(), ["E", "loss"]);
}

#[test]
fn a_state_shows_what_a_person_wants_to_see() {
    let state = run_e(e().max().ignore_not_finite(), &[0.5, 0.25]);
    let mut expected = serde_json::json!({
        "stop": null,
        "quantities": [
            {"monitor": "E", "best": {"value": 0.5, "step": 0}, "wait": 1, "verdict": null}
        ]
    });
    assert_eq!(serde_json::to_value(&state).unwrap(), expected);
    let infinite = run_e(e().max().ignore_not_finite(), &[INF, 0.25]);
    expected["quantities"][0]["best"]["value"] = "inf".into();
    assert_eq!(serde_json::to_value(&infinite).unwrap(), expected);
}

#[test]
fn refused_rules_name_the_value_the_range_and_the_way_out() {
    let computed = ["E", "alpha0"];
    let crossed = e().stopping_threshold(0.2).divergence_threshold(-0.1);
    #[rustfmt::skip]
    let refused: &[(StopRule, &[&str])] = &[
        (StopRule::on(" ").into(), &["name", "empty", "\"loss\""]),
        (StopRule::on("e").into(), &["\"e\"", "\"E\"", "another name"]),
        (StopRule::on("ALPHA0").into(), &["\"ALPHA0\"", "\"alpha0\""]),
        (e().patience(0).into(), &["\"E\"", "patience is 0", "1 or more", "with 1"]),
        (e().min_delta(NAN).into(), &["\"E\"", "min_delta is NaN", "0 or more"]),
        (e().min_delta(-1e-9).into(), &["min_delta is -1e-9", "max()"]),
        (e().min_delta(INF).into(), &["min_delta is inf", "finite"]),
        (e().stopping_threshold(NAN).into(), &["stopping_threshold is NaN", "leave it out"]),
        (e().divergence_threshold(-INF).into(), &["divergence_threshold is -inf", "finite"]),
        (crossed.clone().into(), &["mode min", "0.2", "-0.1", "lower", "max()"]),
        (e().max().stopping_threshold(1.).divergence_threshold(2.).into(), &["mode max", "higher", "min()"]),
        (e().or(e().and(StopRule::on("loss").patience(0))), &["\"loss\"", "patience"]),
    ];
    for (rule, parts) in refused {
        let message = rule.check(&computed).unwrap_err().to_string();
        for part in *parts {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }
    let names_of_the_loop = StopRule::on("e").and(StopRule::on("val/accuracy").max());
    assert_eq!(names_of_the_loop.check(&["e", "E"]), Ok(()));
    let sound = crossed.max().min_delta(0.0).patience(1);
    assert_eq!(StopRule::from(sound).check(&computed), Ok(()));
}
