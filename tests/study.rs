//! Rules compared on synthetic runs, whose best stop is known.

#[allow(dead_code)] // what only its main calls
#[path = "../examples/stopping_study/grokking.rs"]
mod grokking;
mod loops;

use std::path::Path;

use loops::synthetic::{Column, write_run};
use neuromfa::internals::backtest::{
    Entry, Field, Judged, Resamples, Standing, Study, StudyError, StudyOptions, StudyRun,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const STEPS: u64 = 100;

fn options() -> StudyOptions {
    StudyOptions {
        judge: "test_loss".to_owned(),
        smooth: 1,
        epsilon: 0.02,
        full_cost: 0.1,
        monitors: vec!["E".to_owned()],
        loss: None,
        train_loss: None,
    }
}

/// Falls to its lowest at `best`, and rises after it.
fn loss(step: u64, best: u64) -> f64 {
    let away = step as f64 - best as f64;
    1.0 + if away < 0.0 { away * away / 2000.0 } else { away / 100.0 }
}

/// Writes runs of some families with four seeds each; `e` gives E of a run from its family and best step,
/// with noise.
fn write(
    dir: &Path,
    families: u64,
    seed: u64,
    mut e: impl FnMut(u64, u64, &mut dyn FnMut() -> f64) -> f64,
) -> Vec<StudyRun> {
    let mut runs = Vec::new();
    for family in 0..families {
        for group in 0..4 {
            let mut rng = ChaCha8Rng::seed_from_u64(1000 * seed + 10 * family + group);
            let best = rng.random_range(20 + 5 * family..50 + 5 * family);
            let mut noise = || -> f64 { StandardNormal.sample(&mut rng) };
            let mut at = |value: &mut dyn FnMut(u64, &mut dyn FnMut() -> f64) -> f64| {
                (0..=STEPS).map(|step| value(step, &mut noise)).collect::<Vec<f64>>()
            };
            let e = at(&mut |step, noise| e(step, best, noise));
            let validation = at(&mut |step, noise| loss(step, best) + 0.15 * noise());
            let get = |values: &[f64], step: u64| Some(values[step as usize]);
            let computed: [Column; 2] =
                [("E", &|step| get(&e, step)), ("weight_norm", &|step| Some(step as f64))];
            let logged: [Column; 3] = [
                ("loss", &|step| Some(1.0 / (1.0 + step as f64))),
                ("val_loss", &|step| get(&validation, step)),
                ("test_loss", &|step| Some(loss(step, best))),
            ];
            let folder = dir.join(format!("{family}-{group}"));
            write_run(&folder, STEPS, &computed, &logged);
            let [family, group] = [family, group].map(|number| number.to_string());
            runs.push(StudyRun::read(&folder, "test_loss", family, group).unwrap());
        }
    }
    runs
}

fn standing<'s>(study: &'s Study, rule: &str) -> &'s Standing {
    study.standings.iter().find(|standing| standing.rule == rule).unwrap()
}

#[test]
fn a_rule_that_sees_the_best_stop_is_found() {
    let dir = tempfile::tempdir().unwrap();
    // E peaks at the best step, in each run at another height.
    let runs = write(dir.path(), 4, 1, |step, best, noise| {
        (7 * best % 50) as f64 - (step as f64 - best as f64).abs() + 0.01 * noise()
    });
    let study = options().compare(runs).unwrap();
    let first = &study.standings[0];
    assert_eq!((first.rank, first.rule.as_str(), first.stopped), (Some(1), "E plateau", 16));
    // It waits for three steps after the peak.
    for (family, setting) in &first.settings {
        assert!(setting.starts_with("max, patience 3, min_delta "), "{family}: {setting}");
    }
    assert!(first.stops.iter().all(|stop| (0.0..0.08).contains(&stop.regret)), "{first:?}");
    assert!(first.all.timing.interval.unwrap()[0] > 0.0);
    let beaten = |name: &str| first.tests.iter().find(|test| test.against == name).unwrap();
    for name in ["full budget", "share of budget", "random stops", "weight_norm plateau"] {
        let test = beaten(name);
        assert!(test.better() && test.difference.interval.unwrap()[1] < 0.0, "{test:?}");
        assert!(test.p_holm >= test.p);
    }
    // Holm: the smallest p of all tests counts as often as there are tests.
    let tests: Vec<_> = study.standings.iter().flat_map(|standing| &standing.tests).collect();
    let smallest = tests.iter().min_by(|a, b| a.p.total_cmp(&b.p)).unwrap();
    assert_eq!(smallest.p_holm, smallest.p * tests.len() as f64);
    // The norm grows at every step, and so its plateau never comes.
    let norm = standing(&study, "weight_norm plateau");
    let full = standing(&study, "full budget");
    assert_eq!((norm.stopped, norm.rank, full.rank), (16, norm.rank, None));
    assert!(study.standings.iter().map(|s| s.rank.is_none()).is_sorted());
    assert!(
        study
            .not_judged
            .iter()
            .any(|(name, why)| name == "distance plateau" && why == "no run has it")
    );
    assert_eq!(study.families.len(), 4);
}

