//! Grades red wines (1599 wines, 11 measurements) with an MLP. Under its strong weight decay the
//! degree of emergence E rises, peaks and falls back; a rule on E stops training past the peak.
//!
//!     cargo run --release --example wine

use anyhow::Result;
use neuromfa::{Monitor, Row, StopRule};
use tch::data::Iter2;
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

const MEASUREMENTS: i64 = 11;
const WORST_GRADE: i64 = 3;
const GRADES: i64 = 6;
const TRAINING: i64 = 1279;
const EPOCHS: u64 = 300;

fn main() -> Result<()> {
    // As programs do: the monitor's messages are events, here lines on standard error.
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    lines.without_time().with_target(false).init();
    tch::manual_seed(0);
    tch::set_num_threads(1); // too little work to share out
    let (wines, grades) = shuffled_wines();
    let test = (wines.slice(0, TRAINING, None, 1), grades.slice(0, TRAINING, None, 1));
    let training = (wines.narrow(0, 0, TRAINING), grades.narrow(0, 0, TRAINING));

    let vs = nn::VarStore::new(Device::Cpu);
    let layers = vs.root() / "layers";
    let normal = nn::Init::Randn { mean: 0.0, stdev: 0.05 };
    let config = nn::LinearConfig { ws_init: normal, ..Default::default() };
    let net = nn::seq()
        .add(nn::linear(&layers / 0, MEASUREMENTS, 64, config))
        .add_fn(|x| x.relu())
        .add(nn::linear(&layers / 1, 64, 64, config))
        .add_fn(|x| x.relu())
        .add(nn::linear(&layers / 2, 64, GRADES, config));
    let accuracy = || net.forward(&test.0).accuracy_for_logits(&test.1).double_value(&[]);
    let mut optimizer = nn::adamw(0.9, 0.999, 1.0).build(&vs, 1e-3)?;

    println!(" epoch    loss  test accuracy       E");
    let mut monitor = Monitor::builder("runs/wine")
        .every(5)
        .whole()
        .stop_when(StopRule::on("E").max().patience(3))
        .on_row(print)
        .overwrite()
        .attach(&vs)?;
    for epoch in 1..=EPOCHS {
        let mut batches = Iter2::new(&training.0, &training.1, 64);
        let train = |(wines, grades): (Tensor, Tensor)| {
            let loss = net.forward(&wines).cross_entropy_for_logits(&grades);
            optimizer.backward_step(&loss);
            loss.double_value(&[])
        };
        let losses: Vec<f64> = batches.shuffle().map(train).collect();
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        if monitor.step(epoch, &[("loss", loss), ("accuracy", accuracy())])?.should_stop() {
            break;
        }
    }
    println!("{}", monitor.finish()?);
    println!("accuracy {:.3} on wines not trained on", accuracy());
    Ok(())
}

/// Wines with each measurement at mean 0 and standard deviation 1, and their grades from 0.
fn shuffled_wines() -> (Tensor, Tensor) {
    let table = linfa_datasets::winequality();
    let wines: Vec<f32> = table.records().iter().map(|&value| value as f32).collect();
    let grades: Vec<i64> = table.targets().iter().map(|&g| g as i64 - WORST_GRADE).collect();
    let order = Tensor::randperm(grades.len() as i64, (Kind::Int64, Device::Cpu));
    let wines = Tensor::from_slice(&wines).view([-1, MEASUREMENTS]).index_select(0, &order);
    let grades = Tensor::from_slice(&grades).index_select(0, &order);
    // The test wines take no part in the scale.
    let training = wines.narrow(0, 0, TRAINING);
    let (mean, std) = (training.mean_dim(0, false, None), training.std_dim(0, true, false));
    ((wines - mean) / std, grades)
}

fn print(row: &Row) {
    let cell = |name| row.value(name).map_or("-".into(), |value| format!("{value:.4}"));
    let [loss, accuracy, e] = ["loss", "accuracy", "E"].map(cell);
    println!("{:>6}  {loss:>6}  {accuracy:>13}  {e:>6}", row.step());
}
