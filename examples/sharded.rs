//! A network in pieces over MPI processes, watched as one:
//!
//! ```sh
//! mpirun --oversubscribe -n 2 cargo run --release --features mpi --example sharded pipeline
//! mpirun --oversubscribe -n 2 cargo run --release --features mpi --example sharded tensor
//! ```
//!
//! `pipeline`: the first rank has the first layer, the second the others. `tensor`: each rank has a part of each
//! layer's neurons. The network learns what a random one computes. The run is in runs/sharded-pipeline or
//! runs/sharded-tensor.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::point_to_point::{Destination, Source};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};
use neuromfa::group::{Mpi, Part};
use neuromfa::{Monitor, OnFailure};
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

const INPUTS: i64 = 64;
const HIDDEN: i64 = 256;
const OUTPUTS: i64 = 16;
const BATCH: i64 = 128;
const STEPS: i64 = 600;

fn main() -> Result<()> {
    let sharding = std::env::args().nth(1).unwrap_or_else(|| "pipeline".to_owned());
    tch::set_num_threads(1);
    let (universe, _) = mpi::initialize_with_threading(Threading::Serialized)
        .context("MPI is initialised already")?;
    let world = universe.world();
    match sharding.as_str() {
        "pipeline" if world.size() == 2 => pipeline(&world),
        "pipeline" => bail!("pipeline has two stages, and there are {} ranks", world.size()),
        "tensor" => tensor(&world),
        other => bail!("{other:?}: pipeline or tensor"),
    }
}

/// A layer whose weights are small enough at the start for the method.
fn layer(path: nn::Path<'_>, inputs: i64, outputs: i64, seed: i64) -> nn::Linear {
    tch::manual_seed(seed);
    let ws_init = nn::Init::Randn { mean: 0.0, stdev: 0.02 };
    nn::linear(path, inputs, outputs, nn::LinearConfig { ws_init, ..Default::default() })
}

/// A batch, the same on every rank: inputs, and what a fixed network makes of them.
fn batch(teacher: &nn::Sequential, step: i64) -> (Tensor, Tensor) {
    tch::manual_seed(1000 + step);
    let inputs = Tensor::randn([BATCH, INPUTS], (Kind::Float, Device::Cpu));
    let targets = tch::no_grad(|| teacher.forward(&inputs));
    (inputs, targets)
}

fn teacher(path: &nn::Path<'_>) -> nn::Sequential {
    tch::manual_seed(7);
    nn::seq()
        .add(nn::linear(path / "in", INPUTS, 32, Default::default()))
        .add_fn(|x| x.tanh() * 4)
        .add(nn::linear(path / "out", 32, OUTPUTS, Default::default()))
}

/// A monitor of what all ranks have.
fn watch<N: Into<String>>(
    folder: &str,
    world: &SimpleCommunicator,
    parts: impl IntoIterator<Item = (N, Part)>,
    weights: &nn::VarStore,
) -> Result<Monitor> {
    let group = Mpi::new(world, Duration::from_secs(60))?;
    let builder = Monitor::builder(folder).every(50).numbered();
    let builder = builder.on_failure(OnFailure::KeepTraining).group(group, parts);
    Ok(builder.attach(weights)?)
}