#[test]
fn a_rule_is_tuned_on_the_other_family() {
    let dir = tempfile::tempdir().unwrap();
    // E rises through 0 at the best step; in the other family it falls through 0.
    let mut count = 0;
    let runs = write(dir.path(), 2, 2, |step, best, _| {
        count += 1;
        let away = step as f64 - best as f64;
        if count > 4 * (STEPS + 1) { -away } else { away }
    });
    let study = options().compare(runs).unwrap();
    let threshold = standing(&study, "E threshold");
    // What is right for the one is wrong for the other.
    let chosen: Vec<&str> =
        threshold.settings.iter().map(|(_, words)| words.split(' ').next().unwrap()).collect();
    assert_eq!(chosen, ["below", "above"]);
    assert!(threshold.families.iter().all(|of| of.regret.value > 0.5), "{threshold:?}");
}

#[test]
fn a_rule_tuned_on_noise_gains_nothing() {
    let (mut better, mut timing) = (0, Vec::new());
    for seed in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let runs = write(dir.path(), 3, 100 + seed, |_, _, noise| noise());
        let study = options().compare(runs).unwrap();
        for rule in ["E plateau", "E threshold"] {
            let standing = standing(&study, rule);
            let against_clocks = standing.tests.iter().filter(|test| {
                ["share of budget", "random stops"].contains(&test.against.as_str())
            });
            better += against_clocks.filter(|test| test.better()).count();
            timing.push(standing.all.timing);
        }
    }
    assert_eq!(better, 0);
    let above = timing.iter().filter(|t| t.interval.unwrap()[0] > 0.0).count();
    assert!(above <= 3, "{above} of {}", timing.len());
}

/// Stops that miss the best step by a random number of steps, in runs whose loss is a parabola: the regret
/// of a stop is known, and so is its mean.
#[test]
fn intervals_cover_the_truth_in_95_of_100_worlds() {
    const WORLDS: usize = 1000;
    for (families, seeds) in [(4usize, 8usize), (7, 8)] {
        let groups = vec![seeds; families];
        let resamples = Resamples::new(&groups, 1000, 3);
        let mut rng = ChaCha8Rng::seed_from_u64(families as u64);
        let (mut means, mut intervals) = (vec![0.0; families], Vec::new());
        for _ in 0..WORLDS {
            let mut entries = Vec::new();
            let mut stops = Vec::new();
            for family in 0..families {
                for group in 0..seeds {
                    // Two runs of each seed, which miss the best step in the same direction.
                    let seed: f64 = StandardNormal.sample(&mut rng);
                    for _ in 0..2 {
                        let own: f64 = StandardNormal.sample(&mut rng);
                        let spread = 3.0 + 3.0 * family as f64;
                        let missed = spread * (0.7 * seed + 0.7 * own);
                        stops.push(Some((50.0 + missed).round().clamp(0.0, 100.0) as u64));
                        let at = |step: u64| (step, (step as f64 - 50.0).powi(2));
                        let evaluations: Vec<(u64, f64)> = (0..=STEPS).map(at).collect();
                        let analysed = (0..=STEPS).collect();
                        entries.push(Entry {
                            family: family.to_string(),
                            group: group.to_string(),
                            judged: Judged::new(&evaluations, 1, analysed, STEPS).unwrap(),
                        });
                    }
                }
            }
            let judged: Vec<Judged> = entries.iter().map(|entry| entry.judged.clone()).collect();
            let field = Field::new(entries, 0.1).unwrap();
            let regret = |run: usize| field.worth(run, &judged[run].at(stops[run])).regret;
            let values = field.by_group(regret);
            for (family, mean) in means.iter_mut().enumerate() {
                let own = &values[family * seeds..][..seeds];
                *mean += own.iter().sum::<f64>() / (seeds * WORLDS) as f64;
            }
            intervals.push(resamples.estimate(&values).interval.unwrap());
        }
        // The mean of all worlds is the truth to a thirtieth of an interval.
        let truth = means.iter().sum::<f64>() / families as f64;
        let covered = intervals.iter().filter(|i| i[0] <= truth && truth <= i[1]).count();
        println!("{families} families of {seeds} seeds: {covered} of {WORLDS}");
        assert!((930..=970).contains(&covered), "{covered} of {WORLDS}");
    }
}

