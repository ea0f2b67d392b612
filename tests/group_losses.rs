//! Ranks that are lost, stall, cannot read their weights, or are at another step: training goes on.

mod loops;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use loops::Table;
use loops::ranks::{Sharding, settings, shard};
use neuromfa::group::{Communicator, Threads};
use neuromfa::network::Parameter;
use neuromfa::source::{Memory, Source, SourceError, Tensor};
use neuromfa::{Monitor, Samples};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const LIMIT: Duration = Duration::from_secs(60);

/// Weights whose reading fails at one step, and panics at another.
struct Unsteady {
    weights: Memory,
    step: Arc<AtomicUsize>,
}

impl Source for Unsteady {
    fn parameters(&self) -> Vec<Parameter> {
        self.weights.parameters()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        match self.step.load(Ordering::SeqCst) {
            3 => panic!("killed by the test"),
            6 => self.weights.tensor("absent"),
            _ => self.weights.tensor(name),
        }
    }
}

#[test]
fn what_a_rank_cannot_count_costs_that_row_alone() {
    quiet_panics();
    let dir = tempfile::tempdir().unwrap();
    for sharding in [Sharding::Pipeline, Sharding::Flat] {
        let run = dir.path().join(format!("{sharding:?}"));
        thread::scope(|scope| {
            for (number, rank) in Threads::group(2, LIMIT).into_iter().enumerate() {
                let run = &run;
                scope.spawn(move || {
                    let (weights, at) = (Memory::new(), Arc::new(AtomicUsize::new(0)));
                    let parts = shard(&weights, sharding, (number, 2), 0);
                    let builder = settings(Monitor::builder(run)).group(rank, parts);
                    let step = if number == 1 { Arc::clone(&at) } else { Arc::default() };
                    let source = Unsteady { weights: weights.clone(), step };
                    let mut monitor = builder.attach_source(source).unwrap();
                    for step in 1..=9 {
                        shard(&weights, sharding, (number, 2), step);
                        at.store(step as usize, Ordering::SeqCst);
                        let said = monitor.step(step, &[]).err().map(|error| error.to_string());
                        let wanted = match (number, step) {
                            (0, 3) => "rank 1: it panicked: killed by the test",
                            (0, 6) => "rank 1: ",
                            _ => "",
                        };
                        assert!(said.unwrap_or_default().contains(wanted), "step {step}");
                    }
                    monitor.finish().unwrap();
                });
            }
        });
        let status = Table::read(&run, "emergence.csv").column("status");
        assert_eq!(status, ["ok", "dropped", "dropped", "ok"], "{sharding:?}");
    }
}

/// Panics of the tests are not printed.
fn quiet_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.to_string().contains("killed by the test") {
            hook(panic);
        }
    }));
}

