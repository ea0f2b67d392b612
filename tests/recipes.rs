//! Training loops as programs have them: each function is a recipe that docs/loops.md quotes.
#![cfg(feature = "tch")]

mod loops;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use loops::Table;
use neuromfa::{Monitor, StopRule};
use tch::nn::{self, Module, Optimizer, OptimizerConfig, Sequential, VarStore};
use tch::{Device, Kind, Reduction, Tensor};

/// Seeds libtorch's random numbers, which all tests of this process share; each test takes it.
fn seeded() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(3);
    alone
}

/// 32 inputs and outputs, 48 neurons between.
fn network(path: &nn::Path<'_>) -> Sequential {
    nn::seq()
        .add(nn::linear(path / "fc1", 32, 48, Default::default()))
        .add_fn(|x| x.tanh())
        .add(nn::linear(path / "fc2", 48, 32, Default::default()))
}

fn sgd(vs: &VarStore) -> Result<Optimizer> {
    Ok(nn::Sgd::default().build(vs, 0.1)?)
}

fn noise() -> Tensor {
    Tensor::randn([16, 32], (Kind::Float, Device::Cpu))
}

fn loss_of(net: &dyn Module) -> Tensor {
    let x = noise();
    net.forward(&x).mse_loss(&x.cumsum(1, Kind::Float), Reduction::Mean)
}

fn value(loss: &Tensor) -> f64 {
    loss.double_value(&[])
}

/// A loop over epochs whose validation loss stops it; the steps that have one.
fn epochs(folder: &Path, val_loss: impl Fn(u32) -> f64) -> Result<u64> {
    let vs = VarStore::new(Device::Cpu);
    let net = network(&vs.root());
    let mut opt = sgd(&vs)?;
    let rule = StopRule::on("val_loss").min().patience(2);
    let builder = Monitor::builder(folder).every(10).stop_when(rule);
    let mut monitor = builder.update_repeated_steps().attach(&vs)?;
    let mut step = 0;
    'training: for epoch in 1..=6 {
        for _batch in 0..15 {
            step += 1;
            let loss = loss_of(&net);
            opt.backward_step(&loss);
            if monitor.step(step, &[("loss", value(&loss))])?.should_stop() {
                break 'training;
            }
        }
        let _ = monitor.step(step, &[("val_loss", val_loss(epoch))])?;
    }
    monitor.finish()?;
    Ok(step)
}

#[test]
fn a_validation_loss_at_the_ends_of_epochs_stops_the_run() {
    let (_alone, dir) = (seeded(), tempfile::tempdir().unwrap());
    let [falls, rises] = ["falls", "rises"].map(|name| dir.path().join(name));
    assert_eq!(epochs(&falls, |epoch| -f64::from(epoch)).unwrap(), 90);
    // Epochs 2 and 3 are worse than the first. When the loop learns it depends on the machine.
    let last = epochs(&rises, f64::from).unwrap();
    assert!(last > 45, "{last}");
    let summary = std::fs::read(rises.join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["stop"]["measured_step"], 45, "{summary:#}");
    let val_loss = Table::read(&falls, "metrics.csv").column("val_loss");
    assert_eq!(val_loss.iter().filter(|cell| !cell.is_empty()).count(), 6);
}

#[test]
fn gradients_are_accumulated() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path();
    let vs = VarStore::new(Device::Cpu);
    let net = network(&vs.root());
    let mut opt = sgd(&vs)?;
    let mut monitor = Monitor::builder(folder).every(2).attach(&vs)?;
    for batch in 1..=24 {
        let loss = loss_of(&net) / 4;
        loss.backward();
        if batch % 4 == 0 {
            opt.step();
            opt.zero_grad();
            let _ = monitor.tick(&[("loss", 4.0 * value(&loss))])?;
        }
    }
    monitor.finish()?;
    assert_eq!(Table::read(folder, "emergence.csv").column("step"), ["0", "2", "4", "6"]);
    Ok(())
}