#[test]
fn what_allows_no_fair_comparison_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let runs = || write(dir.path(), 1, 5, |step, _, _| step as f64);
    let refused = |options: StudyOptions, runs| options.compare(runs).unwrap_err().to_string();
    for (options, expected) in [
        (
            StudyOptions { monitors: vec!["test_loss".to_owned()], ..options() },
            "--monitor test_loss",
        ),
        (StudyOptions { loss: Some("test_loss".to_owned()), ..options() }, "--loss test_loss"),
        (StudyOptions { monitors: vec!["e".to_owned()], ..options() }, "the computed quantity is"),
        (StudyOptions { monitors: vec!["distance".to_owned()], ..options() }, "no run has it"),
    ] {
        let error = refused(options, runs());
        assert!(error.contains(expected), "{error}");
    }
    let mut one = runs();
    one.truncate(1);
    assert!(matches!(options().compare(one).unwrap_err(), StudyError::OneGroup));
    let error = StudyRun::read(&dir.path().join("0-0"), "accuracy", "a".into(), "b".into());
    assert!(error.unwrap_err().to_string().contains("(name one with --judge)"));
    // Judged by what only rises.
    let rising = StudyOptions { judge: "wall".to_owned(), ..options() };
    let folder = dir.path().join("rising");
    let logged: [Column; 1] = [("wall", &|step| Some(step as f64))];
    write_run(&folder, 10, &[("E", &|step| Some(step as f64))], &logged);
    let read = |group: &str| StudyRun::read(&folder, "wall", "r".into(), group.into()).unwrap();
    let error = refused(rising, vec![read("1"), read("2")]);
    assert!(
        error.contains("family r: the judged loss is lowest at the first evaluation"),
        "{error}"
    );
}

#[test]
fn of_one_family_rules_are_tuned_on_the_other_seeds() {
    let dir = tempfile::tempdir().unwrap();
    let peak = |step: u64, best: u64, _: &mut dyn FnMut() -> f64| {
        (7 * best % 50) as f64 - (step as f64 - best as f64).abs()
    };
    let runs = write(dir.path(), 1, 9, peak);
    let study = options().compare(runs).unwrap();
    assert_eq!(study.tuned_on, "the other groups");
    let first = &study.standings[0];
    assert_eq!((first.rule.as_str(), first.settings.len()), ("E plateau", 4));
    // The same again, to the bit, whatever the order of the runs.
    let mut runs = write(dir.path(), 1, 9, peak);
    runs.reverse();
    let again = options().compare(runs).unwrap();
    let json = |study: &Study| serde_json::to_string(study).unwrap();
    assert_eq!(json(&study), json(&again));
}

/// A run of 100 steps whose test loss falls below half for good at step 71, if it groks.
fn modular(seed: u64, groks: bool, e: impl Fn(u64) -> f64) -> grokking::Run {
    let test_loss = |step: u64| match step {
        60..=69 | 71.. if groks => 1.9, // with a step back
        0 => 4.0,
        _ => 40.0,
    };
    let column = |value: &dyn Fn(u64) -> f64| (0..=STEPS).map(|step| (step, value(step))).collect();
    let columns = [("test_loss", column(&test_loss)), ("E", column(&e))];
    grokking::Run { seed, columns: columns.map(|(name, values)| (name.to_owned(), values)).into() }
}

