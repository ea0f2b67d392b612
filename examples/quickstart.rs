//! A monitor on a small network in a tch training loop.

use neuromfa::Monitor;
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Reduction, Tensor};

fn main() -> anyhow::Result<()> {
    tch::manual_seed(0);
    let vs = nn::VarStore::new(Device::Cpu);
    let small = nn::Init::Randn { mean: 0.0, stdev: 0.02 };
    let config = nn::LinearConfig { ws_init: small, ..Default::default() };
    let net = nn::seq()
        .add(nn::linear(vs.root() / 0, 64, 256, config))
        .add_fn(|x| x.relu())
        .add(nn::linear(vs.root() / 1, 256, 64, config));
    let mut opt = nn::Adam::default().build(&vs, 1e-3)?;
    let mut monitor = Monitor::builder("runs/quickstart").overwrite().attach(&vs)?;
    for step in 1..=1000 {
        let x = Tensor::randn([256, 64], (Kind::Float, Device::Cpu));
        let loss = net.forward(&x).mse_loss(&x.abs(), Reduction::Mean);
        opt.backward_step(&loss);
        let _ = monitor.step(step, &[("loss", loss.double_value(&[]))])?;
    }
    println!("{}", monitor.finish()?);
    Ok(())
}
