use neuromfa::Monitor;
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Reduction, Tensor};

fn main() -> anyhow::Result<()> {
    tch::manual_seed(0);
    let vs = nn::VarStore::new(Device::Cpu);
    let net = nn::seq()
        .add(nn::linear(vs.root() / 0, 16, 64, Default::default()))
        .add_fn(|x| x.relu())
        .add(nn::linear(vs.root() / 1, 64, 16, Default::default()));
    let mut opt = nn::Adam::default().build(&vs, 1e-3)?;
    let mut monitor = Monitor::builder("runs/quickstart").overwrite().attach(&vs)?;
    for step in 1..=2000 {
        let x = Tensor::randn([64, 16], (Kind::Float, Device::Cpu));
        let loss = net.forward(&x).mse_loss(&x.sort(-1, false).0, Reduction::Mean);
        opt.backward_step(&loss);
        if monitor.step(step, &[("loss", loss.double_value(&[]))])?.should_stop() {
            break;
        }
    }
    println!("{}", monitor.finish()?);
    Ok(())
}
