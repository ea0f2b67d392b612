//! A model in pieces over several ranks gives what it gives in one process.

mod loops;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use loops::ranks::{SHARDINGS, Sharding, in_one_process, settings, shard, tables, train, whole};
use loops::weighed::Weighed;
use neuromfa::group::{Communicator, Part, Threads};
use neuromfa::source::Memory;
use neuromfa::{Controls, Error, Monitor, MonitorBuilder, StopRule, Summary, Work};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const LIMIT: Duration = Duration::from_secs(60);

/// The result of each rank.
fn in_a_group<C: Communicator + 'static>(
    run: &Path,
    sharding: Sharding,
    group: Vec<C>,
    (from, to): (u64, u64),
    more: impl Fn(MonitorBuilder) -> MonitorBuilder + Sync,
) -> Vec<Result<(Summary, u64), Error>> {
    let ranks = group.len();
    thread::scope(|scope| {
        let rank = |(rank, communicator): (usize, C)| {
            let more = &more;
            scope.spawn(move || {
                let weights = Memory::new();
                let set = |step| drop(shard(&weights, sharding, (rank, ranks), step));
                let parts = shard(&weights, sharding, (rank, ranks), from);
                let builder = more(settings(Monitor::builder(run))).group(communicator, parts);
                train(builder, &weights, set, to)
            })
        };
        let threads: Vec<_> = group.into_iter().enumerate().map(rank).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_sharding_on_any_number_of_ranks_gives_the_tables_of_one_process() {
    let dir = tempfile::tempdir().unwrap();
    in_one_process(&dir.path().join("one"), 6, |builder| builder);
    let one = tables(&dir.path().join("one"));
    assert!(one.len() >= 7 && one.iter().all(|(_, columns)| !columns[0].1.is_empty()));
    for sharding in SHARDINGS {
        for ranks in [1, 2, 3, 4, 7] {
            let run = dir.path().join(format!("{sharding:?}-{ranks}"));
            let group = Threads::group(ranks, LIMIT);
            let results = in_a_group(&run, sharding, group, (0, 6), |builder| builder);
            let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
            assert!(
                results.iter().all(|(summary, _)| summary.rows() == 3 && *summary == results[0].0)
            );
            assert!(tables(&run) == one, "{sharding:?} on {ranks} ranks");
        }
    }
}

#[test]
fn all_ranks_stop_at_the_same_step_and_resume_where_rank_0_does() {
    let dir = tempfile::tempdir().unwrap();
    let rule = || StopRule::on("loss").stopping_threshold(0.1);
    for work in [Work::Inline, Work::Background] {
        let run = dir.path().join(format!("{work:?}"));
        let stops = |b: MonitorBuilder| b.work(work).stop_when(rule());
        let results = in_a_group(&run, Sharding::Flat, Threads::group(3, LIMIT), (0, 90), stops);
        let last: Vec<u64> = results.into_iter().map(|result| result.unwrap().1).collect();
        assert!(last[0] >= 12 && last[0] < 90 && last[0].is_multiple_of(3), "{last:?}");
        assert!(last.iter().all(|step| *step == last[0]), "{last:?}");
    }

    let one = dir.path().join("one");
    in_one_process(&one, 12, |builder| builder);
    for sharding in [Sharding::Columns, Sharding::Pipeline] {
        let group = dir.path().join(format!("{sharding:?}"));
        for (from, to) in [(0, 6), (6, 12)] {
            let ranks = Threads::group(3, LIMIT);
            let results = in_a_group(&group, sharding, ranks, (from, to), MonitorBuilder::resume);
            results.into_iter().for_each(|result| assert_eq!(result.unwrap().1, to));
        }
        assert!(tables(&group) == tables(&one), "{sharding:?}");
    }
}

#[test]
fn whatever_is_computed_is_that_of_one_process_where_stages_count() {
    type More = fn(MonitorBuilder) -> MonitorBuilder;
    let settings: [(&str, More); 4] = [
        ("sampled", |b| b.without_stable()),
        ("spectra", |b| b.matrix_spectra()),
        ("rescaled start", |b| b.controls(Controls::default().with_rescaled_start())),
        ("first edges", |b| b.baseline_at_first_edges()),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, more) in settings {
        let one = dir.path().join(format!("{name}, one"));
        in_one_process(&one, 6, more);
        let run = dir.path().join(name);
        let results = in_a_group(&run, Sharding::Pipeline, Threads::group(2, LIMIT), (0, 6), more);
        results.into_iter().for_each(|result| drop(result.unwrap()));
        assert!(tables(&run) == tables(&one), "{name}");
    }
}

#[test]
fn an_empty_share_of_a_tensor_is_no_piece_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["0.weight", "2.weight"];
    let steps =
        |weights: &Memory, own: &[usize], parts: Vec<(String, Part)>, group: Option<Threads>| {
            let set = |step| {
                for (k, (name, shape, values)) in whole(step).into_iter().take(2).enumerate() {
                    let (shape, values) = match own.contains(&k) {
                        true => (shape.to_vec(), values),
                        false => (vec![0], Vec::new()),
                    };
                    weights.set(name, &shape, values).unwrap();
                }
            };
            let run = dir.path().join(if group.is_some() { "group" } else { "one" });
            set(0);
            let builder = settings(Monitor::builder(run));
            let builder = match group {
                Some(rank) => builder.group(rank, parts),
                None => builder,
            };
            train(builder, weights, set, 6).unwrap();
        };
    steps(&Memory::new(), &[0, 1], Vec::new(), None);
    thread::scope(|scope| {
        for (number, rank) in Threads::group(2, Duration::MAX).into_iter().enumerate() {
            let (steps, (name, shape, _)) = (&steps, &whole(0)[1 - number]);
            let none = Part::flat(shape, shape[0] * shape[1] * number);
            assert_eq!(*name, names[1 - number]);
            let parts = vec![(name.to_string(), none)];
            scope.spawn(move || steps(&Memory::new(), &[number], parts, Some(rank)));
        }
    });
    assert!(tables(&dir.path().join("group")) == tables(&dir.path().join("one")));
}

#[test]
fn of_layers_that_lie_whole_on_a_rank_only_counts_travel() {
    const WIDE: usize = 700;
    const RANKS: usize = 3;
    let names = ["0.weight", "1.weight", "2.weight"];
    let values = |layer: usize, step: u64| {
        let frozen = if layer == 1 { 0 } else { step };
        let mut rng = ChaCha8Rng::seed_from_u64(layer as u64);
        let scale = 0.1 * (1.0 + frozen as f32);
        (0..WIDE * WIDE).map(|_| (rng.random::<f32>() - 0.5) * scale).collect::<Vec<_>>()
    };
    let dir = tempfile::tempdir().unwrap();
    let watch = |run: &str, builder: MonitorBuilder, layers: &[usize], sent: &AtomicUsize| {
        let weights = Memory::new();
        let set = |step| {
            for &k in layers {
                weights.set(names[k], &[WIDE, WIDE], values(k, step)).unwrap();
            }
        };
        set(0);
        let builder = builder.every(1).quiet().work(Work::Inline);
        let mut monitor = builder.attach_source(weights.clone()).unwrap();
        assert!(dir.path().join(run).join("run.json").is_file());
        let before = sent.load(Ordering::SeqCst);
        for step in 1..=2 {
            set(step);
            let _ = monitor.step(step, &[("loss", 1.0)]).unwrap();
        }
        monitor.finish().unwrap();
        sent.load(Ordering::SeqCst) - before
    };
    let none = AtomicUsize::new(0);
    watch("one", Monitor::builder(dir.path().join("one")), &[0, 1, 2], &none);
    let one = tables(&dir.path().join("one"));
    for replica in [false, true] {
        let run = format!("replica {replica}");
        let sent = Arc::new(AtomicUsize::new(0));
        let travelled = thread::scope(|scope| {
            let rank = |(number, rank)| {
                let communicator = Weighed { rank, sent: Arc::clone(&sent) };
                let (run, sent) = (run.as_str(), &sent);
                let no_parts: [(&str, Part); 0] = [];
                let builder = Monitor::builder(dir.path().join(run)).group(communicator, no_parts);
                let stages: [&[usize]; RANKS] = [&[2], &[0], &[1]];
                let layers: &[usize] = if replica { &[0, 1, 2] } else { stages[number] };
                scope.spawn(move || watch(run, builder, layers, sent))
            };
            let group = Threads::group(RANKS, LIMIT).into_iter().enumerate();
            let threads: Vec<_> = group.map(rank).collect();
            let all = threads.into_iter().map(|thread| thread.join().unwrap());
            all.max().unwrap()
        });
        assert!(tables(&dir.path().join(&run)) == one, "{run}");
        // Two steps, and two of three layers that do not lie on rank 0.
        let weights = 2 * 2 * WIDE * WIDE * size_of::<f32>();
        // Of replicas: words, and the summary at the end.
        let most = if replica { 4000 } else { weights / 2 };
        assert!(travelled < most, "{run}: {travelled} bytes of {weights}");
    }
}

/// Name, shape, value, part.
type Piece = (&'static str, Vec<usize>, f32, Part);

/// What each rank says when these tensors, each with its part, are attached.
fn attached(ranks: Vec<Vec<Piece>>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let group = Threads::group(ranks.len(), LIMIT);
    let said = thread::scope(|scope| {
        let threads = group.into_iter().zip(ranks).map(|(communicator, tensors)| {
            let run = &run;
            scope.spawn(move || {
                let weights = Memory::new();
                for (name, shape, value, _) in &tensors {
                    let values = vec![*value; shape.iter().product()];
                    weights.set(name, shape, values).unwrap();
                }
                let parts = tensors.into_iter().map(|(name, _, _, part)| (name, part));
                let builder = Monitor::builder(run).quiet().group(communicator, parts);
                builder.attach_source(weights).unwrap_err().to_string()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(!run.exists(), "nothing is written");
    said
}

#[test]
fn what_disagrees_is_said_on_every_rank_with_the_ranks_and_the_tensor() {
    let of = [6, 4];
    let rows = |start| Part::slice(&of, 0, start);
    let two = |one, other| vec![vec![one], vec![other]];
    let cases: [(Vec<Vec<_>>, &str); 7] = [
        (
            two(("w", vec![2, 4], 1.0, rows(0)), ("w", vec![3, 4], 1.0, rows(3))),
            "elements 8 to 11 of \"w\", [6, 4], are on no rank; ranks [0, 1] have parts of it",
        ),
        (
            two(("w", vec![4, 4], 1.0, rows(0)), ("w", vec![3, 4], 1.0, rows(3))),
            "element 12 of \"w\", [6, 4], is in two parts, on ranks 0 and 1",
        ),
        (
            two(("w", vec![6, 4], 1.0, Part::whole()), ("w", vec![4, 4], 1.0, Part::whole())),
            "\"w\" is [6, 4] on rank 0 and [4, 4] on rank 1",
        ),
        (
            two(("w", vec![6, 4], 1.0, Part::whole()), ("w", vec![6, 4], 2.0, Part::whole())),
            "ranks 0 and 1 both have \"w\", with different values",
        ),
        (
            two(("w", vec![3, 4], 1.0, rows(0)), ("w", vec![3, 4], 1.0, rows(4))),
            "\"w\" on rank 1: [3, 4] is no slice of axis 0 of [6, 4] from index 4 on",
        ),
        (
            two(("w", vec![20], 1.0, Part::flat(&of, 0)), ("w", vec![5], 1.0, Part::flat(&of, 20))),
            "\"w\" on rank 1: 5 elements from element 20 on do not lie in [6, 4], which has 24",
        ),
        (
            two(("w", vec![6, 4], 1.0, Part::whole()), ("w", vec![6, 4], 1.0, rows(usize::MAX))),
            "\"w\" on rank 1: [6, 4] is no slice",
        ),
    ];
    for (ranks, expected) in cases {
        let said = attached(ranks);
        assert!(said[0].contains(expected), "{}", said[0]);
        assert!(
            said[1].contains("rank 0 could not attach") && said[1].contains(expected),
            "{said:?}"
        );
    }
}

#[test]
fn ranks_with_different_schedules_and_parts_of_nothing_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let number = AtomicUsize::new(1);
    let results =
        in_a_group(dir.path(), Sharding::Rows, Threads::group(2, LIMIT), (0, 6), |builder| {
            builder.every(number.fetch_add(1, Ordering::SeqCst) as u64)
        });
    for result in results {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("rank 1 has another schedule than rank 0"), "{error}");
    }
    let [lone] = Threads::group(1, LIMIT).try_into().unwrap();
    let builder = Monitor::builder(dir.path().join("run")).group(lone, [("absent", Part::whole())]);
    let error = builder.attach_source(Memory::new()).unwrap_err().to_string();
    assert!(error.contains("rank 0: there is no tensor \"absent\""), "{error}");
}