#[test]
fn alarms_before_grokking_by_hand() {
    let mut runs = Vec::new();
    for seed in 0..8 {
        // In the first tenth its median is 0 and its range 1.
        let usual = |step: u64| (step % 2) as f64;
        let strays = |away: f64| move |step| if step == 50 { -away } else { usual(step) };
        runs.push(modular(seed, false, strays(if seed < 5 { 2.0 + seed as f64 } else { 5.0 })));
        // The last one never moves.
        let from = if seed < 7 { 40 + seed } else { 80 };
        runs.push(modular(seed, true, move |step| if step >= from { 5.5 } else { usual(step) }));
    }
    let groks: Vec<Option<u64>> = runs.iter().take(2).map(grokking::Run::groks).collect();
    assert_eq!(groks, [None, Some(71)]);
    let leads = grokking::leads(&runs).unwrap();
    // Of four quiet runs with seeds below 4 none may have an alarm: they stray by 5 at most. Of the others one strays by 6.
    // Leads are 27, 26 and 25 steps, and none: half of them lie in the middle of 26 and 25.
    let expected = grokking::Lead {
        quantity: "E",
        limit: 5.0,
        quiet: 4,
        false_alarms: 1,
        grok: 4,
        warned: 3,
        median: 25.5,
        interval: [f64::NEG_INFINITY, 27.0],
    };
    assert_eq!(leads, [expected]);
    assert_eq!(leads[0].to_string(), "| E | 5.0 | 1 of 4 | 3 of 4 | 25.5 | none to 27 |");
    let error = grokking::leads(&runs[..8]).unwrap_err().to_string();
    assert!(error.contains("of those of the other seeds 0 of 0"), "{error}");
}

#[test]
fn the_loss_before_training_is_in_the_table_of_what_was_logged() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("metrics.csv"), "step,test_loss\n0,4\n5,9\n10,3\n20,1\n")
        .unwrap();
    std::fs::write(
        dir.path().join("emergence.csv"),
        "step,test_loss,E,status\n0,,0,ok\n10,3,,ok\n20,1,2,ok\n",
    )
    .unwrap();
    let run = grokking::Run::read(dir.path(), 0).unwrap();
    assert_eq!(run.columns["test_loss"], [(0, 4.0), (5, 9.0), (10, 3.0), (20, 1.0)]);
    assert_eq!(run.columns["E"], [(0, 0.0), (20, 2.0)]);
    assert_eq!(run.groks(), Some(20));
}

#[test]
fn a_tenth_of_the_quiet_runs_may_have_an_alarm_where_the_limit_is_chosen() {
    let quiet = |k: u64| {
        modular(k % 4, false, move |step| match step {
            0..=10 => (step % 2) as f64,
            _ => k as f64,
        })
    };
    let mut runs: Vec<grokking::Run> = (1..=20).map(quiet).collect();
    runs.push(modular(4, true, |step| (step % 2) as f64));
    runs.push(modular(4, false, |step| (step % 2) as f64));
    let lead = &grokking::leads(&runs).unwrap()[0];
    assert_eq!(lead.limit, 18.0, "two of twenty stray by more");
    assert_eq!((lead.median, lead.warned), (f64::NEG_INFINITY, 0));
}

#[test]
fn the_first_steps_of_a_run_give_no_alarm() {
    let steady = |step: u64| if step <= 10 { (step % 2) as f64 } else { 0.0 };
    let jumps = move |step: u64| if step == 0 { -5.0 } else { steady(step) };
    let mut runs: Vec<grokking::Run> = (0..8).map(|seed| modular(seed, false, steady)).collect();
    runs.extend((4..8).map(|seed| modular(seed, true, jumps)));
    let lead = &grokking::leads(&runs).unwrap()[0];
    assert_eq!((lead.limit, lead.warned, lead.false_alarms), (0.0, 0, 0));
}
