//! What the benches measure on: a fresh GPT-NeoX initialisation, and how they are run.
#![allow(dead_code)] // each bench uses its part

#[path = "../../examples/table2/initialisation.rs"]
mod initialisation;

use std::time::Duration;

use criterion::Criterion;
use neuromfa::analysis::{Plan, Snapshot};
use neuromfa::mfa::Method;
use neuromfa::network::{Draw, Network, Selection};
use neuromfa::source::{Memory, Source, Tensor};
use rayon::ThreadPool;

pub use initialisation::Initialisation;

/// Few and short runs: the whole bench command takes minutes, not an hour.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .without_plots()
}

pub fn pool(threads: usize) -> ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// The weights of the blocks, drawn once.
pub fn weights(model: &Initialisation) -> Memory {
    let memory = Memory::new();
    for parameter in model.parameters() {
        if !parameter.name.contains("embed") {
            let Tensor::Owned(values) = model.tensor(&parameter.name).unwrap() else {
                unreachable!("a tensor is drawn into memory of its own")
            };
            memory.set(&parameter.name, &parameter.shape, values).unwrap();
        }
    }
    memory
}

pub fn network(source: &dyn Source) -> Network {
    Network::infer(&source.parameters(), &Selection::default()).unwrap()
}

/// 10 samples of 64 neurons a layer.
pub fn sampled(source: &dyn Source, stable: bool) -> Plan {
    let network = network(source);
    let draw = Draw::random(&network, 64, 10, 0).unwrap();
    Plan::new(&Method::default(), &network, &draw, stable).unwrap()
}

/// The whole network, both estimators.
pub fn whole(source: &dyn Source) -> Plan {
    Plan::new(&Method::default(), &network(source), &Draw::whole(), true).unwrap()
}

/// A snapshot whose memory has been written before.
pub fn snapshot(plan: &Plan, source: &dyn Source, pool: &ThreadPool) -> Snapshot {
    let mut snapshot = Snapshot::new(plan);
    plan.snapshot(source, pool, &mut snapshot).unwrap();
    snapshot
}