#[test]
fn ranks_that_report_different_steps_end_with_both_steps() {
    let dir = tempfile::tempdir().unwrap();
    let group = Threads::group(2, LIMIT);
    let said: Vec<String> = thread::scope(|scope| {
        let rank = |(rank, communicator)| {
            let run = dir.path().join("run");
            scope.spawn(move || {
                let weights = Memory::new();
                let parts = shard(&weights, Sharding::Rows, (rank, 2), 0);
                let builder = settings(Monitor::builder(run)).group(communicator, parts);
                let mut monitor = builder.attach_source(weights).unwrap();
                let at = if rank == 0 { 3 } else { 6 };
                let _ = monitor.step(at, &[]);
                let _ = monitor.step(at + 3, &[]);
                monitor.finish().unwrap_err().to_string()
            })
        };
        let threads: Vec<_> = group.into_iter().enumerate().map(rank).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(said[0].contains("rank 1 has left"), "{said:?}");
    assert!(said[1].contains("rank 0 is at step 3, and this rank at step 6"), "{said:?}");
    let status = Table::read(&dir.path().join("run"), "emergence.csv").column("status");
    assert_eq!(status[0], "ok");
    assert_eq!(status[1], "dropped", "weights of different steps are not mixed");
}

/// A rank that is lost, or stalls, at its `after`-th call.
struct Faulty {
    rank: Threads,
    after: usize,
    stalls: bool,
}

impl Faulty {
    fn count(&mut self) {
        self.after = self.after.wrapping_sub(1);
        if self.after == 0 {
            assert!(self.stalls, "killed by the test");
            // Nothing is waited for: this rank is silent until the others have given it up.
            thread::park_timeout(4 * SHORT);
        }
    }
}

const SHORT: Duration = Duration::from_millis(500);

impl Communicator for Faulty {
    fn rank(&self) -> usize {
        self.rank.rank()
    }

    fn size(&self) -> usize {
        self.rank.size()
    }

    fn gather(&mut self, bytes: Vec<u8>) -> std::io::Result<Vec<Vec<u8>>> {
        self.count();
        self.rank.gather(bytes)
    }

    fn broadcast(&mut self, bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
        self.count();
        self.rank.broadcast(bytes)
    }
}

#[test]
fn a_rank_that_dies_or_stalls_ends_monitoring_and_neither_training_nor_files() {
    quiet_panics();
    const RANKS: usize = 3;
    const STEPS: u64 = 9;
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    // How often a rank calls in such a run, about.
    let kinds = [(Sharding::Flat, 30), (Sharding::Pipeline, 16)];
    let mut cut = 0;
    for k in 0..100 {
        let (sharding, calls) = kinds[k % 2];
        let (lost, after) = (rng.random_range(0..RANKS), rng.random_range(1..calls));
        let stalls = [0, 1, 41].contains(&k);
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let limit = if stalls { SHORT } else { LIMIT };
        let group = Threads::group(RANKS, limit).into_iter().enumerate();
        let group = group.map(|(k, rank)| Faulty {
            rank,
            after: if k == lost { after } else { 0 },
            stalls,
        });
        let case = format!("{sharding:?}, rank {lost} after {after} calls, stalls: {stalls}");
        // How far each rank trained, and why its monitoring ended.
        let ends: Vec<_> = thread::scope(|scope| {
            let rank = |(number, communicator)| {
                let run = &run;
                scope.spawn(move || {
                    let weights = Memory::new();
                    let parts = shard(&weights, sharding, (number, RANKS), 0);
                    let builder = Monitor::builder(run).every(2).quiet().without_stable();
                    let builder = builder.sampled(Samples { neurons: 8, samples: 2, seed: 0 });
                    let builder = builder.group(communicator, parts);
                    let mut monitor = match builder.attach_source(weights.clone()) {
                        Ok(monitor) => monitor,
                        Err(error) => return (0, Some(error.to_string())),
                    };
                    let (mut done, mut why) = (0, None);
                    for step in 1..=STEPS {
                        shard(&weights, sharding, (number, RANKS), step);
                        why = why.or(monitor.step(step, &[("loss", 1.0)]).err());
                        done = step;
                    }
                    why = why.or(monitor.finish().err());
                    (done, why.map(|error| error.to_string()))
                })
            };
            let threads: Vec<_> = group.enumerate().map(rank).collect();
            threads.into_iter().map(|thread| thread.join()).map(Result::ok).collect()
        });
        let attached = ends.iter().flatten().any(|(done, _)| *done == STEPS);
        let ended = ends.iter().flatten().any(|(_, why)| why.is_some());
        cut += usize::from(ended);
        for (rank, end) in ends.into_iter().enumerate() {
            match end {
                None => assert!(rank == lost && !stalls, "{case}: rank {rank} panicked"),
                Some((done, why)) => {
                    // A rank that could not attach does not train with a monitor.
                    assert!(done == STEPS || done == 0, "{case}: rank {rank} trained to {done}");
                    let names = rank == lost
                        || why.as_ref().is_none_or(|why| why.contains(&format!("rank {lost}")));
                    assert!(names, "{case}: rank {rank}: {why:?}");
                }
            }
        }
        if attached && lost != 0 {
            let table = Table::read(&run, "emergence.csv");
            let steps = table.column("step");
            assert!(
                steps
                    .iter()
                    .map(|s| s.parse::<u64>().unwrap())
                    .eq((0..).step_by(2).take(steps.len()))
            );
            assert!(run.join("summary.json").is_file(), "{case}");
        }
    }
    assert!(cut >= 80, "{cut} of 100 were cut");
}
