//! `neuromfa watch`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressStyle;
use neuromfa::Row;
use neuromfa::internals::analysis::p_text;
use neuromfa::internals::record::{Column, Kind, View, printable, shown_in};
use neuromfa::source::Checkpoint;

use super::method::Method;
use crate::output::{Outcome, Output};
use crate::steps::StepPattern;
use crate::watch::Watch as Watching;

const EXAMPLES: &str = "Examples:
  neuromfa watch checkpoints/ --out analysed              until Ctrl-C
  neuromfa watch checkpoints/ --out analysed --pid 4711   until that ends
  neuromfa watch checkpoints/ --out analysed --idle 600 --quiet";

/// Analyse checkpoints while a trainer, in any language, writes them.
///
/// Checks DIR once a second; DIR need not exist yet. A checkpoint is analysed when its files were the
/// same at two checks and it opens. It is read through a copy, so a trainer may rewrite it meanwhile. Resumes RUN from its last recorded step, also after a crash.
/// Ctrl-C finishes the current row and writes the summary.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// The folder that the trainer writes its checkpoints to.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder to write the run to, or folder of a run to resume.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Seconds between two checks of DIR.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    every: Duration,
    /// End once this step, or a later one, is analysed.
    #[arg(long, value_name = "STEP")]
    until_step: Option<u64>,
    /// End when nothing was written for this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<Duration>,
    /// End when this process, the trainer, has ended and what it wrote is analysed.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Leave out a checkpoint that is complete but did not open at this many checks.
    #[arg(long, default_value_t = 30, value_name = "LOOKS")]
    give_up_after: u32,
    #[command(flatten)]
    steps: StepPattern,
    #[command(flatten)]
    method: Method,
    /// Replace an existing run instead of resuming it.
    #[arg(long, help_heading = "Run")]
    overwrite: bool,
    /// Print the summary as JSON, as in summary.json, and no line for each row.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// More than 0 seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "it is not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("must be more than 0 seconds".to_owned()),
    }
}

impl Watch {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        // The second time there is no waiting for the row in hand.
        let handler = move || {
            if asked.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        };
        ctrlc::set_handler(handler).context("cannot catch Ctrl-C")?;
        let mut watching =
            Watching::new(&self.folder).every(self.every).give_up_after(self.give_up_after);
        if let Some(step) = self.until_step {
            watching = watching.until_step(step);
        }
        if let Some(time) = self.idle {
            watching = watching.idle(time);
        }
        if let Some(id) = self.pid {
            watching = watching.process(id);
        }
        // Where the run is, there is room.
        let parent = self.out.parent().filter(|parent| parent.is_dir());
        if let Some(folder) = Some(self.out.as_path()).filter(|out| out.is_dir()).or(parent) {
            watching = watching.copies(folder);
        }
        watching = watching.steps(self.steps.clone());
        let Self { method, out, overwrite, json, folder, .. } = self;
        // Drawn on a terminal only.
        let waiting = output.bar(0);
        waiting.set_style(ProgressStyle::with_template("{spinner} {msg} ({elapsed})")?);
        let place = folder.display().to_string();
        let place = printable(&place).into_owned();
        waiting.set_message(format!("waiting for a checkpoint in {place}; Ctrl-C ends"));
        waiting.enable_steady_tick(Duration::from_millis(200));
        let line_of = waiting.clone();
        let replay = |first: &Checkpoint| {
            let replay = method.replay(out, Some(first))?;
            let replay = if overwrite { replay.overwrite() } else { replay.resume() };
            Ok::<_, anyhow::Error>(replay.on_row(move |row| {
                let step = row.step();
                line_of.set_message(format!(
                    "step {step} is analysed; waiting for the next checkpoint in {place}; Ctrl-C ends"
                ));
                line_of.reset_elapsed();
                let print = || if json { Ok(()) } else { output.closing(&line(row)) };
                if let Err(error) = line_of.suspend(print) {
                    tracing::warn!("{error}");
                }
            }))
        };
        let summary = watching.run(replay, &stop);
        waiting.finish_and_clear();
        let Some(summary) = summary? else {
            crate::output::say(&format!("no checkpoint was analysed in {}", folder.display()));
            let asked = stop.load(Ordering::Relaxed);
            return Ok(if asked { Outcome::Done } else { Outcome::Found });
        };
        match json {
            true => output.json(&summary)?,
            false => output.closing(&format!("{summary}\n"))?,
        }
        Ok(Outcome::Done)
    }
}

/// A row: the measures of structure with their p, E of both estimators, the status.
fn line(row: &Row) -> String {
    let of = |name: &str| {
        row.value(name).map_or_else(|| format!("{name} -"), |value| format!("{name} {value:.5}"))
    };
    let with_p = |name: &str| {
        let p = row.value(&format!("{name}_p")).map(|p| format!(" ({})", p_text(p)));
        of(name) + &p.unwrap_or_default()
    };
    let number = |column: &Column<Row>| match column.kind {
        Kind::Structure => with_p(column.name),
        _ => of(column.name),
    };
    let numbers = shown_in(View::Headline).into_iter().map(number).collect::<Vec<_>>().join("  ");
    let status = row.status();
    let same = row.value("same_as").map(|step| format!(", the weights of step {step}"));
    let same = same.unwrap_or_default();
    format!("step {}  {numbers}  {status}{same}\n", row.step())
}