#[test]
fn a_generator_and_a_discriminator_are_one_run() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path();
    let [generator, discriminator] = [0, 1].map(|_| VarStore::new(Device::Cpu));
    let g = network(&generator.root());
    let d = network(&discriminator.root());
    let (mut opt_g, mut opt_d) = (sgd(&generator)?, sgd(&discriminator)?);
    let stores = [("generator", &generator), ("discriminator", &discriminator)];
    let mut monitor = Monitor::builder(folder).every(5).attach_groups(stores)?;
    for step in 1..=10 {
        let real = (-d.forward(&noise())).softplus().mean(Kind::Float);
        let fake = d.forward(&g.forward(&noise()).detach()).softplus().mean(Kind::Float);
        let d_loss = real + fake;
        opt_d.backward_step(&d_loss);
        let g_loss = (-d.forward(&g.forward(&noise()))).softplus().mean(Kind::Float);
        opt_g.backward_step(&g_loss);
        let _ = monitor.step(step, &[("d_loss", value(&d_loss)), ("g_loss", value(&g_loss))])?;
    }
    monitor.finish()?;
    let layers = Table::read(folder, "layers.csv");
    let groups = layers.column("scope").iter().filter(|scope| *scope == "group").count();
    assert_eq!(groups, 2 * 3);
    Ok(())
}

#[test]
fn actor_and_critic_have_targets_that_do_not_count() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path();
    let [actor, critic, mut target] = [0, 1, 2].map(|_| VarStore::new(Device::Cpu));
    let [pi, q, q_target] = [&actor, &critic, &target].map(|vs| network(&vs.root()));
    target.copy(&critic)?;
    let (mut opt_pi, mut opt_q) = (sgd(&actor)?, sgd(&critic)?);
    let builder = Monitor::builder(folder).every(5).axis("env_steps");
    let mut monitor = builder.attach_groups([("actor", &actor), ("critic", &critic)])?;
    for episode in 1..=10 {
        let (state, next) = (noise(), noise());
        let wanted = state.cumsum(1, Kind::Float) + q_target.forward(&next).detach() * 0.9;
        opt_q.backward_step(&q.forward(&state).mse_loss(&wanted, Reduction::Mean));
        opt_pi.backward_step(&-q.forward(&pi.forward(&state)).mean(Kind::Float));
        target.copy(&critic)?;
        let env_steps = 200.0 * episode as f64;
        let _ = monitor.step(episode, &[("env_steps", env_steps)])?;
    }
    monitor.finish()?;
    let rows = Table::read(folder, "emergence.csv");
    assert_eq!(rows.column("env_steps"), ["0.0", "1000.0", "2000.0"]);
    let layers = Table::read(folder, "layers.csv").column("part");
    assert!(layers.contains(&"critic".to_owned()));
    assert!(!layers.iter().any(|part| part.contains("target")));
    Ok(())
}

#[test]
fn a_frozen_backbone_is_left_out_until_it_is_trained() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path();
    let vs = VarStore::new(Device::Cpu);
    let backbone = network(&(vs.root() / "backbone"));
    let head = network(&(vs.root() / "head"));
    for (name, variable) in vs.variables() {
        let _ = variable.set_requires_grad(!name.starts_with("backbone."));
    }
    let net = nn::seq().add(backbone).add(head);
    let mut opt = sgd(&vs)?;
    let mut monitor = Monitor::builder(folder).every(5).exclude("backbone.*").attach(&vs)?;
    for step in 1..=10 {
        let loss = loss_of(&net);
        opt.backward_step(&loss);
        let _ = monitor.step(step, &[("loss", value(&loss))])?;
    }
    let names = monitor.network().connections().iter().map(|c| c.parameter.clone());
    assert_eq!(names.collect::<Vec<_>>(), ["head.fc1.weight", "head.fc2.weight"]);
    monitor.finish()?;
    assert_eq!(Table::read(folder, "emergence.csv").column("same_as"), ["", "", ""]);
    Ok(())
}

#[test]
fn weights_may_be_bf16() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path();
    let mut vs = VarStore::new(Device::Cpu);
    let net = network(&vs.root());
    vs.bfloat16();
    let mut opt = sgd(&vs)?;
    let mut monitor = Monitor::builder(folder).every(5).attach(&vs)?;
    for step in 1..=10 {
        let x = noise().to_kind(Kind::BFloat16);
        let loss = net.forward(&x).mse_loss(&x, Reduction::Mean);
        opt.backward_step(&loss);
        let _ = monitor.step_with(step, || [("loss", loss.double_value(&[]))])?;
    }
    monitor.finish()?;
    assert_eq!(Table::read(folder, "emergence.csv").column("status"), ["ok"; 3]);
    Ok(())
}

