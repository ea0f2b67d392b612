//! `neuromfa analyze`

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use neuromfa::Replay;
use neuromfa::internals::replay::{Shard, analyse_shard};
use neuromfa::source::Checkpoint;

use super::given::Reading;
use super::merge::merge_once;
use super::method::Method;
use super::shards::shard;
use crate::output::{Outcome, Output};
use crate::steps::StepOptions;

const EXAMPLES: &str = "Examples:
  neuromfa analyze checkpoints/ --out analysed
  neuromfa analyze step-0.pt step-900.pt --out analysed --numbered
  neuromfa analyze checkpoints/ --out analysed --resume    after more came
  neuromfa analyze checkpoints/ --out shards --shard 3/8    then: merge
  neuromfa analyze ckpts/ --out s --shard 3/8 --merge-into run
  neuromfa analyze model.pt --out one --exclude 'decoder.*'
  neuromfa analyze hf://EleutherAI/pythia-160m --revisions pythia --out run
  neuromfa analyze s3://bucket/run --out run --drawn-only --samples 2
  neuromfa analyze 'https://host/step-{step}.pt' --steps 0,100,200 --out run";

/// Analyse checkpoints and write a run directory, like that of the monitor.
///
/// Each CHECKPOINT is a file (safetensors; .pt, .pth, .bin of PyTorch; .ckpt of Lightning; .ot of tch),
/// the index of a sharded one, a folder that holds model.safetensors, pytorch_model.bin or a distributed
/// checkpoint of torch, or a folder of checkpoints: checkpoint-N/, stepN/, *-stepN.safetensors,
/// ckpt_N.pt, epoch=0-step=N.ckpt. They are ordered by step; the first is the baseline that E compares
/// against. Where no name says a step, those that trainers note in the files count.
///
/// A CHECKPOINT may lie on another machine: hf://ORG/MODEL[@REVISION][/PATH], s3://BUCKET/PREFIX, or the
/// https:// address of a file. Of it, only the parts that the analysis needs are read.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Analyze {
    /// Checkpoints, or folders of them.
    #[arg(required = true, value_name = "CHECKPOINT")]
    checkpoints: Vec<PathBuf>,
    /// Folder to write the run to.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    #[command(flatten)]
    steps: StepOptions,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    method: Method,
    /// Replace an existing run.
    #[arg(long, conflicts_with = "resume", help_heading = "Run")]
    overwrite: bool,
    /// If RUN holds a run, write to RUN-2, RUN-3, .., the first one that is free.
    #[arg(long, conflicts_with_all = ["overwrite", "resume"], help_heading = "Run")]
    numbered: bool,
    /// Resume an interrupted analysis of the same checkpoints.
    #[arg(long, help_heading = "Run")]
    resume: bool,
    /// Analyse the I-th of N parts of the checkpoints, from 1 on, into a file in RUN; `neuromfa merge` makes
    /// the run of all N. auto: I and N from mpirun, mpiexec or srun.
    #[arg(long, value_name = "I/N", value_parser = shard, help_heading = "Run", conflicts_with_all = [
        "numbered", "json", "prometheus",
    ])]
    shard: Option<Shard>,
    /// When all N shards are done, merge them into the run in this folder: the job that ends last does it.
    #[arg(long, value_name = "FOLDER", requires = "shard", help_heading = "Run")]
    merge_into: Option<PathBuf>,
    /// Print the summary as JSON, as in summary.json.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl Analyze {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let bar = output.bar(0);
        let style =
            "{bar:30} {pos}/{len} checkpoints, {elapsed} so far, {eta} to go {msg} {prefix}";
        bar.set_style(ProgressStyle::with_template(style)?);
        let given = self.reading.find(&self.checkpoints, &self.steps, &bar)?;
        let checkpoints = &given.checkpoints;
        bar.set_length(checkpoints.len() as u64);
        let mut replay = self.method.replay(self.out.clone(), checkpoints.first())?;
        if self.overwrite {
            replay = replay.overwrite();
        }
        if self.numbered {
            replay = replay.numbered();
        }
        if self.resume {
            replay = replay.resume();
        }
        if let Some(shard) = self.shard {
            let replay = given.opened(replay);
            let done = analyse(shard, replay, checkpoints, &self.out, &bar)?;
            return match self.merge_into {
                Some(into) => {
                    output.closing(&format!("{done}\n"))?;
                    merge_once(&self.out, shard, into, self.overwrite, output)
                }
                None => {
                    let out = self.out.display();
                    output.closing(&format!(
                        "{done}; when all shards are there: neuromfa merge {out} --out RUN\n"
                    ))?;
                    Ok(Outcome::Done)
                }
            };
        }
        let progress: ProgressBar = bar.clone();
        replay = replay.on_row(move |row| {
            progress.set_message(format!("(step {})", row.step()));
            progress.inc(1);
        });
        bar.tick();
        let summary = given.opened(replay).run(checkpoints);
        bar.finish_and_clear();
        let summary = summary?;
        match self.json {
            true => output.json(&summary)?,
            false => output.closing(&format!("{summary}\n{}", given.counted()))?,
        }
        Ok(Outcome::Done)
    }
}

/// Analyses a shard, and says what is done.
fn analyse(
    shard: Shard,
    replay: Replay,
    checkpoints: &[Checkpoint],
    out: &Path,
    bar: &ProgressBar,
) -> anyhow::Result<String> {
    bar.set_length(shard.own(checkpoints.len()).len() as u64);
    bar.tick();
    let analysed = analyse_shard(replay, shard, checkpoints, |step| {
        bar.set_message(format!("(step {step})"));
        bar.inc(1);
    });
    bar.finish_and_clear();
    let (n, file) = (analysed?, shard.file(out));
    Ok(format!("{n} of {} checkpoints in {}", checkpoints.len(), file.display()))
}
