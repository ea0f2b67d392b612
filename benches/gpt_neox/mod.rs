//! The network of the benches, a fresh GPT-NeoX initialisation, and their settings.
#![allow(dead_code)] // each bench uses its part

#[path = "../../examples/table2/initialisation.rs"]
mod initialisation;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::Criterion;
use neuromfa::internals::analysis::{Plan, Snapshot};
use neuromfa::internals::network::Draw;
use neuromfa::mfa::{Method, Values};
use neuromfa::network::{Network, Parameter, Selection};
use neuromfa::source::{Source, SourceError, Tensor};
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

/// The weights of the blocks, drawn once, to be changed between snapshots: layers that have not
/// changed are not counted. Clones share them.
#[derive(Clone)]
pub struct Weights(Arc<Mutex<Tensors>>);

type Tensors = Vec<(Parameter, Arc<Vec<f32>>)>;

impl Weights {
    pub fn draw(model: &Initialisation) -> Self {
        let blocks = model.parameters().into_iter().filter(|p| !p.name.contains("embed"));
        let draw = |parameter: Parameter| {
            let drawn = model.tensor(&parameter.name).unwrap();
            let Values::F32(values) = drawn.values() else {
                unreachable!("a tensor is drawn into f32")
            };
            (parameter, Arc::new(values.to_vec()))
        };
        Self(Arc::new(Mutex::new(blocks.map(draw).collect())))
    }

    /// Turns the sign of a weight of each tensor, so that every layer has changed and the counts are the
    /// same.
    pub fn train(&self) {
        for (_, values) in self.0.lock().unwrap().iter_mut() {
            let values = Arc::get_mut(values).expect("weights are trained while nobody reads them");
            let last = values.len() - 1;
            values[last] = -values[last];
        }
    }
}

impl Source for Weights {
    fn parameters(&self) -> Vec<Parameter> {
        self.0.lock().unwrap().iter().map(|(parameter, _)| parameter.clone()).collect()
    }

    fn tensor(&self, name: &str) -> Result<Tensor<'_>, SourceError> {
        let tensors = self.0.lock().unwrap();
        let (_, values) = tensors.iter().find(|(p, _)| p.name == name).unwrap();
        Ok(Tensor::from(Arc::clone(values)))
    }
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
