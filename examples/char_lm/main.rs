//! A character-level GPT-NeoX that learns Rust.
//!
//!     cargo run --release --example char_lm -- --help

mod checkpoint;
mod model;
mod options;
mod text;

use std::f64::consts::PI;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Parser;
use neuromfa::{Monitor, OnFailure, Row};
use tch::nn::{self, OptimizerConfig};

use checkpoint::{Checkpoints, TrainerState};
use model::GptNeoX;
use options::{Options, Switch};
use text::Text;

fn main() -> Result<()> {
    let options = Options::parse();
    // As programs do: the monitor's messages are events, here lines on standard error.
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    lines.without_time().with_target(false).init();
    tch::set_num_threads(options.libtorch_threads());
    tch::manual_seed(options.seed as i64);

    let text = Text::read(options.text.as_deref(), options.context as usize)?;
    let config = model::Config {
        vocabulary: text.vocabulary.len() as i64,
        blocks: options.blocks,
        width: options.width,
        context: options.context,
    };
    let mut vs = nn::VarStore::new(options.device);
    let model = GptNeoX::new(&vs.root(), &config);
    println!(
        "{} weights learn {} characters ({} different) of {}",
        vs.trainable_variables().iter().map(|weight| weight.numel()).sum::<usize>(),
        text.len(),
        text.vocabulary.len(),
        text.origin,
    );

    let run = options.run_directory();
    let checkpoints = Checkpoints::new(&run, &options, &config, &text)?;
    let mut state = start(&options, &checkpoints, &mut vs)?;
    let mut monitor = match options.monitor {
        Switch::On => Some(attach(&run, &options, &state, &vs)?),
        Switch::Off => None,
    };
    if options.save_checkpoints && !options.resume {
        checkpoints.save(&vs, &state)?;
    }

    let mut optimizer = nn::adamw(0.9, 0.95, 0.1).build(&vs, options.lr)?;
    let started = Instant::now();
    for step in state.global_step + 1..=options.steps {
        let (inputs, targets) = text.batch(&options, step);
        let loss = model.loss(&inputs, &targets);
        let learning_rate = learning_rate(&options, step);
        optimizer.set_lr(learning_rate);
        optimizer.backward_step_clip_norm(&loss, 1.0);

        let scalars = [("loss", loss.double_value(&[])), ("learning_rate", learning_rate)];
        match &mut monitor {
            Some(monitor) => drop(monitor.step(step, &scalars)?),
            None if step % options.every == 0 => println!("{step:>6}  {:>6.4}", scalars[0].1),
            None => {}
        }
        if options.save_checkpoints && step % options.every == 0 {
            // The run's files reach at least as far as its newest checkpoint.
            monitor.as_mut().map_or(Ok(()), Monitor::flush)?;
            state.log(step, &scalars);
            checkpoints.save(&vs, &state)?;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    monitor.as_mut().map_or(Ok(()), Monitor::flush)?; // so that its last row is printed
    let held_out = tch::no_grad(|| held_out_loss(&model, &text, &options));
    println!("held-out loss {held_out:.4}; training took {seconds:.2} s");
    if let Some(monitor) = monitor {
        println!("{}", monitor.finish()?);
        look_at(&run);
    }
    Ok(())
}

/// Says how to look at a run. `make demo` leaves the command in this folder.
fn look_at(run: &Path) {
    let here = Path::new("neuromfa").exists();
    let command = if here { "./neuromfa" } else { "neuromfa" };
    let run = run.display();
    println!(
        "\nLook at it:\n  \
         {command} report {run} --html   # writes report.html\n  \
         {command} show {run}            # a table\n  \
         tensorboard --logdir {run}/tb"
    );
    if !here {
        println!("The command: cargo install --path cli, or cargo install neuromfa-cli");
    }
}

/// The monitor of a new run, or of a resumed one from the first step that is run again.
fn attach(
    run: &Path,
    options: &Options,
    state: &TrainerState,
    vs: &nn::VarStore,
) -> Result<Monitor> {
    println!(
        "  step    loss  alpha0       w        E  shuffled  E_stable  width_excess      p  \
         alpha0_excess      p"
    );
    let mut monitor = Monitor::builder(run)
        .every(options.every)
        .work(options.work.into())
        .on_failure(OnFailure::KeepTraining)
        .on_row(print);
    if let Some(share) = options.budget {
        monitor = monitor.budget(share);
    }
    if options.resume {
        monitor = monitor.resume_at(state.global_step + 1);
    }
    Ok(monitor.attach(vs)?)
}

fn print(row: &Row) {
    let cell = |name| row.value(name).map_or("-".into(), |value| format!("{value:.4}"));
    let [loss, alpha0, width] = ["loss", "alpha0", "width"].map(cell);
    let [e, shuffled, e_stable] = ["E", "E_shuffled", "E_stable"].map(cell);
    let fine = |name| row.value(name).map_or("-".into(), |value| format!("{value:.5}"));
    let [wider, higher] = ["width_excess", "alpha0_excess"].map(fine);
    let p = |name| match row.value(name) {
        Some(p) if p < 0.001 => "<0.001".to_owned(),
        Some(p) => format!("{p:.3}"),
        None => "-".to_owned(),
    };
    let [p_wider, p_higher] = ["width_excess_p", "alpha0_excess_p"].map(p);
    println!(
        "{:>6}  {loss:>6}  {alpha0:>6}  {width:>6}  {e:>7}  {shuffled:>8}  {e_stable:>8}  \
         {wider:>12}  {p_wider:>6}  {higher:>13}  {p_higher:>6}",
        row.step(),
    );
}

/// Where the loop begins: at step 0, or after the checkpoint from which a run is resumed.
fn start(
    options: &Options,
    checkpoints: &Checkpoints,
    vs: &mut nn::VarStore,
) -> Result<TrainerState> {
    let folder = checkpoints.folder.display();
    match (options.resume, checkpoints.newest()?) {
        (false, None) => Ok(TrainerState::default()),
        (false, Some(_)) => {
            bail!("{folder} is of an earlier run: add --resume, or name another --run")
        }
        (true, None) => {
            bail!("{folder} holds no checkpoint: only a run with --save-checkpoints can be resumed")
        }
        (true, Some(newest)) => {
            let state = checkpoints.load(&newest, vs)?;
            println!(
                "resumed from {}; the optimizer's moments, which tch cannot save, start from zero",
                newest.display(),
            );
            Ok(state)
        }
    }
}

/// Rises over the first tenth of the steps, then falls along a cosine to a tenth of its height.
fn learning_rate(options: &Options, step: u64) -> f64 {
    let (step, steps) = (step as f64, options.steps as f64);
    let warm_up = (steps / 10.0).max(1.0);
    if step < warm_up {
        return options.lr * step / warm_up;
    }
    let progress = (step - warm_up) / (steps - warm_up).max(1.0);
    options.lr * (0.55 + 0.45 * (PI * progress).cos())
}

fn held_out_loss(model: &GptNeoX, text: &Text, options: &Options) -> f64 {
    const BATCHES: i64 = 32;
    let batches = text.held_out(options, BATCHES);
    let losses = batches.map(|(inputs, targets)| model.loss(&inputs, &targets).double_value(&[]));
    losses.sum::<f64>() / BATCHES as f64
}
