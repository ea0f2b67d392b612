//! Stop rules on recorded runs that were stopped, or were not.

mod loops;

use std::path::Path;

use loops::{set_weights, weights_at};
use neuromfa::backtest::{Grid, History};
use neuromfa::{Mode, Monitor, Samples, StopRule};

/// A loss that falls to its lowest at step 60 and then rises by a tenth.
fn loss(step: u64) -> f64 {
    let x = step as f64;
    if step <= 60 { 4.0 - 0.05 * x } else { 1.0 + 0.1 * (x - 60.0) / 60.0 }
}

/// 120 steps, every 5th analysed; whether the rule stopped it, and at which measured step.
fn run(folder: &Path, rule: Option<StopRule>) -> Option<u64> {
    let weights = weights_at(0);
    let mut builder = Monitor::builder(folder)
        .every(5)
        .sampled(Samples { neurons: 16, samples: 4, seed: 7 })
        .without_layers()
        .threads(1);
    if let Some(rule) = rule {
        builder = builder.stop_when(rule);
    }
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    for step in 1..=120 {
        // Growth that ends at step 70: E_stable then stays.
        set_weights(&weights, step.min(70));
        let verdict = monitor.step(step, &[("loss", loss(step))]).unwrap();
        monitor.flush().unwrap();
        if verdict.should_stop() {
            break;
        }
    }
    monitor.finish().unwrap().stop().map(|stop| stop.measured_step)
}

#[test]
fn a_rule_stops_here_where_it_stopped_live() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    assert_eq!(run(&whole, None), None);
    let history = History::read(&whole, None).unwrap();
    assert_eq!(history.loss(), "loss");
    let mut stopped = 0;
    for (k, (monitor, mode, patience, min_delta)) in [
        ("E_stable", Mode::Max, 3, 0.0),
        ("E_stable", Mode::Max, 2, 0.05),
        ("E", Mode::Max, 4, 0.001),
        ("loss", Mode::Min, 3, 0.0),
        ("loss", Mode::Min, 20, 0.0),
    ]
    .into_iter()
    .enumerate()
    {
        let rule: StopRule =
            StopRule::on(monitor).mode(mode).patience(patience).min_delta(min_delta).into();
        let live = run(&dir.path().join(k.to_string()), Some(rule.clone()));
        assert_eq!(history.try_rule(&rule).unwrap().stop, live, "{rule}");
        stopped += usize::from(live.is_some());
    }
    assert_eq!(stopped, 4, "the patience of 20 does not end");
}

#[test]
fn what_is_saved_and_given_up_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), None);
    let history = History::read(dir.path(), Some("loss")).unwrap();
    // The loss at analysed steps is lowest at 60; three later ones make 75.
    let rule = StopRule::on("loss").patience(3).into();
    let late = history.try_rule(&rule).unwrap();
    assert_eq!((late.stop, late.saved, late.saved_share), (Some(75), 45, 45.0 / 120.0));
    assert_eq!((late.loss, late.given_up), (Some(loss(60)), Some(0.0)));
    // Stopped at once where it is below 3: at step 25, of 2.75.
    let rule = StopRule::on("loss").patience(99).stopping_threshold(3.0).into();
    let early = history.try_rule(&rule).unwrap();
    assert_eq!(early.stop, Some(25));
    assert_eq!(early.given_up, Some(loss(25) - loss(60)));
    let never = history.try_rule(&StopRule::on("loss").patience(99).into()).unwrap();
    assert_eq!((never.stop, never.saved, never.given_up), (None, 0, Some(0.0)));
    let error = History::read(dir.path(), Some("accuracy")).unwrap_err().to_string();
    assert!(error.contains("accuracy") && error.contains("logged were: loss"), "{error}");
}

#[test]
fn the_grid_is_ranked_by_what_it_saves_within_the_tolerance() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), None);
    let runs = [History::read(dir.path(), None).unwrap()];
    let mut grid = Grid::on("E_stable", Mode::Max);
    (grid.patience, grid.min_delta) = (vec![2, 5], vec![0.0, 0.05]);
    let trials = grid.try_on(&runs, 0.01).unwrap();
    assert_eq!(trials.len(), 8, "four rules, and four on the loss");
    assert_eq!(trials.iter().filter(|trial| trial.baseline).count(), 4);
    let within: Vec<bool> = trials.iter().map(|t| t.given_up_share().unwrap() <= 0.01).collect();
    assert!(within.is_sorted_by(|a, b| a >= b), "{within:?}");
    let saved: Vec<f64> = trials
        .iter()
        .zip(&within)
        .filter(|(_, within)| **within)
        .map(|(trial, _)| trial.saved_share())
        .collect();
    assert!(saved.is_sorted_by(|a, b| a >= b), "{saved:?}");
}
