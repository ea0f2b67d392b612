//! Weights of a tch model that are counted while it trains.
#![cfg(feature = "tch")]

mod loops;

use loops::Table;
use neuromfa::tch::nn::{self, Module, ModuleT, OptimizerConfig};
use neuromfa::tch::{Device, Kind, Tensor, no_grad};
use neuromfa::{Error, Monitor, Work};

/// A chain of two matrices, the same at each call.
fn model() -> (nn::VarStore, nn::Sequential) {
    neuromfa::tch::set_num_threads(1);
    neuromfa::tch::manual_seed(3);
    let store = nn::VarStore::new(Device::Cpu);
    let root = store.root();
    let net = nn::seq()
        .add(nn::linear(&root / "first", 40, 60, Default::default()))
        .add_fn(|x| x.tanh())
        .add(nn::linear(&root / "second", 60, 30, Default::default()));
    (store, net)
}

fn loss(net: &nn::Sequential, step: u64) -> Tensor {
    let x = Tensor::arange(40 * 8, (Kind::Float, Device::Cpu)).reshape([8, 40]);
    net.forward(&(x * (0.01 * step as f64)).sin()).square().mean(Kind::Float)
}

/// Every matrix and bias, overwritten and put back.
fn poison(store: &nn::VarStore) {
    no_grad(|| {
        for mut weight in store.trainable_variables() {
            let kept = weight.copy();
            let _ = weight.fill_(f64::NAN);
            weight.copy_(&kept);
        }
    });
}

#[test]
fn a_gated_optimizer_trains_as_any_other_and_the_rows_are_the_same() {
    let run = |work: Work| {
        let dir = tempfile::tempdir().unwrap();
        let (store, net) = model();
        let optimizer = nn::Sgd::default().build(&store, 0.5).unwrap();
        let builder = Monitor::builder(dir.path()).sampled(16, 3, 0).every(1).work(work);
        let mut monitor = builder.attach(&store).unwrap();
        let mut optimizer = monitor.gated(optimizer);
        for step in 1..=20 {
            optimizer.backward_step(&loss(&net, step));
            let _ = monitor.step(step, &[]).unwrap();
            // The weights may be written once the gate has been passed, and only then.
            monitor.before_update();
            poison(&store);
        }
        monitor.finish().unwrap();
        let table = Table::read(dir.path(), "emergence.csv");
        assert!(table.column("status").iter().all(|status| status == "ok"));
        ["alpha0", "E", "E_stable", "E_excess"].map(|name| table.column(name))
    };
    assert_eq!(run(Work::Overlapped), run(Work::Beside));
}

#[test]
fn an_update_that_no_gate_saw_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, net) = model();
    let mut optimizer = nn::Sgd::default().build(&store, 0.5).unwrap();
    let builder = Monitor::builder(dir.path()).sampled(16, 3, 0).every(1).work(Work::Overlapped);
    let mut monitor = builder.attach(&store).unwrap();
    monitor.before_update();
    optimizer.backward_step(&loss(&net, 1));
    let _ = monitor.step(1, &[]).unwrap();
    optimizer.backward_step(&loss(&net, 2));
    assert!(matches!(monitor.step(2, &[]), Err(Error::Updated { step: 1 })));
    monitor.finish().unwrap();
    let statuses = Table::read(dir.path(), "emergence.csv").column("status");
    assert_eq!(statuses, ["ok", "dropped", "ok"]);
}

/// A training forward pass writes to the running means, which are no weights of the network.
#[test]
fn batch_norm_does_not_count_as_an_update() {
    let dir = tempfile::tempdir().unwrap();
    let (store, net) = model();
    let norm = nn::batch_norm1d(&store.root() / "norm", 40, Default::default());
    let builder = Monitor::builder(dir.path()).sampled(16, 3, 0).every(1).work(Work::Overlapped);
    let mut monitor = builder.attach(&store).unwrap();
    let mut optimizer = monitor.gated(nn::Sgd::default().build(&store, 0.5).unwrap());
    for step in 1..=6 {
        let x = Tensor::arange(40 * 8, (Kind::Float, Device::Cpu)).reshape([8, 40]);
        let x = norm.forward_t(&(x * (0.01 * step as f64)).sin(), true);
        optimizer.backward_step(&net.forward(&x).square().mean(Kind::Float));
        let _ = monitor.step(step, &[]).unwrap();
    }
    monitor.finish().unwrap();
    let statuses = Table::read(dir.path(), "emergence.csv").column("status");
    assert_eq!(statuses, ["ok"; 7]);
}
