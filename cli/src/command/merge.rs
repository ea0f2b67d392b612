//! `neuromfa merge`

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use clap::Args;
use neuromfa::Replay;
use neuromfa::internals::replay::{merge, shards_of};

use crate::output::{Outcome, Output};

const EXAMPLES: &str = "Examples:
  neuromfa merge shards/ --out analysed
  neuromfa merge shards/shard-1-of-2.bin shards/shard-2-of-2.bin --out a";

/// Merge the shards that `analyze --shard` wrote into the run of one process.
///
/// The run is, byte for byte, the one that analyze writes without --shard, times aside. All shards must be
/// there, whole, and of the same checkpoints, options and version. No checkpoint is read, but for
/// --rescaled-start.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Merge {
    /// Folders of shards, or their files.
    #[arg(required = true, value_name = "SHARDS")]
    shards: Vec<PathBuf>,
    /// Folder to write the run to.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Replace an existing run.
    #[arg(long, help_heading = "Run")]
    overwrite: bool,
    /// If RUN holds a run, write to RUN-2, RUN-3, .., the first one that is free.
    #[arg(long, conflicts_with = "overwrite", help_heading = "Run")]
    numbered: bool,
    /// Print the summary as JSON, as in summary.json.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl Merge {
    pub fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let mut into = Replay::new(self.out);
        if self.overwrite {
            into = into.overwrite();
        }
        if self.numbered {
            into = into.numbered();
        }
        let summary = merge(into, &self.shards)?;
        match self.json {
            true => output.json(&summary)?,
            false => output.closing(&format!("{summary}\n"))?,
        }
        Ok(Outcome::Done)
    }
}

/// Taken by the process that merges.
const LOCK: &str = "merge.lock";

/// Merges the shards of a folder into a run, if all of them are there. Of processes that end at the same
/// time one does it, and the others see its run.
pub fn merge_once(
    shards: &Path,
    into: PathBuf,
    overwrite: bool,
    output: Output,
) -> anyhow::Result<Outcome> {
    let path = shards.join(LOCK);
    let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.with_context(|| format!("cannot lock {}", path.display()))?;
    let files = match shards_of(shards)? {
        Ok(files) => files,
        Err(why) => {
            output.closing(&format!("not merged, as other shards are not done: {why}\n"))?;
            return Ok(Outcome::Done);
        }
    };
    let written = |path: &Path| path.metadata().and_then(|file| file.modified());
    let newest: Option<SystemTime> = files.iter().filter_map(|path| written(path).ok()).max();
    if written(&into.join("summary.json")).is_ok_and(|run| Some(run) > newest) {
        return Ok(Outcome::Done);
    }
    let merge = Merge {
        shards: vec![shards.to_owned()],
        out: into,
        overwrite,
        numbered: false,
        json: false,
    };
    merge.run(output)
}
