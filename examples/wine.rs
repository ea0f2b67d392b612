//! A classifier of red wines (1599 wines, 11 measurements, grades 3 to 8) that stops when its
//! degree of emergence E has ceased to grow.
//!
//!     cargo run --release --example wine

use anyhow::Result;
use linfa_datasets::winequality;
use tch::data::Iter2;
use tch::nn::{self, Module, OptimizerConfig};
use tch::{Device, Kind, Tensor};

const MEASUREMENTS: i64 = 11;
const WORST_GRADE: i64 = 3;
const GRADES: i64 = 6;
const TRAINING: i64 = 1279;
const EPOCHS: usize = 200;

fn main() -> Result<()> {
    tch::manual_seed(0);
    let (wines, grades) = shuffled_wines();
    let (train, test) = (wines.narrow(0, 0, TRAINING), wines.slice(0, TRAINING, None, 1));
    let (train_grades, test_grades) =
        (grades.narrow(0, 0, TRAINING), grades.slice(0, TRAINING, None, 1));
    let (mean, std) = (train.mean_dim(0, false, None), train.std_dim(0, true, false));
    let (train, test) = ((train - &mean) / &std, (test - &mean) / &std);

    let vs = nn::VarStore::new(Device::Cpu);
    let layers = vs.root() / "layers";
    let net = nn::seq()
        .add(nn::linear(&layers / 0, MEASUREMENTS, 64, Default::default()))
        .add_fn(|x| x.relu())
        .add(nn::linear(&layers / 1, 64, 64, Default::default()))
        .add_fn(|x| x.relu())
        .add(nn::linear(&layers / 2, 64, GRADES, Default::default()));
    let mut optimizer = nn::adamw(0.9, 0.999, 0.01).build(&vs, 1e-3)?;

    for epoch in 1..=EPOCHS {
        let mut losses = 0.0;
        let mut n = 0.0;
        for (wines, grades) in Iter2::new(&train, &train_grades, 64).shuffle() {
            let loss = net.forward(&wines).cross_entropy_for_logits(&grades);
            optimizer.backward_step(&loss);
            losses += loss.double_value(&[]);
            n += 1.0;
        }
        if epoch % 10 == 0 {
            println!(
                "{epoch} {:.4} {:.4}",
                losses / n,
                net.forward(&test).accuracy_for_logits(&test_grades).double_value(&[])
            );
        }
    }
    Ok(())
}

fn shuffled_wines() -> (Tensor, Tensor) {
    let table = winequality();
    let wines: Vec<f32> = table.records().iter().map(|&value| value as f32).collect();
    let grades: Vec<i64> =
        table.targets().iter().map(|&grade| grade as i64 - WORST_GRADE).collect();
    let order = Tensor::randperm(grades.len() as i64, (Kind::Int64, Device::Cpu));
    let wines = Tensor::from_slice(&wines).view([-1, MEASUREMENTS]).index_select(0, &order);
    (wines, Tensor::from_slice(&grades).index_select(0, &order))
}
