//! What a group of MPI processes costs: bytes that travel, and how long training waits.
//!
//!     cargo bench --no-default-features --features mpi --bench group
//!
//! Starts itself under `mpirun`, which the variable MPIRUN replaces (`MPIRUN="mpirun --hostfile hosts"`), on the
//! numbers of ranks in RANKS (`1 2 4`).

use std::env;
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::traits::CommunicatorCollectives;
use neuromfa::Monitor;
use neuromfa::group::{Communicator, Mpi, Part};
use neuromfa::source::Memory;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

#[path = "../tests/loops/weighed.rs"]
mod weighed;

/// 24 matrices between layers of 768 and of 3072 neurons: 57 million weights in f32, 226 MB.
const WIDTHS: [usize; 2] = [768, 3072];
const LAYERS: usize = 24;
/// Analysed steps, of which the first warms up.
const STEPS: u64 = 4;
const RANK: &str = "NEUROMFA_BENCH_SHARDING";

const SHARDINGS: [&str; 3] = ["pipeline", "rows", "flat"];

fn main() {
    if let Ok(sharding) = env::var(RANK) {
        return rank(&sharding);
    }
    let mpirun = env::var("MPIRUN")
        .unwrap_or_else(|_| "mpirun --oversubscribe --allow-run-as-root".to_owned());
    let mut words = mpirun.split_whitespace();
    let (program, options) =
        (words.next().expect("MPIRUN names a program"), words.collect::<Vec<_>>());
    println!("sharding  ranks  MB/step to and from rank 0  s/step in the hook, longest rank");
    for ranks in env::var("RANKS").as_deref().unwrap_or("1 2 4").split_whitespace() {
        for sharding in SHARDINGS {
            let mut command = Command::new(program);
            command.args(&options).args(["-n", ranks, "-x", RANK]);
            command.arg(env::current_exe().unwrap()).env(RANK, sharding);
            assert!(command.status().unwrap().success(), "{command:?}");
        }
    }
}

fn name(layer: usize) -> String {
    format!("{layer}.weight")
}

fn shape(layer: usize) -> [usize; 2] {
    [WIDTHS[(layer + 1) % 2], WIDTHS[layer % 2]]
}

fn share(n: usize, rank: usize, ranks: usize) -> Range<usize> {
    n * rank / ranks..n * (rank + 1) / ranks
}

/// The weights of a rank at a step.
fn set(weights: &Memory, sharding: &str, (rank, ranks): (usize, usize), step: u64) {
    for layer in 0..LAYERS {
        let [rows, columns] = shape(layer);
        let (of, local) = match sharding {
            "pipeline" if layer * ranks / LAYERS != rank => continue,
            "rows" => {
                let rows = share(rows, rank, ranks);
                (rows.start * columns..rows.end * columns, vec![rows.len(), columns])
            }
            "flat" => {
                let of = share(rows * columns, rank, ranks);
                (of.clone(), vec![of.len()])
            }
            _ => (0..rows * columns, vec![rows, columns]),
        };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(layer as u64 + 1000 * step);
        let all: Vec<f32> =
            (0..rows * columns).map(|_| 0.04 * (random.random::<f32>() - 0.5)).collect();
        weights.set(&name(layer), &local, all[of].to_vec()).unwrap();
    }
}

fn rank(sharding: &str) {
    let (universe, _) = mpi::initialize_with_threading(Threading::Serialized).unwrap();
    let world = universe.world();
    let sent = Arc::new(AtomicUsize::new(0));
    let group = Mpi::new(&world, Duration::from_secs(600)).unwrap();
    let (rank, ranks) = (group.rank(), group.size());
    let group = weighed::Weighed { rank: group, sent: Arc::clone(&sent) };
    let weights = Memory::new();
    let mut parts = Vec::new();
    for layer in 0..LAYERS {
        let shape = shape(layer);
        match sharding {
            "rows" => parts
                .push((name(layer), Part::slice(&shape, 0, share(shape[0], rank, ranks).start))),
            "flat" => {
                let start = share(shape[0] * shape[1], rank, ranks).start;
                parts.push((name(layer), Part::flat(&shape, start)));
            }
            _ => {}
        }
    }
    set(&weights, sharding, (rank, ranks), 0);
    let folder = tempfile::tempdir().unwrap();
    let builder = Monitor::builder(folder.path().join("run")).every(1).quiet().group(group, parts);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    let (mut in_hook, mut before) = (0.0, 0);
    for step in 1..=STEPS {
        set(&weights, sharding, (rank, ranks), step);
        world.barrier();
        if step == 2 {
            (in_hook, before) = (0.0, sent.load(Ordering::SeqCst));
        }
        let start = Instant::now();
        let _ = monitor.step(step, &[]).unwrap();
        in_hook += start.elapsed().as_secs_f64();
        monitor.flush().unwrap();
    }
    let bytes = (sent.load(Ordering::SeqCst) - before) as f64;
    monitor.finish().unwrap();
    let (mut longest, mut all) = (0.0, 0.0);
    world.all_reduce_into(&in_hook, &mut longest, SystemOperation::max());
    world.all_reduce_into(&bytes, &mut all, SystemOperation::sum());
    if rank == 0 {
        let steps = (STEPS - 1) as f64;
        println!("{sharding:9} {ranks:5} {:27.1} {:32.2}", all / steps / 1e6, longest / steps);
    }
}
