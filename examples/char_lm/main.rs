//! A character-level GPT-NeoX trained on Rust sources.
//!
//!     cargo run --release --example char_lm -- --help

mod checkpoint;
mod model;
mod text;

use std::f64::consts::PI;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tch::nn::{self, OptimizerConfig};
use tch::{Cuda, Device};

use checkpoint::{Checkpoints, TrainerState};
use model::GptNeoX;
use text::Text;

/// Trains a character-level GPT-NeoX.
#[derive(Debug, Parser, Serialize)]
struct Options {
    /// Updates in all
    #[arg(long, default_value_t = 600)]
    steps: u64,
    /// Transformer blocks
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i64).range(1..))]
    blocks: i64,
    /// Features of the residual stream, a multiple of 16
    #[arg(long, default_value_t = 128, value_parser = width)]
    width: i64,
    /// Characters that the model sees at once
    #[arg(long, default_value_t = 64)]
    context: usize,
    /// Windows per update
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Highest learning rate: reached after a tenth of the steps, a tenth of it left at the end
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// Seed of the weights and of the batches
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Analyse (and with --save-checkpoints, save) every so many steps
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Text to learn [default: the Rust sources in Cargo's registry folder]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Run directory [default: the first free runs/char_lm-N]
    #[arg(long, value_name = "DIR")]
    #[serde(skip)]
    run: Option<PathBuf>,
    /// Go on from the run's newest checkpoint
    #[arg(long, requires = "run")]
    #[serde(skip)]
    resume: bool,
    /// Save the weights at step 0 and at every analysed step, in the Hugging Face layout
    #[arg(long)]
    #[serde(skip)]
    save_checkpoints: bool,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu", value_parser = device)]
    #[serde(skip)]
    device: Device,
    /// Threads of libtorch [default: its own choice]
    #[arg(long)]
    #[serde(skip)]
    threads: Option<i32>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(threads) = options.threads {
        tch::set_num_threads(threads);
    }
    tch::manual_seed(options.seed as i64);

    let text = Text::read(options.text.as_deref())?;
    text.check(options.context)?;
    let config = model::Config {
        vocabulary: text.vocabulary.len() as i64,
        blocks: options.blocks,
        width: options.width,
        context: options.context as i64,
    };
    let mut weights = nn::VarStore::new(options.device);
    let model = GptNeoX::new(&weights.root(), &config);
    println!(
        "{} weights learn {} characters ({} different) of {}",
        weights.trainable_variables().iter().map(|weight| weight.numel()).sum::<usize>(),
        text.len(),
        text.vocabulary.len(),
        text.origin,
    );

    let run = options.run.clone().map_or_else(free_run, Ok)?;
    let checkpoints = Checkpoints {
        folder: run.join("checkpoints"),
        config: config.hugging_face(),
        vocabulary: vocabulary(&text),
        arguments: arguments(&options, &text)?,
    };
    let mut state = start(&options, &checkpoints, &mut weights)?;
    if options.save_checkpoints && state.global_step == 0 {
        checkpoints.save(&weights, &state)?;
    }

    let mut optimizer = nn::adamw(0.9, 0.95, 0.1).build(&weights, options.lr)?;
    let started = Instant::now();
    for step in state.global_step + 1..=options.steps {
        let (inputs, targets) = text.batch(options.seed, step, options.batch, options.context);
        let loss = model.loss(&inputs.to(options.device), &targets.to(options.device));
        let lr = learning_rate(&options, step);
        optimizer.set_lr(lr);
        optimizer.backward_step_clip_norm(&loss, 1.0);

        let scalars = [("loss", loss.double_value(&[])), ("learning_rate", lr)];
        if step % options.every == 0 {
            println!("{step:>6} {:>8.4}", scalars[0].1);
            state.log(step, &scalars);
            if options.save_checkpoints {
                checkpoints.save(&weights, &state)?;
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("loss on the held-out text: {:.4}", held_out_loss(&model, &text, &options));
    println!("training took {seconds:.1} s");
    Ok(())
}

/// Where the loop begins: at step 0, or after the checkpoint that a resumed run goes on from.
fn start(
    options: &Options,
    checkpoints: &Checkpoints,
    weights: &mut nn::VarStore,
) -> Result<TrainerState> {
    let folder = checkpoints.folder.display();
    match (options.resume, checkpoints.newest()?) {
        (false, None) => Ok(TrainerState::default()),
        (false, Some(_)) => bail!(
            "{folder} holds checkpoints of an earlier run: add --resume, or name another --run"
        ),
        (true, None) => bail!(
            "{folder} holds no checkpoint: only a run made with --save-checkpoints can be resumed"
        ),
        (true, Some(newest)) => {
            let state = checkpoints.load(&newest, weights)?;
            println!(
                "resumed from {}; the optimizer's moments, which tch cannot save, start anew",
                newest.display()
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
    const BATCHES: usize = 32;
    tch::no_grad(|| {
        text.held_out(BATCHES, options.batch, options.context)
            .map(|(inputs, targets)| {
                model
                    .loss(&inputs.to(options.device), &targets.to(options.device))
                    .double_value(&[])
            })
            .sum::<f64>()
            / BATCHES as f64
    })
}

fn vocabulary(text: &Text) -> Value {
    text.vocabulary
        .iter()
        .zip(0..)
        .map(|(c, token)| (c.to_string(), json!(token)))
        .collect::<Map<_, _>>()
        .into()
}

fn arguments(options: &Options, text: &Text) -> Result<Value> {
    let mut arguments = serde_json::to_value(options)?;
    arguments["characters"] = text.len().into();
    Ok(arguments)
}

fn free_run() -> Result<PathBuf> {
    (1..)
        .map(|n| PathBuf::from(format!("runs/char_lm-{n}")))
        .find(|run| !run.exists())
        .context("every runs/char_lm-N exists")
}

fn width(argument: &str) -> Result<i64> {
    let width: i64 = argument.parse()?;
    ensure!(width > 0 && width % 16 == 0, "{width} is no positive multiple of 16");
    Ok(width)
}

fn device(argument: &str) -> Result<Device> {
    let index = match argument.split_once(':') {
        None if argument == "cpu" => return Ok(Device::Cpu),
        None if argument == "cuda" => 0,
        Some(("cuda", index)) => index.parse()?,
        _ => bail!("cpu, cuda or cuda:N"),
    };
    let found = Cuda::device_count();
    ensure!((index as i64) < found, "libtorch sees {found} CUDA devices");
    Ok(Device::Cuda(index))
}
