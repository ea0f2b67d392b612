//! A small model in pieces over ranks, and in one process.

use std::path::Path;

use neuromfa::group::Part;
use neuromfa::source::Memory;
use neuromfa::{Error, Monitor, MonitorBuilder, Summary, Work};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{TABLES, Table};

/// A 37-48-29-40 chain, and a bias that every rank has.
pub const SHAPES: [(&str, [usize; 2]); 3] =
    [("0.weight", [48, 37]), ("2.weight", [29, 48]), ("4.weight", [40, 29])];

/// The weights of the whole model at a step.
pub fn whole(step: u64) -> Vec<(&'static str, [usize; 2], Vec<f32>)> {
    let of = |(k, (name, shape)): (usize, (&'static str, [usize; 2]))| {
        let mut rng = ChaCha8Rng::seed_from_u64(k as u64);
        let scale = 0.1 * (1.0 + 0.05 * step as f32);
        let value = |i: usize| {
            let neuron = (i % shape[1]) as f32 / shape[1] as f32;
            (rng.random::<f32>() - 0.5) * scale * (1.0 + 0.02 * step as f32 * neuron)
        };
        (name, shape, (0..shape[0] * shape[1]).map(value).collect())
    };
    SHAPES.into_iter().enumerate().map(of).collect()
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sharding {
    Pipeline,
    Rows,
    Columns,
    Alternating, // columns, then rows: a tensor-parallel MLP
    Flat,
    Replica,
}

pub const SHARDINGS: [Sharding; 6] = [
    Sharding::Pipeline,
    Sharding::Rows,
    Sharding::Columns,
    Sharding::Alternating,
    Sharding::Flat,
    Sharding::Replica,
];

/// Rank `rank`'s share of `n`, as even as it goes.
pub fn share(n: usize, rank: usize, ranks: usize) -> (usize, usize) {
    (n * rank / ranks, n * (rank + 1) / ranks)
}

/// The pieces of a rank at a step, set in its weights; their parts.
pub fn shard(
    weights: &Memory,
    sharding: Sharding,
    (rank, ranks): (usize, usize),
    step: u64,
) -> Vec<(String, Part)> {
    let mut parts = Vec::new();
    weights.set("bias", &[5], vec![step as f32; 5]).unwrap();
    for (k, (name, [rows, columns], values)) in whole(step).into_iter().enumerate() {
        let shape = [rows, columns];
        let rowwise = match sharding {
            Sharding::Rows => true,
            Sharding::Columns => false,
            Sharding::Alternating => k % 2 == 1,
            Sharding::Replica => {
                weights.set(name, &shape, values).unwrap();
                continue;
            }
            Sharding::Pipeline => {
                // Each stage has its own numbers; the last has rank 0, so that all of it travels.
                if (k + 1) % ranks == rank {
                    let local = format!("stage.{}", k / ranks);
                    weights.set(&local, &shape, values).unwrap();
                    parts.push((local, Part::whole().named(name)));
                }
                continue;
            }
            Sharding::Flat => {
                let (from, to) = share(values.len(), rank, ranks);
                weights.set(name, &[to - from], values[from..to].to_vec()).unwrap();
                parts.push((name.to_owned(), Part::flat(&shape, from)));
                continue;
            }
        };
        let (from, to) = share(if rowwise { rows } else { columns }, rank, ranks);
        let here: Vec<f32> = match rowwise {
            true => values[from * columns..to * columns].to_vec(),
            false => values.chunks(columns).flat_map(|row| row[from..to].to_vec()).collect(),
        };
        let local = if rowwise { [to - from, columns] } else { [rows, to - from] };
        weights.set(name, &local, here).unwrap();
        parts.push((name.to_owned(), Part::slice(&shape, usize::from(!rowwise), from)));
    }
    parts
}

pub fn settings(builder: MonitorBuilder) -> MonitorBuilder {
    builder.every(3).quiet().hops(2).with_neurons().work(Work::Inline)
}

/// Trains steps `from` to `to` on one rank, and finishes.
pub fn train(
    builder: MonitorBuilder,
    weights: &Memory,
    set: impl Fn(u64),
    to: u64,
) -> Result<(Summary, u64), Error> {
    let mut monitor = builder.attach_source(weights.clone())?;
    let mut last = 0;
    for step in monitor.next_step()..=to {
        set(step);
        last = step;
        if monitor.step(step, &[("loss", 1.0 / step as f64)])?.should_stop() {
            break;
        }
    }
    Ok((monitor.finish()?, last))
}

pub fn in_one_process(
    run: &Path,
    to: u64,
    more: impl Fn(MonitorBuilder) -> MonitorBuilder,
) -> (Summary, u64) {
    let weights = Memory::new();
    let set = |step| drop(shard(&weights, Sharding::Replica, (0, 1), step));
    set(0);
    train(more(settings(Monitor::builder(run))), &weights, set, to).unwrap()
}

/// Names and cells.
pub type Columns = Vec<(String, Vec<String>)>;

/// All tables of a run, without times.
pub fn tables(run: &Path) -> Vec<(&'static str, Columns)> {
    let exist = TABLES.into_iter().filter(|name| run.join(name).is_file());
    let read = |name| {
        let table = Table::read(run, name);
        let timeless = table.columns.iter().filter(|n| !n.ends_with("_ms") && *n != "wall_time");
        (name, timeless.map(|column| (column.clone(), table.column(column))).collect())
    };
    exist.map(read).collect()
}
