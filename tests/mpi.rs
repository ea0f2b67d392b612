//! A model in pieces over the processes that `mpirun` starts.
//!
//! A test starts this file's program again, several times over, with one of the ignored functions below.

mod loops;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use loops::Table;
use loops::ranks::{SHARDINGS, Sharding, in_one_process, settings, shard, tables, train};
use loops::skipped::skip;
use mpi::Threading;
use neuromfa::Monitor;
use neuromfa::group::{Communicator, Mpi};
use neuromfa::source::Memory;

/// Where the processes find their folder.
const FOLDER: &str = "NEUROMFA_TEST_FOLDER";

/// Runs an ignored function on ranks; none where there is no `mpirun`.
fn mpirun(ranks: usize, function: &str, folder: &Path) -> Option<Output> {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--allow-run-as-root", "--enable-recovery", "-n"]);
    command.arg(ranks.to_string()).arg(program);
    command.args(["--exact", function, "--ignored", "--nocapture", "--test-threads=1"]);
    match command.env(FOLDER, folder).output() {
        Ok(output) => Some(output),
        Err(_) => {
            skip("no mpirun: the tests of groups over MPI");
            None
        }
    }
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).expect("started by a test of this file").into()
}

#[test]
fn every_sharding_over_mpi_gives_the_tables_of_one_process() {
    for ranks in [1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        let Some(output) = mpirun(ranks, "every_sharding", dir.path()) else { return };
        assert!(output.status.success(), "{output:?}");
        in_one_process(&dir.path().join("one"), 6, |builder| builder);
        let one = tables(&dir.path().join("one"));
        for sharding in SHARDINGS {
            let run = dir.path().join(format!("{sharding:?}"));
            assert!(tables(&run) == one, "{sharding:?} on {ranks} ranks");
        }
    }
}

#[test]
#[ignore = "one of several processes"]
fn every_sharding() {
    let (universe, _) = mpi::initialize_with_threading(Threading::Serialized).unwrap();
    for sharding in SHARDINGS {
        let group = Mpi::new(&universe.world(), Duration::from_secs(60)).unwrap();
        let of = (group.rank(), group.size());
        let weights = Memory::new();
        let parts = shard(&weights, sharding, of, 0);
        let builder = settings(Monitor::builder(folder().join(format!("{sharding:?}"))));
        let set = |step| drop(shard(&weights, sharding, of, step));
        train(builder.group(group, parts), &weights, set, 6).unwrap();
    }
}

#[test]
fn a_rank_that_is_killed_or_silent_ends_monitoring_on_the_others_and_no_training() {
    for how in ["killed", "silent"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("how"), how).unwrap();
        if mpirun(3, "one_is_lost", dir.path()).is_none() {
            return;
        }
        for rank in [0, 1] {
            let end = std::fs::read_to_string(dir.path().join(rank.to_string())).unwrap();
            assert!(end.starts_with("trained to 60: "), "{how}, rank {rank}: {end}");
            let names = "rank 2 has not answered within the limit of 2s";
            assert!(end.contains(names), "{how}, rank {rank}: {end}");
        }
        let status = Table::read(&dir.path().join("run"), "emergence.csv").column("status");
        let (last, whole) = status.split_last().unwrap();
        assert_eq!(last, "dropped", "{how}");
        assert!(
            whole.len() == 10 && whole.iter().all(|status| status == "ok"),
            "{how}: {status:?}"
        );
    }
}

#[test]
#[ignore = "one of several processes"]
fn one_is_lost() {
    let (universe, _) = mpi::initialize_with_threading(Threading::Serialized).unwrap();
    let group = Mpi::new(&universe.world(), Duration::from_secs(2)).unwrap();
    let of = (group.rank(), group.size());
    let weights = Memory::new();
    let parts = shard(&weights, Sharding::Flat, of, 0);
    let builder = Monitor::builder(folder().join("run")).every(3).quiet().group(group, parts);
    let mut monitor = builder.attach_source(weights.clone()).unwrap();
    let killed = std::fs::read_to_string(folder().join("how")).unwrap() == "killed";
    let mut why = None;
    for step in 1..=60 {
        shard(&weights, Sharding::Flat, of, step);
        if of.0 == 2 && step == 30 {
            match killed {
                true => std::process::abort(),
                false => std::thread::sleep(Duration::from_secs(5)),
            }
        }
        why = why.or(monitor.step(step, &[("loss", 1.0)]).err());
    }
    why = why.or(monitor.finish().err());
    let end = format!("trained to 60: {}", why.map(|why| why.to_string()).unwrap_or_default());
    std::fs::write(folder().join(of.0.to_string()), end).unwrap();
    // MPI_Finalize waits for all ranks, and one has died.
    std::process::exit(0);
}

#[test]
fn mpi_for_one_thread_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let Some(output) = mpirun(1, "single", dir.path()) else { return };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Threading::Single"), "{output:?}");
    assert!(said.contains("mpi::initialize_with_threading(Threading::Serialized)"), "{said}");
}

#[test]
#[ignore = "one of several processes"]
fn single() {
    let universe = mpi::initialize().unwrap();
    println!("{}", Mpi::new(&universe.world(), Duration::from_secs(1)).unwrap_err());
}