#[test]
fn training_has_a_thread_of_its_own() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path().to_owned();
    let training = std::thread::spawn(move || -> Result<neuromfa::Summary> {
        let vs = VarStore::new(Device::Cpu);
        let net = network(&vs.root());
        let mut opt = sgd(&vs)?;
        let mut monitor = Monitor::builder(folder).every(5).attach(&vs)?;
        for step in 1..=10 {
            let loss = loss_of(&net);
            opt.backward_step(&loss);
            let _ = monitor.step(step, &[("loss", value(&loss))])?;
        }
        Ok(monitor.finish()?)
    });
    let summary = training.join().expect("training does not panic")?;
    assert_eq!(summary.rows(), 3);
    Ok(())
}

#[test]
fn a_subscriber_gets_what_the_terminal_would() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path();
    let vs = VarStore::new(Device::Cpu);
    let net = network(&vs.root());
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).try_init();
    let mut monitor = Monitor::builder(folder).every(5).attach(&vs)?;
    let mut opt = sgd(&vs)?;
    for step in 1..=10 {
        let loss = loss_of(&net);
        opt.backward_step(&loss);
        if monitor.step(step, &[("loss", value(&loss))])?.should_stop() {
            break;
        }
    }
    let summary = monitor.finish()?;
    tracing::info!("{summary}");
    assert!(tracing::dispatcher::has_been_set());
    Ok(())
}

/// Trains up to `last`, from the checkpoint if there is one.
fn train_on(folder: &Path, last: u64) -> Result<u64> {
    let mut vs = VarStore::new(Device::Cpu);
    let net = network(&vs.root());
    let (saved, saved_step) = (folder.join("saved.safetensors"), folder.join("saved_step"));
    let done = match std::fs::read_to_string(&saved_step) {
        Ok(step) => {
            vs.load(&saved)?;
            step.parse()?
        }
        Err(_) => 0,
    };
    let builder = Monitor::builder(folder.join("run")).every(5);
    let mut monitor = builder.resume_at(done + 1).attach(&vs)?;
    let mut opt = sgd(&vs)?;
    for step in done + 1..=last {
        let loss = loss_of(&net);
        opt.backward_step(&loss);
        let _ = monitor.step(step, &[("loss", value(&loss))])?;
        if step % 10 == 0 {
            monitor.flush()?;
            vs.save(&saved)?;
            std::fs::write(&saved_step, step.to_string())?;
        }
    }
    monitor.finish()?;
    Ok(done)
}

#[test]
fn a_run_continues_from_its_checkpoint() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    assert_eq!(train_on(dir.path(), 13)?, 0);
    assert_eq!(train_on(dir.path(), 20)?, 10);
    let steps = |name| Table::read(&dir.path().join("run"), name).column("step");
    assert_eq!(steps("emergence.csv"), ["0", "5", "10", "15", "20"]);
    assert_eq!(steps("metrics.csv").len(), 20);
    Ok(())
}

#[test]
fn the_best_weights_are_loaded_again() -> Result<()> {
    let (_alone, dir) = (seeded(), tempfile::tempdir()?);
    let folder = dir.path();
    let mut vs = VarStore::new(Device::Cpu);
    let net = network(&vs.root());
    let mut opt = sgd(&vs)?;
    let best_file = folder.join("best.safetensors");
    let mut monitor = Monitor::builder(folder.join("run")).every(5).attach(&vs)?;
    let (mut best, mut best_step) = (f64::INFINITY, 0);
    for step in 1..=20 {
        let loss = loss_of(&net);
        opt.backward_step(&loss);
        let val_loss = [3.0, 2.0, 4.0, 1.0][(step as usize - 1) / 5];
        let _ = monitor.step(step, &[("val_loss", val_loss)])?;
        if val_loss < best {
            (best, best_step) = (val_loss, step);
            vs.save(&best_file)?;
        } else if val_loss > best {
            vs.load(&best_file)?;
            monitor.rolled_back(best_step)?;
        }
    }
    monitor.finish()?;
    let back = Table::read(&folder.join("run"), "metrics.csv").column("rolled_back_to");
    let expected = |step: u64| if (12..=16).contains(&step) { "6" } else { "" };
    assert_eq!(back, (1..=20).map(expected).collect::<Vec<_>>());
    Ok(())
}

/// Each block of code of docs/loops.md, whose lines are those of a recipe up to their indentation.
#[test]
fn the_documentation_quotes_the_recipes() {
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let recipes = lines(include_str!("recipes.rs"));
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/loops.md"));
    let text = text.unwrap();
    let blocks: Vec<&str> = text
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("a block ends").0)
        .collect();
    assert!(blocks.len() >= 10, "{}", blocks.len());
    for block in blocks {
        let quoted = lines(block.trim_end());
        assert!(recipes.contains(&quoted), "no recipe has:\n{block}");
    }
}