/// Backpropagates a gradient of `values` that was computed elsewhere.
fn backward(values: &Tensor, gradient: &Tensor) {
    (values * gradient).sum(Kind::Float).backward();
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>, tch::TchError> {
    Vec::try_from(tensor.detach().flatten(0, -1))
}

/// Two stages: what the first makes goes to the second, whose gradient comes back.
fn pipeline(world: &SimpleCommunicator) -> Result<()> {
    let first = world.rank() == 0;
    let other = world.process_at_rank(1 - world.rank());
    let weights = nn::VarStore::new(Device::Cpu);
    let (path, aside) = (weights.root(), nn::VarStore::new(Device::Cpu));
    let teacher = teacher(&aside.root());
    let stage = match first {
        true => nn::seq().add(layer(&path / "0", INPUTS, HIDDEN, 1)).add_fn(Tensor::relu),
        false => nn::seq()
            .add(layer(&path / "0", HIDDEN, HIDDEN, 2))
            .add_fn(Tensor::relu)
            .add(layer(&path / "1", HIDDEN, OUTPUTS, 3)),
    };
    let mut optimiser = nn::Adam::default().build(&weights, 3e-3)?;

    // The second stage counts its layers from 0, as the first does.
    let own = ["0.weight", "0.bias", "1.weight", "1.bias"];
    let whole = ["1.weight", "1.bias", "2.weight", "2.bias"];
    let parts = own.into_iter().zip(whole.map(|name| Part::whole().named(name)));
    let parts = parts.filter(|_| !first);
    let mut monitor = watch("runs/sharded-pipeline", world, parts, &weights)?;
    for step in 1..=STEPS {
        let (inputs, targets) = batch(&teacher, step);
        optimiser.zero_grad();
        let loss = if first {
            let values = stage.forward(&inputs);
            other.send(&floats(&values)?[..]);
            let (gradient, _) = other.receive_vec::<f32>();
            backward(&values, &Tensor::from_slice(&gradient).view([BATCH, HIDDEN]));
            other.receive::<f64>().0
        } else {
            let (values, _) = other.receive_vec::<f32>();
            let values = Tensor::from_slice(&values).view([BATCH, HIDDEN]).set_requires_grad(true);
            let loss = stage.forward(&values).mse_loss(&targets, tch::Reduction::Mean);
            loss.backward();
            other.send(&floats(&values.grad())?[..]);
            other.send(&loss.double_value(&[]));
            loss.double_value(&[])
        };
        optimiser.step();
        let _ = monitor.step(step as u64, &[("loss", loss)])?;
    }
    monitor.finish()?;
    Ok(())
}

/// Each rank has some of the hidden neurons: rows of the first matrix, columns of the second.
fn tensor(world: &SimpleCommunicator) -> Result<()> {
    let (rank, ranks) = (i64::from(world.rank()), i64::from(world.size()));
    let [from, to] = [rank, rank + 1].map(|rank| HIDDEN * rank / ranks);
    let weights = nn::VarStore::new(Device::Cpu);
    let (path, aside) = (weights.root(), nn::VarStore::new(Device::Cpu));
    let teacher = teacher(&aside.root());
    let fc1 = layer(&path / "fc1", INPUTS, to - from, 10 + rank);
    let fc2 = layer(&path / "fc2", to - from, OUTPUTS, 100 + rank);
    let mut optimiser = nn::Adam::default().build(&weights, 3e-3)?;

    let (hidden, from) = (HIDDEN as usize, from as usize);
    let parts = [
        ("fc1.weight", Part::slice(&[hidden, INPUTS as usize], 0, from)),
        ("fc1.bias", Part::slice(&[hidden], 0, from)),
        ("fc2.weight", Part::slice(&[OUTPUTS as usize, hidden], 1, from)),
    ];
    let mut monitor = watch("runs/sharded-tensor", world, parts, &weights)?;
    for step in 1..=STEPS {
        let (inputs, targets) = batch(&teacher, step);
        let part = fc2.forward(&fc1.forward(&inputs).relu());
        let mut sum = vec![0_f32; (BATCH * OUTPUTS) as usize];
        world.all_reduce_into(&floats(&part)?[..], &mut sum[..], SystemOperation::sum());
        let outputs = Tensor::from_slice(&sum).view([BATCH, OUTPUTS]).set_requires_grad(true);
        let loss = outputs.mse_loss(&targets, tch::Reduction::Mean);
        loss.backward();
        optimiser.zero_grad();
        backward(&part, &outputs.grad());
        optimiser.step();
        let _ = monitor.step(step as u64, &[("loss", loss.double_value(&[]))])?;
    }
    monitor.finish()?;
    Ok(())
}
