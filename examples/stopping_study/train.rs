//! Trains a run.

use std::path::Path;

use anyhow::Result;
use neuromfa::{Monitor, Work};
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

use crate::data::{CHARACTERS, CONTEXT, Data, SIDE, Set};
use crate::plan::{Family, Plan};

/// Size of a batch.
const BATCH: i64 = 128;
/// Smaller training sets are one batch.
const WHOLE: i64 = 400;
/// Characters are learned as vectors of this size.
const EMBEDDED: i64 = 16;

/// Trains to the end; the run's folder then has a summary.
pub fn train(plan: &Plan, folder: &Path) -> Result<()> {
    tch::set_num_threads(1);
    tch::manual_seed(plan.seed as i64);
    let data = Data::of(plan.family);
    let vs = nn::VarStore::new(Device::Cpu);
    let net = network(plan, &vs.root(), &data);
    let mut optimizer = nn::adamw(0.9, 0.999, plan.decay).build(&vs, plan.rate)?;
    let mut monitor = Monitor::builder(folder)
        .every(plan.every())
        .work(Work::Inline)
        .threads(1)
        .matrix_spectra()
        .without_layers()
        .without_tensorboard()
        .quiet()
        .overwrite()
        .attach(&vs)?;
    let loss = |(x, y): &Set| match plan.family {
        Family::Teacher => net.forward(x).mse_loss(y, tch::Reduction::Mean),
        _ => net.forward(x).cross_entropy_for_logits(y),
    };
    let held_out = |set: &Set| tch::no_grad(|| loss(set)).double_value(&[]);
    let n = data.training.1.size()[0];
    let mut report = |step, training: f64| {
        let (validation, test) = (held_out(&data.validation), held_out(&data.test));
        let losses = [("train_loss", training), ("val_loss", validation), ("test_loss", test)];
        // No rule stops it: it is judged to its end.
        monitor.step(step, &losses).map(drop)
    };
    report(0, held_out(&data.training))?;
    let mut losses = Vec::new();
    for step in 1..=plan.family.steps() {
        let batch = match n < WHOLE {
            true => loss(&data.training),
            false => {
                let chosen = Tensor::randint(n, [BATCH], (Kind::Int64, Device::Cpu));
                let part = |of: &Tensor| of.index_select(0, &chosen);
                loss(&(part(&data.training.0), part(&data.training.1)))
            }
        };
        optimizer.backward_step(&batch);
        losses.push(batch.double_value(&[]));
        if step % plan.every() == 0 {
            report(step, losses.iter().sum::<f64>() / losses.len() as f64)?;
            losses.clear();
        }
    }
    monitor.finish()?;
    Ok(())
}

fn network(plan: &Plan, root: &nn::Path, data: &Data) -> nn::Sequential {
    let width = plan.width;
    let layers = root / "layers";
    let dense = |k: usize, from: i64, to: i64| {
        nn::linear(&layers / k.to_string(), from, to, nn::LinearConfig::default())
    };
    let net = nn::seq();
    let (net, inputs) = match plan.family {
        Family::Characters => {
            let embedding =
                nn::embedding(root / "embedding", CHARACTERS, EMBEDDED, Default::default());
            let net = net.add(embedding).add_fn(|x| x.flatten(1, -1));
            (net, EMBEDDED * CONTEXT)
        }
        Family::Shapes => {
            let channels = width / 8;
            let config = nn::ConvConfig { padding: 1, ..Default::default() };
            let convolution =
                |k: usize, from, to| nn::conv2d(&layers / k.to_string(), from, to, 3, config);
            let net = net
                .add(convolution(0, 1, channels))
                .add_fn(|x| x.relu().max_pool2d_default(2))
                .add(convolution(1, channels, 2 * channels))
                .add_fn(|x| x.relu().max_pool2d_default(2).flatten(1, -1));
            (net, 2 * channels * (SIDE / 4).pow(2))
        }
        _ => (net, data.training.0.size()[1]),
    };
    let first = if plan.family == Family::Shapes { 2 } else { 0 };
    let net = net.add(dense(first, inputs, width)).add_fn(|x| x.relu());
    let net = match plan.family {
        Family::Shapes => return net.add(dense(3, width, data.outputs)),
        _ => net.add(dense(1, width, width)).add_fn(|x| x.relu()),
    };
    net.add(dense(2, width, data.outputs))
}
